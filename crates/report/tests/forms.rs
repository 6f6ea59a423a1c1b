//! One report in each of its forms.
#![allow(missing_docs)]

use expect_test::expect;
use tierway_decide::Usd;
use tierway_decide::savings::Savings;
use tierway_report::{
    Baseline, Day, Group, GroupBy, Line, Money, Note, Report, Totals, csv, csv_field, html, json, text,
};

fn usd(dollars: f64) -> Usd {
    Usd::from_f64(dollars)
}

fn line(name: &str, calls: u64, share: f64, paid: f64, saved: f64) -> Line {
    let saved_share = (saved != 0.0).then(|| saved / (saved + paid));
    Line {
        name: name.into(),
        calls,
        share,
        failed: calls / 100,
        paid: usd(paid),
        saved: usd(saved),
        saved_share,
        unpriced: 0,
        mean_ms: Some(840.0 * paid.sqrt()),
        p95_ms: Some(4_200.0),
    }
}

fn report() -> Report {
    let savings = Savings {
        priced_calls: 1_190,
        unpriced_calls: 8,
        passed_calls: 2,
        paid: usd(4.2),
        classifier: usd(0.05),
        baseline: usd(11.0),
        gained: usd(7.0),
        lost: usd(0.25),
        lost_calls: 12,
        cheapest_calls: 1_190,
        cheapest: usd(0.44),
        cheapest_baseline: usd(11.0),
        paid_elsewhere: usd(0.125),
    };
    Report {
        from_ms: 1_772_409_600_000,
        to_ms: 1_773_014_400_000,
        totals: Totals {
            calls: 1_200,
            answered: 1_180,
            failed: 12,
            cancelled: 5,
            refused: 3,
            abstained: 90,
            mean_ms: Some(1_310.0),
            p95_ms: Some(4_900.0),
            money: Money::from(&savings),
            ..Totals::default()
        },
        saved_between: None,
        baseline: Baseline { tier: "standard".into(), method: "same tokens".into() },
        cheapest_tier: "nano".into(),
        tiers: vec![
            line("nano", 900, 0.75, 0.2, 6.3),
            line("standard", 250, 0.208_333, 3.0, 0.0),
            line("reasoning", 50, 0.041_667, 1.175, -0.25),
        ],
        groups: vec![
            Group {
                by: GroupBy::Model,
                lines: vec![
                    line("openai/gpt-4o-mini", 900, 0.75, 0.2, 6.3),
                    line("<b>&\"evil\"", 285, 0.2375, 4.1, 0.4),
                    line("", 15, 0.0125, 0.0, 0.0),
                ],
            },
            Group { by: GroupBy::Team, lines: vec![line("", 1_200, 1.0, 4.3, 6.7)] },
            Group {
                by: GroupBy::Key,
                lines: (0..10).map(|at| line(&format!("key-{at}"), 120, 0.1, 0.4, 0.6)).collect(),
            },
        ],
        days: vec![
            Day {
                start_ms: 0,
                date: "2026-03-02".into(),
                calls: 600,
                paid: usd(2.0),
                saved: usd(7.0),
                saved_between: None,
            },
            Day {
                start_ms: 0,
                date: "2026-03-03".into(),
                calls: 600,
                paid: usd(2.3),
                saved: usd(-0.25),
                saved_between: None,
            },
        ],
        notes: vec![Note::NotCalibrated { calls: 800 }],
    }
}

