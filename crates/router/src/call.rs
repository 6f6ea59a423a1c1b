//! One request as the gateway (or a program) hands it over.

use crate::account::Account;
use bytes::Bytes;
use http::HeaderMap;
use std::sync::Arc;
use tierway_decide::{Caller, Pins, Reason};
use tierway_wire::Format;

/// One request.
#[derive(Clone, Debug)]
pub struct Call {
    /// The API that the client speaks.
    pub format: Format,
    /// The body as it came.
    pub body: Bytes,
    /// The client's headers: rules may look at them, and a few are forwarded.
    pub headers: HeaderMap,
    /// Who asks.
    pub caller: Arc<Caller>,
    /// What the caller may spend; none: no bounds.
    pub account: Option<Arc<dyn Account>>,
    /// Tiers that this request asks for by header.
    pub pins: Pins,
    /// The conversation, as the client named it.
    pub session: Option<String>,
    /// The end user, when named outside the body.
    pub user: Option<String>,
    /// Only decide.
    pub dry_run: bool,
    /// Whose request it is.
    pub purpose: Purpose,
}

/// Whose request a call is. The router's own go where they say, whatever the rules, and cost without saving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// A client's.
    #[default]
    Client,
    /// Ours: another tier's answer to a request that was sampled.
    Shadow,
    /// Ours: a model compares two answers.
    Judge,
}

impl Purpose {
    /// What stands in the record instead of the reason of a client's request.
    pub(crate) const fn reason(self) -> Option<Reason> {
        match self {
            Self::Client => None,
            Self::Shadow => Some(Reason::Shadow),
            Self::Judge => Some(Reason::Judge),
        }
    }
}

impl Call {
    /// A request of an anonymous caller without headers.
    #[must_use]
    pub fn new(format: Format, body: impl Into<Bytes>) -> Self {
        Self {
            format,
            body: body.into(),
            headers: HeaderMap::new(),
            caller: Arc::default(),
            account: None,
            pins: Pins::default(),
            session: None,
            user: None,
            dry_run: false,
            purpose: Purpose::Client,
        }
    }
}
