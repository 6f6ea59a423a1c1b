//! What a request is seen as never changes by accident: decisions are recomputed from the log, and the model in the binary
//! was learned from these very features.
//!
//! Texts of many kinds, and thousands mixed from them piece by piece, are read; what comes of each is folded into one
//! number. A change that is meant to be faster leaves it as it is. One that is meant to change features needs another
//! `FEATURE_VERSION` and another model, and rewrites it with `UPDATE_EXPECT=1`.

#![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use expect_test::{Expect, expect};
use std::borrow::Cow;
use tierway_decide::{Features, Rule, RuleSet, Scope, TierId};
use tierway_wire::{Format, Outline, OutputForm, Part, Role, Turn, tokens};

/// Whole prompts, and the pieces that odd ones are made of.
const TEXTS: &[&str] = &[
    "Summarise the notes of our Tuesday meeting and list every decision with the person who has to act on it.",
    "Prove that the sum of two odd numbers is even. Then state where you used the definition of odd.",
    "Why does this fail?\n\n```rust\nfn main() {\n    let mut total = 0;\n    for i in 0..10 { total += i; }\n    println!(\"{total}\");\n}\n```\nIt doesn't compile.\n\nFix it",
    "Fasse den folgenden Vertrag in drei Sätzen zusammen: „Der Mieter zahlt monatlich 1.200 €.“ Übersetze ihn DANACH.",
    "Traduis en français : « Le chat dort. » L'homme m'a dit qu'il n'était pas là. ÉCRIS court.",
    "Переведи это письмо на английский язык и сохрани вежливый тон. ДОКАЖИ, что x² > 0!",
    "请把下面的合同总结成三句话，并指出解约的期限。翻译 a 成 b 写一首诗？",
    "次の契約書を三つの文にまとめて、「解約の期限」を教えてください。カタカナ한국어",
    "لخص العقد التالي في ثلاث جمل؟ निम्नलिखित अनुबंध को तीन वाक्यों में संक्षेप में बताइए। ไทย ქართული",
    "Q: Which city is the largest?\nA) Oslo\nB) Lima\n(C) Cairo\n1. one\n12) two\n- three\n* four\n• five\nInput: 7\nA: B\n",
    "| a | b |\n|---|---|\n| 1 | 2 |\n\tif (x == y) -> z != w; call() => {}\n    return {\"id\": 10482, \"ok\": true};\n",
    "Solve $\\frac{x}{2} = 5$ for x ∈ ℝ, then 3 × 4 ÷ 2 ± 1 ≤ ∞. Is n² prime if n=17?",
    "please simply translate 'good morning' to Spanish, it's an easy one; the patient's diagnosis stays private (PHI).",
    "It's the dogs' bowl, he said ('not mine'), don't touch — rock’n’roll’s “best” \"worst\" choice",
    "camelCase snake_case SCREAMING_CASE x1 1x 0xFF 3.14 2026-11-26 12345678 a@b.example https://a.example/b//c and/or",
    "<system-reminder>be brief</system-reminder>\nrename the function <task>and test it</task>",
    "hi",
    "I",
    "a",
    "?",
    "",
    " ",
    "\n",
    "\n\n",
    "\r\n",
    "\t",
    "'",
    "''",
    "\"",
    "`",
    "```",
    "\u{2019}",
    "_",
    "__init__",
    "supercalifragilisticexpialidocious incomprehensibilities rhythm TL;DR NASA's x y z qwrtpsdfg",
    "\u{0}\u{7f}\u{85}\u{a0}\u{200b}\u{feff}\u{2028}",
    "é\u{301}ÀÉÎõü ŒæßİıſK",
    "😀👩‍👩‍👧🇫🇷",
    "𝒳𐍈\u{10ffff}",
    "ǅǆ ﬁ Ωμέγα Ѐжж",
];

fn outline<'a>(turns: &[(Role, &'a str)]) -> Outline<'a> {
    let turn = |(role, text): &(Role, &'a str)| Turn { role: *role, parts: vec![Part::Text(Cow::Borrowed(*text))] };
    Outline {
        format: Format::ALL[0],
        requested_model: Cow::Borrowed("auto"),
        stream: false,
        usage_wanted: false,
        turns: turns.iter().map(turn).collect(),
        tools: Vec::new(),
        tool_forced: false,
        output: OutputForm::Text,
        max_output_tokens: Some(256),
        answers: 1,
        effort: None,
        user: None,
        metadata: Vec::new(),
        bound_to_model: false,
        speaks: false,
        fields: Vec::new(),
        body_bytes: 0,
    }
}

fn rules() -> RuleSet {
    let rule = |(name, pattern): (&str, &str)| Rule {
        name: name.into(),
        pattern: pattern.into(),
        tier: TierId(0),
        reason: String::new(),
        scope: Scope::AllMessages,
        locked: false,
        case_sensitive: false,
    };
    let rules = [
        ("health", r"\b(diagnosis|patient|HIPAA|PHI)\b"),
        ("translation", r"\btranslate\b[^.?!]{0,40}\b(english|french|german|spanish|italian)\b"),
        ("proofs", r"\b(prove|disprove) (that|by)\b"),
        ("kelvin", r"\bKfix"),
    ];
    RuleSet::new(rules.map(rule).to_vec()).unwrap()
}

/// Numbers that are the same on every machine (xorshift).
struct Mix(u64);

impl Mix {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    /// A text of whole texts, pieces of them, and single letters.
    fn text(&mut self, most: usize) -> String {
        let mut text = String::new();
        for _ in 0..self.below(most) {
            let from = TEXTS[self.below(TEXTS.len())];
            let start = from.floor_char_boundary(self.below(from.len() + 1));
            match self.below(4) {
                0 => text.push_str(from),
                1 => text.push_str(&from[start..]),
                2 => text.extend(from[start..].chars().take(1 + self.below(6))),
                _ => text.extend([' ', '\n'].get(self.below(3))),
            }
        }
        text
    }
}

/// FNV-1a.
fn fold(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// All that is told of a request, as one number. What the model makes of it is left out: another model is no other request.
fn seen(hash: u64, rules: &RuleSet, turns: &[(Role, &str)]) -> u64 {
    let outline = outline(turns);
    let features = Features::of(&outline);
    let rule = rules.first_match(&outline, &|_| None).map_or(99, |hit| hit.index);
    let hash = fold(hash, &features.pack());
    fold(hash, format!("{rule} {}", tokens::estimate_outline(&outline).tokens).as_bytes())
}

#[track_caller]
fn check(requests: impl IntoIterator<Item = (String, String)>, want: &Expect) {
    let rules = rules();
    let seen = requests.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, (instructions, ask)| {
        seen(hash, &rules, &[(Role::System, &instructions), (Role::Assistant, ""), (Role::User, &ask)])
    });
    want.assert_eq(&format!("{seen:016x}"));
}

#[test]
fn whole_prompts_are_seen_as_ever() {
    check(TEXTS.iter().map(|text| (String::new(), (*text).to_owned())), &expect!["c98a4b04f5823697"]);
}

#[test]
fn mixed_texts_are_seen_as_ever() {
    let mut mix = Mix(8);
    check((0..1_500).map(|_| (mix.text(6), mix.text(30))), &expect!["b537b125888fa815"]);
}

#[test]
fn long_texts_are_seen_as_ever() {
    let mut mix = Mix(9);
    check((0..12).map(|_| (mix.text(40), mix.text(2_000))), &expect!["f2b013ad6d3c9a6d"]);
}
