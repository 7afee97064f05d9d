//! The inbox: pages of a shelf, how much lies on each, and what people do with a conversation.

use fulcrum_domain::{
    Account, Activity, ActivityKind, Actor, ConversationId, Delivery, Desk, Folder, Message, OpportunityId,
    Shelf, Sight,
};
use jiff::Timestamp;

use super::gaze::Gaze;
use super::messages::waiting;
use super::{ConversationView, PAGE_MAX, Page, conversation_view};
use crate::engine::{Engine, changes};
use crate::store::tables::{MESSAGES, OPPORTUNITIES, POSTINGS, READ, SHELVES};
use crate::store::{Keys, Read, Seen, Snapshot, StoreError};

/// The part of the inbox that is asked for.
#[derive(Clone, Debug)]
pub struct InboxQuery {
    /// Which shelf.
    pub shelf: Shelf,
    /// The last of the page before.
    pub after: Option<InboxCursor>,
    /// Rows of the page.
    pub limit: usize,
    /// What may be seen.
    pub sight: Sight,
    /// For whom rows are unread; none for a program.
    pub reader: Option<Account>,
}

/// A place on a shelf.
pub type InboxCursor = (Timestamp, ConversationId);

/// A row of the inbox.
#[derive(Clone, Debug)]
pub struct InboxRow {
    /// The conversation.
    pub view: ConversationView,
    /// The office's side of it.
    pub desk: Desk,
    /// Its newest message of those that may be seen.
    pub last: Option<Message>,
    /// Whether the reader has not seen the candidate's newest text.
    pub unread: bool,
    /// The title of the posting that it is about, where there is one.
    pub posting: Option<String>,
    /// On the shelf of what waits for its time: the text that leaves next, and when.
    pub next: Option<(Message, Timestamp)>,
}

/// How much lies on a shelf, counted up to [`COUNTED`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShelfCount {
    /// Conversations.
    pub all: usize,
    /// Those that the reader has not read.
    pub unread: usize,
}

/// The inbox's side list.
#[derive(Clone, Debug)]
pub struct Shelves {
    /// What the reader looks after; none for a program.
    pub mine: Option<ShelfCount>,
    /// The folders that all share, in their order.
    pub folders: Vec<(Folder, ShelfCount)>,
}

/// Up to how many rows of a shelf are counted.
pub const COUNTED: usize = 100;

/// Rows that one page passes over, at most, since they may not be seen: the next goes on from there.
const PASSED_OVER: usize = 2000;

/// Messages among which the newest that may be seen is looked for.
const LOOK_BACK: usize = 50;

impl Engine {
    /// A page of the inbox, the last activity first. It may have fewer rows than asked for, and a
    /// next page all the same, where many may not be seen.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn inbox(&self, query: InboxQuery) -> Result<Page<InboxRow, InboxCursor>, StoreError> {
        self.store.read(move |snapshot| inbox(snapshot, &query)).await
    }

    /// How much lies on each shelf.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn shelves(&self, reader: Option<Account>, sight: Sight) -> Result<Shelves, StoreError> {
        self.store.read(move |snapshot| shelves(snapshot, reader.as_ref(), sight)).await
    }

    /// The office's side of a conversation.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn desk(&self, id: ConversationId) -> Result<Desk, StoreError> {
        self.store.read(move |snapshot| changes::desk_of(snapshot, id)).await
    }

    /// Says who is to answer; none for nobody.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn assign(&self, id: ConversationId, to: Option<Account>, by: Actor) -> Result<(), StoreError> {
        let detail = match &to {
            Some(account) => format!("assigned to {account}"),
            None => "assigned to nobody".to_owned(),
        };
        self.change_desk(id, by, detail, move |desk, _| desk.assigned = to).await
    }

    /// An account follows a conversation, or no more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn follow(
        &self,
        id: ConversationId,
        account: Account,
        follows: bool,
    ) -> Result<(), StoreError> {
        self.change_once(move |tx| {
            changes::change_desk(tx, id, |desk| {
                if desk.followers.contains(&account) != follows {
                    desk.follow(&account, follows);
                }
            })
            .map(drop)
        })
        .await
    }

    /// Puts a conversation away, or takes it out again. A text of the candidate's does so, too.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn archive(&self, id: ConversationId, away: bool, by: Actor) -> Result<(), StoreError> {
        let detail = if away { "archived" } else { "taken out of the archive" };
        self.change_desk(id, by, detail.to_owned(), move |desk, now| {
            if away { desk.archive(now) } else { desk.archived_at = None }
        })
        .await
    }

    /// A person has seen that texts of a conversation failed: it leaves that folder until another does.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn dismiss_failure(&self, id: ConversationId, by: Actor) -> Result<(), StoreError> {
        let change = |desk: &mut Desk, _| desk.failure_seen = desk.said.failed_at;
        self.change_desk(id, by, "a failure was seen".to_owned(), change).await
    }

    async fn change_desk(
        &self,
        id: ConversationId,
        by: Actor,
        detail: String,
        change: impl FnOnce(&mut Desk, Timestamp) + Send + 'static,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.change_once(move |tx| {
            let changed = changes::change_desk(tx, id, |desk| change(desk, now))?;
            if changed.is_some_and(|(before, after)| before != after) {
                changes::note_in_thread(tx, id, Activity::new(now, by, ActivityKind::Desk, detail))?;
            }
            Ok(())
        })
        .await
    }

    /// An account has read a conversation up to the message of that time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn mark_read(
        &self,
        id: ConversationId,
        account: Account,
        up_to: Timestamp,
    ) -> Result<(), StoreError> {
        // Each look at a page comes here, and most change nothing: those need no write.
        let key = (id, account.clone());
        if self.once.is_none()
            && self.store.read(move |snapshot| changes::has_read(snapshot, &key, up_to)).await?
        {
            return Ok(());
        }
        self.change_once(move |tx| changes::mark_read(tx, id, account, Some(up_to))).await
    }

    /// An account wants to read a conversation again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn mark_unread(&self, id: ConversationId, account: Account) -> Result<(), StoreError> {
        self.change_once(move |tx| changes::mark_read(tx, id, account, None)).await
    }
}

