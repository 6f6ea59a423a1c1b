use super::super::address::{self, Address};
use super::*;
use crate::metrics::Metrics;
use futures_util::future::{join_all, poll_immediate};
use tierway_config::{KeySource, SharedConfig};
use tierway_decide::budget::{Budget, Period, Window};

const LIMIT: Usd = Usd::from_picos(1_000_000);
const LIMITS: Limits = [Some(100_000), None, Some(1_000)];

/// One payer of a replica that never hears of the database but what a test says.
struct House {
    shared: Arc<Shared>,
    pace: Arc<Pace>,
    book: Arc<Book>,
}

impl House {
    /// Far from its bounds; whoever asks next takes the worth of more along.
    fn new() -> Self {
        let (budget, window) = (Budget { limit: LIMIT, period: Period::Total }, Window { start_ms: 0, end_ms: None });
        let book = Arc::new(Book::new("purse".into(), budget, window, (Usd::ZERO, true)));
        let house = Self { shared: shared(), pace: Arc::new(Pace::new("pace".into())), book };
        house.book.known().tally.begin(1);
        house.pace.known().tally.begin(1);
        for _ in 0..FEWEST {
            house.granted(house.ask(10).begin(1), 0);
        }
        house
    }

    fn ask(&self, worst: i64) -> Ask {
        let worst = Usd::from_picos(worst);
        let purse = Wanted { book: self.book.clone(), limit: LIMIT, known: Usd::ZERO, worst };
        Ask::new(vec![Part::new(self.pace.clone(), LIMITS, Some(purse))], 0)
    }

    /// It is let in, with the worth of so many more.
    fn granted(&self, asked: Asked, more: i64) {
        let answer = Answer::read(&format!("{} 0 10 0 90000 1 -1 0", 1 + more), asked, &self.shared);
        let Some(Answer::Granted(grant)) = answer else { panic!("not granted") };
        let _ = grant.keep();
    }

    /// What becomes of what another request has asked.
    fn end(&self, asked: Asked, how: &str) {
        match how {
            "lost" => drop(asked),
            "refused" => assert!(Answer::read("0 1 active 0", asked, &self.shared).is_some()),
            more => self.granted(asked, more.parse().unwrap()),
        }
    }
}

fn shared() -> Arc<Shared> {
    let config = SharedConfig {
        url: KeySource::Env("REDIS".into()),
        ca_file: None,
        prefix: "tierway".into(),
        timeout_ms: 100,
        replicas: 1,
    };
    let client = address::client(&config, "redis://127.0.0.1:9").unwrap();
    let address = Address::new(client, &config).unwrap();
    Arc::new(Shared::new(&config, address, "me".into(), Arc::new(Metrics::default())))
}

/// Requests that come while another one asks with a provision, of which so comes: how many wait for that, and how many get what they need.
async fn check(house: &House, how: &str, (count, worst): (usize, i64), want: (usize, usize)) {
    let mut asked = Some(house.ask(10).begin(1));
    assert!(asked.as_ref().unwrap().wanted >= FEWEST, "{how}: nothing is on its way");
    let longest = if how == "late" { Duration::from_millis(1) } else { Duration::from_secs(60) };
    let asks: Vec<_> = (0..count).map(|_| house.ask(worst)).collect();
    let (mut waiting, mut served) = (Vec::new(), 0);
    for ask in &asks {
        let mut taking = Box::pin(ask.take_coming(longest));
        match poll_immediate(&mut taking).await {
            None => waiting.push(taking),
            Some(taken) => served += usize::from(taken.is_some()),
        }
    }
    let waited = waiting.len();
    if how != "late" {
        house.end(asked.take().unwrap(), how);
    }
    served += join_all(waiting).await.into_iter().flatten().count();
    assert_eq!((waited, served), want, "{how}, {count} of {worst} each");
}

#[tokio::test]
async fn a_request_waits_for_what_another_one_brings() {
    for (how, asks, want) in [
        ("4", (1, 10), (1, 1)),
        ("4", (4, 10), (4, 4)),
        // Who finds nothing left asks.
        ("4", (6, 10), (6, 4)),
        ("0", (2, 10), (2, 0)),
        ("refused", (2, 10), (2, 0)),
        ("lost", (2, 10), (2, 0)),
        ("late", (2, 10), (2, 0)),
        // More than is ever held: nobody waits for that.
        ("4", (2, 41), (0, 0)),
    ] {
        let house = House::new();
        // Who asks takes along what four need, and they come.
        house.granted(house.ask(10).begin(1), 4);
        assert!((0..4).all(|_| house.ask(10).take_ahead().is_some()) && house.ask(10).take_ahead().is_none());
        check(&house, how, asks, want).await;
    }
}

#[tokio::test]
async fn nobody_waits_where_nothing_was_brought_before() {
    check(&House::new(), "4", (2, 10), (0, 0)).await;
}

#[test]
fn what_one_asks_for_is_what_a_second_brought_and_no_more_than_the_most() {
    let house = House::new();
    for (served, wanted) in [(0, 4), (6, 10), (500, MOST)] {
        for _ in 0..served {
            house.granted(house.ask(10).begin(1), 0);
        }
        let asked = house.ask(10).begin(1);
        assert_eq!((asked.wanted, house.ask(10).begin(1).wanted), (wanted, 0), "{served}: one at a time");
    }
    // One beat later it is still known; then it is over.
    for wanted in [MOST, 0] {
        house.pace.beat();
        assert_eq!(house.ask(10).begin(1).wanted, wanted);
    }
}
