//! What people feel while the initial sync uses the whole rate: how late transcripts are filed,
//! with 100,000 sessions open, and how soon a text is acknowledged and seen.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fulcrum::cli::wiring;
use fulcrum::engine::changes::{Incoming, Received, receive};
use fulcrum::engine::clock::{Clock, Moment};
use fulcrum::store::tables::BY_NUMBER;
use fulcrum::store::{self, Store, StoreError};
use fulcrum_domain::{Body, CarrierSid, Number, OpportunityId};
use fulcrum_sandbox::{LeverOptions, Options, Sandbox};
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use sha1::Sha1;

use crate::daemon::{Daemon, Home, Setup, lists_are_complete};
use crate::table::{Row, percentile};

const SESSIONS: usize = 100_000;
/// Sessions that come due while it is measured, one after the other.
const DUE: usize = 100;
const DUE_EVERY: SignedDuration = SignedDuration::from_millis(250);
/// The first is due so long after they are stored: the daemon must be up by then.
const FIRST: SignedDuration = SignedDuration::from_secs(20);
const DELAY: SignedDuration = SignedDuration::from_hours(1);
const LATENCY_MS: u64 = 300;
const TEXTS: usize = 300;

/// The rows of this part.
pub(crate) fn rows() -> anyhow::Result<Vec<Row>> {
    tokio::runtime::Runtime::new()?.block_on(measure())
}

/// The tenant, which is the same at any rate.
async fn sandbox(rate: (f64, u32), latency_ms: u64, start_ms: i64) -> anyhow::Result<Sandbox> {
    let lever = LeverOptions {
        opportunities: SESSIONS as u32 * 5 / 4,
        active_share: 0.9,
        rate: rate.0,
        burst: rate.1,
        latency_ms: latency_ms..latency_ms + 1,
        ..LeverOptions::default()
    };
    Ok(Sandbox::start(Options { lever, start_ms: Some(start_ms), ..Options::default() }).await?)
}

async fn measure() -> anyhow::Result<Vec<Row>> {
    let home = Home::new()?;
    let start_ms = Clock::System.now().as_millisecond();
    // All lists at once, so that only the interviews are left, which take hours at Lever's rate.
    let fast = sandbox((1e6, 1_000_000), 0, start_ms).await?;
    home.configure(&fast, Setup { interviews: true, ..Setup::FREE })?;
    let daemon = home.start().await?;
    daemon.until(lists_are_complete).await?;
    daemon.stop()?;
    let numbers = numbers(&fast)?;
    fast.shutdown().await;

    let now = Clock::System.now().as_millisecond();
    let slow = sandbox((10.0, 20), LATENCY_MS, now).await?;
    home.configure(&slow, Setup::REAL)?;
    let due = open_sessions(&home, &numbers).await?;
    let daemon = home.start().await?;
    let before = slow.stats().lever.requests;
    let floor = crate::ingest::floor(&home.store().with_extension("floor"))?;
    let texted = texts(&slow, &daemon, &numbers[SESSIONS..], floor.1).await?;
    let end = due.last().context("no session")?.1 + SignedDuration::from_secs(8);
    let left = Duration::try_from(end.duration_since(Clock::System.now())).unwrap_or_default();
    tokio::time::sleep(left).await;
    let status = daemon.api("status").await?;
    anyhow::ensure!(status["backfill"]["state"] == "running", "the backfill ended too early");
    let lags = lags(&slow, &due)?;
    daemon.stop()?;
    let busy = slow.stats().lever.requests - before;
    slow.shutdown().await;

    let answer = LATENCY_MS as f64 / 1e3;
    let lag = percentile(&lags, 0.99);
    let missing = DUE - lags.len();
    Ok(vec![
        Row::new(
            "filed minus due, p99, 100,000 open, backfill running",
            "<= 1 s + Lever's answer",
            format!("{lag:.2} s (p50 {:.2}), {missing} missing", percentile(&lags, 0.5)),
            lag <= 1.0 + answer && missing == 0,
        )
        .beside(format!("Lever's answer {answer} s; {busy} requests meanwhile")),
        texted.row("a text received, acknowledged, p99", 5.0, &texted.acks),
        texted.row("the same, visible through the API, p99", 20.0, &texted.seen),
    ])
}

/// A number for each of so many active opportunities, more than there are sessions. The tenant has
/// no more than the few thousand numbers that are nobody's, so these are made up.
fn numbers(sandbox: &Sandbox) -> anyhow::Result<Vec<(Number, OpportunityId)>> {
    let active = sandbox.truth().filter(|truth| truth.archived_at.is_none() && !truth.confidential);
    let numbers = active.take(SESSIONS + TEXTS).zip(0u32..).map(|(truth, place)| {
        let number = Number::from_e164(&format!("+1202{}", 2_000_000 + place))?;
        Ok::<_, anyhow::Error>((number, truth.id.parse()?))
    });
    numbers.collect()
}

