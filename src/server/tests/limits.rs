//! What strangers do to hold a listener up, and what a stop does to those who are connected.

use tokio::time::Instant;

use super::*;

const SHORT: Duration = Duration::from_millis(300);

async fn strict() -> World {
    let limits =
        Limits { head_time: SHORT, body_time: SHORT, idle_time: SHORT, connections: 4, ..Limits::default() };
    World::start(Choice { limits, ..Choice::default() }).await
}

#[tokio::test]
async fn a_head_that_does_not_end_is_cut_off() {
    let world = strict().await;
    for begun in ["", "P", "PRI * HT", "POST /hooks/lever HTTP/1.1\r\nhost: x\r\nx-slow: "] {
        let began = Instant::now();
        let answer = world.raw(begun.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{begun:?}: {answer}");
        assert!(began.elapsed() >= SHORT, "{begun:?}");
    }
}

/// Thousands that say nothing kept webhooks out for as long as an idle connection may last.
#[tokio::test]
async fn a_stranger_who_asks_nothing_has_the_time_of_a_head_and_no_more() {
    let limits =
        Limits { head_time: SHORT, idle_time: Duration::from_hours(1), connections: 4, ..Limits::default() };
    let world = World::start(Choice { limits, ..Choice::default() }).await;
    let mut strangers = Vec::new();
    for _ in 0..4 {
        strangers.push(TcpStream::connect(world.public()).await.unwrap());
    }
    let answer = tokio::time::timeout(PATIENCE, world.get("/api/v1/status", VIEWER)).await;
    assert_eq!(answer.expect("there is room again").status, 200);
}

#[tokio::test]
async fn a_head_that_drips_is_cut_off() {
    let world = strict().await;
    let mut stream = TcpStream::connect(world.public()).await.unwrap();
    let drip = async {
        stream.write_all(b"POST /hooks/lever HTTP/1.1\r\n").await.unwrap();
        while stream.write_all(b"x: y\r\n").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    tokio::time::timeout(PATIENCE, drip).await.expect("the connection is closed");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let world = strict().await;
    let large = format!("GET / HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n", "x".repeat(100 * 1024));
    assert!(world.raw(large.as_bytes()).await.starts_with("HTTP/1.1 431"));
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: y\r\n".repeat(100));
    assert!(world.raw(many.as_bytes()).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn a_body_that_does_not_end_is_answered_and_cut_off() {
    let world = strict().await;
    for_strangers(&world, |path| {
        format!("POST {path} HTTP/1.1\r\nhost: x\r\n{FORM}content-length: 1000\r\n\r\ndo=take&form=")
    })
    .await;
    let mut stream = TcpStream::connect(world.public()).await.unwrap();
    let drip = async {
        stream
            .write_all(b"POST /hooks/lever HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
            .await
            .unwrap();
        while stream.write_all(b"1\r\n{\r\n").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    tokio::time::timeout(PATIENCE, drip).await.expect("the connection is closed");
}

const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";

/// Sends to each route that takes a body from whoever comes, and sees that it is given up.
async fn for_strangers(world: &World, request: impl Fn(&str) -> String) {
    let takes_a_body = |route: &Route| route.needs.is_none() && !route.method.is_safe();
    let routes = tables().into_iter().flat_map(|(_, table)| table).filter(takes_a_body);
    let mut paths: Vec<String> = routes.map(|route| route.path.replace(['{', '}'], "")).collect();
    assert!(paths.iter().any(|path| path == "/b/token"), "{paths:?}");
    paths.extend(["/hooks/lever", "/hooks/twilio/message"].map(str::to_owned));
    for path in paths {
        let answer = world.raw(request(&path).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let world = strict().await;
    for rubbish in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(),
        b"\r\n\r\n\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
    ] {
        let answer = world.raw(rubbish).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    let two_lengths =
        b"POST /hooks/lever HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}";
    assert!(world.raw(two_lengths).await.starts_with("HTTP/1.1 400"));
}

#[tokio::test]
async fn idle_connections_make_room_for_others() {
    let world = strict().await;
    let mut idle = Vec::new();
    for _ in 0..8 {
        idle.push(TcpStream::connect(world.public()).await.unwrap());
    }
    let answer = tokio::time::timeout(PATIENCE, world.get("/api/v1/status", ADMIN)).await.unwrap();
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn an_idle_http2_connection_is_closed() {
    let world = strict().await;
    let mut stream = TcpStream::connect(world.public()).await.unwrap();
    // The preface and an empty SETTINGS frame: a live peer that asks for nothing.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(PATIENCE, read).await.expect("the connection is closed");
    assert!(!answer.is_empty(), "it spoke HTTP/2 before");
}

#[tokio::test]
async fn http2_is_spoken() {
    let world = World::start(Choice::default()).await;
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let response = client.get(world.url("/api/v1/status")).bearer_auth(ADMIN).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, http::Version::HTTP_2));
}

#[tokio::test]
async fn a_stop_answers_what_is_under_way_and_takes_nothing_new() {
    let world = World::start(Choice::default()).await;
    let address = world.public();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"POST /hooks/lever HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{").await.unwrap();
    // A whole request on another connection: by then the first one is being read.
    world.get("/api/v1/status", ADMIN).await;
    let stop = world.running.stop(PATIENCE);
    let finish = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        stream.write_all(b"}").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let (in_time, answer) = tokio::join!(stop, finish);
    assert!(in_time && answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn a_stop_cuts_what_does_not_end() {
    let world = World::start(Choice::default()).await;
    let mut stream = TcpStream::connect(world.public()).await.unwrap();
    stream.write_all(b"POST /hooks/lever HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{").await.unwrap();
    world.get("/api/v1/status", ADMIN).await;
    assert!(!world.running.stop(SHORT).await);
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest);
    let _ = tokio::time::timeout(PATIENCE, read).await.expect("the connection is cut");
    assert!(rest.is_empty());
}
