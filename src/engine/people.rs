//! What people and scripts ask for: send a text, file a transcript, read a candidate again.

use fulcrum_domain::{
    Account, Activity, ActivityKind, Actor, Author, Body, ConversationId, Effect, Lane, Message, MessageId,
    Number, OpportunityId, Purpose, Sight,
};
use jiff::{SignedDuration, Timestamp};

use super::Engine;
use super::changes::{self, Arrival, ComposeError, Draft, Recipient};
use super::repeats::{KeyReused, Once, made_before, remember};
use super::view::Found;
use crate::lever::LeverError;
use crate::store::tables::{OPPORTUNITIES, USERS};
use crate::store::{Created, Read, StoreError};

/// A text that somebody wants sent.
#[derive(Clone, Debug)]
pub struct SendRequest {
    /// For whom.
    pub to: Recipient,
    /// The words.
    pub body: Body,
    /// The id of the template that they were made from.
    pub template: Option<String>,
    /// On whose behalf: the e-mail of a Lever user, where the caller says one.
    pub on_behalf_of: Option<String>,
    /// What to call the author if no Lever user is meant.
    pub caller: String,
    /// Whose account writes it, if a person's: they take part in the conversation from now on.
    pub account: Option<Account>,
    /// What the caller may see: nobody texts about what they may not.
    pub sight: Sight,
    /// From which of our numbers.
    pub from: Option<Number>,
    /// Not before.
    pub send_at: Option<Timestamp>,
    /// Why it cannot wait for the end of quiet hours, where a person who may says so.
    pub cannot_wait: Option<String>,
    /// The caller's `Idempotency-Key`.
    pub once: Option<Once>,
}

/// A time may be over by so much: a caller's clock is not ours, and a request takes its time.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(60);

/// Why a text is not taken, or a conversation not attached.
#[derive(Debug, thiserror::Error)]
pub enum SendRefusal {
    /// It may not, or cannot, be sent.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// The candidate was deleted.
    #[error("the opportunity was deleted")]
    Deleted,
    /// Nobody means a time that is over: sent at once, it would leave when nobody chose.
    #[error("the chosen time is over; choose another")]
    TimeIsOver,
    /// No such template.
    #[error("no such template is configured")]
    UnknownTemplate,
    /// No active Lever user has that e-mail.
    #[error("no active Lever user has that e-mail")]
    UnknownAuthor,
    /// The same key came with another request.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
    /// Lever could not be asked who that is.
    #[error("the candidate is not synced yet and Lever cannot be asked now")]
    Lever(#[source] LeverError),
}

impl From<StoreError> for SendRefusal {
    fn from(error: StoreError) -> Self {
        Self::Compose(ComposeError::Store(error))
    }
}

/// Why a candidate could not be read from Lever.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Lever.
    #[error(transparent)]
    Lever(#[from] LeverError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Engine {
    /// Takes a text to be sent. A candidate who is not synced yet is read from Lever first, on the
    /// interactive lane, whatever the backfill does.
    ///
    /// # Errors
    /// [`SendRefusal`]; then nothing is stored.
    pub async fn send_text(&self, request: SendRequest) -> Result<Message, SendRefusal> {
        if let Some(before) = self.answered_before(&request).await? {
            return Ok(before);
        }
        let is_over = |at: Timestamp| self.now().duration_since(at) > CLOCKS_DIFFER;
        if request.send_at.is_some_and(is_over) {
            return Err(SendRefusal::TimeIsOver);
        }
        if let Recipient::Opportunity(id) | Recipient::Both(id, _) = &request.to {
            self.know(id).await?;
        }
        let settings = self.settings.load_full();
        let mut moment = self.clock.moment();
        self.store
            .change(move |tx| {
                if let Some(before) = answered_before(tx, request.once)? {
                    return Ok(before);
                }
                let actor =
                    request.account.as_ref().map_or_else(|| request.caller.as_str().into(), Actor::from);
                let named = !matches!(request.to, Recipient::Number(_));
                let author =
                    author(tx, request.on_behalf_of.as_deref(), request.account.as_ref(), request.caller)?;
                let draft = Draft {
                    to: request.to,
                    body: request.body,
                    author,
                    purpose: Purpose::Conversation,
                    from: request.from,
                    send_at: request.send_at,
                    cannot_wait: request.cannot_wait,
                };
                let message = changes::compose(tx, draft, &settings.rules, &mut moment)?;
                if let Some(id) = &request.template {
                    let template = settings.templates.get(id).ok_or(SendRefusal::UnknownTemplate)?;
                    changes::made_from_present(tx, message.id, Some(template))?;
                }
                if !request.sight.reaches(is_confidential(tx, message.opportunity.as_ref())?) {
                    return Err(if named {
                        ComposeError::UnknownOpportunity
                    } else {
                        ComposeError::Confidential
                    }
                    .into());
                }
                if let Some(account) = &request.account {
                    changes::change_desk(tx, message.conversation, |desk| desk.take_part(account))?;
                }
                // Ten seconds to undo it are no other time.
                let what = match request.send_at.filter(|at| *at > moment.now + SignedDuration::from_mins(1))
                {
                    Some(at) => format!("a text was written, to leave at {}", settings.rules.told(at)),
                    None => "a text was written".to_owned(),
                };
                let activity = Activity::new(moment.now, actor, ActivityKind::Message, what);
                changes::note(tx, &activity.of(message.conversation).about(message.opportunity.clone()))?;
                remember(tx, request.once, Created::Message(message.id), moment.now)?;
                Ok(message)
            })
            .await
    }

    /// Says whom a conversation is about that waits for that: its open messages are filed on them from now on.
    /// False when it waits no more, and is about somebody else.
    ///
    /// # Errors
    /// [`SendRefusal`], as for a text about them; then nothing changes.
    pub async fn attach(
        &self,
        id: ConversationId,
        opportunity: OpportunityId,
        sight: Sight,
        by: Actor,
    ) -> Result<bool, SendRefusal> {
        self.know(&opportunity).await?;
        let (now, settings) = (self.clock.now(), self.settings.load_full());
        self.change_once(move |tx| {
            if !sight.reaches(is_confidential(tx, Some(&opportunity))?) {
                return Err(ComposeError::UnknownOpportunity.into());
            }
            Ok(changes::attach_by_hand(tx, id, &opportunity, &settings.rules, by, now)?)
        })
        .await
    }

    /// Reads a candidate from Lever who is not synced yet.
    async fn know(&self, id: &OpportunityId) -> Result<(), SendRefusal> {
        match self.opportunity(id, Sight::All).await? {
            Found::Known(_) => Ok(()),
            Found::Deleted => Err(SendRefusal::Deleted),
            Found::Unknown => match self.fetch_opportunity(id, Lane::Interactive, Arrival::Webhook).await {
                Ok(_) => Ok(()),
                Err(FetchError::Lever(LeverError::NotFound { .. } | LeverError::Forbidden { .. })) => {
                    Err(ComposeError::UnknownOpportunity.into())
                }
                Err(FetchError::Lever(error)) => Err(SendRefusal::Lever(error)),
                Err(FetchError::Store(error)) => Err(error.into()),
            },
        }
    }

    /// The message that a repeat of this request has made already.
    async fn answered_before(&self, request: &SendRequest) -> Result<Option<Message>, SendRefusal> {
        let once = request.once;
        if once.is_none() {
            return Ok(None);
        }
        self.store.read(move |snapshot| answered_before(snapshot, once)).await
    }

    /// Takes texts in that were sent and received before, elsewhere.
    ///
    /// # Errors
    /// [`StoreError`]; then none of them is here.
    pub async fn import(
        &self,
        texts: Vec<changes::Past>,
        by: Actor,
    ) -> Result<changes::Imported, StoreError> {
        let now = self.clock.now();
        self.change_once(move |tx| changes::import(tx, texts, by, now)).await
    }

    /// Files the open session of a conversation at once. How many transcripts come of it: none
    /// when nothing is open, or nobody is known for the number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn file_now(&self, id: ConversationId) -> Result<usize, StoreError> {
        let settings = self.settings.load_full();
        let mut moment = self.clock.moment();
        self.change_once(move |tx| changes::file_now(tx, id, &settings.rules, &mut moment)).await
    }

