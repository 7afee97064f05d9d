//! Filing transcripts: from the deadline to the note (behaviour.md 1).
//!
//! `open → due → posting → filed | held`. The filing takes its messages out of the open session in
//! the transaction that creates it, with the rendered text and the effect that posts it. So each
//! message is in one transcript or in the open session, at every instant.

use fulcrum_domain::file::FileState;
use fulcrum_domain::note::{self, LateFailure, Line, LinkKind, Media, Transcript, Trouble};
use fulcrum_domain::{
    ActivityKind, Actor, Author, Conversation, ConversationId, DeadlineKey, Delivery, Effect, Filing,
    FilingId, FilingState, Group, Grouping, Lane, Message, OpportunityId, SendFailure, TranscriptMode,
    UserId, main_author, plan,
};
use jiff::Timestamp;

use super::Rules;
use super::activity::note_of;
use super::compose::ComposeError;
use super::deadline::is_ahead;
use super::file::files_of;
use super::outbox::ask;
use super::thread::{arm, key_of, may_be_theirs, message, mode_for, put_message, store, unfiled};
use super::users::{user_by_email, was_refused};
use crate::engine::clock::Moment;
use crate::store::tables::{CONVERSATIONS, FILINGS, FILINGS_OF, OPPORTUNITIES, SPOKEN_OF, UNFILED, USERS};
use crate::store::{Keys, Read, StoreError, Tx};

