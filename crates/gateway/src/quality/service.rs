//! The thread that looks: takes samples from the queue, a few at a time, and settles what was found.
//!
//! Everything that it knows is in the store or can be had again: killed in the middle it goes on after a restart, with the
//! samples whose texts are kept.

use super::answers::Said;
use super::cells::Cells;
use super::herald::{self, Carried, Herald};
use super::look::{Found, GivenUp, Task, look};
use super::{Order, Shared};
use crate::api::now_ms;
use crate::metrics::Metrics;
use arc_swap::ArcSwap;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;
use tierway::{Router, Seen};
use tierway_config::Config;
use tierway_decide::quality::{CellKey, Design, Judged};
use tierway_decide::{RequestId, Usd};
use tierway_ledger::quality::{Sample, SampleText, Verdict};
use tierway_ledger::{LedgerError, Location, State};
use tierway_wire::Format;
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;

const DAY_MS: i64 = 86_400_000;
/// How often the rate is fitted to what is left of the budget, old texts are forgotten, and the store is tried again.
const HOUSEKEEPING: Duration = Duration::from_secs(5);
/// What a look is thought to cost before one was paid: two answers and two judgements of a mid-priced model.
const FIRST_COST: f64 = 0.01;
/// Alarms that are looked through for one that nobody heard of.
const MOST_ALARMS: usize = 100;
/// Samples of an earlier run that are gone on with.
const RESUMED: usize = 1_000;

/// The running thread.
pub(crate) struct Service {
    thread: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl Service {
    /// Starts it. `router`: through which our own calls go; swapped on reload.
    pub(crate) fn start(
        shared: Arc<Shared>,
        orders: Receiver<Order>,
        router: Arc<ArcSwap<Router>>,
        metrics: Arc<Metrics>,
        location: Location,
    ) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("quality".into()).spawn(move || {
            let bench = Bench {
                shared,
                router,
                metrics,
                location,
                open: None,
                running: FuturesUnordered::new(),
                said: None,
                herald: Herald::default(),
                carrying: FuturesUnordered::new(),
            };
            runtime.block_on(bench.run(orders, stopped));
        })?;
        Ok(Self { thread, stop })
    }

    /// Stops looking. What was begun is broken off, and gone on with by the next run.
    pub(crate) fn stop(self) {
        self.stop.send_replace(true);
        let _ = self.thread.join();
    }
}

/// What the thread works with.
struct Bench {
    shared: Arc<Shared>,
    router: Arc<ArcSwap<Router>>,
    metrics: Arc<Metrics>,
    location: Location,
    /// None until the store could be opened.
    open: Option<Open>,
    running: FuturesUnordered<BoxFuture<'static, (Taken, Found)>>,
    /// Why the store cannot be opened: said once.
    said: Option<String>,
    herald: Herald,
    /// The alarm on its way to the webhook.
    carrying: FuturesUnordered<BoxFuture<'static, Carried>>,
}

/// What is known once the store is open.
struct Open {
    state: State,
    cells: Cells,
    waiting: VecDeque<(Taken, Task)>,
    budget: Budget,
}

/// What has to be known of a sample while it is looked at.
struct Taken {
    id: RequestId,
    kind: tierway_decide::quality::Kind,
    cell: CellKey,
    weight: f64,
}

/// A day's money.
struct Budget {
    day: i64,
    spent: f64,
    looks: f64,
    /// Requests that could have been looked at when the day (or this process) began, and when that was.
    eligible_at_start: u64,
    started_ms: i64,
}

impl Bench {
    async fn run(mut self, mut orders: Receiver<Order>, mut stopped: watch::Receiver<bool>) {
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
        loop {
            self.begin_looks();
            tokio::select! {
                biased;
                _ = stopped.wait_for(|stopped| *stopped) => return,
                Some((taken, found)) = self.running.next(), if !self.running.is_empty() => self.settle(&taken, found),
                Some((id, taken)) = self.carrying.next(), if !self.carrying.is_empty() => self.carried(id, taken),
                _ = housekeeping.tick() => self.keep_house(),
                Some(order) = orders.recv(), if self.has_room() => self.follow(order),
            }
        }
    }

