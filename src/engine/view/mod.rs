//! What people and scripts are shown: reads on a snapshot, in pages.
//!
//! Each is a function on whatever can be read, since the command line also reads the file of a daemon
//! that does not run. Whoever may not see what is confidential is shown none of it here: neither a
//! conversation about it, nor messages about it in another, nor its opportunity.

mod activity;
mod desk;
mod gaze;
mod interviews;
mod messages;
mod waiting;

use std::ops::ControlFlow;

use fulcrum_domain::{
    ContactId, Conversation, ConversationId, Effect, EffectRow, EffectState, Filing, FilingId, Interview,
    Number, Opportunity, OpportunityId, Sight, Suppression,
};
use jiff::Timestamp;

use super::Engine;
use super::changes::{about_whom, count_failed, effect_counts, suppression_of, thread_of, tried_again};
use crate::store::tables::{
    BY_CONTACT, CONVERSATIONS, DELETED, FILINGS, FILINGS_OF, INTERVIEWS, OPPORTUNITIES, OUTBOX, SPOKEN_OF,
    STAGES,
};
use crate::store::{Keys, Read, StoreError, readable};

pub use activity::{ActivityQuery, ActivityRow, WhoDid};
pub use desk::{COUNTED, InboxCursor, InboxQuery, InboxRow, ShelfCount, Shelves};
pub(super) use gaze::Gaze;
pub use interviews::{InterviewState, InterviewView};
pub use messages::MessageView;
pub(crate) use messages::messages;

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Page<T, C> {
    /// Its rows.
    pub rows: Vec<T>,
    /// Where the next begins; none at the end.
    pub next: Option<C>,
}

impl<T, C> Page<T, C> {
    /// What `list` gives when asked for so many rows, at most `limit` and at most [`PAGE_MAX`]; `place` is that
    /// of a row. One row more is asked for than is shown: it tells whether there is a next page.
    pub(crate) fn read(
        limit: usize,
        list: impl FnOnce(usize) -> Result<Vec<T>, StoreError>,
        place: impl FnOnce(&T) -> C,
    ) -> Result<Self, StoreError> {
        let limit = limit.clamp(1, PAGE_MAX);
        let mut rows = list(limit + 1)?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        Ok(Self { next: rows.last().filter(|_| more).map(place), rows })
    }

    /// What is shown of its rows; those of which nothing is are left out, and it ends where it ended.
    pub(crate) fn try_filter_map<U>(
        self,
        shown: impl FnMut(T) -> Result<Option<U>, StoreError>,
    ) -> Result<Page<U, C>, StoreError> {
        let rows =
            self.rows.into_iter().map(shown).filter_map(Result::transpose).collect::<Result<_, _>>()?;
        Ok(Page { rows, next: self.next })
    }
}

/// A conversation with what belongs to it.
#[derive(Clone, Debug)]
pub struct ConversationView {
    /// The thread.
    pub conversation: Conversation,
    /// The candidate's name, where somebody is known for the number.
    pub name: Option<String>,
    /// Whether and why the number has opted out.
    pub suppression: Option<Suppression>,
}

/// An opportunity with what belongs to it.
#[derive(Clone, Debug)]
pub struct OpportunityView {
    /// Which one.
    pub id: OpportunityId,
    /// The row.
    pub opportunity: Opportunity,
    /// What Lever calls its stage.
    pub stage: Option<String>,
    /// Its interviews, cancelled ones too, in order of their start.
    pub interviews: Vec<Interview>,
    /// The conversations with its contact, over all of that person's numbers.
    pub conversations: Vec<ConversationId>,
    /// Those in which the opportunity was spoken of at numbers that they have no more.
    pub earlier: Vec<ConversationId>,
}

/// An opportunity, or why there is none to show.
#[derive(Clone, Debug)]
pub enum Found {
    /// Here it is.
    Known(Box<OpportunityView>),
    /// Never heard of.
    Unknown,
    /// Deleted in Lever, erased here.
    Deleted,
}

/// An effect of the outbox.
#[derive(Clone, Debug)]
pub struct EffectView {
    /// Which.
    pub effect: Effect,
    /// How far it is.
    pub row: EffectRow,
    /// In which thread.
    pub conversation: Option<ConversationId>,
    /// About which opportunity.
    pub opportunity: Option<OpportunityId>,
    /// The candidate's name, where it is known.
    pub name: Option<String>,
}

