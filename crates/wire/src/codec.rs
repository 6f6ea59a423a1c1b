//! One function for each thing that every API can do, by [`Format`].

use crate::neutral::{Answer, Collector, Request};
use crate::options::Changes;
use crate::splice::Fields;
use crate::{
    ApiError, Context, DecodeError, EncodeError, EncodeOptions, Encoded, Format, Outline, StreamDecoder, anthropic,
    bedrock_converse, fit, gemini, ollama_chat, openai_chat, openai_responses, restore, strangers,
};

/// Reads what routing needs from a request of that API, and its top-level fields for splicing.
///
/// # Errors
/// When the body breaks the API's rules in something that routing depends on, or for an API that clients cannot use here.
pub fn outline(format: Format, body: &[u8]) -> Result<(Outline<'_>, Fields<'_>), DecodeError> {
    match format {
        Format::OpenaiChat => openai_chat::outline(body),
        Format::OpenaiResponses => openai_responses::outline(body),
        Format::AnthropicMessages => anthropic::outline(body),
        _ => Err(DecodeError::body(format!("clients cannot speak {} here", format.name()))),
    }
}

/// Reads a request into the neutral form.
///
/// # Errors
/// When a field has another type than the API says.
pub fn decode_request(format: Format, fields: &Fields<'_>) -> Result<Request, DecodeError> {
    let mut request = match format {
        Format::OpenaiChat => openai_chat::decode_request(fields),
        Format::OpenaiResponses => openai_responses::decode_request(fields),
        Format::AnthropicMessages => anthropic::decode_request(fields),
        Format::Gemini => gemini::decode_request(fields),
        Format::OllamaChat => ollama_chat::decode_request(fields),
        Format::BedrockConverse => bedrock_converse::decode_request(fields),
    }?;
    request.unknown.extend(strangers::unknown_fields(format, fields));
    Ok(request)
}

/// Writes a neutral request for a target of that API.
///
/// # Errors
/// When the request would lose its meaning on this target.
pub fn encode_request(format: Format, request: &Request, options: &EncodeOptions) -> Result<Encoded, EncodeError> {
    strangers::refuse(format, request)?;
    let mut changes = Changes::default();
    let (fitted, renamed_tools) = fit::fitted(format, request, &mut changes);
    let request = &*fitted;
    let mut encoded = match format {
        Format::OpenaiChat => openai_chat::encode_request(request, options),
        Format::OpenaiResponses => openai_responses::encode_request(request, options),
        Format::AnthropicMessages => anthropic::encode_request(request, options),
        Format::Gemini => gemini::encode_request(request, options),
        Format::OllamaChat => ollama_chat::encode_request(request, options),
        Format::BedrockConverse => bedrock_converse::encode_request(request, options),
    }?;
    changes.0.append(&mut encoded.adaptations);
    strangers::tell(request, &mut changes);
    let own_name = |mut name: String| {
        restore::own_name(&renamed_tools, &mut name);
        name
    };
    let custom_tools = encoded.custom_tools.into_iter().map(own_name).collect();
    Ok(Encoded { adaptations: changes.0, custom_tools, renamed_tools, ..encoded })
}

/// Reads a whole answer.
///
/// # Errors
/// When the body is no answer of this API.
pub fn decode_answer(format: Format, body: &[u8], context: &Context) -> Result<Answer, DecodeError> {
    let text = std::str::from_utf8(body).map_err(|_| DecodeError::body("the answer is not valid UTF-8"))?;
    crate::json::check(text)?;
    match format {
        Format::OpenaiChat => openai_chat::decode_answer(body, context),
        Format::OpenaiResponses => openai_responses::decode_answer(body, context),
        Format::AnthropicMessages => anthropic::decode_answer(body, context),
        Format::Gemini => gemini::decode_answer(body, context),
        Format::OllamaChat => ollama_chat::decode_answer(body, context),
        Format::BedrockConverse => bedrock_converse::decode_answer(body, context),
    }
}

/// Reads all events of a streamed answer as the answer that they make up. None when they are none of this API, or not to its end.
#[must_use]
pub fn decode_stream(format: Format, bytes: &[u8], context: &Context) -> Option<Answer> {
    let (mut decoder, mut events) = (StreamDecoder::new(format, context), Vec::new());
    decoder.push(bytes, &mut events).ok()?;
    decoder.end(&mut events);
    let mut collector = Collector::new(format);
    events.iter().for_each(|event| collector.push(event));
    collector.finish().ok()
}

/// Writes a whole answer for a client of that API.
#[must_use]
pub fn encode_answer(format: Format, answer: &Answer, context: &Context) -> Vec<u8> {
    match format {
        Format::OpenaiChat => openai_chat::encode_answer(answer, context),
        Format::OpenaiResponses => openai_responses::encode_answer(answer, context),
        Format::AnthropicMessages => anthropic::encode_answer(answer, context),
        Format::Gemini => gemini::encode_answer(answer, context),
        Format::OllamaChat => ollama_chat::encode_answer(answer, context),
        Format::BedrockConverse => bedrock_converse::encode_answer(answer, context),
    }
}

/// Reads a provider's error body.
#[must_use]
pub fn decode_error(format: Format, status: u16, body: &[u8]) -> ApiError {
    match format {
        Format::OpenaiChat => openai_chat::decode_error(status, body),
        Format::OpenaiResponses => openai_responses::decode_error(status, body),
        Format::AnthropicMessages => anthropic::decode_error(status, body),
        Format::Gemini => gemini::decode_error(status, body),
        Format::OllamaChat => ollama_chat::decode_error(status, body),
        Format::BedrockConverse => bedrock_converse::decode_error(status, body),
    }
}

/// Writes an error body for a client of that API.
#[must_use]
pub fn encode_error(format: Format, error: &ApiError) -> Vec<u8> {
    match format {
        Format::OpenaiChat => openai_chat::encode_error(error),
        Format::OpenaiResponses => openai_responses::encode_error(error),
        Format::AnthropicMessages => anthropic::encode_error(error),
        Format::Gemini => gemini::encode_error(error),
        Format::OllamaChat => ollama_chat::encode_error(error),
        Format::BedrockConverse => bedrock_converse::encode_error(error),
    }
}