    /// Samples wait in the queue, which is bounded, rather than here; also for a store that is not open yet.
    fn has_room(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.waiting.is_empty())
    }

    fn follow(&mut self, order: Order) {
        let Some(open) = &mut self.open else { return };
        match order {
            Order::Reloaded => {
                match Cells::read(&self.shared.config.load_full(), &mut open.state) {
                    Ok(cells) => open.cells = cells,
                    Err(error) => return self.lost(&error),
                }
                self.keep_house();
            }
            Order::Look(seen) => {
                let config = self.shared.config.load_full();
                let Some((sample, taken, task)) = sample(&config, &seen, now_ms()) else { return };
                self.metrics.sample("taken");
                match open.state.keep_sample(&sample) {
                    Ok(()) => open.waiting.push_back((taken, task)),
                    Err(error) => self.lost(&error),
                }
            }
            Order::Change { cell, to, author, why } => {
                if let Some(change) = open.cells.change(&cell, to, now_ms(), &author, &why) {
                    if let Err(error) = open.state.change_cell(&change) {
                        return self.lost(&error);
                    }
                    self.hold();
                }
            }
        }
    }

    /// Begins as many looks as may run at once.
    fn begin_looks(&mut self) {
        let Some(open) = &mut self.open else { return };
        let config = self.shared.config.load_full();
        while self.running.len() < config.quality.max_concurrent as usize {
            let Some((taken, task)) = open.waiting.pop_front() else { return };
            let router = Router::clone(&self.router.load_full());
            let left = config.quality.dollars_a_day.as_f64() - open.budget.spent;
            if left < open.budget.each() * (self.running.len() + 1) as f64 {
                let why = "the day's budget is spent".to_owned();
                self.running.push(Box::pin(async { (taken, Err(GivenUp { why, cost: Usd::ZERO })) }));
                continue;
            }
            let top = || config.table.ladder().tiers().last().map(|tier| tier.name.clone()).unwrap_or_default();
            let judge = config.quality.judge.clone().unwrap_or_else(top);
            self.running.push(Box::pin(async move {
                let found = look(router, judge, task).await;
                (taken, found)
            }));
        }
    }

    /// Writes down what was found, and what follows from it.
    fn settle(&mut self, taken: &Taken, found: Found) {
        let Some(open) = &mut self.open else { return };
        let now = now_ms();
        let cost = match &found {
            Ok(verdict) => verdict.cost,
            Err(given_up) => given_up.cost,
        };
        open.budget.spend(cost);
        self.metrics.quality_cost(cost);
        let written = match found {
            Ok(verdict) => {
                self.metrics.sample("judged");
                let verdict = Verdict { done_ms: now, ..verdict };
                open.state.judge_sample(taken.id, &verdict).and_then(|()| self.conclude(taken, &verdict, now))
            }
            Err(GivenUp { why, cost }) => {
                self.metrics.sample("given_up");
                tracing::debug!(request = %taken.id, why, "a sample was given up");
                open.state.give_up_sample(taken.id, &why, cost, now)
            }
        };
        if let Err(error) = written {
            self.lost(&error);
        }
    }

    fn conclude(&mut self, taken: &Taken, verdict: &Verdict, now: i64) -> Result<(), LedgerError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let judged = Judged {
            kind: taken.kind,
            cell: taken.cell.clone(),
            comparison: verdict.comparison,
            person: None,
            weight: taken.weight,
            cost: verdict.cost,
        };
        let led = open.cells.take(&judged, now);
        let config = self.shared.config.load();
        if let Some(tier) = config.table.ladder().find(&taken.cell.tier) {
            self.shared.verdicts(taken.cell.task_type, tier).fetch_add(1, Ordering::Relaxed);
        }
        if let Some(change) = &led.change {
            open.state.change_cell(change)?;
            let (task, tier) = (change.cell.task_type.name(), &change.cell.tier);
            tracing::warn!(task, tier, state = change.to.name(), why = change.why, "a cell of quality changed");
        }
        for alarm in &led.alarms {
            open.state.raise_alarm(alarm)?;
            self.metrics.quality_alarm();
            let task = alarm.task_type.map_or("all", tierway_decide::TaskType::name);
            tracing::error!(task, tier = alarm.tier, words = alarm.words, "quality alarm");
        }
        if led.change.is_some() {
            self.hold();
        }
        if !led.alarms.is_empty() {
            self.carry();
        }
        Ok(())
    }

    /// What is held from now on.
    fn hold(&self) {
        let Some(open) = &self.open else { return };
        let config = self.shared.config.load();
        let held = open.cells.held(&config);
        self.router.load().setup().held.set(held);
        self.metrics.held_cells(held.count());
    }

    fn keep_house(&mut self) {
        let config = self.shared.config.load_full();
        if self.open.is_none() {
            match self.open_store(&config) {
                Ok(open) => self.open = Some(open),
                Err(error) => {
                    let error = error.to_string();
                    if self.said.as_ref() != Some(&error) {
                        tracing::warn!(error, "quality is not looked at: its store cannot be opened");
                    }
                    self.said = Some(error);
                    return;
                }
            }
        }
        let Some(open) = &mut self.open else { return };
        let now = now_ms();
        if let Err(error) = open.state.forget_texts(now) {
            tracing::warn!(%error, "texts of samples cannot be forgotten");
        }
        let eligible = self.shared.eligible.load(Ordering::Relaxed);
        let design = config.quality.sample.map_or(Design::new(0.0), |sample| {
            open.budget.design(sample, config.quality.dollars_a_day.as_f64(), eligible, now)
        });
        self.shared.set_design(design);
        self.hold();
        self.carry();
    }

    /// Sends the oldest alarm that nobody heard of yet.
    fn carry(&mut self) {
        let Some(open) = self.open.as_mut().filter(|_| self.carrying.is_empty()) else { return };
        let (now, config) = (now_ms(), self.shared.config.load());
        if !self.herald.may_carry(&config, now) {
            return;
        }
        let Ok(alarms) = open.state.alarms(now - herald::STALE_MS, MOST_ALARMS) else { return };
        let Some(next) = alarms.iter().rev().find(|alarm| !alarm.delivered) else { return };
        self.carrying.push(Herald::carry(&config, next));
    }

    fn carried(&mut self, id: i64, taken: Result<(), String>) {
        let Some(open) = &mut self.open else { return };
        match taken {
            Ok(()) => match open.state.alarm_delivered(id) {
                Ok(()) => self.carry(),
                Err(error) => self.lost(&error),
            },
            Err(why) => self.herald.failed(&why, now_ms()),
        }
    }

    fn open_store(&self, config: &Config) -> Result<Open, LedgerError> {
        let now = now_ms();
        let mut state = State::open(self.location.clone())?;
        let cells = Cells::read(config, &mut state)?;
        for (key, cell) in cells.each() {
            if let Some(tier) = config.table.ladder().find(&key.tier) {
                self.shared.verdicts(key.task_type, tier).store(cell.verdicts(), Ordering::Relaxed);
            }
        }
        let waiting = state.waiting_samples(RESUMED, now)?.into_iter().filter_map(resumed).collect();
        let spent = state.quality_cost(now.div_euclid(DAY_MS) * DAY_MS)?;
        let counts = state.sample_counts(now.div_euclid(DAY_MS) * DAY_MS, i64::MAX)?;
        let budget = Budget {
            day: now.div_euclid(DAY_MS),
            spent: spent.as_f64(),
            looks: (counts.judged + counts.given_up) as f64,
            eligible_at_start: self.shared.eligible.load(Ordering::Relaxed),
            started_ms: now,
        };
        Ok(Open { state, cells, waiting, budget })
    }

    /// The store failed: it is opened anew by the next round of housekeeping, and nothing is sampled until then.
    fn lost(&mut self, error: &LedgerError) {
        tracing::error!(%error, "what was found about quality cannot be written");
        self.shared.set_design(Design::new(0.0));
        // They are in the store, as far as their texts are kept: begun anew when it is open again.
        self.running.clear();
        self.open = None;
    }
}

