//! Times of what runs for every request and every chunk: `cargo bench -p tierway-wire`.

use divan::{Bencher, black_box, counter::BytesCount};
use tierway_wire::openai_chat::{Facts, outline};
use tierway_wire::splice::Edit;
use tierway_wire::{Context, EncodeOptions, Format, StreamDecoder, adapt, tokens, with_cost};

fn main() {
    divan::main();
}

const SIZES: [usize; 3] = [1_000, 2_000, 200_000];

/// A chat request with a prompt of about that many characters, a line break (an escape) every 80.
fn request(characters: usize) -> String {
    let line = "The quick brown fox jumps over the lazy dog; what does it compute, and in which year?";
    let prompt: String = line.chars().chain("\\n".chars()).cycle().take(characters / 87 * 87).collect();
    format!(
        r#"{{"model":"auto","temperature":0.2,"messages":[{{"role":"system","content":"Be brief."}},{{"role":"user","content":"{prompt}"}}],"max_tokens":200}}"#
    )
}

#[divan::bench(args = SIZES)]
fn outline_of(bencher: Bencher<'_, '_>, characters: usize) {
    let body = request(characters);
    bencher.counter(BytesCount::new(body.len())).bench(|| outline(black_box(body.as_bytes())));
}

#[divan::bench(args = SIZES)]
fn splice_model(bencher: Bencher<'_, '_>, characters: usize) {
    let body = request(characters);
    let Ok((_, fields)) = outline(body.as_bytes()) else { return };
    let edits = [Edit::Set("model", "\"gpt-6-luna\"".into()), Edit::Rename("max_tokens", "max_completion_tokens")];
    bencher.bench(|| fields.apply(black_box(&edits)));
}

const CHUNK: &str = r#"{"id":"chatcmpl-CZ1","object":"chat.completion.chunk","created":1763856000,"model":"gpt-6-luna","service_tier":"default","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"abcd"}"#;
const LAST: &str = r#"{"id":"chatcmpl-CZ1","object":"chat.completion.chunk","created":1763856000,"model":"gpt-6-luna","choices":[],"usage":{"prompt_tokens":123,"completion_tokens":45,"total_tokens":168,"prompt_tokens_details":{"cached_tokens":64},"completion_tokens_details":{"reasoning_tokens":0}}}"#;

#[divan::bench]
fn chunk_facts(bencher: Bencher<'_, '_>) {
    bencher.bench(|| Facts::read(black_box(CHUNK.as_bytes())));
}

#[divan::bench]
fn last_chunk_usage(bencher: Bencher<'_, '_>) {
    bencher.bench(|| Facts::read(black_box(LAST.as_bytes())).and_then(|facts| facts.usage()));
}

#[divan::bench]
fn last_chunk_with_cost(bencher: Bencher<'_, '_>) {
    bencher.bench(|| {
        let facts = Facts::read(black_box(LAST.as_bytes()))?;
        with_cost(LAST.as_bytes(), facts.usage_json?, "0.000123", "{}")
    });
}

#[divan::bench(args = SIZES)]
fn answer_facts(bencher: Bencher<'_, '_>, characters: usize) {
    let text = "word and word\\n".repeat(characters / 15);
    let body = format!(
        r#"{{"id":"c","model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":1,"completion_tokens":2}}}}"#
    );
    bencher.counter(BytesCount::new(body.len())).bench(|| Facts::read(black_box(body.as_bytes())));
}

#[divan::bench(args = SIZES)]
fn token_estimate(bencher: Bencher<'_, '_>, characters: usize) {
    let text = "The quick brown fox jumps over the lazy dog; 42 times.\n".repeat(characters / 55);
    bencher.counter(BytesCount::new(text.len())).bench(|| tokens::estimate(black_box(&text)));
}

#[divan::bench(args = SIZES)]
fn fit_to_target(bencher: Bencher<'_, '_>, characters: usize) {
    let body = request(characters);
    let Ok((_, fields)) = outline(body.as_bytes()) else { return };
    let options = EncodeOptions::new("gpt-6-luna");
    bencher.bench(|| adapt(Format::OpenaiChat, black_box(&fields), &options));
}

/// One event of a Messages stream, bytes to what it says.
#[divan::bench]
fn decode_event(bencher: Bencher<'_, '_>) {
    let event = b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" token\"}}\n\n";
    let mut decoder = StreamDecoder::new(Format::AnthropicMessages, &Context::default());
    bencher.bench_local(|| {
        let mut heard = Vec::new();
        let read = decoder.push(black_box(event), &mut heard);
        (heard, read)
    });
}
