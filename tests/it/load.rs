//! People who text and are texted while something goes wrong with the daemon.

use std::time::{Duration, Instant};

use fulcrum::engine::OnUnknown;
use fulcrum_sandbox::{
    Event, Options, Permission, Permissions, Sandbox, WebhookRetries, twilio::KeywordHandling,
};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::daemon::Client;
use crate::judge::Done;
use crate::world::{eventually, small};

pub(crate) const PEOPLE: usize = 8;

pub(crate) fn phone(person: usize) -> String {
    format!("+1202555{:04}", 1000 + person)
}

/// Remotes that answer as quickly as a network would, and try their webhooks again.
pub(crate) fn remotes(seed: u64, may_list_notes: bool) -> Options {
    let mut options = small();
    options.seed = seed;
    options.lever.latency_ms = 0..15;
    options.twilio_latency_ms = 0..15;
    options.twilio.keywords = KeywordHandling::Off;
    options.lever.webhook_retries = WebhookRetries {
        retries: 7,
        first_wait: Duration::from_millis(100),
        timeout: Duration::from_secs(2),
    };
    if may_list_notes {
        options.lever.permissions = Permissions::default().with(Permission::FindAllNotes);
    }
    options
}

/// A daemon's settings by which an hour passes in a second. Nothing is looked for but missed texts.
pub(crate) fn quick(settings: &mut Value, policy: OnUnknown) {
    settings["carrier"]["twilio"]["inbound_poll"] = "1s".into();
    settings["lever"]["poll_interval"] = "1h".into();
    settings["lever"]["request_timeout"] = "2s".into();
    settings["transcript"]["delay"] = "700ms".into();
    settings["transcript"]["on_unknown"] = match policy {
        OnUnknown::Repost => "repost".into(),
        OnUnknown::Hold => "hold".into(),
    };
}

/// Everybody applies, and one more, whom the traffic leaves alone; the daemon knows them.
pub(crate) async fn people(sandbox: &Sandbox, client: &Client) {
    for person in 0..=PEOPLE {
        let (name, phone) = (Some(format!("Person {person}")), Some(phone(person)));
        let who =
            sandbox.happen(&Event::Apply { name, phone, email: None, contact: None, posting: None }).unwrap();
        let path = format!("opportunities/{}", who.opportunity);
        eventually("somebody new is known", async || client.get(&path).await.is_some()).await;
    }
}

/// Texts both ways and webhooks, until the end.
pub(crate) async fn traffic(seed: u64, end: Instant, sandbox: &Sandbox, client: &Client, done: &Done) {
    let mut chance = SmallRng::seed_from_u64(seed);
    for n in 0.. {
        if Instant::now() > end {
            return;
        }
        let person = phone(chance.random_range(0..PEOPLE));
        match chance.random_range(0..10) {
            0..4 => {
                let words = format!("out{n:05}x");
                // As a script would: again, with the same key, until it is taken.
                while client.text(&person, &words, &words).await != Some(202) {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                done.taken.lock().unwrap().insert(words);
            }
            4..8 => {
                let words = format!("in{n:05}x");
                sandbox.inbound(&person, &words).unwrap();
                done.written.lock().unwrap().insert(words);
            }
            8 => drop(sandbox.happen(&Event::Stage { opportunity: None, to: None, by: None })),
            _ => drop(sandbox.happen(&Event::Archive { opportunity: None, reason: None })),
        }
        tokio::time::sleep(Duration::from_millis(chance.random_range(5..60))).await;
    }
}
