//! Three replicas, one PostgreSQL, one Redis, a balancer before them: what a key may have holds for all of them together,
//! and whichever of these is killed, nobody is failed, nothing is lost and no dollar is spent twice.

use crate::budgets::{HASH, ask, error, gauge, series, settled, start, stop};
use crate::client::{Client, Received, rest};
use crate::common::good;
use crate::process::Process;
use futures_util::future::join_all;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tierway_ledger::{Payer, Reader, Span};
use tierway_testkit::postgres::Postgres;
use tierway_testkit::redis::{PASSWORD, Redis};
use tierway_testkit::{Fault, Plan, Upstream};
use tierway_wire::Format;

/// Three processes and what they share. Dropped in this order.
pub(crate) struct House {
    pub(crate) replicas: Vec<Process>,
    pub(crate) redis: Redis,
    postgres: Postgres,
    ledger: String,
    config: PathBuf,
    dir: tempfile::TempDir,
}

impl House {
    /// `key`: what the key `app` may have.
    pub(crate) async fn open(url: &str, key: &str) -> Self {
        let (redis, postgres) = (Redis::start().unwrap(), Postgres::start().unwrap());
        let (ledger, dir) = (postgres.database().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(dir.path().join("ledger-url"), &ledger).unwrap();
        std::fs::write(dir.path().join("redis-url"), redis.url()).unwrap();
        let config = config(dir.path(), url, key);
        let replicas = join_all((0..3).map(|_| start(config.clone()))).await;
        let house = Self { replicas, redis, postgres, ledger, config, dir };
        house.until_shared().await;
        house
    }

    /// Waits until a question to the database has this answer.
    pub(crate) async fn comes_to(&self, script: &str, wanted: i64, within_s: u64) {
        let began = Instant::now();
        while self.redis.eval(script).unwrap() != wanted {
            assert!(began.elapsed() < Duration::from_secs(within_s), "it is not {wanted} in time: {script}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Until each of them shares, and knows of the others.
    async fn until_shared(&self) {
        let began = Instant::now();
        for replica in &self.replicas {
            while series(replica, "tierway_shared_up").await != 1.0
                || series(replica, "tierway_shared_replicas").await < self.replicas.len() as f64
            {
                assert!(began.elapsed() < Duration::from_secs(60), "a replica does not share");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    pub(crate) fn clients(&self) -> Vec<Client> {
        self.replicas.iter().map(|replica| Client::of(replica.address)).collect()
    }

    /// What the rows say that the key has paid, when all of them are there.
    fn paid(&self) -> f64 {
        self.read(|reader| reader.spent(&Payer::Key("app".into()), 0).unwrap().as_f64())
    }

    /// The ledger has a runtime of its own.
    fn read<T>(&self, ask: impl FnOnce(&mut Reader) -> T) -> T {
        tokio::task::block_in_place(|| ask(&mut Reader::open(self.ledger.as_str()).unwrap()))
    }

    pub(crate) async fn close(self) {
        join_all(self.replicas.into_iter().map(stop)).await;
        good(self.dir.path(), &["audit", "--config", self.config.to_str().unwrap()]);
    }
}

fn config(dir: &Path, url: &str, key: &str) -> PathBuf {
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[providers.p]\nkind = \"openai_compatible\"\nbase_url = \"{url}/v1\"\n\
         [[tiers]]\nname = \"nano\"\ntargets = [{{ provider = \"p\", model = \"nano-1\", max_output = 100000, price = {{ input = 1, output = 2 }} }}]\n\
         [routing]\nbaseline = \"nano\"\n[ledger]\nurl = \"file:ledger-url\"\ndurability = \"strict\"\n\
         [shared]\nurl = \"file:redis-url\"\ntimeout_ms = 2000\n\
         [[keys]]\nname = \"app\"\nscope = \"admin\"\nhash = \"{HASH}\"\n{key}\n"
    );
    let path = dir.join("tierway.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// What [`ask`] may cost at worst: a thousand tokens of output and the input that is estimated.
async fn worst(client: &Client) -> f64 {
    let message = error(&ask_for(client, 90_000_000).await).2;
    let most: f64 = message.split("it may cost up to ").nth(1).unwrap().split(". ").next().unwrap().parse().unwrap();
    // 100,000 tokens of output at most, of which ours asks a thousand.
    most - 99_000.0 * 2.0 / 1e6
}

/// Asks for an answer of so many tokens.
pub(crate) async fn ask_for(client: &Client, tokens: u32) -> Received {
    let message = json!({"role": "user", "content": "Hello"});
    let body = json!({"model": "nano", "max_tokens": tokens, "messages": [message]}).to_string();
    rest(client.begin(Format::OpenaiChat, &[("authorization", "Bearer app")], body).await, String::new()).await
}

pub(crate) async fn at_once(clients: &[Client], count: usize) -> Vec<Received> {
    join_all((0..count).map(|at| ask(&clients[at % clients.len()], "nano", &[]))).await
}

pub(crate) fn answered(replies: &[Received]) -> usize {
    replies.iter().filter(|reply| reply.status == 200).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_for_ten_is_for_ten_on_three_replicas_with_redis_without_and_with_it_again() {
    let upstream = Upstream::start().await.unwrap();
    // The worst case of a request is some 0.002 dollars, and its answer costs next to nothing.
    let mut house = House::open(&upstream.url(), "budget = \"0.0215/total\"").await;
    let clients = house.clients();
    let worst = worst(&clients[0]).await;
    assert_eq!((0.0215 / worst) as usize, 10, "{worst}");
    upstream.plan("nano-1", Plan::always(Fault::SlowHeaders { ms: 12_000 }));
    let replies = at_once(&clients, 500).await;
    let refused: Vec<_> = replies.iter().filter(|reply| reply.status != 200).map(error).collect();
    assert_eq!(answered(&replies), 10, "{:?}", refused.first());
    assert!(refused.iter().all(|(status, code, _)| (*status, &**code) == (429, "budget_reserved")), "{refused:?}");
    assert_eq!(upstream.calls_of("nano-1").len(), 10);

    // Without Redis each has a third of what is left: together no more than nine and a half fit beside what is spent.
    for replica in &house.replicas {
        settled(replica).await;
    }
    upstream.plan("nano-1", Plan::always(Fault::SlowHeaders { ms: 5_000 }));
    house.redis.kill();
    let alone = at_once(&clients, 60).await;
    let said = house.replicas[0].hear("cannot be reached");
    assert!(!said.contains(PASSWORD) && said.contains("replicas=3"), "{said}");
    assert!((3..=10).contains(&answered(&alone)), "{} of 60 alone, 3 each fit", answered(&alone));
    assert_eq!(series(&house.replicas[0], "tierway_shared_up").await, 0.0);

    // Back, and empty: it hears from all of them what they have spent, and all of it is left again but that.
    house.redis.restart().unwrap();
    house.until_shared().await;
    let again = at_once(&clients, 100).await;
    assert!((9..=10).contains(&answered(&again)), "{} of 100", answered(&again));
    for replica in &house.replicas {
        settled(replica).await;
    }
    upstream.plan("nano-1", Plan::default());
    let paid = house.paid();
    for (client, replica) in clients.iter().zip(&house.replicas) {
        // Each hears with its next request what all have spent.
        assert_eq!(ask(client, "nano", &[]).await.status, 200);
        settled(replica).await;
    }
    let each = paid / (answered(&replies) + answered(&alone) + answered(&again)) as f64;
    assert!((gauge(&house.replicas[2], "spent").await - (paid + 3.0 * each)).abs() < 1e-9, "{paid} by the rows");
    house.close().await;
}

/// What Redis knows to be reserved of all budgets, units of 1e-12 dollars.
pub(crate) const RESERVED: &str = "local sum = 0
for _, key in ipairs(redis.call('KEYS', '*purse*')) do
  local fields = redis.call('HGETALL', key)
  for at = 1, #fields, 2 do
    if fields[at]:sub(1, 2) == 'r:' then sum = sum + tonumber(fields[at + 1]) end
    if fields[at]:sub(1, 2) == 'd:' then sum = sum - tonumber(fields[at + 1]) end
  end
end
return sum";
/// As if it were thrown away and somebody had reserved one unit since.
const FORGET_RESERVED: &str = "local done = 0
for _, key in ipairs(redis.call('KEYS', '*purse*')) do
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if field:sub(1, 2) == 'r:' then done = done + 1 redis.call('HSET', key, field, 1) end
  end
end
return done";
/// What Redis knows to be settled of all budgets, units of 1e-12 dollars.
const SETTLED: &str = "local sum = 0
for _, key in ipairs(redis.call('KEYS', '*purse*')) do
  local fields = redis.call('HGETALL', key)
  for at = 1, #fields, 2 do
    if fields[at]:sub(1, 2) == 's:' then sum = sum + tonumber(fields[at + 1]) end
  end
end
return sum";
const FORGET: &str = "return redis.call('DEL', unpack(redis.call('KEYS', '*purse*')))";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_that_redis_threw_away_is_told_again() {
    let upstream = Upstream::start().await.unwrap();
    let house = House::open(&upstream.url(), "budget = \"1000/total\"").await;
    for (client, replica) in house.clients().iter().zip(&house.replicas) {
        assert_eq!(ask(client, "nano", &[]).await.status, 200);
        settled(replica).await;
    }
    let began = Instant::now();
    let known = loop {
        let known = house.redis.eval(SETTLED).unwrap();
        // All three have told, and heard of each other.
        if began.elapsed() > Duration::from_secs(3) {
            break known;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(known > 0);
    assert_eq!(house.redis.eval(FORGET), Ok(1));
    house.comes_to(SETTLED, known, 20).await;

    // So is what is reserved, however much of it is left there.
    upstream.plan("nano-1", Plan::always(Fault::SlowHeaders { ms: 25_000 }));
    let clients = house.clients();
    let asking = async {
        let replies = at_once(&clients, 6).await;
        assert_eq!(answered(&replies), 6);
    };
    let looking = async {
        let began = Instant::now();
        // Six of the same, two of each replica.
        while upstream.calls_of("nano-1").len() < 3 + 6 {
            assert!(began.elapsed() < Duration::from_secs(20), "six requests do not arrive");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // What was taken without asking is told within a second or two.
        tokio::time::sleep(Duration::from_secs(4)).await;
        let reserved = house.redis.eval(RESERVED).unwrap();
        assert!(reserved > 0, "six requests have reserved nothing");
        assert!(house.redis.eval(FORGET_RESERVED).unwrap() >= 3);
        house.comes_to(RESERVED, reserved, 15).await;
    };
    tokio::join!(asking, looking);
    for replica in &house.replicas {
        settled(replica).await;
    }
    house.comes_to(RESERVED, 0, 15).await;
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_redis_closes_while_nobody_asks_are_just_made_again() {
    let upstream = Upstream::start().await.unwrap();
    let house = House::open(&upstream.url(), "budget = \"1000/total\"").await;
    let clients = house.clients();
    for _ in 0..2 {
        assert_eq!(answered(&at_once(&clients, 12).await), 12);
        for replica in &house.replicas {
            settled(replica).await;
        }
        // The oldest are those of the keepers; each replica that was asked has more.
        let closed = house.redis.close_all_but(house.replicas.len()).unwrap();
        assert!(closed >= house.replicas.len(), "{closed}");
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(2_500) {
            for replica in &house.replicas {
                assert_eq!(series(replica, "tierway_shared_up").await, 1.0);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_finds_its_cache_warm_on_another_replica() {
    let upstream = Upstream::start().await.unwrap();
    let house = House::open(&upstream.url(), "").await;
    let clients = house.clients();
    let first = json!({"role": "user", "content": "Please translate into French: the weather is lovely, and we are going to the beach."});
    let answer = json!({"role": "assistant", "content": "Il fait beau, et nous allons à la plage."});
    let more =
        json!({"role": "user", "content": "Now translate the same sentence into German, please, and keep its tone."});
    let turns = [vec![first.clone()], vec![first, answer, more]];
    let say = async |client: &Client, turn: usize, session: &'static str| {
        let body = json!({"model": "auto", "max_tokens": 100, "messages": turns[turn]}).to_string();
        let headers = [("authorization", "Bearer app"), ("x-tierway-session", session)];
        let reply = rest(client.begin(Format::OpenaiChat, &headers, body).await, String::new()).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.header("x-tierway-reason").to_owned()
    };
    // It is told within seconds, on a busy machine later: a new conversation for each longer wait.
    let mut reasons = Vec::new();
    for (session, seconds) in [("a", 2), ("b", 4), ("c", 8), ("d", 16), ("e", 32)] {
        assert_eq!(say(&clients[0], 0, session).await, "predicted");
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        reasons.push(say(&clients[1], 1, session).await);
        if reasons.last().unwrap() == "session_held" {
            break;
        }
    }
    assert_eq!(reasons.last().unwrap(), "session_held", "{reasons:?}");
    assert_eq!(say(&clients[2], 1, "unheard").await, "predicted");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_a_minute_and_in_work_are_counted_together() {
    let upstream = Upstream::start().await.unwrap();
    let house = House::open(&upstream.url(), "rpm = 240\nmax_concurrent = 200").await;
    let clients = house.clients();
    let began = Instant::now();
    let (mut answered, mut remaining) = (0, Vec::new());
    for _ in 0..5 {
        let replies = at_once(&clients, 120).await;
        remaining.extend(
            replies.iter().filter_map(|reply| reply.header("x-ratelimit-remaining-requests").parse::<u32>().ok()),
        );
        answered += self::answered(&replies);
    }
    // A minute's worth at once, and four for every second that it took; one per cent of it either way.
    let most = 240.0 + began.elapsed().as_secs_f64() * 4.0;
    assert!((238..=(most * 1.01) as usize).contains(&answered), "{answered} of {most}");
    // Each answer says what was left for all of them.
    assert!(remaining.iter().min().is_some_and(|least| *least < 5), "{remaining:?}");

    upstream.plan("nano-1", Plan::always(Fault::SlowHeaders { ms: 4_000 }));
    std::fs::write(
        &house.config,
        std::fs::read_to_string(&house.config)
            .unwrap()
            .replace("rpm = 240\nmax_concurrent = 200", "max_concurrent = 7"),
    )
    .unwrap();
    for replica in &house.replicas {
        replica.signal("-HUP");
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let replies = at_once(&clients, 90).await;
    let refused: Vec<_> = replies.iter().filter(|reply| reply.status != 200).map(error).collect();
    assert_eq!(self::answered(&replies), 7, "{:?}", refused.first());
    assert!(refused.iter().all(|(status, code, _)| (*status, &**code) == (429, "too_many_requests_in_progress")));

    // One of them hears that the provider wants to be left alone, and all of them leave it alone.
    upstream.plan("nano-1", Plan::first([Fault::RateLimit { retry_after: Some("40".into()) }]));
    assert_eq!(ask(&clients[0], "nano", &[]).await.status, 429);
    let began = Instant::now();
    let healthy = "tierway_target_healthy{tier=\"nano\",provider=\"p\",model=\"nano-1\"}";
    while series(&house.replicas[2], healthy).await != 0.0 {
        assert!(began.elapsed() < Duration::from_secs(20), "another replica does not hear of it");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    house.close().await;
}

/// Spreads requests over the replicas that accept connections, one after the other.
struct Balancer {
    replicas: std::sync::Mutex<Vec<std::net::SocketAddr>>,
    turn: AtomicUsize,
    stop: AtomicBool,
}

impl Balancer {
    /// Asks until it is stopped: ids of answers, and what went wrong with the rest, by the replica that was asked.
    async fn load(self: Arc<Self>) -> Vec<Result<String, (std::net::SocketAddr, String)>> {
        let mut outcomes = Vec::new();
        while !self.stop.load(Ordering::Relaxed) {
            let all = self.replicas.lock().unwrap().clone();
            let at = all[self.turn.fetch_add(1, Ordering::Relaxed) % all.len()];
            let asked = tokio::task::spawn_blocking(move || exchange(at)).await.unwrap();
            outcomes.push(asked.map_err(|why| (at, why)));
        }
        outcomes
    }
}

/// One request on a connection of its own: the id of the answer, or what came instead.
fn exchange(address: std::net::SocketAddr) -> Result<String, String> {
    use std::io::{Read, Write};
    let body =
        json!({"model": "nano", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}).to_string();
    let mut stream = std::net::TcpStream::connect(address).map_err(|error| error.to_string())?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).map_err(|error| error.to_string())?;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer app\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut text = String::new();
    stream.write_all((head + &body).as_bytes()).map_err(|error| error.to_string())?;
    stream.read_to_string(&mut text).map_err(|error| error.to_string())?;
    let id = text.lines().find_map(|line| line.strip_prefix("x-tierway-request-id: "));
    match id {
        Some(id) if text.starts_with("HTTP/1.1 200") && text.trim_end().ends_with('}') => Ok(id.to_owned()),
        _ => Err(text),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_is_killed_nobody_is_failed_and_the_totals_are_equal_to_the_cent() {
    let upstream = Upstream::start().await.unwrap();
    let mut house = House::open(&upstream.url(), "budget = \"1000/total\"\nrpm = 1000000\nmax_concurrent = 1000").await;
    let addresses = house.replicas.iter().map(|replica| replica.address).collect();
    let (turn, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let balancer = Arc::new(Balancer { replicas: std::sync::Mutex::new(addresses), turn, stop });
    let clients: Vec<_> = (0..6).map(|_| tokio::spawn(balancer.clone().load())).collect();
    let pause = |ms| tokio::time::sleep(Duration::from_millis(ms));

    pause(1_500).await;
    let victim = house.replicas.remove(0);
    let killed = victim.address;
    balancer.replicas.lock().unwrap().retain(|address| *address != killed);
    victim.kill();
    pause(1_000).await;
    let successor = start(house.config.clone()).await;
    balancer.replicas.lock().unwrap().push(successor.address);
    house.replicas.push(successor);
    pause(1_000).await;
    house.redis.kill();
    pause(1_000).await;
    house.redis.restart().unwrap();
    pause(1_000).await;
    house.postgres.kill();
    pause(500).await;
    house.postgres.restart().unwrap();
    house.until_shared().await;
    pause(1_000).await;
    balancer.stop.store(true, Ordering::Relaxed);

    let outcomes: Vec<_> = join_all(clients).await.into_iter().flat_map(Result::unwrap).collect();
    let failed: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    let others: Vec<_> = failed.iter().filter(|(at, _)| *at != killed).collect();
    assert!(others.is_empty(), "{} of {}: {:?}", others.len(), outcomes.len(), others.first());
    assert!(failed.len() <= 6, "one for each client that was being served: {}", failed.len());

    for replica in &house.replicas {
        assert!(ask(&Client::of(replica.address), "nano", &[]).await.status == 200);
        settled(replica).await;
    }
    let mut rows = std::collections::BTreeSet::new();
    let audit = house.read(|reader| reader.audit(Span::ALL, |call| _ = rows.insert(call.id.to_string())).unwrap());
    assert!(audit.is_clean(), "{:#?}", audit.problems);
    let answers = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok());
    let missing = answers.clone().filter(|id| !rows.contains(*id)).count();
    assert_eq!(missing, 0, "of {} answers", answers.count());
    // What the killed one had in work may stand in no row; to the cent it is nothing.
    let (paid, began) = (house.paid(), Instant::now());
    let mut last = 0.0;
    // What it had settled and not told is known once the ledger is read, every ten seconds.
    while (paid - last).abs() >= 0.01 || last < paid - 1e-9 {
        assert!(began.elapsed() < Duration::from_secs(30), "{paid} in rows, {last} shared");
        tokio::time::sleep(Duration::from_millis(100)).await;
        last = gauge(&house.replicas[2], "spent").await;
    }
    println!(
        "{} answers, {} failed with the killed one; {paid} paid by the rows, {last} shared",
        outcomes.len(),
        failed.len()
    );
    house.close().await;
}