impl Budget {
    fn spend(&mut self, cost: Usd) {
        self.spent += cost.as_f64();
        self.looks += 1.0;
    }

    /// What a look costs, by those of today; a first guess counts as one of them.
    fn each(&self) -> f64 {
        (self.spent + FIRST_COST) / (self.looks + 1.0)
    }

    /// The design for the rest of the day.
    fn design(&mut self, sample: f64, dollars: f64, eligible: u64, now_ms: i64) -> Design {
        let day = now_ms.div_euclid(DAY_MS);
        if day != self.day {
            *self = Self { day, spent: 0.0, looks: 0.0, eligible_at_start: eligible, started_ms: now_ms };
        }
        let seen = eligible.saturating_sub(self.eligible_at_start) as f64;
        let (passed, left) = ((now_ms - self.started_ms).max(1) as f64, ((day + 1) * DAY_MS - now_ms) as f64);
        // Fresh from the start there is nothing to go by: as if what came were all.
        let expected = if passed < 60_000.0 { seen } else { seen / passed * left };
        Design::within_budget(sample, dollars - self.spent, self.each(), expected)
    }
}

/// A sample as it is stored, what has to be known of it meanwhile, and what has to be done. None when the answer cannot be
/// read.
fn sample(config: &Config, seen: &Seen, now_ms: i64) -> Option<(Sample, Taken, Task)> {
    let record = &seen.record;
    let served = Said::read(seen.format, record.stream, &seen.answer)?;
    let keeps = config.quality.text_days > 0;
    let text = keeps.then(|| SampleText {
        request: String::from_utf8_lossy(&seen.request).into_owned(),
        served: served.shown(),
        until_ms: now_ms + i64::from(config.quality.text_days) * DAY_MS,
    });
    let cell = CellKey { task_type: record.prediction.task_type, tier: seen.wanted.cheap_tier.clone() };
    let sample = Sample {
        id: record.id,
        taken_ms: now_ms,
        kind: seen.wanted.kind,
        task_type: cell.task_type,
        complexity: record.prediction.complexity,
        tier: cell.tier.clone(),
        served_model: format!("{}/{}", record.provider, record.served_model),
        format: seen.format.name().to_owned(),
        key: record.key.clone(),
        chance: seen.wanted.drawn.chance,
        weight: seen.wanted.drawn.weight,
        served_tokens: record.usage.output_tokens,
        text,
    };
    let task = Task {
        id: record.id,
        kind: sample.kind,
        task_type: cell.task_type,
        cheap_tier: cell.tier.clone(),
        format: seen.format,
        request: seen.request.clone(),
        served,
    };
    let taken = Taken { id: record.id, kind: sample.kind, cell, weight: sample.weight };
    Some((sample, taken, task))
}

/// A sample of an earlier run.
fn resumed(sample: Sample) -> Option<(Taken, Task)> {
    let text = sample.text?;
    let cell = CellKey { task_type: sample.task_type, tier: sample.tier.clone() };
    let task = Task {
        id: sample.id,
        kind: sample.kind,
        task_type: sample.task_type,
        cheap_tier: sample.tier,
        format: Format::named(&sample.format)?,
        request: text.request.into(),
        served: Said { text: text.served, calls: Vec::new() },
    };
    Some((Taken { id: sample.id, kind: sample.kind, cell, weight: sample.weight }, task))
}
