//! What people and scripts are shown: reads on a snapshot, in pages.
//!
//! Each is a function on whatever can be read, since the command line also reads the file of a daemon
//! that does not run.

use std::ops::ControlFlow;

use fulcrum_domain::{
    ContactId, Conversation, ConversationId, Delivery, Direction, Effect, EffectRow, EffectState, Filing,
    FilingId, Interview, Message, MessageId, Number, Opportunity, OpportunityId, Suppression,
};
use jiff::Timestamp;

use super::Engine;
use super::changes::{count_failed, effect_counts, suppression_of, thread_of};
use crate::store::tables::{
    BY_CONTACT, CONVERSATIONS, DELETED, FILINGS, FILINGS_OF, INTERVIEWS, MESSAGES, OPPORTUNITIES, OUTBOX,
    STAGES,
};
use crate::store::{Keys, Read, StoreError};

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Page<T, C> {
    /// Its rows.
    pub rows: Vec<T>,
    /// Where the next begins; none at the end.
    pub next: Option<C>,
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

/// A message.
pub type MessageView = Message;

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
    ) -> Result<Page<ConversationView, ConversationId>, StoreError> {
        self.store.read(move |snapshot| conversations(snapshot, after, limit)).await
    }

    /// One conversation.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn conversation(&self, id: ConversationId) -> Result<Option<ConversationView>, StoreError> {
        self.store.read(move |snapshot| conversation(snapshot, id)).await
    }

    /// The messages of a conversation in order, from after `after` on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn messages(
        &self,
        id: ConversationId,
        after: Option<(Timestamp, MessageId)>,
        limit: usize,
    ) -> Result<Page<MessageView, (Timestamp, MessageId)>, StoreError> {
        self.store.read(move |snapshot| messages(snapshot, id, after, limit)).await
    }

    /// One opportunity as it is stored.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn opportunity(&self, id: &OpportunityId) -> Result<Found, StoreError> {
        let id = id.clone();
        self.store.read(move |snapshot| opportunity(snapshot, id)).await
    }

    /// The transcripts of a conversation, the newest first, at most a page.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn filings(&self, id: ConversationId) -> Result<Vec<FilingView>, StoreError> {
        self.store.read(move |snapshot| filings(snapshot, id)).await
    }

    /// Effects that a person must look at, at most a page.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn failed_effects(&self) -> Result<Vec<EffectView>, StoreError> {
        self.store.read(failed_effects).await
    }
}

/// See [`Engine::conversations`].
pub(crate) fn conversations(
    read: &impl Read,
    after: Option<ConversationId>,
    limit: usize,
) -> Result<Page<ConversationView, ConversationId>, StoreError> {
    let limit = limit.clamp(1, PAGE_MAX);
    let keys = after.map_or_else(Keys::all, |id| Keys::all().before(&id));
    let mut rows = read.list_back(CONVERSATIONS, &keys, limit + 1)?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|(id, _)| *id);
    let views = rows.into_iter().map(|(_, row)| conversation_view(read, row));
    Ok(Page { rows: views.collect::<Result<_, _>>()?, next })
}

/// See [`Engine::conversation`].
pub(crate) fn conversation(
    read: &impl Read,
    id: ConversationId,
) -> Result<Option<ConversationView>, StoreError> {
    read.get(CONVERSATIONS, &id)?.map(|row| conversation_view(read, row)).transpose()
}

/// See [`Engine::messages`].
pub(crate) fn messages(
    read: &impl Read,
    id: ConversationId,
    after: Option<(Timestamp, MessageId)>,
    limit: usize,
) -> Result<Page<MessageView, (Timestamp, MessageId)>, StoreError> {
    let limit = limit.clamp(1, PAGE_MAX);
    let all = Keys::beginning(&id);
    let keys = match after {
        Some((at, message)) => all.after(&(id, at, message)),
        None => all,
    };
    let mut rows = read.list(MESSAGES, &keys, limit + 1)?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|((_, at, message), _)| (*at, *message));
    Ok(Page { rows: rows.into_iter().map(|(_, message)| message).collect(), next })
}

