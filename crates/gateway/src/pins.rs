//! What the `x-tierway-...` headers of a request ask for.

use bytes::Bytes;
use http::HeaderMap;
use std::sync::Arc;
use tierway::{Call, Purpose, Refusal};
use tierway_decide::{Caller, Ladder, Pins, TierId};
use tierway_wire::{ApiError, Format};

/// How all headers begin that are for us.
const OURS: &str = "x-tierway-";
/// Longest name of a session or user that is kept.
const MAX_NAME: usize = 200;
/// Only decide, call nobody.
const DRY_RUN: &str = "x-tierway-dry-run";

/// A call with everything that its headers say.
///
/// # Errors
/// A header names a tier that there is not, a name is too long, or a word is neither yes nor no.
pub(crate) fn call(
    format: Format,
    body: Bytes,
    headers: HeaderMap,
    caller: Arc<Caller>,
    ladder: &Ladder,
) -> Result<Call, Refusal> {
    let (pins, purpose) = (Pins::default(), Purpose::Client);
    let mut call =
        Call { format, body, headers, caller, account: None, pins, session: None, user: None, dry_run: false, purpose };
    // Most requests have none of them, and six look-ups cost more than one pass over the few names that there are.
    if call.headers.keys().any(|name| name.as_str().starts_with(OURS)) {
        read(&mut call, ladder)?;
    }
    Ok(call)
}

fn read(call: &mut Call, ladder: &Ladder) -> Result<(), Refusal> {
    let headers = &call.headers;
    let pins = Pins {
        exact: tier(headers, "x-tierway-tier", ladder)?,
        floor: tier(headers, "x-tierway-min-tier", ladder)?,
        ceiling: tier(headers, "x-tierway-max-tier", ladder)?,
    };
    if let (Some(floor), Some(ceiling)) = (pins.floor, pins.ceiling)
        && floor > ceiling
    {
        let [floor, ceiling] = [floor, ceiling].map(|tier| &ladder.tier(tier).name);
        let message = format!("x-tierway-min-tier `{floor}` is above x-tierway-max-tier `{ceiling}`; send one of them");
        return Err(Refusal::caller(ApiError::new(400, message).with_param("x-tierway-min-tier")));
    }
    call.pins = pins;
    call.session = name(headers, "x-tierway-session")?;
    call.user = name(headers, "x-tierway-user")?;
    call.dry_run = match name(headers, DRY_RUN)?.as_deref() {
        None | Some("0" | "false") => false,
        Some("1" | "true") => true,
        // Taken for a no, it would be a call that costs.
        Some(_) => {
            let message = format!("{DRY_RUN} is 1 (only decide) or 0");
            return Err(Refusal::caller(ApiError::new(400, message).with_param(DRY_RUN)));
        }
    };
    Ok(())
}

fn tier(headers: &HeaderMap, header: &'static str, ladder: &Ladder) -> Result<Option<TierId>, Refusal> {
    let Some(wanted) = name(headers, header)? else { return Ok(None) };
    ladder.find(&wanted).map(Some).ok_or_else(|| {
        let known: Vec<_> = ladder.tiers().iter().map(|tier| tier.name.as_str()).collect();
        let message = format!("{header}: no tier `{wanted}`; there are {}", known.join(", "));
        Refusal::caller(ApiError::new(400, message).with_code("unknown_tier").with_param(header))
    })
}

fn name(headers: &HeaderMap, header: &'static str) -> Result<Option<String>, Refusal> {
    let Some(value) = headers.get(header) else { return Ok(None) };
    match value.to_str() {
        Ok(text) if text.len() <= MAX_NAME => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        _ => {
            let message = format!("{header} has to be plain text of at most {MAX_NAME} letters");
            Err(Refusal::caller(ApiError::new(400, message).with_param(header)))
        }
    }
}
