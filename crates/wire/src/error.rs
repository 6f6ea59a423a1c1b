//! Why a body could not be read, and how an API says that something failed.

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

/// An error as APIs say it, in one meaning for all of them. Read by `decode_error`, written by `encode_error`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status that goes with it.
    pub status: u16,
    /// The API's own word for the kind (`invalid_request_error`); empty: the format's usual word for the status.
    pub kind: String,
    /// For people.
    pub message: String,
    /// The field at fault.
    pub param: Option<String>,
    /// The word that programs branch on (`context_length_exceeded`).
    pub code: Option<String>,
    /// The id under which the provider or we know the request.
    pub request_id: Option<String>,
}

impl ApiError {
    /// An error with a status and a message; the kind follows from the status.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), ..Self::default() }
    }

    /// With the word that programs branch on.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// With the field at fault.
    #[must_use]
    pub fn with_param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// With the status that the code tells, for errors inside streams, which have no HTTP status of their own: a number
    /// (OpenRouter) or OpenAI's words.
    #[must_use]
    pub(crate) fn with_status_of_code(mut self) -> Self {
        let code = self.code.as_deref().unwrap_or_default();
        self.status = match code {
            "rate_limit_exceeded" | "slow_down" | "insufficient_quota" => 429,
            "context_length_exceeded" | "content_policy_violation" | "invalid_prompt" => 400,
            _ => code.parse().ok().filter(|status| (400..600).contains(status)).unwrap_or(self.status),
        };
        self
    }

    /// OpenAI's word for the kind of an error.
    #[must_use]
    pub fn openai_kind(&self) -> &str {
        match self.status {
            _ if !self.kind.is_empty() => &self.kind,
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            429 => "rate_limit_error",
            400..=499 => "invalid_request_error",
            _ => "server_error",
        }
    }
}

impl From<DecodeError> for ApiError {
    fn from(error: DecodeError) -> Self {
        Self { param: error.param, ..Self::new(400, error.message) }
    }
}
