//! Looking for texts that no webhook brought: a carrier gives up after seconds, so what came in
//! while we were away is found in its list (carriers.md 1.8).

use std::ops::ControlFlow;

use fulcrum_domain::{CarrierSid, MessageId, Number};
use jiff::{SignedDuration, Timestamp};

use super::{Engine, changes};
use crate::carrier::{InboundPage, ListedText, ReadError, ReceivedText, StatusUpdate};
use crate::store::tables::{AWAITING_RECEIPT, BOOKMARKS, BY_SID};
use crate::store::{Keys, Read, Seen, StoreError};

/// The list is asked for by day, and days end at different times everywhere.
const OVERLAP: SignedDuration = SignedDuration::from_hours(24);

/// How long a receipt is waited for before it is asked for, and before nobody asks any more: some
/// carriers never send one (carriers.md 1.4).
const RECEIPT_AFTER: SignedDuration = SignedDuration::from_mins(2);
const GIVE_UP: SignedDuration = SignedDuration::from_hours(72);
const RECEIPTS: usize = 100;

/// Texts that are taken in in one change.
const BATCH: usize = 500;

/// Missed texts that are kept in memory; the next look goes on behind them.
const MOST: usize = 10_000;

/// How far back a new installation looks.
const FIRST_LOOK: SignedDuration = SignedDuration::from_hours(24);

impl Engine {
    /// Looks at the carrier's list, at the start and every few minutes.
    pub(crate) async fn run_inbound_poll(self) -> Result<(), StoreError> {
        loop {
            if self.carrier.lists_inbound() {
                for number in self.numbers() {
                    self.poll_number(number).await?;
                }
            }
            self.ask_for_receipts().await?;
            tokio::time::sleep(self.settings.load().inbound_poll).await;
        }
    }

    /// Asks what became of texts whose end no status webhook told, at most [`RECEIPTS`] a round, those
    /// first that were not heard of for longest.
    async fn ask_for_receipts(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let (mut asked, mut over) = (Vec::new(), Vec::new());
        for (id, sid) in self.store.read(move |snapshot| overdue(snapshot, now)).await? {
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

    async fn poll_number(&self, number: Number) -> Result<(), StoreError> {
        let name = format!("inbound {number}");
        let key = name.clone();
        let looked = self.store.read(move |snapshot| snapshot.get(BOOKMARKS, &key)).await?;
        let now = self.clock.now();
        let since =
            looked.map_or_else(|| now.saturating_sub(FIRST_LOOK), |Seen(at)| at.saturating_sub(OVERLAP));
        let day = jiff::tz::Offset::UTC.to_datetime(since.unwrap_or(Timestamp::UNIX_EPOCH)).date();

        let mut missed = Vec::new();
        let mut page = self.carrier.inbound_since(&number.to_string(), day).await;
        let whole = loop {
            self.note_read(&page);
            let Ok(InboundPage { texts, next }) = page else { break false };
            missed.extend(self.unknown(texts).await?);
            match next {
                Some(_) if missed.len() >= MOST => break false,
                Some(next) => page = self.carrier.inbound_next(next).await,
                None => break true,
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
        if whole {
            self.store.change(move |tx| tx.put(BOOKMARKS, &name, &Seen(now)).map(drop)).await?;
        }
        Ok(())
    }

    /// Those that are not here yet.
    async fn unknown(&self, texts: Vec<ListedText>) -> Result<Vec<ListedText>, StoreError> {
        self.store
            .read(move |snapshot| {
                let mut unknown = Vec::new();
                for one in texts {
                    if !snapshot.has(BY_SID, &one.text.sid.to_string())? {
                        unknown.push(one);
                    }
                }
                Ok(unknown)
            })
            .await
    }

    /// A text with its media, or without those that cannot be listed: the words count for more.
    async fn with_media(&self, ListedText { mut text, has_media }: ListedText) -> ReceivedText {
        if has_media {
            match self.carrier.media(&text.sid).await {
                Ok(media) => text.media = media,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(sid = %text.sid, error, "a text was taken in without its media");
                }
            }
        }
        text
    }
}

/// Texts that have waited for a while to be heard of; without a sid those that nobody asks for any more.
fn overdue(read: &impl Read, now: Timestamp) -> Result<Vec<(MessageId, Option<CarrierSid>)>, StoreError> {
    let mut waiting = Vec::new();
    read.scan(AWAITING_RECEIPT, &Keys::all(), |id, Seen(heard)| {
        if now.duration_since(heard) > RECEIPT_AFTER {
            waiting.push((heard, id));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    waiting.sort_unstable();
    let mut overdue = Vec::new();
    for (_, id) in waiting.into_iter().take(RECEIPTS) {
        let text = changes::message(read, id)?;
        let text = text.filter(|text| now.duration_since(text.submitted_at.unwrap_or(text.at)) <= GIVE_UP);
        overdue.push((id, text.and_then(|text| text.sid)));
    }
    Ok(overdue)
}
