//! Looking for texts that no webhook brought: a carrier gives up after seconds, so what came in
//! while we were away is found in its list (carriers.md 1.8). Where no port is open to the outside that
//! is the only way, and it is gone often.
//!
//! Two kinds of look: the whole list since the last whole look, which loses nothing however long we or
//! the carrier were away; and between them, where we are told nothing, its newest texts alone, as far
//! back as they are news. Only a whole look moves the bookmark.

use std::ops::ControlFlow;
use std::time::Duration;

use fulcrum_domain::polling::{Receipt, look_from, receipt};
use fulcrum_domain::{CarrierSid, MessageId, Number};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::files::UNLISTED;
use super::health::{HealthStatus, Part};
use super::{Engine, changes};
use crate::carrier::{InboundPage, ListedText, Media, ReadError, ReceivedText, StatusUpdate};
use crate::store::tables::{AWAITING_RECEIPT, BOOKMARKS, BY_SID};
use crate::store::{Keys, Read, Seen, StoreError};

/// How long a receipt is waited for before it is asked for, where webhooks bring it as a rule.
const RECEIPT_AFTER: SignedDuration = SignedDuration::from_mins(2);
const RECEIPTS: usize = 100;

/// Texts that are taken in in one change.
const BATCH: usize = 500;

/// Missed texts that are kept in memory; the next look goes on behind them.
const MOST: usize = 10_000;

/// We rest at most so long, whatever the carrier asks for.
const REST: Duration = Duration::from_mins(5);

/// After a look that failed so long is waited for the next whole one.
const AGAIN: Duration = Duration::from_secs(20);

/// What of the carrier cannot be read, where it is only asked.
const POLLING: &str = "polling";

/// How far a look goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// All since the last such look.
    Whole,
    /// The newest, up to a page that has no news.
    Newest,
}

/// How a look went.
struct Looked {
    /// For how long the carrier wants to be left alone.
    rest: Duration,
    /// Not all of our numbers could be looked at.
    failed: bool,
}

impl Engine {
    /// Looks at the carrier's list, at the start and every few minutes; where it tells us nothing, at the
    /// newest texts meanwhile.
    pub(crate) async fn run_inbound_poll(self) -> Result<(), StoreError> {
        self.recall_polled().await?;
        loop {
            let settings = self.settings.load_full();
            let Looked { mut rest, failed } = self.poll_carrier(Look::Whole).await?;
            // What came in while it could not be asked is not to wait for a whole round more.
            let pause = if failed { settings.inbound_poll.min(AGAIN) } else { settings.inbound_poll };
            let whole = Instant::now() + pause;
            if let Some(every) = settings.poll_alone {
                while Instant::now() + every < whole {
                    tokio::time::sleep(rest.max(every)).await;
                    rest = self.poll_carrier(Look::Newest).await?.rest;
                }
            }
            tokio::time::sleep_until(whole.max(Instant::now() + rest)).await;
        }
    }

    /// Looks for what came in, and asks what became of what left.
    async fn poll_carrier(&self, look: Look) -> Result<Looked, StoreError> {
        let mut failed = None;
        if self.carrier.lists_inbound() {
            let now = self.clock.now();
            for number in self.numbers() {
                failed = self.poll_number(number, look).await?.err().or(failed);
            }
            if self.settings.load().poll_alone.is_some() {
                self.note_polled(failed.as_ref(), now);
            }
        }
        Ok(match failed {
            Some(ReadError::Throttled { retry_after: Some(rest) }) => {
                Looked { rest: rest.min(REST), failed: true }
            }
            failed => {
                self.ask_for_receipts().await?;
                Looked { rest: Duration::ZERO, failed: failed.is_some() }
            }
        })
    }

    /// Tells health that texts were asked for, all of them unless something `failed`.
    fn note_polled(&self, failed: Option<&ReadError>, now: Timestamp) {
        match failed {
            None => {
                self.notices.polled(now);
                self.notices.well(Part::Carrier, POLLING, now);
            }
            Some(error) => {
                let last =
                    self.notices.last_polled().map_or_else(|| "never yet".into(), |at| format!("{at:.0}"));
                let detail =
                    format!("texts that come in wait at the carrier: {error}; last asked for: {last}");
                self.notices.trouble(Part::Carrier, POLLING, HealthStatus::Degraded, detail, now);
            }
        }
    }

    /// Takes up when all that came in was last asked for, before this start.
    async fn recall_polled(&self) -> Result<(), StoreError> {
        let names: Vec<_> = self.numbers().into_iter().map(bookmark).collect();
        let looked = self.store.read(move |snapshot| {
            let mut looked = Vec::with_capacity(names.len());
            for name in &names {
                looked.push(snapshot.get(BOOKMARKS, name)?.map(|Seen(at)| at));
            }
            Ok::<_, StoreError>(looked)
        });
        // One that never was counts most.
        if let Some(Some(oldest)) = looked.await?.into_iter().min() {
            self.notices.polled(oldest);
        }
        Ok(())
    }

