//! What health said meanwhile, asked twenty times a second.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::daemon::Client;

const EVERY: Duration = Duration::from_millis(50);
/// Of a detail so much is shown.
const DETAIL_CHARS: usize = 60;

/// What was heard.
#[derive(Default)]
pub(crate) struct Watch(Mutex<Heard>);

#[derive(Default)]
struct Heard {
    listening: bool,
    /// The worst of each part, with its words.
    worst: BTreeMap<String, (String, String)>,
    silent_since: Option<Instant>,
    silent: Duration,
}

impl Watch {
    pub(crate) fn begin(&self) {
        self.0.lock().unwrap().listening = true;
    }

    pub(crate) fn end(&self) {
        let mut heard = self.0.lock().unwrap();
        heard.hear(Some(&Value::Null));
        heard.listening = false;
    }

    /// Asks until it is dropped.
    pub(crate) async fn keep(&self, client: &Client) {
        loop {
            let health = tokio::time::timeout(Duration::from_secs(3), client.health()).await;
            let health = health.ok().flatten();
            self.0.lock().unwrap().hear(health.as_ref());
            tokio::time::sleep(EVERY).await;
        }
    }

    /// All of it, for the table.
    pub(crate) fn in_words(&self) -> String {
        let heard = self.0.lock().unwrap();
        let mut words: Vec<String> = Vec::new();
        for (part, (status, detail)) in &heard.worst {
            let detail = detail.replace('|', "/");
            let short: String = detail.chars().take(DETAIL_CHARS).collect();
            let more = if short.len() < detail.len() { "…" } else { "" };
            words.push(format!("`{part}` {status}: {short}{more}"));
        }
        if heard.silent > Duration::from_millis(200) {
            words.push(format!("no answer for {}", seconds(heard.silent)));
        }
        if words.is_empty() { "ok".into() } else { words.join("; ") }
    }
}

impl Heard {
    fn hear(&mut self, health: Option<&Value>) {
        if !self.listening {
            return;
        }
        let Some(health) = health else {
            self.silent_since.get_or_insert_with(Instant::now);
            return;
        };
        self.silent += self.silent_since.take().map_or(Duration::ZERO, |since| since.elapsed());
        for (part, now) in health["components"].as_object().into_iter().flatten() {
            let text = |key: &str| now[key].as_str().unwrap_or_default().to_owned();
            let status = text("status");
            let is_worse = match (status.as_str(), self.worst.get(part)) {
                ("ok", _) => false,
                ("failing", Some((before, _))) => before != "failing",
                (_, before) => before.is_none(),
            };
            if is_worse {
                self.worst.insert(part.clone(), (status, text("detail")));
            }
        }
    }
}

/// For people.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
