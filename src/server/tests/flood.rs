//! One address, or many, that want all of the listener for themselves: everybody else is still heard.
//!
//! Addresses of 127.0.0.0/8 stand for those of strangers. No test waits for a time to pass: the times
//! that are set are either never reached or only waited for.

use std::net::IpAddr;

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use tokio::net::TcpSocket;

use super::*;
use crate::server::room::Full;

/// Longer than any test runs.
const NEVER: Duration = Duration::from_hours(1);
const STRANGER: [u8; 4] = [127, 0, 0, 2];

impl World {
    /// Opens a connection from an address and begins a request on it that does not end.
    async fn half_open(&self, from: [u8; 4]) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        let mut stream = socket.connect(self.public()).await.unwrap();
        // One that is closed at once may refuse it.
        let _ = stream.write_all(b"POST /hooks/lever HTTP/1.1\r\nhost: x\r\nx-slow: ").await;
        stream
    }

    async fn half_open_many(&self, from: [u8; 4], count: usize) -> Vec<TcpStream> {
        join_all((0..count).map(|_| self.half_open(from))).await
    }

    /// What a hook of Lever's is answered with, for somebody at another address than all strangers.
    async fn hook(&self) -> Answer {
        tokio::time::timeout(PATIENCE, self.post("/hooks/lever", "{}")).await.expect("hooks are answered")
    }

    async fn health_is_told(&self) {
        let health = Answer::of(self.client.get(self.ops_url("/health")));
        let health = tokio::time::timeout(PATIENCE, health).await.expect("health is told");
        assert_eq!(health.status, 200);
    }

    /// How often a limit held something back.
    async fn limited(&self, limit: &str) -> u64 {
        let metrics = Answer::of(self.client.get(self.ops_url("/metrics"))).await.text;
        let begin = format!("fulcrum_limited_total{{limit=\"{limit}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&begin)).map_or(0, |count| count.parse().unwrap())
    }
}

fn client_at(address: impl Into<IpAddr>) -> reqwest::Client {
    reqwest::Client::builder().no_proxy().local_address(address.into()).build().unwrap()
}

/// Whether the other end closes; it says nothing before.
async fn is_closed(mut stream: TcpStream) -> bool {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    read.is_ok() && rest.is_empty()
}

fn patient(connections: usize, connections_per_address: usize) -> Limits {
    let rates = free();
    Limits {
        connections,
        connections_per_address,
        head_time: NEVER,
        body_time: NEVER,
        idle_time: NEVER,
        rates,
    }
}

#[tokio::test]
async fn one_address_with_many_slow_connections_takes_no_more_than_its_part() {
    let world = World::start(Choice { limits: patient(12, 4), ..Choice::default() }).await;
    let _slow = world.half_open_many(STRANGER, 40).await;
    world.hook().await.problem(400, "malformed");
    world.health_is_told().await;
    assert_eq!(world.get("/api/v1/status", ADMIN).await.status, 200);
    assert_eq!(world.limited(Full::ForAddress.word()).await, 36, "each beyond is counted");
    assert_eq!(world.limited(Full::InAll.word()).await, 0, "nobody had to wait");
}

#[tokio::test]
async fn a_place_that_was_left_is_given_to_the_next_of_the_same_address() {
    let world = World::start(Choice { limits: patient(8, 2), ..Choice::default() }).await;
    let mut slow = world.half_open_many(STRANGER, 2).await;
    let client = client_at(STRANGER);
    let ask = || client.get(world.url("/api/v1/status")).bearer_auth(ADMIN).send();
    assert!(ask().await.is_err(), "both places are taken");
    slow.pop();
    // The server sees it a moment later.
    let answered = async { while ask().await.is_err() {} };
    tokio::time::timeout(PATIENCE, answered).await.expect("there is a place again");
}

#[tokio::test]
async fn many_addresses_that_take_all_places_make_others_wait_and_refuse_nobody() {
    let short = Duration::from_millis(300);
    let limits = Limits { head_time: short, idle_time: short, ..patient(6, 2) };
    let world = World::start(Choice { limits, ..Choice::default() }).await;
    let mut slow = Vec::new();
    for last in 2..10 {
        slow.extend(world.half_open_many([127, 0, 0, last], 2).await);
    }
    world.health_is_told().await;
    world.hook().await.problem(400, "malformed");
    assert!(world.limited(Full::InAll.word()).await >= 1, "it is counted that somebody had to wait");
    assert_eq!(world.limited(Full::ForAddress.word()).await, 0);
}

