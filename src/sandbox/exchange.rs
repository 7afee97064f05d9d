//! An account at a carrier that knows idempotency keys: what the simulated Telnyx and the simulated gateway
//! have in common, without a word of either's wire.
//!
//! A key is bound to the bytes of its request for 24 hours, and only what was taken is kept: who asks
//! again by the same bytes is answered as before, and nobody is texted twice (carriers.md 2.1, 2.9). A
//! whole text of one keyword blocks its sender, or lifts the block. The
//! ledger stands inside the lock, so that its order is the true order.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;

use crate::twilio::InboundMedia;
use crate::{Ledger, SimClock};

/// How often somebody who waits for the simulated clock looks at it, which can jump.
const TICK: Duration = Duration::from_millis(5);

const KEYS_KEPT_MS: i64 = 24 * 60 * 60 * 1000;

/// How long a text takes from one state to the next, in simulated milliseconds.
const PACE_MS: (i64, i64) = (200, 300);

/// The account. Clones share it.
#[derive(Clone)]
pub(crate) struct Exchange(Arc<Inner>);

struct Inner {
    numbers: Vec<String>,
    clock: SimClock,
    ledger: Ledger,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    texts: HashMap<String, Text>,
    keys: HashMap<String, Kept>,
    opted_out: HashSet<String>,
}

/// What a key was good for.
struct Kept {
    request: Vec<u8>,
    text: String,
    at_ms: i64,
}

/// How far a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It came in.
    Received,
    /// Taken.
    Queued,
    /// On its way.
    Sent,
    /// On the phone.
    Delivered,
    /// It never will be.
    Failed(Why),
}

/// Why a text does not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// A landline.
    Landline,
    /// Taken for spam.
    Spam,
}

/// A text, in either direction.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) id: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) body: String,
    pub(crate) state: State,
    /// Where its news go, where it says so itself.
    pub(crate) news_to: Option<String>,
    /// The sender's own name for it.
    pub(crate) mid: Option<String>,
    pub(crate) at_ms: i64,
    /// What came with it.
    pub(crate) media: Vec<InboundMedia>,
}

/// What is to be sent.
pub(crate) struct Draft<'a> {
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) body: &'a str,
    pub(crate) news_to: Option<&'a str>,
}

/// Why a text is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Its key was used for another request.
    OtherRequest,
    /// The recipient has opted out.
    OptedOut,
    /// The sender is not ours.
    NotOurs,
}

