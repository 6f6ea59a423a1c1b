//! Answers from the sums: summary and series. No row is looked at.

use super::{View, answerable, readable};
use crate::cells::{Apart, Cube, Grain, HOUR_MS, HOURS_PER_DAY, Piece, Place, merge_figures, pieces, savings_of};
use crate::codes::{Code, ReasonKind};
use crate::queries::{Bill, Line, OWN, Point, Route, Span, Step, Summary};
use crate::value::Fields;
use crate::words::Spelling;
use crate::{Figures, LedgerError};
use foldhash::fast::RandomState;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use tierway_decide::{Complexity, TaskType, Usd};

/// In place of a tier, a kind of work or a difficulty: the router's own calls.
const OWN_CODE: i64 = i64::MIN;

pub(crate) fn summary(view: &mut dyn View, asked: Span) -> Result<Summary, LedgerError> {
    let spelling = view.spelling()?;
    let (from, to) = answerable(view, asked.hours())?;
    let mut tiers = Group::new();
    let mut models: Group<(i64, i64)> = Group::new();
    let mut task_types = Group::new();
    let mut complexities = Group::new();
    let mut reasons = Group::new();
    let mut routes: HashMap<(i64, i64, i64), (u64, Usd)> = HashMap::new();
    let (mut teams, mut keys) = (Group::new(), Group::new());
    let cubes = [Cube::Routes, Cube::Callers];
    let hours = readable(view, (from, to))?;
    for (place, figures) in &summed_up(view, &cubes, hours)? {
        if place.cube == Cube::Callers.code() {
            teams.add(place.team, figures);
            keys.add(place.key, figures);
            continue;
        }
        models.add((place.provider, place.model), figures);
        reasons.add(place.reason, figures);
        // What nobody asked for says nothing of what is asked, nor of where it goes.
        let is_own = ReasonKind::from_code(place.reason).is_some_and(ReasonKind::is_own);
        let of = |code: i64| if is_own { OWN_CODE } else { code };
        tiers.add(of(place.tier), figures);
        task_types.add(of(place.task_type), figures);
        complexities.add(of(place.complexity), figures);
        if !is_own {
            let (calls, paid) = routes.entry((place.task_type, place.complexity, place.tier)).or_default();
            *calls += figures.calls;
            *paid += figures.savings.paid_in_all();
        }
    }
    let mut totals = Figures::default();
    tiers.0.values().for_each(|figures| totals.merge(figures));
    Ok(Summary {
        span: Span { from_ms: from * HOUR_MS, to_ms: to * HOUR_MS },
        totals,
        tiers: tiers.lines(|tier| if *tier == OWN_CODE { OWN.into() } else { spelling.number(*tier) }),
        models: models.lines(|(provider, model)| match (spelling.number(*provider), spelling.number(*model)) {
            (provider, model) if provider.is_empty() => model,
            (provider, model) => format!("{provider}/{model}"),
        }),
        task_types: task_types.lines(|code| name_of(*code, TaskType::name)),
        complexities: complexities.lines(|code| name_of(*code, Complexity::name)),
        reasons: reasons.lines(|code| name_of(*code, ReasonKind::name)),
        teams: teams.lines(|team| spelling.number(*team)),
        keys: keys.lines(|key| spelling.number(*key)),
        routes: named_routes(routes, &spelling),
    })
}

pub(crate) fn series(view: &mut dyn View, asked: Span, step: Step) -> Result<Vec<Point>, LedgerError> {
    let spelling = view.spelling()?;
    let mut points: BTreeMap<i64, Group<i64>> = BTreeMap::new();
    each_point(view, (Cube::Tiers, None), asked, step, |start_ms, place, row| {
        merge_figures(row, points.entry(start_ms).or_default().0.entry(place.tier).or_default())
    })?;
    let point = |(start_ms, tiers): (i64, Group<i64>)| {
        let mut tiers = tiers.lines(|tier| spelling.number(*tier));
        tiers.sort_by(|left, right| left.name.cmp(&right.name));
        Point { start_ms, tiers }
    };
    Ok(points.into_iter().map(point).collect())
}

/// What was paid, and the baseline's bill by tier and kind of work.
#[derive(Default)]
struct Owed {
    paid: Usd,
    baseline: BTreeMap<(i64, TaskType), Usd>,
}

