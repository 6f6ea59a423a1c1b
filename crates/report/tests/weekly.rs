//! The week in each of its forms.
#![allow(missing_docs)]

use expect_test::expect;
use tierway_decide::savings::Savings;
use tierway_decide::{Policy, RequestId, TaskType, Usd};
use tierway_report::{
    Advice, Baseline, Day, Failures, Fault, Group, GroupBy, InForce, Line, Misroute, Misroutes, Money, Note,
    QualityKept, Report, SavedBetween, Totals, Weekly, slack_json, weekly_html, weekly_json, weekly_markdown,
};

const EVIL: &str = "<img src=x>|*a*";

fn usd(dollars: f64) -> Usd {
    Usd::from_f64(dollars)
}

fn totals(paid: f64, baseline: f64, calls: u64) -> Totals {
    let savings = Savings {
        priced_calls: calls - 10,
        unpriced_calls: 8,
        passed_calls: 2,
        paid: usd(paid),
        classifier: usd(0.05),
        baseline: usd(baseline),
        gained: usd(baseline - paid + 0.2),
        lost: usd(0.25),
        lost_calls: 12,
        cheapest_calls: calls - 10,
        cheapest: usd(0.44),
        cheapest_baseline: usd(baseline),
        paid_elsewhere: usd(0.125),
    };
    Totals { calls, answered: calls - 12, failed: 12, money: Money::from(&savings), ..Totals::default() }
}

fn line(name: &str, calls: u64, paid: f64, saved: f64) -> Line {
    let saved_share = (saved != 0.0).then(|| saved / (saved + paid));
    Line { name: name.into(), calls, paid: usd(paid), saved: usd(saved), saved_share, unpriced: 8, ..Line::default() }
}

fn day(date: &str, saved: f64) -> Day {
    Day { start_ms: 0, date: date.into(), calls: 600, paid: usd(2.19), saved: usd(saved), saved_between: None }
}

fn week() -> Weekly {
    let report = Report {
        from_ms: 1_772_409_600_000,
        to_ms: 1_773_014_400_000,
        totals: totals(4.2, 11.0, 1_200),
        baseline: Baseline { tier: "standard".into(), method: "same tokens".into() },
        saved_between: None,
        cheapest_tier: "nano".into(),
        tiers: vec![line("nano", 900, 0.2, 6.3), line("standard", 300, 4.0, 0.0)],
        groups: vec![
            Group { by: GroupBy::Model, lines: vec![line("openai/gpt-4o-mini", 900, 0.2, 6.3)] },
            Group { by: GroupBy::Team, lines: vec![line(EVIL, 1_200, 4.3, 6.7)] },
            Group {
                by: GroupBy::TaskType,
                lines: (0..10).map(|at| line(&format!("task-{at}"), 120, 0.4, 0.6)).collect(),
            },
        ],
        days: vec![day("2026-03-02", 3.0), day("2026-03-03", -0.5)],
        notes: vec![Note::NotCalibrated { calls: 800 }],
    };
    let misroute = Misroute {
        fault: Fault::Dearer,
        task_type: TaskType::Analysis,
        tier: "reasoning".into(),
        reason: "predicted".into(),
        calls: 40,
        lost: usd(0.25),
        examples: vec![RequestId::new(1_772_500_000_000, 1, 1)],
        advice: Advice {
            words: "Lower the target.".into(),
            config: "[routing]\nquality_target = 0.97".into(),
            command: "tierway backtest --since 7d --policy new.toml".into(),
        },
    };
    let failures = Failures { target: "openai/gpt-4o".into(), how: "HTTP 429".into(), calls: 31 };
    Weekly {
        report,
        before: Some(totals(4.0, 9.0, 1_000)),
        quality: None,
        misroutes: vec![misroute.clone(), Misroute { tier: "standard".into(), ..misroute }],
        failures: vec![failures],
        store: " --db week.db".into(),
    }
}

fn measured() -> Weekly {
    let saved = SavedBetween { value: usd(6.9), low: usd(6.1), high: usd(7.7), shadows: 412, confidence: 0.95 };
    let quality = QualityKept {
        value: 0.985,
        low: 0.962,
        high: 0.997,
        verdicts: 412,
        target: 0.98,
        held: vec!["analysis on nano".into()],
    };
    let mut week = Weekly { quality: Some(quality), ..week() };
    week.report.saved_between = Some(saved);
    week.report.days[0].saved_between =
        Some(SavedBetween { value: usd(3.1), low: usd(2.75), high: usd(3.45), ..saved });
    week
}