/// A transcript on its way or filed.
#[derive(Clone, Debug)]
pub struct FilingView {
    /// Which.
    pub id: FilingId,
    /// The row.
    pub filing: Filing,
}

/// The most rows of a page.
pub const PAGE_MAX: usize = 200;

impl Engine {
    /// Conversations, the newest thread first. `after` is the last of the page before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn conversations(
        &self,
        after: Option<ConversationId>,
        limit: usize,
        sight: Sight,
    ) -> Result<Page<ConversationView, ConversationId>, StoreError> {
        self.store.read(move |snapshot| conversations(snapshot, after, limit, sight)).await
    }

    /// One conversation.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn conversation(
        &self,
        id: ConversationId,
        sight: Sight,
    ) -> Result<Option<ConversationView>, StoreError> {
        self.store.read(move |snapshot| conversation(snapshot, id, sight)).await
    }

    /// One opportunity as it is stored.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn opportunity(&self, id: &OpportunityId, sight: Sight) -> Result<Found, StoreError> {
        let id = id.clone();
        self.store.read(move |snapshot| opportunity(snapshot, id, sight)).await
    }

    /// The transcripts of a conversation, the newest first, at most a page.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn filings(&self, id: ConversationId, sight: Sight) -> Result<Vec<FilingView>, StoreError> {
        self.store.read(move |snapshot| filings(snapshot, id, sight)).await
    }

    /// Effects that a person must look at, at most a page.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn failed_effects(&self, sight: Sight) -> Result<Vec<EffectView>, StoreError> {
        self.store.read(move |snapshot| failed_effects(snapshot, sight)).await
    }

    /// Effects that were tried in vain and are tried again by themselves, the oldest wish first, at most a
    /// page. One that is under way at this moment is none of them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn retried_effects(&self, sight: Sight) -> Result<Vec<EffectView>, StoreError> {
        let now = self.clock.now();
        self.store.read(move |snapshot| retried_effects(snapshot, sight, now)).await
    }
}

/// See [`Engine::conversations`].
pub(crate) fn conversations(
    read: &impl Read,
    after: Option<ConversationId>,
    limit: usize,
    sight: Sight,
) -> Result<Page<ConversationView, ConversationId>, StoreError> {
    let gaze = Gaze::new(read, sight);
    let keys = after.map_or_else(Keys::all, |id| Keys::all().before(&id));
    let page = Page::read(limit, |most| read.list_back(CONVERSATIONS, &keys, most), |(id, _)| *id)?;
    page.try_filter_map(|(_, row)| {
        let is_seen = gaze.reaches(row.opportunity.as_ref())?;
        is_seen.then(|| conversation_view(read, row)).transpose()
    })
}

/// See [`Engine::conversation`].
pub(crate) fn conversation(
    read: &impl Read,
    id: ConversationId,
    sight: Sight,
) -> Result<Option<ConversationView>, StoreError> {
    Gaze::new(read, sight).conversation(id)?.map(|row| conversation_view(read, row)).transpose()
}

fn filings(read: &impl Read, id: ConversationId, sight: Sight) -> Result<Vec<FilingView>, StoreError> {
    let gaze = Gaze::new(read, sight);
    let mut views = Vec::new();
    for ((_, id), ()) in read.list_back(FILINGS_OF, &Keys::beginning(&id), PAGE_MAX)? {
        if let Some(filing) = read.get(FILINGS, &id)?
            && sight.reaches(filing.confidential)
            && gaze.reaches(Some(&filing.opportunity))?
        {
            views.push(FilingView { id, filing });
        }
    }
    Ok(views)
}