pub(crate) fn bills(view: &mut dyn View, asked: Span, step: Step) -> Result<Vec<Bill>, LedgerError> {
    let spelling = view.spelling()?;
    let mut points: BTreeMap<i64, Owed> = BTreeMap::new();
    each_point(view, (Cube::Routes, Some(Apart::BILLS)), asked, step, |start_ms, place, row| {
        let savings = savings_of(row)?;
        let owed = points.entry(start_ms).or_default();
        owed.paid += savings.paid + savings.classifier;
        let task_type = TaskType::from_code(place.task_type).unwrap_or(TaskType::Other);
        *owed.baseline.entry((place.tier, task_type)).or_default() += savings.baseline;
        Ok(())
    })?;
    let bill = |(start_ms, owed): (i64, Owed)| {
        let line = |((tier, task_type), amount)| (spelling.number(tier), task_type, amount);
        Bill { start_ms, paid: owed.paid, baseline: owed.baseline.into_iter().map(line).collect() }
    };
    Ok(points.into_iter().map(bill).collect())
}

/// Shows the cells of a cube, or sums of them, with the begin of the hour or day that they belong to.
fn each_point(
    view: &mut dyn View,
    (cube, apart): (Cube, Option<Apart>),
    asked: Span,
    step: Step,
    mut each: impl FnMut(i64, Place, &dyn Fields) -> Result<(), LedgerError>,
) -> Result<(), LedgerError> {
    let (from, to) = asked.hours();
    let (hours_per_point, wanted): (_, Vec<_>) = match step {
        Step::Hour => (1, vec![Piece { cube, grain: Grain::Hours, from, to, only: None }]),
        Step::Day => (HOURS_PER_DAY, pieces(cube, readable(view, (from, to))?).collect()),
    };
    let mut show = |row: &dyn Fields| {
        let place = Place::read(row)?;
        let hour = if place.grain == 0 { place.start } else { place.start * HOURS_PER_DAY };
        each(hour.div_euclid(hours_per_point) * hours_per_point * HOUR_MS, place, row)
    };
    match apart {
        Some(apart) => view.sums(&wanted, apart, &mut show),
        None => wanted.iter().try_for_each(|piece| view.cells(&piece.condition(), &mut show)),
    }
}

/// Figures by something.
struct Group<K>(HashMap<K, Figures>);

impl<K> Default for Group<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> Group<K> {
    fn new() -> Self {
        Self::default()
    }

    fn add(&mut self, key: K, figures: &Figures) {
        self.0.entry(key).or_default().merge(figures);
    }

    /// The most calls first; equal ones by name.
    fn lines(self, name: impl Fn(&K) -> String) -> Vec<Line> {
        let mut lines: Vec<_> = self.0.into_iter().map(|(key, figures)| Line { name: name(&key), figures }).collect();
        lines.sort_by(|left, right| {
            right.figures.calls.cmp(&left.figures.calls).then_with(|| left.name.cmp(&right.name))
        });
        lines
    }
}

fn named_routes(routes: HashMap<(i64, i64, i64), (u64, Usd)>, spelling: &Spelling) -> Vec<Route> {
    let named = routes.into_iter().filter_map(|((task_type, complexity, tier), (calls, paid))| {
        let (task_type, complexity) = (TaskType::from_code(task_type)?, Complexity::from_code(complexity)?);
        Some(Route { task_type, complexity, tier: spelling.number(tier), calls, paid })
    });
    let mut routes: Vec<_> = named.collect();
    routes.sort_by(|left, right| {
        (left.task_type, left.complexity, &left.tier).cmp(&(right.task_type, right.complexity, &right.tier))
    });
    routes
}

fn name_of<T: Code>(code: i64, name: fn(T) -> &'static str) -> String {
    if code == OWN_CODE {
        return OWN.into();
    }
    T::from_code(code).map_or_else(|| format!("({code})"), |member| name(member).to_owned())
}

/// Sums cubes up over a span of hours, from days where whole days are asked for: each combination of their dimensions once.
fn summed_up(
    view: &mut dyn View,
    cubes: &[Cube],
    hours: (i64, i64),
) -> Result<HashMap<Place, Figures, RandomState>, LedgerError> {
    let mut sums: HashMap<Place, Figures, RandomState> = HashMap::default();
    let pieces: Vec<_> = cubes.iter().flat_map(|cube| pieces(*cube, hours)).collect();
    view.sums(&pieces, Apart::TIMELESS, &mut |row| {
        merge_figures(row, sums.entry(Place::read(row)?.timeless()).or_default())
    })?;
    Ok(sums)
}
