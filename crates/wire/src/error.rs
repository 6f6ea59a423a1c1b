//! Why a body could not be read.

/// A request or answer that does not follow its API. The message goes to the caller: it names the field and what was
/// expected, and never quotes more than the offending scalar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DecodeError {
    /// What is wrong and what would be right, for a person.
    pub message: String,
    /// The field at fault as a path (`messages[2].content`), where there is one.
    pub param: Option<String>,
}

impl DecodeError {
    /// An error about the whole body.
    pub fn body(message: impl Into<String>) -> Self {
        Self { message: message.into(), param: None }
    }

    /// An error about one field.
    pub fn field(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { message: message.into(), param: Some(param.into()) }
    }
}
