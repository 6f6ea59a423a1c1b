//! `tierway audit`: recomputes every total from the rows, offline, and compares with what reports show.

use crate::exit::{Done, Failed};
use crate::store::StoreArg;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::PathBuf;
use tierway_decide::{Attempt, CallRecord, Ladder, RequestId, Usd, savings};
use tierway_ledger::{Audit, Figures, Problem, Span};
use tierway_report::{many, thousands};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    store: StoreArg,
    /// Only the last so many days [default: everything]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: Option<u32>,
    /// Hold the calls against a provider's own count: a usage or cost export of OpenAI or Anthropic, CSV or JSON
    #[arg(long, value_name = "FILE", conflicts_with = "days")]
    reconcile: Option<PathBuf>,
    /// With --reconcile: the provider of the config that the export covers [default: all of the export's kind]
    #[arg(long, value_name = "NAME", requires = "reconcile")]
    provider: Vec<String>,
    /// The outcome as one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Done {
    let mut source = args.store.open()?;
    if let Some(file) = &args.reconcile {
        return crate::reconcile::run(source, file, &args.provider, args.json);
    }
    let span = args.days.map_or(Span::ALL, |days| Span::last_days(days, crate::store::now_ms()));
    let mut prices = source.config.as_ref().map(|config| Prices::new(config.table.ladder(), config.table.version()));
    let audit = source.reader.audit(span, |call| prices.iter_mut().for_each(|prices| prices.check(call)));
    let audit = audit.map_err(Failed::told)?;
    let mut out = io::stdout().lock();
    if args.json {
        let prices = prices.as_ref().map(Prices::json);
        let outcome = serde_json::json!({ "audit": as_json(&audit), "prices": prices });
        writeln!(out, "{outcome:#}")?;
    } else {
        tell(&mut out, &audit, prices.as_ref())?;
    }
    out.flush()?;
    let wrong = audit.problems.len() as u64 + audit.more_problems + prices.map_or(0, |prices| prices.wrong);
    if wrong == 0 { Ok(()) } else { Err(Failed::told(format_args!("the audit found {}", many(wrong, "problem")))) }
}

/// As `report --json` shows things: dollars, ids as people see them, and the digest as the text has it.
fn as_json(audit: &Audit) -> Value {
    let problems = audit.problems.iter().map(|problem| {
        let mut shown = serde_json::to_value(problem).unwrap_or_default();
        if let Problem::RowChanged { id } | Problem::RowUnreadable { id, .. } | Problem::PaidDiffers { id, .. } =
            problem
        {
            shown["id"] = id.to_string().into();
        }
        let Value::Object(fields) = &mut shown else { return shown };
        for money in ["stated", "attempts", "recorded_paid", "paid"] {
            if let Some(picos) = fields.remove(money) {
                let dollars = picos.as_i64().map(|picos| Usd::from_picos(picos).as_f64());
                fields.insert(format!("{money}_usd"), dollars.into());
            }
        }
        shown
    });
    json!({
        "rows": audit.rows,
        "hours": audit.hours,
        "expired_hours": audit.expired_hours,
        "recomputed": sums(&audit.recomputed),
        "recorded": sums(&audit.recorded),
        "digest": format!("{:016x}", audit.digest),
        "problems": problems.collect::<Vec<_>>(),
        "more_problems": audit.more_problems,
    })
}

fn sums(figures: &Figures) -> Value {
    let savings = &figures.savings;
    json!({
        "calls": figures.calls,
        "failed": figures.failed,
        "input_tokens": figures.input_tokens,
        "output_tokens": figures.output_tokens,
        "paid_usd": savings.paid_for_priced().as_f64(),
        "classifier_usd": savings.classifier.as_f64(),
        "paid_elsewhere_usd": savings.paid_elsewhere.as_f64(),
        "paid_in_all_usd": savings.paid_in_all().as_f64(),
        "baseline_usd": savings.baseline.as_f64(),
        "saved_usd": savings.saved().as_f64(),
        "always_cheapest_saved_usd": savings.always_cheapest_saved().as_f64(),
        "unpriced_calls": savings.unpriced_calls,
    })
}

fn tell(out: &mut impl Write, audit: &Audit, prices: Option<&Prices>) -> io::Result<()> {
    writeln!(out, "{} of {} read", many(audit.rows, "row"), many(audit.hours, "hour"))?;
    if audit.expired_hours > 0 {
        let hours = many(audit.expired_hours, "hour");
        writeln!(out, "by the rule of retention {hours} can no longer be audited: only sums are left")?;
    }
    writeln!(out, "\n{:<22}{:>20}{:>20}", "", "from the rows", "in reports")?;
    let line = |name: &str, of: fn(&Figures) -> String| (name.to_owned(), of(&audit.recomputed), of(&audit.recorded));
    for (name, rows, sums) in [
        line("calls", |figures| thousands(figures.calls)),
        line("failed", |figures| thousands(figures.failed)),
        line("tokens in", |figures| thousands(figures.input_tokens)),
        line("tokens out", |figures| thousands(figures.output_tokens)),
        line("paid", |figures| figures.savings.paid_for_priced().to_string()),
        line("of it to decide", |figures| figures.savings.classifier.to_string()),
        line("paid elsewhere", |figures| figures.savings.paid_elsewhere.to_string()),
        line("paid in all", |figures| figures.savings.paid_in_all().to_string()),
        line("baseline", |figures| figures.savings.baseline.to_string()),
        line("saved", |figures| figures.savings.saved().to_string()),
        line("always cheapest saved", |figures| figures.savings.always_cheapest_saved().to_string()),
        line("unpriced calls", |figures| thousands(figures.savings.unpriced_calls)),
    ] {
        let verdict = if rows == sums { "" } else { "  differs" };
        writeln!(out, "{name:<22}{rows:>20}{sums:>20}{verdict}")?;
    }
    writeln!(out, "\ndigest of all rows     {:016x}", audit.digest)?;
    if let Some(prices) = prices {
        prices.tell(out)?;
    }
    for problem in &audit.problems {
        writeln!(out)?;
        crate::columns::fact(out, "", &words(problem))?;
    }
    if audit.more_problems > 0 {
        writeln!(out, "\n… and {} more", many(audit.more_problems, "problem"))?;
    }
    if audit.is_clean() && prices.is_none_or(|prices| prices.wrong == 0) {
        writeln!(out, "\nevery row is as it was written, and every sum is that of its rows")
    } else {
        Ok(())
    }
}

