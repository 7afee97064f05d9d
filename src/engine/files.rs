//! Fetching the files that came with texts, as effects: durable, tried again, given up with a reason that
//! the conversation shows. What is in a file is looked at here and nowhere else, and never logged.

use fulcrum_domain::file::{FileKind, FileTrouble, give_up};
use fulcrum_domain::{CarrierSid, EffectState, MessageId, Sight};
use url::Url;

use super::Engine;
use super::changes::{self, Fetched, Taken};
use super::intake::attachment;
use crate::carrier::{FileError, ReadError};
use crate::store::StoreError;

/// Which files are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileRules {
    /// Whether any are.
    pub fetch: bool,
    /// The largest, in bytes.
    pub most_bytes: u64,
}

/// Stands in place of the addresses of a text's media that the carrier has not listed yet.
pub(super) const UNLISTED: &str = "unlisted:";

impl Engine {
    /// A file that came with a text, for whoever sees so much. None when it is not here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn file(
        &self,
        id: MessageId,
        place: u8,
        sight: Sight,
    ) -> Result<Option<(FileKind, Vec<u8>)>, StoreError> {
        if !self.sees_text(id, sight).await? {
            return Ok(None);
        }
        self.store.read(move |snapshot| changes::file(snapshot, id, place)).await
    }

    /// Does [`FetchFile`](fulcrum_domain::Effect::FetchFile). To fetch twice is to fetch once, so no
    /// outcome is unknown.
    pub(crate) async fn fetch_file(&self, taken: Taken, id: MessageId, place: u8) -> Result<(), StoreError> {
        let text = self.store.read(move |snapshot| changes::message(snapshot, id)).await?;
        let file =
            text.and_then(|text| Some((text.attachments.into_iter().nth(place.into())?.url, text.sid)));
        let rules = self.settings.load().files;
        let fetched = match file {
            None => return self.finish(taken.effect).await,
            Some(_) if !rules.fetch => Fetched::Missing(FileTrouble::Off),
            Some((url, sid)) => match self.file_at(&url, sid, rules.most_bytes).await {
                Ok(fetched) => fetched,
                Err(error) => {
                    let mut moment = self.clock.moment();
                    let tried_for = moment.now.duration_since(taken.row.asked_at);
                    match give_up(error.failure(), tried_for) {
                        Some(trouble) => Fetched::Missing(trouble),
                        None => {
                            let why = error.to_string();
                            return self
                                .store
                                .change(move |tx| {
                                    let state = EffectState::Due;
                                    changes::postpone(tx, &taken.effect, state, None, &why, &mut moment)
                                })
                                .await;
                        }
                    }
                }
            },
        };
        let now = self.clock.now();
        self.store.change(move |tx| changes::settle_file(tx, id, place, fetched, now)).await
    }

    async fn file_at(&self, url: &str, sid: Option<CarrierSid>, most: u64) -> Result<Fetched, FileError> {
        if let (UNLISTED, Some(sid)) = (url, sid) {
            let media = self.carrier.media(&sid).await?;
            return Ok(Fetched::Listed(media.into_iter().map(attachment).collect()));
        }
        let url: Url = url.parse().map_err(|_| ReadError::Elsewhere)?;
        let bytes = self.carrier.file(&url, most, self.clock.now()).await?;
        Ok(match FileKind::of(&bytes) {
            Some(kind) => Fetched::File(kind, bytes),
            None => Fetched::Missing(FileTrouble::Kind),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_media_that_are_not_listed_yet_is_spelt_as_in_files() {
        assert_eq!(UNLISTED, "unlisted:");
    }
}