#[test]
fn a_wide_terminal_gets_tables() {
    expect![[r#"
        tierway report
        2026-03-02 00:00 to 2026-03-09 00:00 UTC

        Tier                                    Calls   Share        Cost    Saved     Mean      p95
        ────────────────────────────────────────────────────────────────────────────────────────────
        nano                                      900   75.0%       $0.20    96.9%   376 ms    4.2 s
        standard                                  250   20.8%       $3.00        –    1.5 s    4.2 s
        reasoning                                  50    4.2%       $1.18   -27.0%   911 ms    4.2 s
        all                                     1,200    100%       $4.38    61.4%    1.3 s    4.9 s

        Paid                     $4.25  for 1,190 priced calls, failed attempts included; $0.05 of it to
                                        decide
        Baseline                $11.00  everything on standard; same tokens
        Saved                    $6.75  61.4% of it: $7.00 gained, $0.25 lost on 12 calls that cost more
        Always cheapest         $10.56  would have been saved (96.0%) by sending everything to nano,
                                        whatever its answers are worth
        Unpriced                     8  calls without a known price, left out of the four lines above;
                                        `tierway prices` mends it
        Not routed                   2  calls that named their model, left out of savings
        In all                   $4.38  known to be paid in all, with unpriced and not routed calls
        Failed                      12  1.0% of calls; besides 3 refused, 5 cancelled by the client
        Abstained                   90  7.5% of calls gave the predictor too little to go by

        Model                                   Calls   Share        Cost    Saved     Mean      p95
        ────────────────────────────────────────────────────────────────────────────────────────────
        openai/gpt-4o-mini                        900   75.0%       $0.20    96.9%   376 ms    4.2 s
        <b>&"evil"                                285   23.8%       $4.10     8.9%    1.7 s    4.2 s
        (not answered)                             15    1.3%          $0        –     0 ms    4.2 s

        Key                                     Calls   Share        Cost    Saved     Mean      p95
        ────────────────────────────────────────────────────────────────────────────────────────────
        key-0                                     120   10.0%       $0.40    60.0%   531 ms    4.2 s
        key-1                                     120   10.0%       $0.40    60.0%   531 ms    4.2 s
        key-2                                     120   10.0%       $0.40    60.0%   531 ms    4.2 s
        key-3                                     120   10.0%       $0.40    60.0%   531 ms    4.2 s
        key-4                                     120   10.0%       $0.40    60.0%   531 ms    4.2 s
        key-5                                     120   10.0%       $0.40    60.0%   531 ms    4.2 s
        key-6                                     120   10.0%       $0.40    60.0%   531 ms    4.2 s
        key-7                                     120   10.0%       $0.40    60.0%   531 ms    4.2 s
        … and 2 more

        Not calibrated: 800 calls went by built-in thresholds, which nothing proves on your traffic;
        `tierway calibrate` proves thresholds on your own outcomes.
    "#]]
    .assert_eq(&text(&report(), 100));
}

#[test]
fn a_narrow_terminal_gets_blocks() {
    expect![[r#"
        tierway report
        2026-03-02 00:00 to 2026-03-09 00:00 UTC

        By tier
        nano
          900 calls, 75.0%; cost $0.20, saved 96.9%;
          mean 376 ms, p95 4.2 s
        standard
          250 calls, 20.8%; cost $3.00, saved –;
          mean 1.5 s, p95 4.2 s
        reasoning
          50 calls, 4.2%; cost $1.18, saved -27.0%;
          mean 911 ms, p95 4.2 s
        all
          1,200 calls, 100%; cost $4.38, saved
          61.4%; mean 1.3 s, p95 4.9 s

        Paid                     $4.25
          for 1,190 priced calls, failed attempts
          included; $0.05 of it to decide
        Baseline                $11.00
          everything on standard; same tokens
        Saved                    $6.75
          61.4% of it: $7.00 gained, $0.25 lost on
          12 calls that cost more
        Always cheapest         $10.56
          would have been saved (96.0%) by sending
          everything to nano, whatever its answers
          are worth
        Unpriced                     8
          calls without a known price, left out of
          the four lines above; `tierway prices`
          mends it
        Not routed                   2
          calls that named their model, left out of
          savings
        In all                   $4.38
          known to be paid in all, with unpriced and
          not routed calls
        Failed                      12
          1.0% of calls; besides 3 refused, 5
          cancelled by the client
        Abstained                   90
          7.5% of calls gave the predictor too
          little to go by

        By model
        openai/gpt-4o-mini
          900 calls, 75.0%; cost $0.20, saved 96.9%;
          mean 376 ms, p95 4.2 s
        <b>&"evil"
          285 calls, 23.8%; cost $4.10, saved 8.9%;
          mean 1.7 s, p95 4.2 s
        (not answered)
          15 calls, 1.3%; cost $0, saved –; mean 0
          ms, p95 4.2 s

        By key
        key-0
          120 calls, 10.0%; cost $0.40, saved 60.0%;
          mean 531 ms, p95 4.2 s
        key-1
          120 calls, 10.0%; cost $0.40, saved 60.0%;
          mean 531 ms, p95 4.2 s
        key-2
          120 calls, 10.0%; cost $0.40, saved 60.0%;
          mean 531 ms, p95 4.2 s
        key-3
          120 calls, 10.0%; cost $0.40, saved 60.0%;
          mean 531 ms, p95 4.2 s
        key-4
          120 calls, 10.0%; cost $0.40, saved 60.0%;
          mean 531 ms, p95 4.2 s
        key-5
          120 calls, 10.0%; cost $0.40, saved 60.0%;
          mean 531 ms, p95 4.2 s
        key-6
          120 calls, 10.0%; cost $0.40, saved 60.0%;
          mean 531 ms, p95 4.2 s
        key-7
          120 calls, 10.0%; cost $0.40, saved 60.0%;
          mean 531 ms, p95 4.2 s
        … and 2 more

        Not calibrated: 800 calls went by built-in
        thresholds, which nothing proves on your
        traffic; `tierway calibrate` proves
        thresholds on your own outcomes.
    "#]]
    .assert_eq(&text(&report(), 44));
}

#[test]
fn nothing_is_wider_than_the_terminal() {
    for width in 32..130 {
        let text = text(&report(), width);
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= width, "{widest} columns where there are {width}:\n{text}");
    }
}

#[test]
fn an_empty_period_says_so_without_inventing_figures() {
    let empty = Report {
        totals: Totals::default(),
        tiers: vec![],
        groups: vec![],
        days: vec![],
        notes: vec![Note::Empty],
        baseline: Baseline { tier: String::new(), method: "same tokens".into() },
        cheapest_tier: String::new(),
        ..report()
    };
    expect![[r#"
        tierway report
        2026-03-02 00:00 to 2026-03-09 00:00 UTC

        Tier                        Calls   Share        Cost    Saved     Mean      p95
        ────────────────────────────────────────────────────────────────────────────────
        all                             0      0%          $0        –        –        –

        Paid                        $0  for 0 priced calls, failed attempts included
        Baseline                    $0  everything on the baseline tier; same tokens
        Saved                       $0  no baseline yet
        Always cheapest             $0  would have been saved by sending everything to
                                        the cheapest tier, whatever its answers are
                                        worth
        Failed                       0  0% of calls
        Abstained                    0  0% of calls gave the predictor too little to go
                                        by

        No calls in this period.
    "#]]
    .assert_eq(&text(&empty, 80));
    assert!(html(&empty).contains("No calls in this period."));
    assert!(json(&empty).unwrap().contains("\"saved_share\": null"));
}

#[test]
fn csv_is_one_table_with_exact_money() {
    expect![[r#"
        group,name,calls,share,failed,unpriced,paid_usd,saved_usd,saved_share,mean_ms,p95_ms,baseline_usd,classifier_usd,always_cheapest_saved_usd
        total,all,1200,1.000000,12,8,4.375,6.75,0.6136,1310.0000,4900.0000,11,0.05,10.56
        tier,nano,900,0.750000,9,0,0.2,6.3,0.9692,375.6594,4200.0000,,,
        tier,standard,250,0.208333,2,0,3,0,,1454.9227,4200.0000,,,
        tier,reasoning,50,0.041667,0,0,1.175,-0.25,-0.2703,910.5383,4200.0000,,,
        model,openai/gpt-4o-mini,900,0.750000,9,0,0.2,6.3,0.9692,375.6594,4200.0000,,,
        model,"<b>&""evil""",285,0.237500,2,0,4.1,0.4,0.0889,1700.8704,4200.0000,,,
        model,,15,0.012500,0,0,0,0,,0.0000,4200.0000,,,
        team,,1200,1.000000,12,0,4.3,6.7,0.6091,1741.8611,4200.0000,,,
        key,key-0,120,0.100000,1,0,0.4,0.6,0.6000,531.2626,4200.0000,,,
        key,key-1,120,0.100000,1,0,0.4,0.6,0.6000,531.2626,4200.0000,,,
        key,key-2,120,0.100000,1,0,0.4,0.6,0.6000,531.2626,4200.0000,,,
        key,key-3,120,0.100000,1,0,0.4,0.6,0.6000,531.2626,4200.0000,,,
        key,key-4,120,0.100000,1,0,0.4,0.6,0.6000,531.2626,4200.0000,,,
        key,key-5,120,0.100000,1,0,0.4,0.6,0.6000,531.2626,4200.0000,,,
        key,key-6,120,0.100000,1,0,0.4,0.6,0.6000,531.2626,4200.0000,,,
        key,key-7,120,0.100000,1,0,0.4,0.6,0.6000,531.2626,4200.0000,,,
        key,key-8,120,0.100000,1,0,0.4,0.6,0.6000,531.2626,4200.0000,,,
        key,key-9,120,0.100000,1,0,0.4,0.6,0.6000,531.2626,4200.0000,,,
        day,2026-03-02,600,0.500000,0,0,2,7,,,,,,
        day,2026-03-03,600,0.500000,0,0,2.3,-0.25,,,,,,
    "#]].assert_eq(&csv(&report()).replace("\r\n", "\n"));
}

#[test]
fn csv_fields_neither_break_the_table_nor_run_in_a_spreadsheet() {
    for (text, want) in [
        ("plain", "plain"),
        ("a,b", "\"a,b\""),
        ("say \"hi\"", "\"say \"\"hi\"\"\""),
        ("two\nlines", "\"two\nlines\""),
        ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
        ("-1+2", "\"'-1+2\""),
        ("", ""),
    ] {
        assert_eq!(csv_field(text), want);
    }
}

#[test]
fn json_has_money_in_dollars_under_names_that_say_so() {
    let report: serde_json::Value = serde_json::from_str(&json(&report()).unwrap()).unwrap();
    let money = &report["totals"]["money"];
    for (name, want) in [
        ("paid_usd", 4.25),
        ("classifier_usd", 0.05),
        ("baseline_usd", 11.0),
        ("saved_usd", 6.75),
        ("always_cheapest_saved_usd", 10.56),
        ("paid_in_all_usd", 4.375),
    ] {
        assert_eq!(money[name], want, "{name}");
    }
    assert_eq!(report["tiers"][2]["saved_usd"], -0.25);
    assert_eq!(report["groups"][0]["by"], "model");
    assert_eq!(report["notes"][0]["kind"], "not_calibrated");
}

#[test]
fn the_page_stands_alone_and_names_stay_text() {
    let page = html(&report());
    assert!(page.contains("&lt;b&gt;&amp;&quot;evil&quot;") && !page.contains("<b>"));
    for outside in ["http:", "https:", "src=", "href=", "<script", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    for wanted in ["prefers-color-scheme:dark", "Saved by day", "class=\"loss\"", "$6.75", "Always cheapest", "nano"] {
        assert!(page.contains(wanted), "{wanted}");
    }
    for tag in ["table", "tr", "td", "div", "main", "svg", "rect", "p"] {
        let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "<{tag}>");
    }
}

#[test]
fn what_has_no_price_never_looks_free() {
    let mut report = report();
    report.tiers = vec![
        Line { unpriced: 8, ..line("house", 8, 0.1, 0.0, 0.0) },
        Line { unpriced: 1, ..line("mixed", 9, 0.1, 0.5, 0.0) },
        line("priced", 9, 0.1, 0.0, 0.0),
    ];
    report.totals.money.always_cheapest_share = None;
    let text = text(&report, 100);
    let costs = |page: &str| {
        ["house", "mixed", "priced"].map(|name| {
            let line = page.lines().find(|line| line.contains(name)).unwrap_or_default();
            ["unknown", "$0.50+", "$0"].into_iter().find(|cost| line.contains(cost)).unwrap_or_default().to_owned()
        })
    };
    assert_eq!(costs(&text), ["unknown", "$0.50+", "$0"], "{text}");
    assert_eq!(costs(&html(&report)), ["unknown", "$0.50+", "$0"]);
    let cheapest = text.lines().find(|line| line.starts_with("Always cheapest"));
    assert!(cheapest.is_some_and(|line| line.contains(" unknown ")), "{text}");
}
