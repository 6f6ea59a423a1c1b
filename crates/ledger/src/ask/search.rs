//! A filter in the terms of the tables: for a row that is looked at, and as SQL.

use super::View;
use crate::LedgerError;
use crate::cells::{Cube, HOUR_MS, HOURS_PER_DAY};
use crate::codes::{Code, ReasonKind};
use crate::queries::Filter;
use crate::row::column;
use crate::value::{Fields, Value};
use crate::words::Words;
use tierway_decide::{CallStatus, RequestId};

/// What is searched for.
pub(crate) struct Search {
    /// What a row has to have, by column.
    pub(crate) tests: Vec<(usize, Test)>,
    /// The tier that answered, or was decided where none did.
    pub(crate) tier: Option<Test>,
    /// The number of the empty text.
    pub(crate) no_tier: i64,
    /// What cells have to have that know of a match, by cube; as SQL, numbers only.
    routes: String,
    callers: String,
}

/// What one column has to be.
pub(crate) enum Test {
    Number(i64),
    Neither([i64; 2]),
    AtLeast(i64),
    Text(String),
    /// A numbered text, or the text itself.
    Word(i64, String),
}

impl Test {
    fn holds(&self, value: Value) -> bool {
        match (self, value) {
            (Self::Number(wanted) | Self::Word(wanted, _), Value::Integer(number)) => *wanted == number,
            (Self::Neither(unwanted), Value::Integer(number)) => !unwanted.contains(&number),
            (Self::AtLeast(least), Value::Integer(number)) => number >= *least,
            (Self::Text(wanted) | Self::Word(_, wanted), Value::Text(text)) => wanted == text,
            _ => false,
        }
    }
}

impl Search {
    pub(super) fn new(words: &Words, filter: &Filter) -> Self {
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
        if filter.of_clients {
            let own = [ReasonKind::Shadow, ReasonKind::Judge].map(Code::code);
            self.tests.push((column::REASON, Test::Neither(own)));
            self.routes += &format!(" AND reason NOT IN ({}, {})", own[0], own[1]);
        }
    }

    fn word(&mut self, words: &Words, column: usize, text: &str) -> i64 {
        let id = words.number(text);
        self.tests.push((column, Test::Word(id, text.to_owned())));
        id
    }

    /// Whether a row is one of those.
    pub(crate) fn matches(&self, row: &dyn Fields) -> Result<bool, LedgerError> {
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

    /// The last hours before id `end`, and not before id `first`, of which the sums know a match: the first, and the first
    /// one after them. An hour, or a day where sums cannot tell matches from others.
    pub(super) fn busy(&self, view: &mut dyn View, first: i64, end: i64) -> Result<Option<(i64, i64)>, LedgerError> {
        let hour_of = |id: i64| RequestId::from_i64(id).unix_ms().div_euclid(HOUR_MS);
        if end <= first {
            return Ok(None);
        }
        let first_hour = hour_of(first);
        let mut last_hour = hour_of(end - 1);
        loop {
            let Some(day) =
                self.last(view, 1, first_hour.div_euclid(HOURS_PER_DAY), last_hour.div_euclid(HOURS_PER_DAY))?
            else {
                return Ok(None);
            };
            let (begins, ends) = (day * HOURS_PER_DAY, (day + 1) * HOURS_PER_DAY);
            if self.routes.is_empty() && self.callers.is_empty() {
                return Ok(Some((begins, ends)));
            }
            if let Some(hour) = self.last(view, 0, begins.max(first_hour), last_hour.min(ends - 1))? {
                return Ok(Some((hour, hour + 1)));
            }
            last_hour = begins - 1;
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