fn failed_effects(read: &impl Read, sight: Sight) -> Result<Vec<EffectView>, StoreError> {
    // The whole outbox is gone through only as long as there are failures left to find.
    let failures = count_failed(&effect_counts(read)?);
    let most = usize::try_from(failures).unwrap_or(PAGE_MAX).min(PAGE_MAX);
    let gaze = Gaze::new(read, sight);
    let mut failed = Vec::with_capacity(most);
    if most > 0 {
        read.scan(OUTBOX, &Keys::all(), |effect, row| {
            if row.state == EffectState::Failed {
                failed.extend(effect_view(&gaze, effect, row)?);
            }
            Ok(if failed.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
    }
    Ok(failed)
}

fn retried_effects(read: &impl Read, sight: Sight, now: Timestamp) -> Result<Vec<EffectView>, StoreError> {
    let gaze = Gaze::new(read, sight);
    let shown = tried_again(read, now)?.into_iter().map(|(effect, row)| effect_view(&gaze, effect, row));
    shown.filter_map(Result::transpose).take(PAGE_MAX).collect()
}

/// An effect, for whoever may see whom it is about.
fn effect_view(
    gaze: &Gaze<'_, impl Read>,
    effect: Effect,
    row: EffectRow,
) -> Result<Option<EffectView>, StoreError> {
    let (conversation, opportunity) = about_whom(gaze.read, &effect)?;
    let thread = conversation.map(|id| readable(gaze.read.get(CONVERSATIONS, &id))).transpose()?.flatten();
    if !gaze.reaches(opportunity.as_ref())?
        || !gaze.reaches(thread.and_then(|row| row.opportunity).as_ref())?
    {
        return Ok(None);
    }
    let name = activity::name(gaze.read, conversation, opportunity.as_ref())?;
    Ok(Some(EffectView { effect, row, conversation, opportunity, name }))
}

fn conversation_view(read: &impl Read, conversation: Conversation) -> Result<ConversationView, StoreError> {
    let suppression = suppression_of(read, conversation.number)?;
    let opportunity = match &conversation.opportunity {
        Some(id) => read.get(OPPORTUNITIES, id)?,
        None => None,
    };
    Ok(ConversationView { name: opportunity.map(|o| o.name), suppression, conversation })
}

fn opportunity(read: &impl Read, id: OpportunityId, sight: Sight) -> Result<Found, StoreError> {
    let Some(opportunity) = read.get(OPPORTUNITIES, &id)? else {
        return Ok(if read.has(DELETED, &id)? { Found::Deleted } else { Found::Unknown });
    };
    if !sight.reaches(opportunity.confidential) {
        return Ok(Found::Unknown);
    }
    let gaze = Gaze::new(read, sight);
    let stage = read.get(STAGES, &opportunity.stage)?.map(|stage| stage.text);
    let conversations = conversations_of(&gaze, &opportunity.contact, &opportunity)?;
    let spoken_of = spoken_of(&gaze, &id)?.into_iter().map(|conversation| conversation.id);
    let earlier = spoken_of.filter(|id| !conversations.contains(id)).collect();
    let rows = read.list(INTERVIEWS, &Keys::beginning(&id), PAGE_MAX)?;
    let mut interviews: Vec<Interview> = rows.into_iter().map(|(_, interview)| interview).collect();
    interviews.sort_by_key(|interview| interview.starts_at);
    Ok(Found::Known(Box::new(OpportunityView { id, opportunity, stage, interviews, conversations, earlier })))
}

/// The threads in which an opportunity was spoken of, whatever number its candidate has by now.
pub(super) fn spoken_of(
    gaze: &Gaze<'_, impl Read>,
    id: &OpportunityId,
) -> Result<Vec<Conversation>, StoreError> {
    let threads = gaze.read.list(SPOKEN_OF, &Keys::beginning(id), PAGE_MAX)?;
    let threads = threads.into_iter().map(|((_, id), ())| gaze.conversation(id));
    threads.filter_map(Result::transpose).collect()
}

fn conversations_of(
    gaze: &Gaze<'_, impl Read>,
    contact: &ContactId,
    opportunity: &Opportunity,
) -> Result<Vec<ConversationId>, StoreError> {
    let read = gaze.read;
    let mut numbers: Vec<Number> = opportunity.numbers().collect();
    for ((_, other), ()) in read.list(BY_CONTACT, &Keys::beginning(contact), 100)? {
        numbers.extend(read.get(OPPORTUNITIES, &other)?.iter().flat_map(Opportunity::numbers));
    }
    numbers.sort_unstable();
    numbers.dedup();
    let mut found = Vec::new();
    for number in numbers {
        if let Some(conversation) = thread_of(read, number)?
            && gaze.reaches(conversation.opportunity.as_ref())?
        {
            found.push(conversation.id);
        }
    }
    Ok(found)
}
