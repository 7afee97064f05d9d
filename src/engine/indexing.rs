//! Keeping the search index up with the file.
//!
//! What changes is queued in the transaction that changes it ([`TO_INDEX`]); a batch of the queue is
//! looked up, indexed and committed, and only then taken from the queue, so a crash repeats it. An index
//! that is new, or was thrown away, is built by walking over the tables at half speed; how far that is
//! stands in the index itself, in one commit with what it found. Both are done by one task, one after
//! the other, so nothing older is ever written over something newer.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use fulcrum_domain::{Conversation, ConversationId, Message, Opportunity, OpportunityId, Searchable};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::health::{HealthStatus, Part};
use super::{Engine, changes};
use crate::search::{Change, Document, Index, IndexError};
use crate::store::tables::{CONVERSATIONS, MESSAGES, MessageKey, OPPORTUNITIES, TO_INDEX, Table};
use crate::store::{Key, Keys, Read, Snapshot, StoreError, Stored};

/// Rows of the queue in one commit of the index.
const BATCH: usize = 4000;
/// Rows of a table, and their words, in one commit while the index is built.
const PART_ROWS: usize = 4000;
const PART_BYTES: usize = 1 << 20;
/// After news more of them are waited for: a commit costs as much for one as for hundreds.
const GATHER: Duration = Duration::from_millis(300);
/// After so long without news the memory for writing is given up.
const IDLE: Duration = Duration::from_secs(10);
/// Between two tries.
const REST_MIN: Duration = Duration::from_secs(1);
const REST_MAX: Duration = Duration::from_secs(60);

/// The index beside the file.
pub(crate) struct Searching {
    folder: PathBuf,
    index: ArcSwapOption<Index>,
    /// Told when a search finds it damaged.
    unsound: Notify,
}

