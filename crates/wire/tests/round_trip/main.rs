//! Random requests, answers and streams survive writing and reading in every format, and no bytes make a decoder panic.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod make;

use make::Dice;
use proptest::prelude::*;
use tierway_wire::neutral::{Collector, Event};
use tierway_wire::splice::Fields;
use tierway_wire::{
    Context, EncodeOptions, Format, StreamDecoder, StreamEncoder, decode_answer, decode_error, decode_request,
    encode_answer, encode_request, grammar, outline,
};

fn formats() -> impl Strategy<Value = Format> {
    prop::sample::select(Format::ALL.to_vec())
}

fn dice() -> impl Strategy<Value = Dice> {
    (prop::collection::vec(any::<u16>(), 200), prop::collection::vec("\\PC{1,12}|[a-z\"\\\\\n]{1,30}", 6))
        .prop_map(|(rolls, texts)| Dice::new(rolls, texts))
}

fn context() -> Context {
    Context { request_id: "r1".to_owned(), created_s: 1_763_856_000, usage_wanted: true, ..Context::default() }
}

/// Bedrock's models take more in the words of their makers.
fn model(format: Format) -> &'static str {
    if format == Format::BedrockConverse { "anthropic.claude" } else { "m" }
}

const INBOUND: [Format; 3] = [Format::OpenaiChat, Format::OpenaiResponses, Format::AnthropicMessages];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn requests_lose_nothing_that_the_format_can_say(format in formats(), mut dice in dice()) {
        let request = make::request(format, &mut dice);
        let encoded = encode_request(format, &request, &EncodeOptions::new(model(format))).unwrap();
        let text = String::from_utf8(encoded.body.clone()).unwrap();
        prop_assert_eq!(&encoded.adaptations, &vec![], "{}", text);
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
        let fields = if INBOUND.contains(&format) {
            outline(format, &encoded.body).map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?.1
        } else {
            Fields::parse(&encoded.body).unwrap()
        };
        let read = decode_request(format, &fields).unwrap();
        prop_assert_eq!(read, request, "{}", text);
    }

    #[test]
    fn requests_of_one_format_are_taken_by_the_others(from in formats(), to in formats(), mut dice in dice()) {
        let request = make::request(from, &mut dice);
        let options = EncodeOptions { same_model: false, ..EncodeOptions::new(model(to)) };
        let Ok(encoded) = encode_request(to, &request, &options) else { return Ok(()) };
        let text = String::from_utf8(encoded.body.clone()).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
        if INBOUND.contains(&to) {
            outline(to, &encoded.body).map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?;
        }
    }

    #[test]
    fn answers_lose_nothing(format in formats(), mut dice in dice()) {
        let answer = make::answer(format, &mut dice);
        let body = encode_answer(format, &answer, &context());
        let text = String::from_utf8(body.clone()).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
        let read = decode_answer(format, &body, &context()).unwrap();
        prop_assert_eq!(read, answer, "{}", text);
    }

    #[test]
    fn streams_are_the_same_wherever_they_are_cut(format in formats(), mut dice in dice(), cut in 1usize..60) {
        let answer = make::answer(format, &mut dice);
        let mut encoder = StreamEncoder::new(format, format, &context());
        let mut bytes = Vec::new();
        make::split(answer.events(), &mut dice).iter().for_each(|event| encoder.push(event, &mut bytes));
        let text = String::from_utf8(bytes.clone()).unwrap();
        let (mut decoder, mut events) = (StreamDecoder::new(format, &context()), Vec::new());
        for piece in bytes.chunks(cut) {
            decoder.push(piece, &mut events).unwrap();
        }
        decoder.end(&mut events);
        let mut collector = Collector::new(format);
        events.iter().for_each(|event| collector.push(event));
        let read = collector.finish().map_err(|error| TestCaseError::fail(format!("{error:?}: {text}")))?;
        prop_assert_eq!(read, answer, "{}", text);
    }

    #[test]
    fn streams_follow_the_grammar(from in formats(), to in prop::sample::select(INBOUND.to_vec()), mut dice in dice()) {
        let answer = make::answer(from, &mut dice);
        let mut encoder = StreamEncoder::new(to, from, &context());
        let mut bytes = Vec::new();
        make::split(answer.events(), &mut dice).iter().for_each(|event| encoder.push(event, &mut bytes));
        let text = String::from_utf8(bytes.clone()).unwrap();
        prop_assert_eq!(grammar::breaches(to, &bytes), Vec::<String>::new(), "{}", text);
    }

    #[test]
    fn streams_cut_short_are_never_whole_answers(format in formats(), mut dice in dice(), part in 0.0f64..1.0) {
        let answer = make::answer(format, &mut dice);
        let mut encoder = StreamEncoder::new(format, format, &context());
        // The first finish reason is the earliest that can make a stream whole.
        let events = answer.events();
        let finish = events.iter().position(|event| matches!(event, Event::Finish { .. })).unwrap();
        let mut bytes = Vec::new();
        events[..finish].iter().for_each(|event| encoder.push(event, &mut bytes));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length")]
        let end = (bytes.len() as f64 * part) as usize;
        let (mut decoder, mut events) = (StreamDecoder::new(format, &context()), Vec::new());
        decoder.push(&bytes[..end], &mut events).unwrap();
        decoder.end(&mut events);
        let mut collector = Collector::new(format);
        events.iter().for_each(|event| collector.push(event));
        let error = collector.finish().unwrap_err();
        prop_assert_eq!(error.code.as_deref(), Some("stream_cut"));
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(format in formats(), mut dice in dice(), noise in any::<Vec<u8>>(), at: prop::sample::Index) {
        let mut encoder = StreamEncoder::new(format, format, &context());
        let mut stream = Vec::new();
        make::answer(format, &mut dice).events().iter().for_each(|event| encoder.push(event, &mut stream));
        let options = EncodeOptions::new(model(format));
        let request = encode_request(format, &make::request(format, &mut dice), &options).unwrap().body;
        let answer = encode_answer(format, &make::answer(format, &mut dice), &context());
        for mut bytes in [noise.clone(), stream, request, answer] {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes.splice(at..(at + noise.len() / 2).min(bytes.len()), noise.iter().copied());
            }
            let mut events = Vec::new();
            let mut decoder = StreamDecoder::new(format, &context());
            if decoder.push(&bytes, &mut events).is_ok() {
                decoder.end(&mut events);
            }
            for to in Format::ALL {
                let (mut encoder, mut out) = (StreamEncoder::new(to, format, &context()), Vec::new());
                events.iter().for_each(|event| encoder.push(event, &mut out));
            }
            let _ = decode_answer(format, &bytes, &context());
            let _ = decode_error(format, 500, &bytes);
            if let Ok(fields) = Fields::parse(&bytes) {
                let _ = decode_request(format, &fields);
                let _ = tierway_wire::adapt(format, &fields, &EncodeOptions::new("m"));
            }
            let _ = outline(format, &bytes);
            let _ = tierway_wire::openai_chat::Facts::read(&bytes);
        }
    }
}
