//! Lists of requests, the newest first, in bounded time however rare the match.
//!
//! Ids are ordered by time, so a page begins where the last one ended. Hours in which the sums know no match are
//! skipped without looking at a row; what sums cannot tell (users, sessions, rules) is looked for in so many rows.

use super::{Order, View, first_of};
use crate::LedgerError;
use crate::cells::{Cube, HOUR_MS};
use crate::codes::Code;
use crate::queries::{Filter, Page, Span};
use crate::row::{self, column};
use crate::value::{Fields, Value};
use crate::words::{Spelling, Words};
use std::ops::ControlFlow;
use tierway_decide::{CallStatus, RequestId};

/// Rows that one question looks at: some 30 ms.
const MOST_ROWS: usize = 50_000;
/// Hours that one question looks into.
const MOST_HOURS: usize = 200;

pub(crate) fn page(
    view: &mut dyn View,
    filter: &Filter,
    span: Span,
    before: Option<RequestId>,
    limit: usize,
) -> Result<Page, LedgerError> {
    let spelling = view.spelling()?;
    let search = Search::new(&spelling.words(), filter);
    // Before the first kept hour there are sums, but no rows.
    let kept = view.first_kept_hour()?.max(0);
    let first = RequestId::first_at(span.from_ms.max(kept * HOUR_MS)).as_i64();
    let end = RequestId::first_at(span.to_ms).as_i64().min(before.map_or(i64::MAX, RequestId::as_i64));
    let mut scan = Scan { calls: Vec::new(), limit, rows_left: MOST_ROWS, end };
    for _ in 0..MOST_HOURS {
        let hour = search.busy_hour(view, first, scan.end)?;
        let Some(hour) = hour else { return Ok(Page { calls: scan.calls, next: None }) };
        scan.end = scan.end.min(first_of(hour + 1));
        let done = scan.rows(view, &search, first_of(hour).max(first), &spelling)?;
        if done {
            break;
        }
        scan.end = first_of(hour);
    }
    let next = (scan.end > first).then(|| RequestId::from_i64(scan.end));
    Ok(Page { calls: scan.calls, next })
}

/// The state of one question.
struct Scan {
    calls: Vec<tierway_decide::CallRecord>,
    limit: usize,
    rows_left: usize,
    /// Everything from here on was looked at.
    end: i64,
}

