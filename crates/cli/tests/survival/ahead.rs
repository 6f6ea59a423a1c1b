//! Three replicas that take ahead: far from a bound few requests ask Redis, near it all do, and nothing is held for long.

use crate::budgets::settled;
use crate::client::{Client, Received};
use crate::shared::{House, RESERVED, answered, ask_for, at_once};
use futures_util::future::join_all;
use std::time::{Duration, Instant};
use tierway_testkit::{Fault, Plan, Upstream};

/// How many requests have asked Redis: each looks at its clock, and who tells does not.
const ASKS: &str = "return tonumber(string.match(redis.call('INFO', 'commandstats'), 'cmdstat_time:calls=(%d+)') or 0)";
/// It does nothing else for some tenths of a second.
const BUSY: &str = "for _ = 1, 3e7 do end return 1";
/// Requests that Redis has let a replica have in work, and that it has not given back.
const PLACES: &str = "local sum = 0
for _, key in ipairs(redis.call('KEYS', '*pace*')) do
  local fields = redis.call('HGETALL', key)
  for at = 1, #fields, 2 do
    if fields[at]:sub(1, 2) == 'a:' then sum = sum + tonumber(fields[at + 1]) end
    if fields[at]:sub(1, 2) == 'b:' then sum = sum - tonumber(fields[at + 1]) end
  end
end
return sum";

/// Asks for all that the model can give: 0.2 dollars at worst.
async fn ask_for_much(client: &Client) -> Received {
    ask_for(client, 100_000).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn far_from_the_bounds_few_requests_ask_and_near_them_all_do() {
    let upstream = Upstream::start().await.unwrap();
    for (bounds, few) in [
        ("budget = \"1000/total\"\nrpm = 1000000\ntpm = 1000000000\nmax_concurrent = 100000", true),
        ("budget = \"1000/total\"\nrpm = 1000", false),
    ] {
        let house = House::open(&upstream.url(), bounds).await;
        let clients = house.clients();
        let before = house.redis.eval(ASKS).unwrap();
        for _ in 0..10 {
            assert_eq!(answered(&at_once(&clients, 60).await), 60);
        }
        let asks = house.redis.eval(ASKS).unwrap() - before;
        if few {
            // In the first rounds each asks; later one for as many as came within a second or two.
            assert!(asks < 200, "{asks} of 600 requests asked");
            // Nobody asks any longer: within some seconds nothing is held, and all is told.
            assert!(house.redis.eval(PLACES).unwrap() > 0, "nothing is held for requests to come");
            house.comes_to(PLACES, 0, 10).await;
            house.comes_to(RESERVED, 0, 10).await;
        } else {
            assert!(asks >= 600, "{asks} of 600 requests asked");
        }
        house.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_come_while_one_asks_wait_for_what_it_brings() {
    let upstream = Upstream::start().await.unwrap();
    let house = House::open(&upstream.url(), "budget = \"1000/total\"\nrpm = 1000000\nmax_concurrent = 100000").await;
    let clients = house.clients();
    for _ in 0..2 {
        assert_eq!(answered(&at_once(&clients[..1], 30).await), 30);
    }
    let before = house.redis.eval(ASKS).unwrap();
    let all = tokio::spawn(async move {
        // Redis is busy by then.
        tokio::time::sleep(Duration::from_millis(50)).await;
        at_once(&clients[..1], 200).await
    });
    tokio::task::block_in_place(|| house.redis.eval(BUSY)).unwrap();
    assert_eq!(answered(&all.await.unwrap()), 200);
    let asks = house.redis.eval(ASKS).unwrap() - before;
    assert!(asks < 20, "{asks} of 200 asked");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_holds_within_one_in_a_hundred_while_replicas_take_ahead() {
    let upstream = Upstream::start().await.unwrap();
    let house = House::open(&upstream.url(), "rpm = 3000").await;
    let clients = house.clients();
    let (began, before) = (Instant::now(), house.redis.eval(ASKS).unwrap());
    let (mut answered, mut asked) = (0, 0);
    let most = |seconds: f64| (3_000.0 + seconds * 50.0) * 1.01;
    // Until they are refused, and some more.
    while asked < answered + 300 {
        assert!(answered as f64 <= most(began.elapsed().as_secs_f64()), "{answered} of {asked}");
        asked += 60;
        answered += self::answered(&at_once(&clients, 60).await);
    }
    let (elapsed, asks) = (began.elapsed().as_secs_f64(), house.redis.eval(ASKS).unwrap() - before);
    assert!((2_970..=most(elapsed) as usize).contains(&answered), "{answered} of {}", most(elapsed));
    assert!(asks < i64::try_from(asked).unwrap(), "{asks} of {asked} asked: nobody took ahead");
    println!("{answered} of {asked} answered in {elapsed:.1} s, {asks} asked");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_refused_because_of_what_its_own_replica_holds() {
    let upstream = Upstream::start().await.unwrap();
    // A bit more than one request for all that the model can give.
    let house = House::open(&upstream.url(), "budget = \"0.2006/total\"").await;
    let client = &house.clients()[0];
    for at_once in [4, 1] {
        assert_eq!(answered(&join_all((0..at_once).map(|_| ask_for(client, 70))).await), at_once);
    }
    settled(&house.replicas[0]).await;
    let held = house.redis.eval(RESERVED).unwrap();
    assert!(held > 580_000_000, "{held} are held, too little to be in the way");
    let reply = ask_for_much(client).await;
    assert_eq!(reply.status, 200, "its own replica holds {held}: {}", reply.body);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_replica_held_goes_back() {
    let upstream = Upstream::start().await.unwrap();
    // Fifty times 0.2 dollars and a bit more, which is less than one replica may hold.
    let mut house = House::open(&upstream.url(), "budget = \"10.02/total\"").await;
    let victim = house.replicas.remove(0);
    for _ in 0..2 {
        assert_eq!(answered(&at_once(&[Client::of(victim.address)], 30).await), 30);
    }
    victim.kill();
    let held = house.redis.eval(RESERVED).unwrap();
    assert!(held > 20_000_000_000, "{held} are held, too little to be missed");
    // Its sign of life is there for ten seconds.
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(house.redis.eval(RESERVED).unwrap(), held, "nobody has needed it yet");

    upstream.plan("nano-1", Plan::always(Fault::SlowHeaders { ms: 8_000 }));
    let clients = house.clients();
    let replies = join_all((0..60).map(|at| ask_for_much(&clients[at % clients.len()]))).await;
    assert_eq!(answered(&replies), 50, "of sixty, fifty fit");
    for replica in &house.replicas {
        settled(replica).await;
    }
    house.comes_to(RESERVED, 0, 10).await;
    house.close().await;
}