/// The deadline of a thread's session has fired: files it if it is due by what is stored.
/// Gives back how many filings came of it.
pub(super) fn file_due(
    tx: &mut Tx<'_>,
    id: ConversationId,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<usize, StoreError> {
    let Some(conversation) = tx.get(CONVERSATIONS, &id)? else { return Ok(0) };
    match conversation.deadline {
        Some(deadline) if !is_ahead(tx, DeadlineKey::Transcript(id), deadline, moment.now) => {
            let over = conversation.session.is_none_or(|session| session.files_at() <= moment.now);
            file(tx, conversation, over, deadline, rules, moment)
        }
        _ => Ok(0),
    }
}

/// Files the open session at once, since a person asks.
pub fn file_now(
    tx: &mut Tx<'_>,
    id: ConversationId,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<usize, StoreError> {
    let Some(conversation) = tx.get(CONVERSATIONS, &id)? else { return Ok(0) };
    let due = moment.now;
    file(tx, conversation, true, due, rules, moment)
}

/// Files what is open, as the mode of each message says; of a session only if that is `over`.
fn file(
    tx: &mut Tx<'_>,
    mut conversation: Conversation,
    over: bool,
    due_at: Timestamp,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<usize, StoreError> {
    let (mut session, mut instant) = (Vec::new(), Vec::new());
    for mut text in unfiled(tx, conversation.id)? {
        // It may have come before anybody was known for the number.
        text.opportunity = text.opportunity.or_else(|| conversation.opportunity.clone());
        match mode_for(tx, text.opportunity.as_ref(), rules)? {
            TranscriptMode::Session if over => session.push(text),
            TranscriptMode::Session => {}
            TranscriptMode::Instant => instant.push(text),
            TranscriptMode::Off => drop(tx.remove(UNFILED, &key_of(&text))?),
        }
    }
    let mut late = Vec::new();
    for id in std::mem::take(&mut conversation.late_failures) {
        late.extend(message(tx, id)?);
    }
    let mut groups = plan(session, Grouping::Session);
    groups.extend(plan(instant, Grouping::Instant));
    let count = groups.len();
    for group in groups {
        let theirs = late.extract_if(.., |text| text.opportunity.as_ref() == Some(&group.opportunity));
        let theirs = theirs.collect();
        create(tx, &conversation, group, theirs, due_at, rules, moment)?;
    }
    // Without a transcript about the same one to stand in, what failed late waits for the next.
    conversation.late_failures = late.into_iter().map(|text| text.id).collect();
    // What is left has not left us yet, or has no target: an outcome or a target opens the next session.
    let nothing_left = tx.first(UNFILED, &Keys::beginning(&conversation.id))?.is_none();
    if nothing_left || (over && conversation.opportunity.is_some()) {
        conversation.session = None;
    }
    let goes_on = conversation.session.filter(|_| !over).map(|session| session.files_at());
    arm(tx, &mut conversation, goes_on)?;
    store(tx, &conversation)?;
    Ok(count)
}

fn create(
    tx: &mut Tx<'_>,
    conversation: &Conversation,
    group: Group,
    late: Vec<Message>,
    due_at: Timestamp,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<(), StoreError> {
    let id = FilingId::new(moment.now, &moment.id_bits());
    let opportunity = tx.get(OPPORTUNITIES, &group.opportunity)?;
    // Of one that Lever shows no more it is not known.
    let confidential = opportunity.as_ref().is_none_or(|row| row.confidential);
    let failed = |text: Message| {
        let reason = text.failure.unwrap_or(SendFailure::Unknown).reason().to_owned();
        LateFailure { at: text.at, reason }
    };
    let transcript = Transcript {
        candidate_name: opportunity.as_ref().map(|o| o.name.clone()).unwrap_or_default(),
        candidate_number: conversation.number,
        organisation: rules.organisation.clone(),
        our_number: group.messages.last().map_or(conversation.number, |m| m.our_number),
        zone: rules.zone.clone(),
        messages: group.messages.iter().map(|message| line(tx, message)).collect::<Result<_, _>>()?,
        late_failures: late.into_iter().map(failed).collect(),
        // Whoever reads a note could act for the candidate by their link.
        links: vec![LinkKind {
            prefix: format!("{}/b/", rules.public_url.trim_end_matches('/')),
            kind: "booking link".to_owned(),
        }],
        public_link: Some(format!("{}/c/{}", rules.public_url.trim_end_matches('/'), conversation.id)),
        filing: id,
    };
    let filing = Filing {
        conversation: conversation.id,
        perform_as: author(tx, &group.messages, rules, moment.now)?,
        secret: rules.secret_notes || confidential,
        contact: opportunity.map(|row| row.contact),
        confidential,
        reposts: 0,
        parts: note::render(&transcript, rules.max_note_chars),
        notes: Vec::new(),
        messages: u32::try_from(group.messages.len()).unwrap_or(u32::MAX),
        state: FilingState::Due,
        due_at,
        filed_at: None,
        opportunity: group.opportunity,
    };
    for mut text in group.messages {
        tx.remove(UNFILED, &key_of(&text))?;
        text.filing = Some(id);
        put_message(tx, &text)?;
    }
    tx.put(FILINGS, &id, &filing)?;
    tx.put(FILINGS_OF, &(conversation.id, id), &())?;
    ask(tx, &Effect::PostNote(id), Lane::Live, moment.now)
}

fn line(read: &impl Read, message: &Message) -> Result<Line, StoreError> {
    let author = match &message.author {
        Author::Candidate => note::Author::Candidate,
        Author::Staff { name, .. } => note::Author::Staff { name: name.clone() },
        Author::Automatic(label) => note::Author::Automatic { label: label.clone(), sender: None },
    };
    let trouble = match message.delivery {
        Delivery::Failed | Delivery::Undelivered | Delivery::Canceled => Some(Trouble::NotDelivered {
            reason: message.failure.unwrap_or(SendFailure::Unknown).reason().to_owned(),
        }),
        Delivery::Unconfirmed => Some(Trouble::Unconfirmed),
        _ => None,
    };
    let files = files_of(read, message)?;
    let media = message.attachments.iter().zip(files).map(|(told, state)| match state {
        Some(FileState::Here { kind, size }) => {
            Media { content_type: kind.media_type().to_owned(), size: Some(size) }
        }
        _ => Media { content_type: told.media_type.clone(), size: None },
    });
    let body = message.body.reveal().to_owned();
    Ok(Line { at: message.at, author, body, media: media.collect(), trouble })
}

/// Who signs the note: whoever wrote most of it, if active in Lever; else the configured user.
fn author(
    read: &impl Read,
    messages: &[Message],
    rules: &Rules,
    now: Timestamp,
) -> Result<Option<UserId>, StoreError> {
    if let Some(user) = main_author(messages)
        && read.get(USERS, &user)?.is_some_and(|u| u.active)
        && !was_refused(read, &user, now)?
    {
        return Ok(Some(user));
    }
    fallback_author(read, rules, now)
}

pub(super) fn fallback_author(
    read: &impl Read,
    rules: &Rules,
    now: Timestamp,
) -> Result<Option<UserId>, StoreError> {
    let Some(email) = &rules.notes_as else { return Ok(None) };
    match user_by_email(read, email)? {
        Some(user) if !was_refused(read, &user, now)? => Ok(Some(user)),
        _ => Ok(None),
    }
}

/// A person says whom a thread is about that waits for that. Refused for what a text about them would be refused
/// for. False when it waits no more, and is about somebody else.
///
/// # Errors
/// [`ComposeError`]; then nothing changes.
pub fn attach_by_hand(
    tx: &mut Tx<'_>,
    id: ConversationId,
    opportunity: &OpportunityId,
    rules: &Rules,
    by: Actor,
    now: Timestamp,
) -> Result<bool, ComposeError> {
    let row = tx.get(OPPORTUNITIES, opportunity)?.ok_or(ComposeError::UnknownOpportunity)?;
    if row.confidential && !rules.text_confidential {
        return Err(ComposeError::Confidential);
    }
    let Some(conversation) = tx.get(CONVERSATIONS, &id)? else { return Ok(false) };
    if conversation.opportunity.is_some() {
        return Ok(conversation.opportunity.as_ref() == Some(opportunity));
    }
    if !may_be_theirs(tx, conversation.number, &row)? {
        return Ok(false);
    }
    let conversation = attach(tx, conversation, opportunity, rules, now)?;
    // Their number leads nowhere, and it may be that no open message does: the thread goes when they are erased.
    tx.put(SPOKEN_OF, &(opportunity.clone(), id), &())?;
    note_of(tx, &conversation, by, ActivityKind::Desk, "attached to a candidate", now)?;
    Ok(true)
}

/// Somebody is now known for a thread that waited: its open messages are about them, and the
/// session is filed when it is due, or at once if that has passed.
pub(super) fn attach(
    tx: &mut Tx<'_>,
    mut conversation: Conversation,
    id: &OpportunityId,
    rules: &Rules,
    now: Timestamp,
) -> Result<Conversation, StoreError> {
    conversation.opportunity = Some(id.clone());
    for mut text in unfiled(tx, conversation.id)? {
        if text.opportunity.is_none() {
            text.opportunity = Some(id.clone());
            put_message(tx, &text)?;
        }
    }
    if let Some(session) = conversation.session
        && mode_for(tx, Some(id), rules)? != TranscriptMode::Off
    {
        arm(tx, &mut conversation, Some(session.files_at().max(now)))?;
    }
    store(tx, &conversation)?;
    Ok(conversation)
}