impl Scan {
    /// Looks at the rows from `first` to `self.end`, backwards. True when the page is full or the rows are used up.
    fn rows(
        &mut self,
        view: &mut dyn View,
        search: &Search,
        first: i64,
        spelling: &Spelling,
    ) -> Result<bool, LedgerError> {
        let mut done = false;
        view.rows(first..self.end, Order::NewestFirst, &mut |fields| {
            if self.calls.len() == self.limit || self.rows_left == 0 {
                done = true;
                return Ok(ControlFlow::Break(()));
            }
            self.rows_left -= 1;
            self.end = fields.get(column::ID)?.integer().unwrap_or(self.end);
            if search.matches(fields)? {
                self.calls.push(row::read(fields, spelling)?.call);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(done || self.calls.len() == self.limit)
    }
}

/// A filter in the terms of the tables.
struct Search {
    /// What a row has to have, by column.
    tests: Vec<(usize, Test)>,
    tier: Option<Test>,
    /// The number of the empty text.
    no_tier: i64,
    /// What cells have to have that know of a match, by cube; as SQL, numbers only.
    routes: String,
    callers: String,
}

enum Test {
    Number(i64),
    AtLeast(i64),
    Text(String),
    /// A numbered text, or the text itself.
    Word(i64, String),
}

impl Test {
    fn holds(&self, value: Value) -> bool {
        match (self, value) {
            (Self::Number(wanted) | Self::Word(wanted, _), Value::Integer(number)) => *wanted == number,
            (Self::AtLeast(least), Value::Integer(number)) => number >= *least,
            (Self::Text(wanted) | Self::Word(_, wanted), Value::Text(text)) => wanted == text,
            _ => false,
        }
    }
}

impl Search {
    fn new(words: &Words, filter: &Filter) -> Self {
        let (no_tier, none) = (words.number(""), String::new());
        let mut search = Self { tests: Vec::new(), tier: None, no_tier, routes: none.clone(), callers: none };
        if let Some(tier) = &filter.tier {
            let id = words.number(tier);
            search.tier = Some(Test::Word(id, tier.clone()));
            search.routes += &format!(" AND tier = {id}");
            search.callers += &format!(" AND tier = {id}");
        }
        for (text, at, cell) in
            [(&filter.provider, column::PROVIDER, "provider"), (&filter.model, column::SERVED_MODEL, "model")]
        {
            if let Some(text) = text {
                let id = search.word(words, at, text);
                search.routes += &format!(" AND {cell} = {id}");
            }
        }
        for (text, at, cell) in [(&filter.team, column::TEAM, "team"), (&filter.key, column::KEY, "key")] {
            if let Some(text) = text {
                let id = search.word(words, at, text);
                search.callers += &format!(" AND {cell} = {id}");
            }
        }
        for (code, at, cell) in [
            (filter.task_type.map(Code::code), column::TASK_TYPE, "task_type"),
            (filter.complexity.map(Code::code), column::COMPLEXITY, "complexity"),
            (filter.reason.map(Code::code), column::REASON, "reason"),
        ] {
            if let Some(code) = code {
                search.tests.push((at, Test::Number(code)));
                search.routes += &format!(" AND {cell} = {code}");
            }
        }
        search.others(words, filter);
        search
    }

    /// What no dimension of a cube tells.
    fn others(&mut self, words: &Words, filter: &Filter) {
        if let Some(status) = filter.status {
            self.tests.push((column::STATUS, Test::Number(status.code())));
            let some = match status {
                CallStatus::Answered => " AND answered > 0",
                CallStatus::Failed => " AND failed > 0",
                CallStatus::Cancelled => " AND cancelled > 0",
                CallStatus::Refused => " AND refused > 0",
            };
            self.routes += some;
            self.callers += some;
        }
        if let Some(rule) = &filter.rule {
            self.word(words, column::RULE, rule);
        }
        for (text, at) in [(&filter.user, column::USER), (&filter.session, column::SESSION)] {
            if let Some(text) = text {
                self.tests.push((at, Test::Text(text.clone())));
            }
        }
        if let Some(least) = filter.slower_than_ms {
            self.tests.push((column::TOTAL_MS, Test::AtLeast(i64::from(least))));
        }
        if filter.retried {
            self.tests.push((column::ATTEMPTS, Test::AtLeast(2)));
        }
    }

    fn word(&mut self, words: &Words, column: usize, text: &str) -> i64 {
        let id = words.number(text);
        self.tests.push((column, Test::Word(id, text.to_owned())));
        id
    }

    fn matches(&self, row: &dyn Fields) -> Result<bool, LedgerError> {
        for (column, test) in &self.tests {
            if !test.holds(row.get(*column)?) {
                return Ok(false);
            }
        }
        let Some(tier) = &self.tier else { return Ok(true) };
        // As in the sums: the decided tier counts where none answered.
        let served = row.get(column::SERVED_TIER)?;
        let unserved = Test::Number(self.no_tier).holds(served);
        Ok(tier.holds(if unserved { row.get(column::TIER)? } else { served }))
    }

    /// The last hour before id `end`, and not before id `first`, of which the sums know a match.
    fn busy_hour(&self, view: &mut dyn View, first: i64, end: i64) -> Result<Option<i64>, LedgerError> {
        let hour_of = |id: i64| RequestId::from_i64(id).unix_ms().div_euclid(HOUR_MS);
        if end <= first {
            return Ok(None);
        }
        let first_hour = hour_of(first);
        let mut last_hour = hour_of(end - 1);
        loop {
            let Some(day) = self.last(view, 1, first_hour.div_euclid(24), last_hour.div_euclid(24))? else {
                return Ok(None);
            };
            let day_hours = (day * 24).max(first_hour)..=(day * 24 + 23).min(last_hour);
            if let Some(hour) = self.last(view, 0, *day_hours.start(), *day_hours.end())? {
                return Ok(Some(hour));
            }
            last_hour = day * 24 - 1;
            if last_hour < first_hour {
                return Ok(None);
            }
        }
    }

    /// The last hour or day of a span (both ends included) in which both cubes know a match.
    fn last(&self, view: &mut dyn View, grain: i64, first: i64, last: i64) -> Result<Option<i64>, LedgerError> {
        let mut last = last;
        loop {
            let route = last_start(view, Cube::Routes, grain, first, last, &self.routes)?;
            let Some(start) = route else { return Ok(None) };
            if self.callers.is_empty() {
                return Ok(Some(start));
            }
            match last_start(view, Cube::Callers, grain, first, start, &self.callers)? {
                None => return Ok(None),
                Some(caller) if caller == start => return Ok(Some(start)),
                Some(earlier) => last = earlier,
            }
        }
    }
}

fn last_start(
    view: &mut dyn View,
    cube: Cube,
    grain: i64,
    first: i64,
    last: i64,
    and: &str,
) -> Result<Option<i64>, LedgerError> {
    let cube = cube.code();
    view.last_start(&format!("cube = {cube} AND grain = {grain} AND start >= {first} AND start <= {last}{and}"))
}
