//! Requests for vectors (`POST /v1/embeddings`), as far as routing and records need them. They go through as they came.

use crate::json::{At, Kind};
use crate::splice::Fields;
use crate::top::Top;
use crate::{DecodeError, Format, Outline, OutputForm};

/// Reads a request: which model, and that there is something to turn into vectors. No text is kept: nothing decides by it.
///
/// # Errors
/// When model or input are missing or of a kind that the API does not know.
pub fn outline(body: &[u8]) -> Result<(Outline<'_>, Fields<'_>), DecodeError> {
    let fields = Fields::parse(body)?;
    let top = Top(&fields);
    let at = At::Top("input");
    let input = top.node("input", 2)?.ok_or_else(|| at.missing("a text, a list of texts, or tokens"))?;
    match &input.kind {
        Kind::String(text) if !text.is_empty() => {}
        Kind::Array(items) if !items.is_empty() => {}
        Kind::String(_) | Kind::Array(_) => return Err(at.error("must not be empty")),
        _ => return Err(input.wrong(at, "a text, a list of texts, or tokens")),
    }
    let outline = Outline {
        format: Format::OpenaiChat,
        requested_model: top.model()?,
        stream: false,
        usage_wanted: true,
        turns: Vec::new(),
        tools: Vec::new(),
        tool_forced: false,
        output: OutputForm::Text,
        max_output_tokens: None,
        speaks: false,
        answers: 1,
        effort: None,
        user: top.loose_string("user"),
        metadata: Vec::new(),
        bound_to_model: false,
        fields: top.names(),
        body_bytes: body.len(),
    };
    Ok((outline, fields))
}

#[cfg(test)]
mod tests {
    #[track_caller]
    fn check(body: &str, want: Result<&str, &str>) {
        let read = super::outline(body.as_bytes());
        match (&read, want) {
            (Ok((outline, _)), Ok(model)) => assert_eq!(outline.requested_model, model),
            (Err(error), Err(word)) => assert!(error.message.contains(word), "{error}"),
            _ => panic!("{body}: {:?}", read.map(|(outline, _)| outline)),
        }
    }

    #[test]
    fn texts_and_tokens_are_inputs_and_nothing_else() {
        check(r#"{"model":"m","input":"a"}"#, Ok("m"));
        check(r#"{"model":"m","input":["a","b"]}"#, Ok("m"));
        check(r#"{"model":"m","input":[[1,2],[3]]}"#, Ok("m"));
        check(r#"{"model":"m","input":[1,2]}"#, Ok("m"));
        check(r#"{"model":"m"}"#, Err("input"));
        check(r#"{"model":"m","input":""}"#, Err("empty"));
        check(r#"{"model":"m","input":[]}"#, Err("empty"));
        check(r#"{"model":"m","input":7}"#, Err("input"));
        check(r#"{"input":"a"}"#, Err("model"));
    }
}