fn inbox(snapshot: &Snapshot, query: &InboxQuery) -> Result<Page<InboxRow, InboxCursor>, StoreError> {
    let limit = query.limit.clamp(1, PAGE_MAX);
    let gaze = Gaze::new(snapshot, query.sight);
    let all = Keys::beginning(&query.shelf);
    let mut keys = match query.after {
        Some((at, id)) => all.before(&(query.shelf.clone(), at, id)),
        None => all,
    };
    let (mut rows, mut seen, mut place) = (Vec::new(), 0, None);
    while rows.len() < limit && seen < limit + PASSED_OVER {
        // One more than fits tells whether another page follows.
        let found = snapshot.list_back(SHELVES, &keys, limit + 1)?;
        let is_last = found.len() <= limit;
        for ((_, at, id), ()) in found {
            if rows.len() == limit {
                return Ok(Page { rows, next: place });
            }
            place = Some((at, id));
            keys = keys.before(&(query.shelf.clone(), at, id));
            seen += 1;
            rows.extend(row(&gaze, id, query)?);
        }
        if is_last {
            return Ok(Page { rows, next: None });
        }
    }
    Ok(Page { rows, next: place })
}

fn row(
    gaze: &Gaze<'_, Snapshot>,
    id: ConversationId,
    query: &InboxQuery,
) -> Result<Option<InboxRow>, StoreError> {
    let Some(conversation) = gaze.conversation(id)? else { return Ok(None) };
    let desk = changes::desk_of(gaze.read, id)?;
    let unread = is_unread(gaze.read, id, &desk, query.reader.as_ref())?;
    let last = newest(gaze, id)?;
    let posting = match &conversation.opportunity {
        Some(id) => posting(gaze.read, id)?,
        None => None,
    };
    let next = match &query.shelf {
        Shelf::Folder(Folder::Scheduled) => {
            let first = waiting(gaze, id)?.into_iter().next();
            first.and_then(|view| view.send_at.map(|at| (view.message, at)))
        }
        _ => None,
    };
    let view = conversation_view(gaze.read, conversation)?;
    Ok(Some(InboxRow { view, desk, last, unread, posting, next }))
}

/// The title of an opportunity's posting.
fn posting(read: &impl Read, id: &OpportunityId) -> Result<Option<String>, StoreError> {
    let posting = read.get(OPPORTUNITIES, id)?.and_then(|row| row.posting);
    match posting {
        Some(id) => Ok(read.get(POSTINGS, &id)?.map(|row| row.title).filter(|title| !title.is_empty())),
        None => Ok(None),
    }
}

fn newest(gaze: &Gaze<'_, Snapshot>, id: ConversationId) -> Result<Option<Message>, StoreError> {
    for look_back in [1, LOOK_BACK] {
        let rows = gaze.read.list_back(MESSAGES, &Keys::beginning(&id), look_back)?;
        let called_off = |message: &Message| message.delivery == Delivery::Canceled;
        let messages = rows.into_iter().map(|(_, message)| message).filter(|message| !called_off(message));
        if let Some(newest) = gaze.of_messages(messages.collect())?.into_iter().next() {
            return Ok(Some(newest));
        }
    }
    Ok(None)
}

fn is_unread(
    read: &impl Read,
    id: ConversationId,
    desk: &Desk,
    reader: Option<&Account>,
) -> Result<bool, StoreError> {
    let Some(reader) = reader else { return Ok(false) };
    let up_to = read.get(READ, &(id, reader.clone()))?.map(|Seen(at)| at);
    Ok(desk.is_unread(up_to))
}

fn shelves(snapshot: &Snapshot, reader: Option<&Account>, sight: Sight) -> Result<Shelves, StoreError> {
    let gaze = Gaze::new(snapshot, sight);
    let mine = reader.map(|account| count(&gaze, &Shelf::Mine(account.clone()), reader)).transpose()?;
    let folder = |folder| Ok((folder, count(&gaze, &Shelf::Folder(folder), reader)?));
    Ok(Shelves { mine, folders: Folder::ALL.into_iter().map(folder).collect::<Result<_, StoreError>>()? })
}

fn count(
    gaze: &Gaze<'_, Snapshot>,
    shelf: &Shelf,
    reader: Option<&Account>,
) -> Result<ShelfCount, StoreError> {
    let mut counted = ShelfCount::default();
    for ((_, _, id), ()) in gaze.read.list_back(SHELVES, &Keys::beginning(shelf), COUNTED)? {
        if gaze.sight == Sight::All || gaze.conversation(id)?.is_some() {
            counted.all += 1;
            if reader.is_some() {
                let desk = changes::desk_of(gaze.read, id)?;
                counted.unread += usize::from(is_unread(gaze.read, id, &desk, reader)?);
            }
        }
    }
    Ok(counted)
}