#[tokio::test]
async fn the_operator_comes_in_while_all_places_are_taken() {
    let world = World::start(Choice { limits: patient(6, 2), ..Choice::default() }).await;
    let mut slow = Vec::new();
    for last in 2..10 {
        slow.extend(world.half_open_many([127, 0, 0, last], 2).await);
    }
    world.health_is_told().await;
    let metrics = async { while world.limited(Full::InAll.word()).await == 0 {} };
    tokio::time::timeout(PATIENCE, metrics).await.expect("it is counted that somebody has to wait");
    let status = "GET /api/v1/status HTTP/1.1\r\nhost: fulcrum\r\nconnection: close\r\n\r\n";
    let socket = world.folder.path().join("fulcrum.sock");
    let status = tokio::time::timeout(PATIENCE, control::ask(&socket, status)).await;
    assert!(status.expect("the control socket is served").starts_with("HTTP/1.1 200"));
    let listener = async || {
        let health = Answer::of(world.client.get(world.ops_url("/health"))).await.json();
        health["components"]["listener"]["status"].clone()
    };
    assert_eq!(listener().await, "degraded");
    drop(slow);
    let well = async { while listener().await != "ok" {} };
    tokio::time::timeout(PATIENCE, well).await.expect("there is room again");
}

#[tokio::test]
async fn a_trusted_proxy_brings_as_many_connections_as_it_likes() {
    let trusted_proxies = vec!["127.0.0.2".parse().unwrap()];
    let world = World::start(Choice { limits: patient(40, 2), trusted_proxies, ..Choice::default() }).await;
    let _open = world.half_open_many(STRANGER, 20).await;
    let proxy = client_at(STRANGER);
    let through = Answer::of(proxy.post(world.url("/hooks/lever")).body("{}")).await;
    through.problem(400, "malformed");
    assert_eq!(world.limited(Full::ForAddress.word()).await, 0);
}

/// One a second, so ten at once; and for hooks more.
fn strict() -> Limits {
    let one = NonZeroU32::MIN;
    let rates = Rates { hooks: NonZeroU32::new(5).unwrap(), api: one, pages: one, booking: one };
    Limits { rates, ..Limits::default() }
}

#[tokio::test]
async fn a_flood_of_hooks_from_one_address_is_turned_away_and_another_is_heard() {
    let world = World::start(Choice { limits: strict(), ..Choice::default() }).await;
    let stranger = client_at(STRANGER);
    let flood = (0..2000).map(|_| Answer::of(stranger.post(world.url("/hooks/lever")).body("{}")));
    let answers: Vec<_> = stream::iter(flood).buffer_unordered(64).collect().await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    let taken = answers.iter().filter(|answer| answer.status == 400).count();
    assert_eq!(refused.len() + taken, 2000);
    assert!(taken >= 50, "ten seconds' worth at once: {taken}");
    assert!(refused.len() > 2000 / 4, "{}", refused.len());
    for answer in &refused {
        answer.problem(429, "too-many");
        assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
    }
    assert_eq!(world.limited("hooks").await, refused.len() as u64);
    world.hook().await.problem(400, "malformed");
    world.health_is_told().await;
}

#[tokio::test]
async fn each_class_has_a_rate_of_its_own_and_refuses_in_its_own_way() {
    let world = World::start(Choice { limits: strict(), ..Choice::default() }).await;
    for (class, path, media_type) in [
        ("api", "/api/v1/status", "application/problem+json"),
        ("pages", "/sign-in", "text/html; charset=utf-8"),
        ("booking", "/b/x", "text/html; charset=utf-8"),
    ] {
        let refused = async {
            loop {
                let answer = world.get(path, ADMIN).await;
                let own = answer.text.contains("wrong links");
                if answer.status == 429 && !own {
                    break answer;
                }
            }
        };
        let refused =
            tokio::time::timeout(PATIENCE, refused).await.expect("more than one a second is too often");
        assert_eq!(refused.header("content-type"), media_type, "{path}");
        assert!(!refused.header("retry-after").is_empty());
        assert!(refused.text.contains("Too many requests"), "{path}");
        assert!(world.limited(class).await >= 1);
    }
    world.hook().await.problem(400, "malformed");
    world.health_is_told().await;
    let ops = join_all((0..50).map(|_| world.health_is_told())).await;
    assert_eq!(ops.len(), 50);
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_is_counted_alone() {
    let trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    let world = World::start(Choice { limits: strict(), trusted_proxies, ..Choice::default() }).await;
    let from = async |client: &str| {
        let request = world.client.get(world.url("/api/v1/status")).bearer_auth(ADMIN);
        Answer::of(request.header("x-forwarded-for", client)).await.status
    };
    let refused = async { while from("198.51.100.1").await != 429 {} };
    tokio::time::timeout(PATIENCE, refused).await.expect("more than one a second is too often");
    assert_eq!(from("198.51.100.2").await, 200);
}

#[tokio::test]
async fn other_limits_hold_from_the_next_request_on() {
    let world = World::start(Choice { limits: patient(40, 1), ..Choice::default() }).await;
    let _kept = world.half_open(STRANGER).await;
    assert!(is_closed(world.half_open(STRANGER).await).await);
    world.running.replace_limits(Limits { rates: strict().rates, ..patient(40, 2) });
    let stranger = client_at(STRANGER);
    let ask = async || {
        let request = stranger.get(world.url("/api/v1/status")).bearer_auth(ADMIN);
        Answer::of(request).await.status
    };
    assert_eq!(ask().await, 200, "there is a second place now");
    let refused = async { while ask().await != 429 {} };
    tokio::time::timeout(PATIENCE, refused).await.expect("the rates are the new ones");
}
