//! The thread that looks: takes samples from the queue, a few at a time, and settles what was found.
//!
//! Everything that it knows is in the store or can be had again: killed in the middle it goes on after a restart, with the
//! samples whose texts are kept. Of several processes on a store one judges, the leader; the others keep what they took
//! there, and do as its cells say.

use super::budget::{Budget, Purse};
use super::cells::{Cells, Led};
use super::equals;
use super::look::{Found, GivenUp, look};
use super::notifier::{self, Carried, Notifier};
use super::task::{Taken, Task};
use super::{Order, Shared};
use crate::metrics::Metrics;
use arc_swap::ArcSwap;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;
use tierway::{Router, now_ms};
use tierway_config::Config;
use tierway_decide::quality::{CellKey, CellState, Design, Judged, Kind, Quality};
use tierway_decide::{RequestId, Usd};
use tierway_ledger::quality::Verdict;
use tierway_ledger::{Leadership, LedgerError, Location, Span, State};
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use tokio::task::block_in_place;

/// How often the rate is fitted to what is left of the budget, old texts are forgotten, and the store is tried again.
const HOUSEKEEPING: Duration = Duration::from_secs(5);
/// What all verdicts say together is about so many days, as on the dashboard's page.
const TOLD_DAYS: u32 = 30;
/// It is told anew when there is a new verdict, and at least so often: old ones fall out, other processes judge.
const TOLD_MS: i64 = 60_000;
/// Alarms that are looked through for one that nobody heard of.
const MOST_ALARMS: usize = 100;
/// Samples that wait in the store of which so many are taken up at a time.
const RESUMED: usize = 64;

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
        leadership: Leadership,
    ) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        // Not a runtime of one thread: a store may wait in the middle of the work, and looks go on meanwhile.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("quality-calls")
            .enable_all()
            .build()?;
        let thread = std::thread::Builder::new().name("quality".into()).spawn(move || {
            let purse = Purse::new(metrics.clone());
            let bench = Bench {
                shared,
                router,
                budget: Budget::new(purse.clone()),
                purse,
                metrics,
                location,
                leadership,
                open: None,
                running: FuturesUnordered::new(),
                said: None,
                notifier: Notifier::default(),
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
    purse: Arc<Purse>,
    /// Outlives an open store: what was paid stays paid.
    budget: Budget,
    location: Location,
    leadership: Leadership,
    /// None until the store could be opened.
    open: Option<Open>,
    running: FuturesUnordered<BoxFuture<'static, (Taken, Found)>>,
    /// Why the store cannot be opened: said once.
    said: Option<String>,
    notifier: Notifier,
    /// The alarm on its way to the webhook.
    carrying: FuturesUnordered<BoxFuture<'static, Carried>>,
}

/// What is known once the store is open.
struct Open {
    state: State,
    cells: Cells,
    /// What the cells were read under: another config, another leader or another's change has them read again.
    config: Arc<Config>,
    leads: bool,
    version: i64,
    /// Until when what is told of all verdicts together is what they say.
    told_until_ms: i64,
    waiting: VecDeque<Task>,
    /// Waiting or being looked at.
    at_work: BTreeSet<RequestId>,
}

impl Bench {
    async fn run(mut self, mut orders: Receiver<Order>, mut stopped: watch::Receiver<bool>) {
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
        let shared = self.shared.clone();
        loop {
            self.begin_looks();
            tokio::select! {
                biased;
                _ = stopped.wait_for(|stopped| *stopped) => return,
                Some((taken, found)) = self.running.next(), if !self.running.is_empty() => {
                    block_in_place(|| self.settle(&taken, found));
                }
                Some((id, taken)) = self.carrying.next(), if !self.carrying.is_empty() => {
                    block_in_place(|| self.carried(id, taken));
                }
                _ = housekeeping.tick() => block_in_place(|| self.keep_house()),
                () = shared.reloaded.notified() => block_in_place(|| self.keep_house()),
                Some(order) = orders.recv(), if self.has_room() => block_in_place(|| self.follow(order)),
            }
        }
    }

    /// Samples wait in the queue, which is bounded, rather than here; also for a store that is not open yet.
    fn has_room(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.waiting.is_empty())
    }

    fn follow(&mut self, order: Order) {
        let done = match order {
            Order::Look(seen) => {
                let (config, now) = (self.shared.config.load_full(), now_ms());
                let (Some(open), Some((sample, task))) = (&mut self.open, Task::take(&config, seen, now)) else {
                    return;
                };
                self.metrics.sample("taken");
                let kept = open.state.keep_sample(&sample);
                if kept.is_ok() && open.leads {
                    open.take_up(task);
                }
                kept
            }
            Order::Change { cell, to, author, why } => self.change(&cell, to, &author, &why),
        };
        if let Err(error) = done {
            self.lost(&error);
        }
    }

    /// A person changes a cell.
    fn change(&mut self, cell: &CellKey, to: CellState, author: &str, why: &str) -> Result<(), LedgerError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let changes = Vec::from_iter(open.cells.change(cell, to, now_ms(), author, why));
        self.tell(&Led { changes, alarms: Vec::new() })
    }

    /// Begins as many looks as may run at once.
    fn begin_looks(&mut self) {
        let Some(open) = &mut self.open else { return };
        let config = self.shared.config.load_full();
        while self.running.len() < config.quality.max_concurrent as usize {
            let Some(task) = open.waiting.pop_front() else { return };
            if !self.budget.allows(&config, self.running.len()) {
                let why = "the day's budget is spent".to_owned();
                let refused = (task.taken, Err(GivenUp { why, cost: Usd::ZERO }));
                self.running.push(Box::pin(std::future::ready(refused)));
                continue;
            }
            let top = || config.table.ladder().tiers().last().map(|tier| tier.name.to_string()).unwrap_or_default();
            let judge = config.quality.judge.clone().unwrap_or_else(top);
            let router = Router::clone(&self.router.load_full());
            self.running.push(Box::pin(look(router, judge, self.purse.clone(), task)));
        }
    }

    /// Writes down what was found, and what follows from it.
    fn settle(&mut self, taken: &Taken, found: Found) {
        let Some(open) = &mut self.open else { return };
        let now = now_ms();
        open.at_work.remove(&taken.id);
        let written = match found {
            Ok(verdict) => {
                self.metrics.sample("judged");
                let verdict = Verdict { done_ms: now, ..verdict };
                let written = open.state.judge_sample(taken.id, &verdict);
                written.and_then(|first| {
                    self.budget.settle(verdict.cost);
                    if first { self.conclude(taken, &verdict, now) } else { Ok(()) }
                })
            }
            Err(GivenUp { why, cost }) => {
                self.metrics.sample("given_up");
                tracing::debug!(request = %taken.id, why, "a sample was given up");
                open.state.give_up_sample(taken.id, &why, cost, now).map(|()| self.budget.settle(cost))
            }
        };
        if let Err(error) = written {
            self.lost(&error);
        }
    }

    fn conclude(&mut self, taken: &Taken, verdict: &Verdict, now: i64) -> Result<(), LedgerError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let judged = Judged {
            at_ms: now,
            kind: taken.kind,
            cell: taken.cell.clone(),
            comparison: verdict.comparison,
            certain: verdict.judge.is_empty(),
            person: None,
            weight: taken.weight,
            cost: verdict.cost,
        };
        let led = open.cells.take(&judged, now);
        open.told_until_ms = 0;
        let config = self.shared.config.load();
        if let (Kind::Down | Kind::Held, Some(tier)) = (taken.kind, config.table.ladder().find(&taken.cell.tier)) {
            self.shared.verdicts(taken.cell.task_type, tier).fetch_add(1, Ordering::Relaxed);
        }
        self.tell(&led)
    }

    /// Writes down what follows, and does it.
    fn tell(&mut self, led: &Led) -> Result<(), LedgerError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        for change in &led.changes {
            open.version = open.state.change_cell(change)?;
            let (task, tier) = (change.cell.task_type.name(), &change.cell.tier);
            tracing::warn!(task, tier, state = change.to.name(), why = change.why, "a cell of quality changed");
        }
        for alarm in &led.alarms {
            open.state.raise_alarm(alarm)?;
            self.metrics.quality_alarm();
            let task = alarm.task_type.map_or("all", tierway_decide::TaskType::name);
            tracing::error!(task, tier = alarm.tier, words = alarm.words, "quality alarm");
        }
        if !led.changes.is_empty() {
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
        let (now, config) = (now_ms(), self.shared.config.load_full());
        let leads = self.leadership.leads();
        if self.open.as_ref().is_some_and(|open| !open.state.is_current()) {
            // The file was moved or replaced, such as by a backup.
            self.running.clear();
            self.open = None;
            self.budget.store_went();
        }
        let read = match &mut self.open {
            Some(open) => open.refresh(&config, leads, now),
            None => match Open::new(&self.location, &config, leads, now) {
                Ok((open, led)) => {
                    self.open = Some(open);
                    Ok(Some(led))
                }
                Err(error) => return self.say_once(&error),
            },
        };
        let kept = read.and_then(|led| match led {
            Some(led) => self.cells_were_read(&config, &led),
            None => Ok(()),
        });
        let kept = kept.and_then(|()| self.fit_rate(&config, now)).and_then(|()| self.tell_equals());
        if let Err(error) = kept.and_then(|()| self.tell_kept(&config, now)) {
            return self.lost(&error);
        }
        self.hold();
        self.carry();
    }

    /// Targets of one tier are told apart by what was found by now.
    fn tell_equals(&mut self) -> Result<(), LedgerError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        equals::refresh(self.router.load().setup(), &mut open.state)
    }

    /// What quality was kept, as `/api/v1/quality` says it. Every process tells it, whoever judged.
    fn tell_kept(&mut self, config: &Config, now: i64) -> Result<(), LedgerError> {
        let Some(open) = self.open.as_mut().filter(|open| open.told_until_ms <= now) else { return Ok(()) };
        let span = Span::last_days(TOLD_DAYS, now);
        let verdicts = open.state.verdicts(span.from_ms, span.to_ms)?;
        self.metrics.quality_kept(&Quality::of(&verdicts, &config.quality.rules).overall);
        open.told_until_ms = now + TOLD_MS;
        Ok(())
    }

    fn say_once(&mut self, error: &LedgerError) {
        let error = error.to_string();
        if self.said.as_ref() != Some(&error) {
            tracing::warn!(error, "quality is not looked at: its store cannot be opened");
        }
        self.said = Some(error);
    }

    fn cells_were_read(&mut self, config: &Config, led: &Led) -> Result<(), LedgerError> {
        let Some(open) = &self.open else { return Ok(()) };
        for (key, cell) in open.cells.each() {
            if let Some(tier) = config.table.ladder().find(&key.tier) {
                self.shared.verdicts(key.task_type, tier).store(cell.verdicts(), Ordering::Relaxed);
            }
        }
        // Another one finds the same, and says it, if it leads.
        if open.leads { self.tell(led) } else { Ok(()) }
    }

    /// Takes up what waits, forgets what is old, and says how often is looked from now on.
    fn fit_rate(&mut self, config: &Config, now: i64) -> Result<(), LedgerError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        if open.leads {
            open.state.forget_texts(now)?;
            open.take_up_waiting()?;
        }
        self.budget.refresh(open.state.quality_spent(Budget::day_start(now))?, now);
        // What may not be kept cannot be handed to the one that judges.
        let looks = open.leads || config.quality.text_days > 0;
        self.shared.set_design(if looks { self.budget.design(config, now) } else { Design::new(0.0) });
        Ok(())
    }

    /// Sends the oldest alarm that nobody heard of yet.
    fn carry(&mut self) {
        let Some(open) = self.open.as_mut().filter(|open| open.leads && self.carrying.is_empty()) else { return };
        let (now, config) = (now_ms(), self.shared.config.load());
        if !self.notifier.may_carry(&config, now) {
            return;
        }
        let alarms = match open.state.alarms(now - notifier::STALE_MS, MOST_ALARMS) {
            Ok(alarms) => alarms,
            Err(error) => return self.lost(&error),
        };
        let Some(next) = alarms.iter().rev().find(|alarm| !alarm.delivered) else { return };
        self.carrying.push(Notifier::carry(&config, next));
    }

    fn carried(&mut self, id: i64, taken: Result<(), String>) {
        let Some(open) = &mut self.open else { return };
        match taken {
            Ok(()) => match open.state.alarm_delivered(id) {
                Ok(()) => self.carry(),
                Err(error) => self.lost(&error),
            },
            Err(why) => self.notifier.failed(&why, now_ms()),
        }
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

impl Open {
    /// Opens the store; gives also what follows from the cells as they are.
    fn new(location: &Location, config: &Arc<Config>, leads: bool, now: i64) -> Result<(Self, Led), LedgerError> {
        let mut state = State::open(location.clone())?;
        let version = state.cells_version()?;
        let (cells, led) = Cells::read(config, &mut state, now)?;
        if leads {
            state.give_up_lost_samples(now)?;
        }
        let (waiting, at_work) = (VecDeque::new(), BTreeSet::new());
        let config = config.clone();
        Ok((Self { state, cells, config, leads, version, told_until_ms: 0, waiting, at_work }, led))
    }

    /// Reads the cells again where what they hang on has changed; gives what follows from them, or none where nothing has.
    fn refresh(&mut self, config: &Arc<Config>, leads: bool, now: i64) -> Result<Option<Led>, LedgerError> {
        let version = self.state.cells_version()?;
        if version == self.version && leads == self.leads && Arc::ptr_eq(config, &self.config) {
            return Ok(None);
        }
        if leads && !self.leads {
            self.state.give_up_lost_samples(now)?;
        }
        let (cells, led) = Cells::read(config, &mut self.state, now)?;
        (self.cells, self.config, self.leads, self.version) = (cells, config.clone(), leads, version);
        Ok(Some(led))
    }

    /// Samples of an earlier run, and of other processes.
    fn take_up_waiting(&mut self) -> Result<(), LedgerError> {
        if self.waiting.is_empty() {
            let waiting = self.state.waiting_samples(RESUMED + self.at_work.len())?;
            waiting.into_iter().filter_map(Task::resume).for_each(|task| self.take_up(task));
        }
        Ok(())
    }

    fn take_up(&mut self, task: Task) {
        if self.at_work.insert(task.taken.id) {
            self.waiting.push_back(task);
        }
    }
}