#[test]
fn markdown_says_what_is_not_known() {
    expect![[r#"
        # tierway, the week

        2026-03-02 00:00 to 2026-03-09 00:00 UTC

        **Saved: $6.75 (61.4%)**
        against $11.00 on standard; no interval yet: same tokens. $0.25 were lost on 12 requests and are counted in.

        **Quality kept: not measured**
        nobody has compared these answers with the baseline's; `[quality]` in the config samples some.

        **Always cheapest: $10.56 (96.0%)**
        would have been saved by sending everything to nano, whatever its answers are worth.

        **Paid in all: $4.38**
        for 1,200 requests; $0.05 of it to decide. Week before: +20.0 % requests, +4.8 % paid; 55.0% saved then, 61.4% now.

        > Not calibrated: 800 calls went by built-in thresholds, which nothing proves on your traffic; `tierway calibrate` proves thresholds on your own outcomes.

        ## What to do

        1. **40 analysis requests on reasoning (predicted) cost more than on the baseline tier: $0.25 too much.**
           **40 analysis requests on standard (predicted) cost more than on the baseline tier: $0.25 too much.** Lower the target.

           ```toml
           [routing]
           quality_target = 0.97
           ```

           Try it first: `tierway backtest --since 7d --policy new.toml --db week.db`. Look: `tierway explain 04944h1000401 --db week.db`, `tierway explain 04944h1000401 --db week.db`.

        ## Left out or failed

        - 8 requests without a known price: left out of the savings (openai/gpt-4o-mini); `tierway prices` mends it
        - 2 requests that named their model: not routed, left out
        - 12 of 1,200 requests failed
        - openai/gpt-4o: 31 × HTTP 429

        ## By day

        | | Requests | Paid | Saved | Between (95 %) |
        | --- | ---: | ---: | ---: | ---: |
        | 2026-03-02 | 600 | $2.19 | $3.00 | not measured |
        | 2026-03-03 | 600 | $2.19 | -$0.50 | not measured |

        ## By tier

        | | Requests | Paid | Saved | Saved, share |
        | --- | ---: | ---: | ---: | ---: |
        | nano | 900 | $0.20+ | $6.30 | 96.9% |
        | standard | 300 | $4.00+ | $0 | – |

        ## By team

        | | Requests | Paid | Saved | Saved, share |
        | --- | ---: | ---: | ---: | ---: |
        | \<img src=x\>\|\*a\* | 1,200 | $4.30+ | $6.70 | 60.9% |

        ## By task

        | | Requests | Paid | Saved | Saved, share |
        | --- | ---: | ---: | ---: | ---: |
        | task-0 | 120 | $0.40+ | $0.60 | 60.0% |
        | task-1 | 120 | $0.40+ | $0.60 | 60.0% |
        | task-2 | 120 | $0.40+ | $0.60 | 60.0% |
        | task-3 | 120 | $0.40+ | $0.60 | 60.0% |
        | task-4 | 120 | $0.40+ | $0.60 | 60.0% |
        | task-5 | 120 | $0.40+ | $0.60 | 60.0% |
        | task-6 | 120 | $0.40+ | $0.60 | 60.0% |
        | task-7 | 120 | $0.40+ | $0.60 | 60.0% |
        | 2 more | 240 | $0.80 | $1.20 |  |
    "#]].assert_eq(&weekly_markdown(&week()));
}

#[test]
fn what_was_refused_is_not_left_out() {
    let mut week = week();
    (week.report.totals.failed, week.report.totals.refused) = (0, 1);
    let text = weekly_markdown(&week);
    assert!(text.contains("- No request failed\n- 1 request refused before any provider was called\n"), "{text}");
}

#[test]
fn what_was_measured_is_said_with_its_interval() {
    let text = weekly_markdown(&measured());
    for wanted in [
        "between $6.10 and $7.70 with 95.0% confidence",
        "$3.00 | $2.75 to $3.45 |",
        "98.5%",
        "96.2% to 99.7%, by 412",
        "analysis on nano",
    ] {
        assert!(text.contains(wanted), "{wanted}:\n{text}");
    }
    for unwanted in ["kept: not measured", "no interval yet"] {
        assert!(!text.contains(unwanted), "{unwanted}");
    }
}

#[test]
fn the_page_needs_nothing_that_mail_programs_strip() {
    let page = weekly_html(&measured());
    for unwanted in ["<script", "<style", "<link", "<svg", "href=", "class=", "http:", "https:", "<img"] {
        assert!(!page.contains(unwanted), "{unwanted}");
    }
    for wanted in ["The week", "&lt;img src=x&gt;", "[routing]\nquality_target = 0.97", "Always cheapest", "6.10"] {
        assert!(page.contains(wanted), "{wanted}");
    }
}

#[test]
fn a_chat_gets_blocks_that_it_takes() {
    let message = slack_json(&measured());
    let text = message.to_string();
    assert!(!text.contains("<img"), "{text}");
    let blocks = message["blocks"].as_array().unwrap();
    assert!(
        blocks.len() <= 50 && blocks.iter().all(|block| block["text"]["text"].as_str().unwrap_or("").len() <= 3_000)
    );
    assert!(message["text"].as_str().unwrap().contains("*Saved*: $6.75 (61.4%)"), "{text}");
    let json = weekly_json(&week()).unwrap();
    assert_eq!((&json["quality"], &json["misroutes"][0]["lost_usd"]), (&serde_json::Value::Null, &0.25.into()));
}

#[test]
fn nothing_to_do_is_said_by_saying_nothing() {
    let now = InForce { baseline: "standard".into(), policy: Policy::Target, quality_target: 0.98, calibrated: false };
    let week = Weekly { misroutes: Misroutes::default().worst(5, &now), before: None, ..week() };
    let text = weekly_markdown(&week);
    assert!(!text.contains("What to do") && text.contains("Nothing was recorded in the week before"), "{text}");
}
