//! Looking for texts that no webhook brought: a carrier gives up after seconds, so what came in
//! while we were away is found in its list (carriers.md 1.8).

use std::ops::ControlFlow;

use fulcrum_domain::{CarrierSid, MessageId, Number};
use jiff::{SignedDuration, Timestamp};

use super::{Engine, changes};
use crate::carrier::{InboundPage, ReadError, StatusUpdate};
use crate::store::tables::{AWAITING_RECEIPT, BOOKMARKS, BY_SID};
use crate::store::{Keys, Read, Seen, StoreError};

/// The list is asked for by day, and days end at different times everywhere.
const OVERLAP: SignedDuration = SignedDuration::from_hours(24);

/// How long a receipt is waited for before it is asked for, and before nobody asks any more: some
/// carriers never send one (carriers.md 1.4).
const RECEIPT_AFTER: SignedDuration = SignedDuration::from_mins(2);
const GIVE_UP: SignedDuration = SignedDuration::from_hours(72);
const RECEIPTS: usize = 100;

/// How far back a new installation looks.
const FIRST_LOOK: SignedDuration = SignedDuration::from_hours(24);

impl Engine {
    /// Looks at the carrier's list, at the start and every few minutes.
    pub(crate) async fn run_inbound_poll(self) -> Result<(), StoreError> {
        loop {
            for number in self.numbers() {
                match self.poll_number(number).await {
                    Ok(()) => {}
                    Err(PollError::Store(error)) => return Err(error),
                    Err(PollError::Carrier(error)) => self.note_read(&Err::<(), _>(error)),
                }
            }
            self.ask_for_receipts().await?;
            tokio::time::sleep(self.settings.load().inbound_poll).await;
        }
    }

    /// Asks what became of texts whose end no status webhook told, at most [`RECEIPTS`] a round.
    async fn ask_for_receipts(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let overdue = self.store.read(move |snapshot| overdue(snapshot, now)).await?;
        for (id, sid, since) in overdue {
            if now.duration_since(since) > GIVE_UP {
                self.store.change(move |tx| tx.remove(AWAITING_RECEIPT, &id).map(drop)).await?;
                continue;
            }
            match self.carrier.fetch(&sid).await {
                Ok(listed) => {
                    let update =
                        StatusUpdate { mid: Some(id), sid, status: listed.status, code: listed.code };
                    self.take_status(update).await?;
                }
                Err(error) => {
                    self.note_read(&Err::<(), _>(error));
                    break;
                }
            }
        }
        Ok(())
    }

    async fn poll_number(&self, number: Number) -> Result<(), PollError> {
        let name = format!("inbound {number}");
        let key = name.clone();
        let looked = self.store.read(move |snapshot| snapshot.get(BOOKMARKS, &key)).await?;
        let now = self.clock.now();
        let since =
            looked.map_or_else(|| now.saturating_sub(FIRST_LOOK), |Seen(at)| at.saturating_sub(OVERLAP));
        let since = since.unwrap_or(Timestamp::UNIX_EPOCH);
        let day = jiff::tz::Offset::UTC.to_datetime(since).date();
        let mut page = self.carrier.inbound_since(&number.to_string(), day).await?;
        loop {
            let InboundPage { texts, next } = page;
            let sids: Vec<String> = texts.iter().map(|text| text.sid.to_string()).collect();
            let known: Vec<bool> = self
                .store
                .read(move |snapshot| {
                    sids.iter().map(|sid| snapshot.has(BY_SID, sid)).collect::<Result<_, StoreError>>()
                })
                .await?;
            // The list shows the newest first; they are taken in the order in which they came.
            for (text, _) in texts.into_iter().zip(known).rev().filter(|(_, known)| !known) {
                if self.take_text(text).await?.is_some() {
                    self.metrics.message("in", "found_by_poll");
                }
            }
            match next {
                Some(next) => page = self.carrier.inbound_next(next).await?,
                None => break,
            }
        }
        self.store.change(move |tx| tx.put(BOOKMARKS, &name, &Seen(now)).map(drop)).await?;
        Ok(())
    }
}

/// Texts that have waited for their receipt for a while.
fn overdue(read: &impl Read, now: Timestamp) -> Result<Vec<(MessageId, CarrierSid, Timestamp)>, StoreError> {
    let mut overdue = Vec::new();
    read.scan(AWAITING_RECEIPT, &Keys::all(), |id, Seen(since)| {
        if now.duration_since(since) > RECEIPT_AFTER {
            overdue.push((id, since));
        }
        Ok(if overdue.len() < RECEIPTS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    let mut texts = Vec::with_capacity(overdue.len());
    for (id, since) in overdue {
        let sid = changes::message(read, id)?.and_then(|text| text.sid);
        texts.extend(sid.map(|sid| (id, sid, since)));
    }
    Ok(texts)
}

#[derive(Debug, thiserror::Error)]
enum PollError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Carrier(#[from] ReadError),
}