fn words(problem: &Problem) -> String {
    let amount = |amount: &Option<Usd>| amount.map_or_else(|| "unknown".into(), |amount| format!("${amount}"));
    match problem {
        Problem::RowChanged { id } => format!("request {id}: its row was changed after it was written"),
        Problem::RowUnreadable { id, why } => format!("request {id}: its row cannot be read ({why})"),
        Problem::PaidDiffers { id, stated, attempts } => {
            format!("request {id}: paid says {}, its attempts add up to {}", amount(stated), amount(attempts))
        }
        Problem::HourDiffers { start_ms, written, found } if written == found => {
            format!("hour {}: rows were changed together with their checksums", time(*start_ms))
        }
        Problem::HourDiffers { start_ms, written, found } => {
            format!("hour {}: rows written: {written}, there: {found}", time(*start_ms))
        }
        Problem::SumDiffers { start_ms, whole_day, of, recorded_calls, calls, recorded_paid, paid } => {
            let (what, start) = (if *whole_day { "day" } else { "hour" }, time(*start_ms));
            if (recorded_calls, recorded_paid) == (calls, paid) {
                return format!(
                    "{what} {start}, {of}: calls and paid agree, other figures (tokens, savings, times) differ"
                );
            }
            // To the last digit: a difference that rounding hides is one all the same.
            let (calls, recorded) = (thousands(*calls), thousands(*recorded_calls));
            format!(
                "{what} {start}, {of}: reports say {recorded} calls and ${recorded_paid}, the rows {calls} calls and ${paid}"
            )
        }
    }
}

/// Date and time, UTC, to the minute.
pub(crate) fn time(unix_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(unix_ms)
        .map_or_else(|_| unix_ms.to_string(), |time| time.strftime("%Y-%m-%d %H:%M").to_string())
}

/// Computes the money of rows anew, as far as they were decided under the config that is at hand.
struct Prices<'a> {
    ladder: &'a Ladder,
    version: u64,
    checked: u64,
    wrong: u64,
    /// The first of them.
    named: Vec<RequestId>,
}

impl<'a> Prices<'a> {
    const MOST_NAMED: usize = 20;

    const fn new(ladder: &'a Ladder, version: u64) -> Self {
        Self { ladder, version, checked: 0, wrong: 0, named: Vec::new() }
    }

    fn check(&mut self, call: &CallRecord) {
        if call.table_version != self.version || call.attempts.is_empty() {
            return;
        }
        self.checked += 1;
        let unix_ms = call.id.unix_ms();
        let attempts = call.attempts.iter().all(|attempt| self.price_holds(attempt, unix_ms));
        let usage = call.usage_as_asked();
        let on = |tier| savings::counterfactual(self.ladder, tier, &usage, unix_ms);
        let cheapest = self.ladder.ids().next().and_then(on);
        let as_computed = call.baseline == on(self.ladder.baseline()) && call.cheapest == cheapest;
        let both = |amount| call.baseline == amount && call.cheapest == amount;
        // What no tier serves, such as embeddings, would have cost the same anywhere.
        let as_paid = !savings::is_routed(&call.reason) && both(call.paid);
        let as_own = savings::is_own(&call.reason) && both(Some(Usd::ZERO));
        if attempts && (as_computed || as_paid || as_own) {
            return;
        }
        self.wrong += 1;
        if self.named.len() < Self::MOST_NAMED {
            self.named.push(call.id);
        }
    }

    /// True as well for a model that is on no tier: its price is not at hand.
    fn price_holds(&self, attempt: &Attempt, unix_ms: i64) -> bool {
        let targets = self.ladder.tiers().iter().flat_map(|tier| &tier.targets);
        let mut same = targets.filter(|target| target.provider == attempt.provider && target.model == attempt.model);
        let Some(target) = same.next() else { return true };
        let price = target.prices.as_ref().and_then(|prices| prices.cost(unix_ms, &attempt.usage));
        attempt.usage.is_empty() || attempt.paid == price
    }

    fn tell(&self, out: &mut impl Write) -> io::Result<()> {
        let (checked, wrong) = (many(self.checked, "row"), thousands(self.wrong));
        writeln!(out, "prices                 {checked} of the config in force priced anew, {wrong} differ")?;
        self.named.iter().try_for_each(|id| writeln!(out, "                       request {id}"))
    }

    fn json(&self) -> Value {
        let named: Vec<_> = self.named.iter().map(ToString::to_string).collect();
        json!({ "checked": self.checked, "differ": self.wrong, "requests": named })
    }
}
