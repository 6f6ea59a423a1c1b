//! What translation of an answer needs beside the answer.

/// Facts of the call that an answer belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// Our id of the request: ids that an API demands and the provider did not give are made from it.
    pub request_id: String,
    /// The model that was asked, for APIs whose answers do not name it.
    pub model: String,
    /// When the answer began, Unix seconds.
    pub created_s: u64,
    /// The tool that stands in for a JSON schema, from [`Encoded::structured_tool`](crate::Encoded::structured_tool).
    pub structured_tool: Option<String>,
    /// Tools of free text that went out as functions, from [`Encoded::custom_tools`](crate::Encoded::custom_tools).
    pub custom_tools: Vec<String>,
    /// Tools that the model knows by other names, from [`Encoded::renamed_tools`](crate::Encoded::renamed_tools).
    pub renamed_tools: Vec<(String, String)>,
    /// The client speaks Chat Completions as in its first years: it offered `functions` and reads `function_call`.
    pub legacy_functions: bool,
    /// What a Responses answer repeats of its request, from [`echo`](crate::openai_responses::echo).
    pub echo: Vec<(String, String)>,
    /// The client of a stream wants to see usage.
    pub usage_wanted: bool,
}

impl Context {
    /// The provider's id, or one made from ours.
    pub(crate) fn id_or(&self, given: &str, prefix: &str) -> String {
        if given.is_empty() { format!("{prefix}{}", self.request_id) } else { given.to_owned() }
    }

    /// An id for the tool call of that number, for APIs that give none.
    pub(crate) fn call_id(&self, number: u32) -> String {
        format!("call_{}_{number}", self.request_id)
    }
}
