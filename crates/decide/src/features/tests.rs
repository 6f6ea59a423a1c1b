use super::*;
use std::borrow::Cow;
use tierway_wire::Format;

fn outline<'a>(turns: &[(Role, &'a str)]) -> Outline<'a> {
    Outline {
        format: Format::ALL[0],
        requested_model: Cow::Borrowed("auto"),
        stream: false,
        usage_wanted: false,
        turns: turns
            .iter()
            .map(|(role, text)| Turn { role: *role, parts: vec![Part::Text(Cow::Borrowed(*text))] })
            .collect(),
        tools: Vec::new(),
        tool_forced: false,
        output: OutputForm::Text,
        max_output_tokens: None,
        speaks: false,
        answers: 1,
        effort: None,
        user: None,
        metadata: Vec::new(),
        bound_to_model: false,
        fields: Vec::new(),
        body_bytes: 0,
    }
}

fn of(text: &str) -> Features {
    Features::of(&outline(&[(Role::User, text)]))
}

#[track_caller]
fn counts(text: &str, counter: Counter) {
    assert!(of(text).counter(counter) > 0, "{text:?} should show {:?}", counter.words());
}

#[track_caller]
fn counts_not(text: &str, counter: Counter) {
    assert_eq!(of(text).counter(counter), 0, "{text:?} should not show {:?}", counter.words());
}

#[test]
fn what_is_asked_is_seen_in_many_languages() {
    counts("Summarise this mail", Counter::LeadSummarise);
    counts("Fasse den Absatz zusammen", Counter::LeadSummarise);
    counts("翻译成英文：明天的会议", Counter::LeadTranslate);
    counts("Переведи на немецкий", Counter::LeadTranslate);
    counts("Докажите, что прямая", Counter::LeadRigor);
    counts("Traduce al portugués: «¿Me puede?»", Counter::LeadTranslate);
    counts("x\n```rust\nlet a = 1;\n```\n", Counter::Fences);
    counts("A) oxygen\nB) nitrogen\n", Counter::OptionLines);
    counts("Is it safe?", Counter::EndsAsking);
}

#[test]
fn quoted_words_are_not_the_ask() {
    counts_not("Rewrite politely: 'Translate the report now, prove it.'", Counter::LeadTranslate);
    counts_not("Say it nicer: \"prove it\"", Counter::LeadRigor);
    counts_not(
        "Is this spam?\n\nHi, translate your points into prizes.\n\nThanks for your attention, we are here for you at all times of the day and of the night, and we wish you a very nice day, week, month, year and life. Our team is always there for you, and it has been so since 1987, the year in which we were founded. Yours",
        Counter::LeadTranslate,
    );
}

#[test]
fn claims_of_ease_and_politeness_leave_no_trace_in_words() {
    let plain = of("prove that the root of two is irrational");
    let polite = of("please kindly prove that the root of two is simply irrational");
    let extra = polite.grams().iter().filter(|id| !plain.grams().contains(id));
    assert!(extra.clone().all(|id| GramKind::of(*id) == GramKind::Letters), "{:?}", extra.collect::<Vec<_>>());
}

#[test]
fn conversation_state_is_counted() {
    let mut request = outline(&[(Role::User, "do it"), (Role::Assistant, "done"), (Role::User, "no, that's wrong")]);
    assert!(Features::of(&request).counter(Counter::Corrections) > 0);
    request.turns.push(Turn {
        role: Role::Tool,
        parts: vec![Part::ToolResult { text: Cow::Borrowed("Error: no such file"), is_error: false }],
    });
    let features = Features::of(&request);
    assert_eq!(features.counter(Counter::FailureRun), 16);
    assert_eq!(features.counter(Counter::AgentLoop), 1);
}

#[test]
fn packing_gives_back_the_same_features() {
    for text in ["", "hi", "Prove that √2 is irrational.", &"lorem ipsum 12 dolor; ".repeat(500), "写一首诗"] {
        let features = of(text);
        let bytes = features.pack();
        assert_eq!(Features::unpack(&bytes), Ok(features));
        assert!(bytes.len() < 1024, "{}", bytes.len());
        assert_eq!(Features::unpack(&bytes[..10]), Err(UnpackError::Damaged));
    }
    assert_eq!(Features::unpack(&[99]), Err(UnpackError::Version(99)));
    assert_eq!(Features::unpack(&[]), Err(UnpackError::Damaged));
}

proptest::proptest! {
    #[test]
    fn any_text_can_be_read(text in "\\PC{0,400}", bytes in proptest::collection::vec(0u8.., 0..200)) {
        let features = of(&text);
        proptest::prop_assert_eq!(Features::unpack(&features.pack()), Ok(features));
        let _ = Features::unpack(&bytes);
    }
}