impl Exchange {
    pub(crate) fn new(numbers: Vec<String>, clock: SimClock, ledger: Ledger) -> Self {
        Self(Arc::new(Inner { numbers, clock, ledger, book: Mutex::default() }))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a text, once for each key: true beside one that is new.
    pub(crate) fn take(
        &self,
        key: Option<&str>,
        request: &[u8],
        draft: &Draft<'_>,
    ) -> Result<(Text, bool), Refused> {
        let now = self.0.clock.now_ms();
        let mut book = self.book();
        book.keys.retain(|_, kept| now - kept.at_ms < KEYS_KEPT_MS);
        if let Some(kept) = key.and_then(|key| book.keys.get(key)) {
            if kept.request != request {
                return Err(Refused::OtherRequest);
            }
            let text = book.texts.get(&kept.text).ok_or(Refused::OtherRequest)?;
            // As it was then, whatever has become of it.
            return Ok((Text { state: State::Queued, ..text.clone() }, false));
        }
        if !self.0.numbers.iter().any(|own| own == draft.from) {
            return Err(Refused::NotOurs);
        }
        if book.opted_out.contains(draft.to) {
            return Err(Refused::OptedOut);
        }
        let text = Text {
            id: uuid::Uuid::new_v4().to_string(),
            from: draft.from.into(),
            to: draft.to.into(),
            body: draft.body.into(),
            state: State::Queued,
            news_to: draft.news_to.map(str::to_owned),
            mid: key.map(str::to_owned),
            at_ms: now,
            media: Vec::new(),
        };
        if let Some(key) = key {
            let kept = Kept { request: request.to_owned(), text: text.id.clone(), at_ms: now };
            book.keys.insert(key.to_owned(), kept);
        }
        let sent: serde_json::Value = serde_json::from_slice(request).unwrap_or_default();
        let detail = json!({"sid": text.id, "to": text.to, "from": text.from, "body": text.body,
                            "mid": text.mid, "request": sent});
        self.0.ledger.record(now, "message_created", detail);
        book.texts.insert(text.id.clone(), text.clone());
        Ok((text, true))
    }

    /// A text comes in, and its keyword does what it does. None when `to` is not ours.
    pub(crate) fn receive(&self, from: &str, to: &str, body: &str, media: Vec<InboundMedia>) -> Option<Text> {
        if !self.0.numbers.iter().any(|own| own == to) {
            return None;
        }
        let text = Text {
            id: uuid::Uuid::new_v4().to_string(),
            from: from.into(),
            to: to.into(),
            body: body.into(),
            state: State::Received,
            news_to: None,
            mid: None,
            at_ms: self.0.clock.now_ms(),
            media,
        };
        let mut book = self.book();
        let detail =
            json!({"sid": text.id, "from": from, "to": to, "body": body, "num_media": text.media.len()});
        self.0.ledger.record(text.at_ms, "message_received", detail);
        let answer = match body.trim().to_uppercase().as_str() {
            "STOP" | "STOPALL" | "STOP ALL" | "UNSUBSCRIBE" | "CANCEL" | "END" | "QUIT" => {
                book.opted_out.insert(from.to_owned()).then_some("You are unsubscribed.")
            }
            "START" | "UNSTOP" => book.opted_out.remove(from).then_some("You are subscribed again."),
            _ => None,
        };
        if let Some(answer) = answer {
            let detail = json!({"from": to, "to": from, "body": answer});
            self.0.ledger.record(text.at_ms, "auto_reply", detail);
        }
        book.texts.insert(text.id.clone(), text.clone());
        Some(text)
    }

    /// A text as it is now.
    pub(crate) fn text(&self, id: &str) -> Option<Text> {
        self.book().texts.get(id).cloned()
    }

    /// Lets a text that was taken go its way, and tells each state that follows. What its number ends
    /// with decides the end: 0006 a landline, 0007 spam. Nothing waits until one state is told before the next
    /// comes, so that one report can overtake another.
    pub(crate) async fn follow<T>(self, text: Text, tell: impl Fn(Text) -> T)
    where
        T: Future<Output = ()> + Send + 'static,
    {
        let end = match text.to.get(text.to.len().saturating_sub(4)..) {
            Some("0006") => State::Failed(Why::Landline),
            Some("0007") => State::Failed(Why::Spam),
            _ => State::Delivered,
        };
        let steps = [(PACE_MS.0, State::Sent), (PACE_MS.0 + PACE_MS.1, end)];
        for (after, state) in steps {
            while self.0.clock.now_ms() < text.at_ms + after {
                tokio::time::sleep(TICK).await;
            }
            let next = {
                let mut book = self.book();
                let Some(stored) = book.texts.get_mut(&text.id) else { return };
                stored.state = state;
                stored.clone()
            };
            tokio::spawn(tell(next));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "+12025550100";
    const DANA: &str = "+12025550142";

    fn exchange() -> (Exchange, SimClock, Ledger) {
        let (clock, ledger) = (SimClock::default(), Ledger::default());
        (Exchange::new(vec![OURS.into()], clock.clone(), ledger.clone()), clock, ledger)
    }

    fn hello() -> Draft<'static> {
        Draft { from: OURS, to: DANA, body: "hello", news_to: None }
    }

    #[test]
    fn a_key_is_good_for_one_text_and_for_a_day() {
        let (exchange, clock, ledger) = exchange();
        let (first, new) = exchange.take(Some("k"), b"1", &hello()).unwrap();
        let (again, not_new) = exchange.take(Some("k"), b"1", &hello()).unwrap();
        assert_eq!((first.id == again.id, new, not_new), (true, true, false));
        assert_eq!(exchange.take(Some("k"), b"2", &hello()).unwrap_err(), Refused::OtherRequest);
        assert!(exchange.take(Some("l"), b"1", &hello()).unwrap().1);
        assert_eq!(ledger.len(), 2);
        assert_eq!(ledger.entries()[0].detail["request"], 1);
        clock.advance(KEYS_KEPT_MS);
        assert!(exchange.take(Some("k"), b"1", &hello()).unwrap().1, "forgotten: this texts twice");
    }

    #[tokio::test]
    async fn a_report_that_is_held_up_holds_up_no_other() {
        let (exchange, clock, _) = exchange();
        let (text, _) = exchange.take(None, b"1", &hello()).unwrap();
        clock.advance(PACE_MS.0 + PACE_MS.1);
        let (told, mut reports) = tokio::sync::mpsc::unbounded_channel();
        let tell = move |text: Text| {
            let told = told.clone();
            async move {
                if text.state == State::Sent {
                    std::future::pending::<()>().await;
                }
                told.send(text.state).unwrap();
            }
        };
        let following = async {
            exchange.follow(text, tell).await;
            reports.recv().await
        };
        let first = tokio::time::timeout(Duration::from_secs(20), following).await;
        assert_eq!(first.unwrap(), Some(State::Delivered));
    }

    #[test]
    fn what_was_refused_is_not_kept() {
        let (exchange, ..) = exchange();
        exchange.receive(DANA, OURS, "Stop", Vec::new()).unwrap();
        assert_eq!(exchange.take(Some("k"), b"1", &hello()).unwrap_err(), Refused::OptedOut);
        exchange.receive(DANA, OURS, "please stop it", Vec::new()).unwrap();
        exchange.receive(DANA, OURS, " START ", Vec::new()).unwrap();
        assert!(exchange.take(Some("k"), b"1", &hello()).is_ok());
        let stranger = Draft { from: DANA, ..hello() };
        assert_eq!(exchange.take(None, b"1", &stranger).unwrap_err(), Refused::NotOurs);
        assert!(exchange.receive(DANA, DANA, "x", Vec::new()).is_none());
    }
}
