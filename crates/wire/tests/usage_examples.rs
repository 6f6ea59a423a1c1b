//! Worked examples of usage objects, each with the documentation that it comes from, read into one meaning.

use serde_json::{Value, json};
use tierway_wire::neutral::Event;
use tierway_wire::{Context, Format, MOST_TOKENS, StreamDecoder, Usage, decode_answer, usage};

#[test]
fn every_worked_example_is_read_as_documented() {
    let examples: Vec<Value> = serde_json::from_str(include_str!("data/usage_examples.json")).unwrap();
    let (mut read, mut wrong) = (0, Vec::new());
    for example in &examples {
        let format = match example["api"].as_str().unwrap() {
            // Embeddings report prompt tokens in the shape of Chat Completions.
            "chat" | "embeddings" => Format::OpenaiChat,
            "responses" => Format::OpenaiResponses,
            "messages" => Format::AnthropicMessages,
            "gemini" => Format::Gemini,
            "ollama" => Format::OllamaChat,
            "converse" => Format::BedrockConverse,
            // No codec speaks this API yet; its examples price other providers' bills.
            "cohere" => continue,
            other => panic!("no codec is named for `{other}`"),
        };
        read += 1;
        let want: Usage = serde_json::from_value(example["expect_usage"].clone()).unwrap();
        let got = match &example["usage_json"] {
            Value::Array(events) => streamed(format, events),
            object => whole(format, object, &example["response"]),
        };
        let got = got.unwrap_or_default();
        if got != want {
            wrong.push(format!("{}: got {got:?}, want {want:?}, of {}", example["name"], example["usage_json"]));
        }
    }
    assert!(read >= 40, "only {read} examples were read");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_count_that_no_call_can_have_is_cut() {
    let most = u64::MAX;
    let check = |format, json: &str| {
        let read = usage(format, json).unwrap();
        assert!(read.input_tokens <= 4 * MOST_TOKENS && read.output_tokens <= 4 * MOST_TOKENS, "{format:?}: {read:?}");
        assert!(read.input_tokens >= MOST_TOKENS, "{format:?}: {read:?}");
    };
    check(Format::OpenaiChat, &format!(r#"{{"prompt_tokens":{most},"completion_tokens":{most}}}"#));
    for format in [Format::OpenaiResponses, Format::AnthropicMessages] {
        check(format, &format!(r#"{{"input_tokens":{most},"output_tokens":{most}}}"#));
    }
    check(
        Format::Gemini,
        &format!(r#"{{"promptTokenCount":{most},"candidatesTokenCount":{most},"thoughtsTokenCount":{most}}}"#),
    );
    check(Format::OllamaChat, &format!(r#"{{"prompt_eval_count":{most},"eval_count":{most}}}"#));
    check(
        Format::BedrockConverse,
        &format!(r#"{{"inputTokens":{most},"outputTokens":{most},"cacheReadInputTokens":{most}}}"#),
    );
}

/// The usage of a whole answer. `beside`: fields of the answer beside its usage, such as the service tier.
fn whole(format: Format, object: &Value, beside: &Value) -> Option<Usage> {
    if matches!(format, Format::Gemini | Format::OllamaChat | Format::BedrockConverse) {
        return usage(format, &object.to_string());
    }
    let mut body = match format {
        Format::OpenaiChat => json!({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}),
        Format::OpenaiResponses => json!({"status": "completed", "output": []}),
        _ => json!({"content": [], "stop_reason": "end_turn"}),
    };
    body["usage"] = object.clone();
    beside.as_object().into_iter().flatten().for_each(|(name, value)| body[name] = value.clone());
    decode_answer(format, body.to_string().as_bytes(), &Context::default()).ok()?.usage
}

/// The last usage that the events of a stream give.
fn streamed(format: Format, events: &[Value]) -> Option<Usage> {
    let stream: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let mut read = Vec::new();
    let _ = StreamDecoder::new(format, &Context::default()).push(stream.as_bytes(), &mut read);
    read.iter().rev().find_map(|event| match event {
        Event::Usage(usage) => Some(*usage),
        _ => None,
    })
}
