//! Looking for texts that no webhook brought: a carrier gives up after seconds, so what came in
//! while we were away is found in its list (carriers.md 1.8).

use fulcrum_domain::Number;
use jiff::{SignedDuration, Timestamp};

use super::Engine;
use crate::carrier::{InboundPage, ReadError};
use crate::store::tables::{BOOKMARKS, BY_SID};
use crate::store::{Read, Seen, StoreError};

/// The list is asked for by day, and days end at different times everywhere.
const OVERLAP: SignedDuration = SignedDuration::from_hours(24);

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
                    Err(PollError::Carrier(error)) => self.note_read(&error),
                }
            }
            tokio::time::sleep(self.settings.load().inbound_poll).await;
        }
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

#[derive(Debug, thiserror::Error)]
enum PollError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Carrier(#[from] ReadError),
}