    /// Asks what became of texts whose end no status webhook told, at most [`RECEIPTS`] a round, those
    /// first that were not heard of for longest.
    async fn ask_for_receipts(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let first = self.settings.load().poll_alone;
        let first = first.map_or(RECEIPT_AFTER, |every| every.try_into().unwrap_or(RECEIPT_AFTER));
        let (mut asked, mut over) = (Vec::new(), Vec::new());
        for (id, sid) in self.store.read(move |snapshot| overdue(snapshot, first, now)).await? {
            let Some(sid) = sid else {
                over.push(id);
                continue;
            };
            match self.carrier.fetch(&sid).await {
                Ok(listed) => {
                    let update =
                        StatusUpdate { mid: Some(id), sid, status: listed.status, failure: listed.failure };
                    self.take_status(update).await?;
                    asked.push(id);
                }
                // Deleted there, unfit to be read, or nobody to be asked: it says nothing of the others.
                Err(ReadError::NotFound | ReadError::Unreadable | ReadError::NotOffered) => over.push(id),
                Err(error) => {
                    self.note_read(&Err::<(), _>(error));
                    break;
                }
            }
        }
        self.store
            .change(move |tx| {
                for id in over {
                    tx.remove(AWAITING_RECEIPT, &id)?;
                }
                for id in asked {
                    // Its end takes the row away.
                    if tx.has(AWAITING_RECEIPT, &id)? {
                        tx.put(AWAITING_RECEIPT, &id, &Seen(now))?;
                    }
                }
                Ok(())
            })
            .await
    }

    /// Takes in what is new in the list of one number, as far as it can be read.
    async fn poll_number(&self, number: Number, look: Look) -> Result<Result<(), ReadError>, StoreError> {
        let name = bookmark(number);
        let key = name.clone();
        let looked = self.store.read(move |snapshot| snapshot.get(BOOKMARKS, &key)).await?;
        let now = self.clock.now();
        let day = look_from(looked.map(|Seen(at)| at), now);

        let mut missed = Vec::new();
        let mut page = self.carrier.inbound_since(&number.to_string(), day).await;
        let polls_alone = self.settings.load().poll_alone.is_some();
        let read = loop {
            // Where there is no other way, the whole look tells.
            if page.is_ok() || !polls_alone {
                self.note_read(&page);
            }
            let InboundPage { texts, next } = match page {
                Ok(page) => page,
                Err(error) => break Err(error),
            };
            let unknown = self.unknown(texts).await?;
            let is_news = !unknown.is_empty();
            missed.extend(unknown);
            match next {
                Some(_) if missed.len() >= MOST => break Ok(false),
                Some(next) if is_news || look == Look::Whole => page = self.carrier.inbound_next(next).await,
                _ => break Ok(look == Look::Whole),
            }
        };
        // The list shows the newest first; they are taken in the order in which they came.
        missed.reverse();
        missed.sort_by_key(|one| one.text.at);
        for batch in missed.chunks(BATCH) {
            let mut texts = Vec::with_capacity(batch.len());
            for one in batch {
                texts.push(self.with_media(one.clone()).await);
            }
            self.take_missed(texts).await?;
        }
        if matches!(read, Ok(true)) {
            self.store.change(move |tx| tx.put(BOOKMARKS, &name, &Seen(now)).map(drop)).await?;
        }
        Ok(read.map(drop))
    }

    /// Those that are not here yet, and can be: what is from or to no telephone number never is.
    async fn unknown(&self, texts: Vec<ListedText>) -> Result<Vec<ListedText>, StoreError> {
        self.store
            .read(move |snapshot| {
                let is_number = |number: &str| Number::from_e164(number).is_ok();
                let mut unknown = Vec::new();
                for one in texts {
                    let can_be = is_number(&one.text.from) && is_number(&one.text.to);
                    if can_be && !snapshot.has(BY_SID, &one.text.sid.to_string())? {
                        unknown.push(one);
                    }
                }
                Ok(unknown)
            })
            .await
    }

    /// A text with its media. Those that cannot be listed now are listed later (`engine/files`): the words
    /// count for more.
    async fn with_media(&self, ListedText { mut text, has_media }: ListedText) -> ReceivedText {
        if has_media {
            text.media = match self.carrier.media(&text.sid).await {
                Ok(media) => media,
                Err(_) => UNLISTED
                    .parse()
                    .map(|url| Media { url, content_type: String::new() })
                    .into_iter()
                    .collect(),
            };
        }
        text
    }
}

/// The name of the bookmark in the list of one of our numbers.
fn bookmark(number: Number) -> String {
    format!("inbound {number}")
}

/// Texts that have waited for a while to be heard of; without a sid those that nobody asks for any more.
fn overdue(
    read: &impl Read,
    first: SignedDuration,
    now: Timestamp,
) -> Result<Vec<(MessageId, Option<CarrierSid>)>, StoreError> {
    let mut waiting = Vec::new();
    read.scan(AWAITING_RECEIPT, &Keys::all(), |id, Seen(heard)| {
        if now.duration_since(heard) > first {
            waiting.push((heard, id));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    waiting.sort_unstable();
    let mut overdue = Vec::new();
    for (heard, id) in waiting {
        let text = changes::message(read, id)?;
        let sent = text.as_ref().map_or(heard, |text| text.submitted_at.unwrap_or(text.at));
        match receipt(sent, heard, first, now) {
            Receipt::Wait => continue,
            Receipt::Ask => overdue.push((id, text.and_then(|text| text.sid))),
            Receipt::GiveUp => overdue.push((id, None)),
        }
        if overdue.len() == RECEIPTS {
            break;
        }
    }
    Ok(overdue)
}