impl Searching {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, index: ArcSwapOption::empty(), unsound: Notify::new() }
    }

    /// The index, once it is open.
    pub(crate) fn index(&self) -> Option<Arc<Index>> {
        self.index.load_full()
    }

    /// A search found it damaged: it is to be made anew.
    pub(crate) fn mistrust(&self) {
        self.unsound.notify_one();
    }

    /// Waits for news of changes.
    async fn news(&self, news: impl Future<Output = ()>) -> Result<(), IndexError> {
        tokio::select! {
            () = news => Ok(()),
            () = self.unsound.notified() => Err(IndexError::Unsound),
        }
    }

    /// Lets what is being written come to its end. What was cut off is done again.
    pub(super) async fn close(&self) {
        if let Some(index) = self.index.swap(None) {
            // Whatever is wrong with it, the next start sees.
            let _ = blocking(move || index.rest()).await;
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum IndexingError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// How far the building of an index is: which table, and its last row.
#[derive(Clone, Debug, PartialEq)]
enum Built {
    Conversations(Option<ConversationId>),
    People(Option<OpportunityId>),
    Messages(Option<MessageKey>),
    All,
}

impl Built {
    fn to_text(&self) -> String {
        let key = |key: Option<Vec<u8>>| key.map(hex::encode).unwrap_or_default();
        match self {
            Self::Conversations(last) => format!("conversations {}", key(last.as_ref().map(Key::bytes))),
            Self::People(last) => format!("people {}", key(last.as_ref().map(Key::bytes))),
            Self::Messages(last) => format!("messages {}", key(last.as_ref().map(Key::bytes))),
            Self::All => "all".into(),
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        fn last<K: Key>(key: &str) -> Option<Option<K>> {
            let bytes = hex::decode(key).ok()?;
            if bytes.is_empty() { Some(None) } else { K::read(&mut bytes.as_slice()).map(Some) }
        }
        match text.split_once(' ') {
            None => (text == "all").then_some(Self::All),
            Some(("conversations", key)) => last(key).map(Self::Conversations),
            Some(("people", key)) => last(key).map(Self::People),
            Some(("messages", key)) => last(key).map(Self::Messages),
            Some(_) => None,
        }
    }

    /// The next part of the walk, and how far it is after it.
    fn next(self, read: &Snapshot) -> Result<(Vec<Change>, Self), StoreError> {
        match self {
            Self::Conversations(last) => {
                let (found, last) =
                    walk(read, CONVERSATIONS, last, |id, row| (of_conversation(id, &row), 0))?;
                Ok((found, last.map_or(Self::People(None), |id| Self::Conversations(Some(id)))))
            }
            Self::People(last) => {
                let (found, last) =
                    walk(read, OPPORTUNITIES, last, |id, row| (of_person(id, &row), row.name.len()))?;
                Ok((found, last.map_or(Self::Messages(None), |id| Self::People(Some(id)))))
            }
            Self::Messages(last) => {
                let (found, last) =
                    walk(read, MESSAGES, last, |_, row| (of_message(&row), row.body.reveal().len()))?;
                Ok((found, last.map_or(Self::All, |key| Self::Messages(Some(key)))))
            }
            Self::All => Ok((Vec::new(), Self::All)),
        }
    }
}

/// A part of a table from after `last` on, and where it ended; none at the table's end.
fn walk<K: Key + Clone, V: Stored>(
    read: &Snapshot,
    table: Table<K, V>,
    last: Option<K>,
    of: impl Fn(&K, V) -> (Document, usize),
) -> Result<(Vec<Change>, Option<K>), StoreError> {
    let keys = last.map_or_else(Keys::all, |last| Keys::all().after(&last));
    let (mut found, mut bytes, mut end) = (Vec::new(), 0, None);
    read.scan(table, &keys, |key, row| {
        let (document, words) = of(&key, row);
        found.push(Change::Put(document));
        bytes += words;
        if found.len() < PART_ROWS && bytes < PART_BYTES {
            return Ok(ControlFlow::Continue(()));
        }
        end = Some(key);
        Ok(ControlFlow::Break(()))
    })?;
    Ok((found, end))
}

fn of_conversation(id: &ConversationId, row: &Conversation) -> Document {
    Document::conversation(*id, row.number)
}

fn of_person(id: &OpportunityId, row: &Opportunity) -> Document {
    Document::person(id.clone(), &row.name, row.numbers(), row.created_at)
}

fn of_message(row: &Message) -> Document {
    Document::message(row.id, row.conversation, row.opportunity.as_ref(), row.at, row.body.reveal())
}

/// What is to be done for a row of the queue, by what is stored now.
fn look_up(read: &Snapshot, what: Searchable, changes: &mut Vec<Change>) -> Result<(), StoreError> {
    let document = match &what {
        Searchable::Person(id) => {
            let row = read.get(OPPORTUNITIES, id)?;
            if row.as_ref().is_some_and(|row| row.anonymised) {
                changes.push(Change::Erase(what.clone()));
            }
            row.map(|row| of_person(id, &row))
        }
        Searchable::Conversation(id) => read.get(CONVERSATIONS, id)?.map(|row| of_conversation(id, &row)),
        Searchable::Message(id) => changes::message(read, *id)?.map(|row| of_message(&row)),
    };
    changes.push(document.map_or(Change::Erase(what), Change::Put));
    Ok(())
}

impl Engine {
    /// Keeps the index up, and opens it anew, or makes it anew, after a failure. The daemon goes on
    /// without it meanwhile.
    pub(crate) async fn run_search(self, searching: Arc<Searching>) -> Result<(), StoreError> {
        let mut rest = REST_MIN;
        loop {
            let error = match self.keep_index(&searching, &mut rest).await {
                Ok(never) => match never {},
                Err(IndexingError::Store(error)) => return Err(error),
                Err(IndexingError::Index(error)) => error,
            };
            searching.index.store(None);
            let detail = format!(
                "{error}; texts and candidates cannot be found until it works again: look at the disk and at the rights of {}",
                searching.folder.display()
            );
            if self.notices.trouble(Part::Search, "index", HealthStatus::Degraded, detail, self.clock.now()) {
                tracing::warn!(error = &error as &dyn std::error::Error, "the search does not work");
            }
            tokio::time::sleep(rest).await;
            rest = (rest * 2).min(REST_MAX);
            if matches!(error, IndexError::Damaged(_) | IndexError::Unsound) {
                let folder = searching.folder.clone();
                // When that cannot be done, opening it says so.
                let _ = blocking(move || Index::anew(&folder).map(drop)).await;
            }
        }
    }

    async fn keep_index(
        &self,
        searching: &Searching,
        rest: &mut Duration,
    ) -> Result<std::convert::Infallible, IndexingError> {
        let folder = searching.folder.clone();
        let index = Arc::new(blocking(move || Index::open(&folder)).await?);
        searching.index.store(Some(index.clone()));
        let mut built =
            index.progress()?.and_then(|text| Built::from_text(&text)).unwrap_or(Built::Conversations(None));
        loop {
            let news = self.wake.search.notified();
            let more = self.index_queue(&index, &built).await?;
            if built != Built::All {
                let detail = "the index is being built: not everything is found yet".to_owned();
                self.notices.trouble(Part::Search, "index", HealthStatus::Ok, detail, self.clock.now());
                built = self.build_index(&index, built).await?;
            } else if !more {
                self.notices.well(Part::Search, "index", self.clock.now());
                *rest = REST_MIN;
                tokio::pin!(news);
                if let Ok(waited) = tokio::time::timeout(IDLE, searching.news(&mut news)).await {
                    waited?;
                } else {
                    let idle = index.clone();
                    blocking(move || idle.rest()).await?;
                    searching.news(&mut news).await?;
                }
                tokio::time::sleep(GATHER).await;
            }
        }
    }

    /// Indexes the first rows of the queue; whether there may be more.
    async fn index_queue(&self, index: &Arc<Index>, built: &Built) -> Result<bool, IndexingError> {
        let (places, changes) = self
            .store
            .read(|snapshot| {
                let rows = snapshot.list(TO_INDEX, &Keys::all(), BATCH)?;
                let (places, mut things): (Vec<u64>, Vec<Searchable>) = rows.into_iter().unzip();
                things.sort_unstable();
                things.dedup();
                let mut changes = Vec::with_capacity(things.len());
                for what in things {
                    look_up(snapshot, what, &mut changes)?;
                }
                Ok::<_, StoreError>((places, changes))
            })
            .await?;
        if places.is_empty() {
            return Ok(false);
        }
        let (index, progress) = (index.clone(), built.to_text());
        blocking(move || index.apply(changes, &progress)).await?;
        let more = places.len() == BATCH;
        self.store
            .change(move |tx| places.iter().try_for_each(|place| tx.remove(TO_INDEX, place).map(drop)))
            .await?;
        Ok(more)
    }

    /// Indexes the next rows of the tables, and rests for as long as that took.
    async fn build_index(&self, index: &Arc<Index>, built: Built) -> Result<Built, IndexingError> {
        let began = Instant::now();
        let (changes, built) = self.store.read(move |snapshot| built.next(snapshot)).await?;
        if !changes.is_empty() || built == Built::All {
            let (index, progress) = (index.clone(), built.to_text());
            blocking(move || index.apply(changes, &progress)).await?;
        }
        if built == Built::All {
            tracing::info!("the search index is complete");
        }
        tokio::time::sleep(began.elapsed()).await;
        Ok(built)
    }
}

/// Runs what blocks off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, IndexError> + Send + 'static,
) -> Result<T, IndexingError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done?),
        // The process is ending, one way or the other.
        Err(_) => Err(StoreError::Closed.into()),
    }
}

#[cfg(test)]
mod tests {
    use fulcrum_domain::MessageId;
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn how_far_the_index_is_reads_back() {
        let at = Timestamp::from_millisecond(1_700_000_000_000).unwrap();
        let message = (ConversationId::new(7), at, MessageId::new(at, &[7; 10]));
        for built in [
            Built::Conversations(None),
            Built::Conversations(Some(ConversationId::new(3))),
            Built::People(Some("a-slug".parse().unwrap())),
            Built::Messages(None),
            Built::Messages(Some(message)),
            Built::All,
        ] {
            assert_eq!(Built::from_text(&built.to_text()), Some(built));
        }
        for wrong in ["", "people zz", "people 00", "birds "] {
            assert_eq!(Built::from_text(wrong), None, "{wrong}");
        }
    }
}