fn filings(read: &impl Read, id: ConversationId) -> Result<Vec<FilingView>, StoreError> {
    let mut views = Vec::new();
    for ((_, id), ()) in read.list_back(FILINGS_OF, &Keys::beginning(&id), PAGE_MAX)? {
        views.extend(read.get(FILINGS, &id)?.map(|filing| FilingView { id, filing }));
    }
    Ok(views)
}

fn failed_effects(read: &impl Read) -> Result<Vec<EffectView>, StoreError> {
    // The whole outbox is gone through only as long as there are failures left to find.
    let failures = count_failed(&effect_counts(read)?);
    let most = usize::try_from(failures).unwrap_or(PAGE_MAX).min(PAGE_MAX);
    let mut failed = Vec::with_capacity(most);
    if most > 0 {
        read.scan(OUTBOX, &Keys::all(), |effect, row| {
            if row.state == EffectState::Failed {
                failed.push(EffectView { effect, row });
            }
            Ok(if failed.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
    }
    Ok(failed)
}

fn conversation_view(read: &impl Read, conversation: Conversation) -> Result<ConversationView, StoreError> {
    let suppression = suppression_of(read, conversation.number)?;
    let opportunity = match &conversation.opportunity {
        Some(id) => read.get(OPPORTUNITIES, id)?,
        None => None,
    };
    Ok(ConversationView { name: opportunity.map(|o| o.name), suppression, conversation })
}

fn opportunity(read: &impl Read, id: OpportunityId) -> Result<Found, StoreError> {
    let Some(opportunity) = read.get(OPPORTUNITIES, &id)? else {
        return Ok(if read.has(DELETED, &id)? { Found::Deleted } else { Found::Unknown });
    };
    let stage = read.get(STAGES, &opportunity.stage)?.map(|stage| stage.text);
    let conversations = conversations_of(read, &opportunity.contact, &opportunity)?;
    let rows = read.list(INTERVIEWS, &Keys::beginning(&id), PAGE_MAX)?;
    let mut interviews: Vec<Interview> = rows.into_iter().map(|(_, interview)| interview).collect();
    interviews.sort_by_key(|interview| interview.starts_at);
    Ok(Found::Known(Box::new(OpportunityView { id, opportunity, stage, interviews, conversations })))
}

fn conversations_of(
    read: &impl Read,
    contact: &ContactId,
    opportunity: &Opportunity,
) -> Result<Vec<ConversationId>, StoreError> {
    let mut numbers: Vec<Number> = opportunity.numbers().collect();
    for ((_, other), ()) in read.list(BY_CONTACT, &Keys::beginning(contact), 100)? {
        numbers.extend(read.get(OPPORTUNITIES, &other)?.iter().flat_map(Opportunity::numbers));
    }
    numbers.sort_unstable();
    numbers.dedup();
    let mut found = Vec::new();
    for number in numbers {
        found.extend(thread_of(read, number)?.map(|conversation| conversation.id));
    }
    Ok(found)
}

/// The word for a message's direction in the API and on the command line.
pub fn direction_word(direction: Direction) -> &'static str {
    match direction {
        Direction::In => "in",
        Direction::Out => "out",
    }
}

/// What a person is told of a message that did not arrive.
pub fn failure_words(message: &Message) -> Option<&'static str> {
    let failed = matches!(
        message.delivery,
        Delivery::Failed | Delivery::Undelivered | Delivery::Canceled | Delivery::Unconfirmed
    );
    failed.then(|| match (message.delivery, message.failure) {
        (Delivery::Unconfirmed, _) => "it may not have been sent; it was not sent again",
        (_, Some(failure)) => failure.reason(),
        (_, None) => "the carrier could not deliver it",
    })
}