    /// Tries a failed effect once more, since a person asks. False when there is no such failure.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn retry_effect(&self, effect: Effect, by: Actor) -> Result<bool, StoreError> {
        let now = self.clock.now();
        self.change_once(move |tx| changes::retry_failed(tx, &effect, by, now)).await
    }

    /// Gives a failed effect up, since a person says so: a text has failed then, a transcript stays
    /// held, and what was to be read is not read. False when there is no such failure.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn give_up_effect(&self, effect: Effect, by: Actor) -> Result<bool, StoreError> {
        let settings = self.settings.load_full();
        let mut moment = self.clock.moment();
        self.change_once(move |tx| changes::give_up(tx, &effect, by, &settings.rules, &mut moment)).await
    }

    /// Calls a text off that has not been handed over: it was never sent, and stands in no transcript.
    ///
    /// # Errors
    /// [`CancelError`](changes::CancelError); then nothing changes.
    pub async fn cancel_text(&self, id: MessageId, by: Actor) -> Result<(), changes::CancelError> {
        let settings = self.settings.load_full();
        let now = self.clock.now();
        self.store.change(move |tx| changes::cancel(tx, id, by, &settings.rules, now)).await
    }
}

/// What was answered to the same request under the same key. Looked at before anything else, and
/// again in the transaction that would answer.
fn answered_before(read: &impl Read, once: Option<Once>) -> Result<Option<Message>, SendRefusal> {
    match made_before::<SendRefusal>(read, once)? {
        // Erased since: it was sent, and is not sent again.
        Some(Created::Message(id)) => changes::message(read, id)?.map(Some).ok_or(SendRefusal::Deleted),
        Some(_) => Err(KeyReused.into()),
        None => Ok(None),
    }
}

fn is_confidential(read: &impl Read, about: Option<&OpportunityId>) -> Result<bool, StoreError> {
    let Some(id) = about else { return Ok(false) };
    // Of one that Lever shows no more it is not known.
    Ok(read.get(OPPORTUNITIES, id)?.is_none_or(|row| row.confidential))
}

/// Who a text is by: the user of Lever whom the caller names, else the one with the caller's own
/// e-mail, else nobody in Lever.
fn author(
    read: &impl Read,
    named: Option<&str>,
    account: Option<&Account>,
    caller: String,
) -> Result<Author, SendRefusal> {
    let user = match (named, account) {
        (Some(email), _) => Some(changes::user_by_email(read, email)?.ok_or(SendRefusal::UnknownAuthor)?),
        (None, Some(account)) => changes::user_by_email(read, account.as_str())?,
        (None, None) => None,
    };
    let row = user.as_ref().map(|user| read.get(USERS, user)).transpose()?.flatten();
    Ok(Author::Staff { user, name: row.map_or(caller, |user| user.name) })
}