/// Opens the sessions in the file, the last of which come due soon; which, and when.
async fn open_sessions(
    home: &Home,
    numbers: &[(Number, OpportunityId)],
) -> anyhow::Result<Vec<(String, Timestamp)>> {
    anyhow::ensure!(numbers.len() >= SESSIONS + TEXTS, "too few numbers: {}", numbers.len());
    let settings = wiring::settings(&home.read_config()?)?;
    let store = Store::open(store::Options::file(home.store()), Box::new(|_| ()))?;
    let ours = *settings.rules.numbers.first().context("no number of ours")?;
    let now = Clock::System.now();
    let mut due = Vec::new();
    for (batch, numbers) in numbers.chunks(5000).enumerate() {
        let (numbers, rules) = (numbers.to_vec(), settings.rules.clone());
        let from_now = move |place: usize| match place.checked_sub(SESSIONS - DUE) {
            Some(late) => FIRST + DUE_EVERY * i32::try_from(late).unwrap_or(i32::MAX),
            // The others are open all the while.
            None => SignedDuration::from_mins(50),
        };
        let found = store
            .change(move |tx| {
                let mut found = Vec::new();
                for (place, (from, opportunity)) in (batch * 5000..).zip(numbers) {
                    tx.put(BY_NUMBER, &(from, opportunity), &())?;
                    if place >= SESSIONS {
                        continue; // It is texted later.
                    }
                    let due_at = now + from_now(place);
                    let at = due_at - DELAY;
                    let words = format!("session {place}.");
                    let incoming = Incoming {
                        sid: sid(place)?,
                        from,
                        to: ours,
                        body: Body::new(words.clone()),
                        attachments: Vec::new(),
                        at: Some(at),
                        keyword: None,
                    };
                    let taken = receive(tx, incoming, &rules, &mut Moment::new(now, place as u64))?;
                    if place >= SESSIONS - DUE && matches!(taken, Received::Stored(_)) {
                        found.push((words, due_at));
                    }
                }
                Ok::<_, StoreError>(found)
            })
            .await?;
        due.extend(found);
    }
    store.close().await;
    Ok(due)
}

fn sid(place: usize) -> Result<CarrierSid, StoreError> {
    format!("SM{place:032x}").parse().map_err(|_| StoreError::Closed)
}

/// Seconds from due to the moment at which Lever made the note, sorted.
fn lags(sandbox: &Sandbox, due: &[(String, Timestamp)]) -> anyhow::Result<Vec<f64>> {
    let notes: Vec<(i64, String)> = sandbox
        .ledger()
        .entries()
        .into_iter()
        .filter(|entry| entry.kind == "note_created")
        .map(|entry| (entry.at_ms, entry.detail.to_string()))
        .collect();
    let filed = due.iter().filter_map(|(words, at)| {
        let (filed_ms, _) = notes.iter().find(|(_, text)| text.contains(words))?;
        Some((filed_ms - at.as_millisecond()) as f64 / 1e3)
    });
    let mut lags: Vec<f64> = filed.collect();
    anyhow::ensure!(!lags.is_empty(), "nothing was filed");
    lags.sort_by(f64::total_cmp);
    Ok(lags)
}

/// Milliseconds, sorted.
pub(crate) struct Texted {
    pub(crate) acks: Vec<f64>,
    pub(crate) seen: Vec<f64>,
    /// Of the same request, each time, to hyper and redb alone.
    floor: Vec<f64>,
}

impl Texted {
    fn row(&self, what: &str, most: f64, times: &[f64]) -> Row {
        let told =
            |times: &[f64]| format!("{:.1} ms (p50 {:.1})", percentile(times, 0.99), percentile(times, 0.5));
        Row::new(what, &format!("<= {most} ms"), told(times), percentile(times, 0.99) <= most)
            .beside(format!("stored by hyper + redb {}", told(&self.floor)))
    }
}

/// Texts from candidates, ten a second, each looked for through the API.
pub(crate) async fn texts(
    sandbox: &Sandbox,
    daemon: &Daemon<'_>,
    numbers: &[(Number, OpportunityId)],
    floor: SocketAddr,
) -> anyhow::Result<Texted> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("{}/hooks/twilio/message", daemon.home.public_url());
    let mut beat = tokio::time::interval(Duration::from_millis(100));
    let mut texted = Texted { acks: Vec::new(), seen: Vec::new(), floor: Vec::new() };
    for (place, (from, _)) in numbers.iter().enumerate() {
        beat.tick().await;
        let (from, words) = (from.to_string(), format!("answer {place}."));
        let fields = [
            ("AccountSid", sandbox.account_sid()),
            ("Body", &words),
            ("From", &from),
            ("MessageSid", &format!("SM{:032x}", SESSIONS + place)),
            ("NumMedia", "0"),
            ("To", &sandbox.numbers()[0]),
        ];
        let signature = sign(sandbox.auth_token(), &url, &fields)?;
        let post = async |url: &str| {
            let request = http.post(url).header("x-twilio-signature", &signature).form(&fields);
            let began = Instant::now();
            request.send().await?.error_for_status()?;
            Ok::<_, reqwest::Error>((began, began.elapsed().as_secs_f64() * 1e3))
        };
        texted.floor.push(post(&format!("http://{floor}/")).await?.1);
        let (began, acknowledged) = post(&url).await?;
        texted.acks.push(acknowledged);
        loop {
            // The newest thread is the one that was just written to.
            let threads = daemon.api("conversations?limit=1").await?;
            let thread = threads["data"][0]["id"].as_str().context("no conversation")?.to_owned();
            let messages = daemon.api(&format!("conversations/{thread}/messages?limit=200")).await?;
            if messages["data"].to_string().contains(&words) {
                break;
            }
            anyhow::ensure!(began.elapsed() < Duration::from_secs(5), "a text is not to be seen");
        }
        texted.seen.push(began.elapsed().as_secs_f64() * 1e3);
    }
    for times in [&mut texted.acks, &mut texted.seen, &mut texted.floor] {
        times.sort_by(f64::total_cmp);
    }
    Ok(texted)
}

/// As Twilio signs (carriers.md 1.6). The fields are in order already.
fn sign(token: &str, url: &str, fields: &[(&str, &str)]) -> anyhow::Result<String> {
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).context("a key of any length")?;
    mac.update(url.as_bytes());
    for (name, value) in fields {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    Ok(STANDARD.encode(mac.finalize().into_bytes()))
}
