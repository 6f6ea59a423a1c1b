//! Fits a request to its target while client and target speak the same API: as edits of top-level fields, so that all
//! other bytes stay as they came.

mod chat;
mod messages;
mod responses;
#[cfg(test)]
mod tests;

use crate::json::{Kind, Node};
use crate::neutral::ReasoningAsk;
use crate::options::{Changes, Thought};
use crate::splice::{Edit, Fields};
use crate::write::{Obj, quoted};
use crate::{Adaptation, DecodeError, EncodeOptions, Format};

/// The edits that make a request fit, and what they change for the client (the model's name goes without saying).
pub type Fitted = (Vec<Edit<'static>>, Vec<Adaptation>);

/// Edits for a request that goes on in its own API.
///
/// # Errors
/// When a field that has to be changed is not what the API says.
pub fn adapt(format: Format, fields: &Fields<'_>, options: &EncodeOptions) -> Result<Fitted, DecodeError> {
    let mut edits = Edits { fields, list: Vec::with_capacity(4), changes: Changes::default() };
    edits.set("model", quoted(&options.model));
    match format {
        Format::OpenaiChat => chat::fit(&mut edits, options)?,
        Format::AnthropicMessages => messages::fit(&mut edits, options)?,
        Format::OpenaiResponses => responses::fit(&mut edits, options)?,
        // Ollama names its model in the body as well; these have it in the path and take no such field.
        Format::OllamaChat => {}
        Format::Gemini | Format::BedrockConverse => edits.list.clear(),
    }
    Ok((edits.list, edits.changes.0))
}

struct Edits<'f, 'a> {
    fields: &'f Fields<'a>,
    list: Vec<Edit<'static>>,
    changes: Changes,
}

impl<'a> Edits<'_, 'a> {
    fn set(&mut self, name: &'static str, json: String) {
        self.list.push(Edit::Set(name, json.into()));
    }

    /// A field's JSON text, null counting as missing.
    fn get(&self, name: &str) -> Option<&'a str> {
        self.fields.get(name).filter(|text| *text != "null")
    }

    fn node(&self, name: &str, depth: u8) -> Result<Option<Node<'a>>, DecodeError> {
        self.get(name).map(|text| Node::parse(text, depth)).transpose()
    }

    fn drop(&mut self, name: &'static str, why: &str) {
        if self.fields.get(name).is_some() {
            self.list.push(Edit::Remove(name));
            if self.get(name).is_some() {
                self.changes.dropped(name, why);
            }
        }
    }

    /// The most that the model writes, where this limit is higher.
    fn lowered(&mut self, name: &'static str, options: &EncodeOptions) -> Option<String> {
        let asked = self.get(name)?.parse::<u64>().ok()?;
        let most = options.max_output_tokens.filter(|most| asked > u64::from(*most))?;
        self.changes.changed(name, format!("this model writes at most {most} tokens"));
        Some(most.to_string())
    }

    /// Lowers the output limit to what the model takes.
    fn limit(&mut self, name: &'static str, options: &EncodeOptions) {
        if let Some(lowered) = self.lowered(name, options) {
            self.set(name, lowered);
        }
    }

    fn sampling(&mut self, names: &[&'static str], taken: bool, reasons: bool) {
        if taken {
            return;
        }
        let why =
            if reasons { "the model takes no sampling parameters while it reasons" } else { "the model refuses it" };
        for name in names {
            self.drop(name, why);
        }
    }

    /// What to ask of the target's reasoning; None: what the client said stays, as nobody knows what the target takes.
    fn thought(&mut self, ask: &ReasoningAsk, field: &str, options: &EncodeOptions) -> Option<Thought> {
        (!options.stays_as_said()).then(|| options.thought(ask, field, &mut self.changes))
    }

    /// An object field without one of its fields; gone where that was its only one.
    fn remove_inner(&mut self, name: &'static str, inner: &'static str) -> Result<(), DecodeError> {
        let fields = Fields::parse(self.get(name).unwrap_or("{}").as_bytes())?;
        if fields.iter().all(|(key, _)| key == inner) {
            self.list.push(Edit::Remove(name));
        } else {
            self.set(name, String::from_utf8_lossy(&fields.apply(&[Edit::Remove(inner)])).into_owned());
        }
        Ok(())
    }

    /// An object field with one of its fields set.
    fn set_inner(&mut self, name: &'static str, inner: &'static str, json: String) -> Result<(), DecodeError> {
        let value = match self.get(name) {
            Some(text) => {
                let fields = Fields::parse(text.as_bytes())?;
                String::from_utf8_lossy(&fields.apply(&[Edit::Set(inner, json.into())])).into_owned()
            }
            None => Obj::new().raw(inner, &json).end(),
        };
        self.set(name, value);
        Ok(())
    }
}

/// The choice of a tool in both of OpenAI's APIs.
fn tool_choice(edits: &mut Edits<'_, '_>, options: &EncodeOptions) -> Result<(), DecodeError> {
    let forced = edits.node("tool_choice", 1)?.is_some_and(|choice| match &choice.kind {
        Kind::String(word) => word == "required" || word == "any",
        _ => choice.str("type") != Some("allowed_tools"),
    });
    if forced && !options.forced_tool_choice {
        edits.changes.changed("tool_choice", "the model cannot be forced to call a tool; it decides");
        edits.set("tool_choice", quoted("auto"));
    }
    Ok(())
}
