//! Filing transcripts: from the deadline to the note (behaviour.md 1).
//!
//! `open → due → posting → filed | held`. The filing takes its messages out of the open session in
//! the transaction that creates it, with the rendered text and the effect that posts it. So each
//! message is in one transcript or in the open session, at every instant.

use fulcrum_domain::note::{self, LateFailure, Line, Media, Transcript, Trouble};
use fulcrum_domain::{
    Author, Conversation, ConversationId, DeadlineKey, Delivery, Effect, EffectState, Filing, FilingId,
    FilingState, Group, Grouping, Lane, Message, NoteId, OpportunityId, SendFailure, UserId, main_author,
    plan, target,
};
use jiff::Timestamp;

use super::outbox::{ask, finish, postpone};
use super::thread::{arm, candidacies, key_of, message, mode_for, put_message, store, unfiled};
use super::{Mode, Rules};
use crate::engine::clock::Moment;
use crate::store::tables::{CONVERSATIONS, FILINGS, FILINGS_OF, MESSAGES, OPPORTUNITIES, UNFILED, USERS};
use crate::store::{Keys, Read, Signal, StoreError, Tx};

/// The deadline of a thread's session has fired: files it if it is due by what is stored.
/// Gives back how many filings came of it.
pub fn file_due(
    tx: &mut Tx<'_>,
    id: ConversationId,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<usize, StoreError> {
    let Some(conversation) = tx.get(CONVERSATIONS, &id)? else { return Ok(0) };
    match conversation.deadline {
        Some(deadline) if deadline <= moment.now => {
            let over = conversation.session.is_none_or(|session| session.files_at() <= moment.now);
            file(tx, conversation, over, deadline, rules, moment)
        }
        // The clock was set back while it fired; the wheel has forgotten it.
        Some(_) => {
            tx.signal(Signal::Deadline(DeadlineKey::Transcript(id), conversation.deadline));
            Ok(0)
        }
        None => Ok(0),
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
            Mode::Session if over => session.push(text),
            Mode::Session => {}
            Mode::Instant => instant.push(text),
            Mode::Off => drop(tx.remove(UNFILED, &key_of(&text))?),
        }
    }
    let mut late = std::mem::take(&mut conversation.late_failures);
    let mut groups = plan(session, Grouping::Session);
    groups.extend(plan(instant, Grouping::Instant));
    let count = groups.len();
    for group in groups {
        let late = std::mem::take(&mut late);
        create(tx, &conversation, group, &late, due_at, rules, moment)?;
    }
    // Without a transcript to stand in, what failed late waits for the next one.
    conversation.late_failures = late;
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
    late: &[fulcrum_domain::MessageId],
    due_at: Timestamp,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<(), StoreError> {
    let id = FilingId::new(moment.now, &moment.id_bits());
    let opportunity = tx.get(OPPORTUNITIES, &group.opportunity)?;
    let mut late_failures = Vec::new();
    for id in late {
        if let Some(text) = message(tx, *id)? {
            let reason = text.failure.unwrap_or(SendFailure::Unknown).reason().to_owned();
            late_failures.push(LateFailure { at: text.at, reason });
        }
    }
    let transcript = Transcript {
        candidate_name: opportunity.as_ref().map(|o| o.name.clone()).unwrap_or_default(),
        candidate_number: conversation.number,
        organisation: rules.organisation.clone(),
        our_number: group.messages.last().map_or(conversation.number, |m| m.our_number),
        zone: rules.zone.clone(),
        messages: group.messages.iter().map(line).collect(),
        late_failures,
        links: Vec::new(),
        public_link: Some(format!("{}/c/{}", rules.public_url.trim_end_matches('/'), conversation.id)),
        filing: id,
    };
    let filing = Filing {
        conversation: conversation.id,
        perform_as: author(tx, &group.messages, rules)?,
        secret: rules.secret_notes || opportunity.is_some_and(|o| o.confidential),
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

fn line(message: &Message) -> Line {
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
    let media = message.attachments.iter().map(|a| Media { content_type: a.media_type.clone(), size: None });
    Line { at: message.at, author, body: message.body.reveal().to_owned(), media: media.collect(), trouble }
}

/// Who signs the note: whoever wrote most of it, if active in Lever; else the configured user.
fn author(read: &impl Read, messages: &[Message], rules: &Rules) -> Result<Option<UserId>, StoreError> {
    if let Some(user) = main_author(messages)
        && read.get(USERS, &user)?.is_some_and(|u| u.active)
    {
        return Ok(Some(user));
    }
    fallback_author(read, rules)
}

fn fallback_author(read: &impl Read, rules: &Rules) -> Result<Option<UserId>, StoreError> {
    match &rules.notes_as {
        Some(email) => user_by_email(read, email),
        None => Ok(None),
    }
}

/// The active Lever user with this e-mail.
pub(crate) fn user_by_email(read: &impl Read, email: &str) -> Result<Option<UserId>, StoreError> {
    let mut found = None;
    read.scan(USERS, &Keys::all(), |id, user| {
        Ok(if user.active && user.email.eq_ignore_ascii_case(email) {
            found = Some(id);
            std::ops::ControlFlow::Break(())
        } else {
            std::ops::ControlFlow::Continue(())
        })
    })?;
    Ok(found)
}

/// Somebody is now known for a thread that waited: its open messages are about them, and the
/// session is filed when it is due, or at once if that has passed.
pub(super) fn attach(
    tx: &mut Tx<'_>,
    mut conversation: Conversation,
    id: &OpportunityId,
    rules: &Rules,
    now: Timestamp,
) -> Result<(), StoreError> {
    conversation.opportunity = Some(id.clone());
    for mut text in unfiled(tx, conversation.id)? {
        if text.opportunity.is_none() {
            text.opportunity = Some(id.clone());
            put_message(tx, &text)?;
        }
    }
    if let Some(session) = conversation.session
        && mode_for(tx, Some(id), rules)? != Mode::Off
    {
        arm(tx, &mut conversation, Some(session.files_at().max(now)))?;
    }
    store(tx, &conversation)
}

/// A part of a transcript to be posted.
#[derive(Clone, Debug)]
pub struct NextPost {
    /// The filing; its next part is to be posted.
    pub filing: Filing,
    /// Which part, from 0.
    pub part: usize,
}

/// Marks the next part of a filing as being posted. None when nothing is left to post; the effect
/// is then done.
pub fn begin_post(tx: &mut Tx<'_>, id: FilingId, now: Timestamp) -> Result<Option<NextPost>, StoreError> {
    let next = match tx.get(FILINGS, &id)? {
        Some(filing) => filing.next_part().map(|part| NextPost { filing, part }),
        None => None,
    };
    match next {
        Some(mut next) => {
            next.filing.state = FilingState::Posting;
            tx.put(FILINGS, &id, &next.filing)?;
            Ok(Some(next))
        }
        None => {
            finish(tx, &Effect::PostNote(id), now)?;
            Ok(None)
        }
    }
}

/// What a posted part leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterPost {
    /// Another part follows.
    More,
    /// The transcript stands in Lever; it was due then.
    Filed(Timestamp),
}

/// A part stands in Lever as `note`.
pub fn finish_post(
    tx: &mut Tx<'_>,
    id: FilingId,
    note: NoteId,
    now: Timestamp,
) -> Result<AfterPost, StoreError> {
    let Some(mut filing) = tx.get(FILINGS, &id)? else {
        finish(tx, &Effect::PostNote(id), now)?;
        return Ok(AfterPost::Filed(now));
    };
    filing.notes.push(note);
    if filing.next_part().is_some() {
        filing.state = FilingState::Due; // The next part has surely not left.
        tx.put(FILINGS, &id, &filing)?;
        return Ok(AfterPost::More);
    }
    filing.state = FilingState::Filed;
    filing.filed_at = Some(now);
    filing.parts = Vec::new();
    tx.put(FILINGS, &id, &filing)?;
    finish(tx, &Effect::PostNote(id), now)?;
    tx.signal(Signal::Conversation(filing.conversation));
    Ok(AfterPost::Filed(filing.due_at))
}

/// A person must decide about a filing.
pub fn hold_post(tx: &mut Tx<'_>, id: FilingId, why: &str, moment: &mut Moment) -> Result<(), StoreError> {
    if let Some(mut filing) = tx.get(FILINGS, &id)? {
        filing.state = FilingState::Held(why.to_owned());
        tx.put(FILINGS, &id, &filing)?;
    }
    postpone(tx, &Effect::PostNote(id), EffectState::Failed, Some(moment.now), why, moment)
}

/// Lever does not take the author: the fallback signs, or nobody. False when that was so already.
pub fn release_author(
    tx: &mut Tx<'_>,
    id: FilingId,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<bool, StoreError> {
    let Some(mut filing) = tx.get(FILINGS, &id)? else { return Ok(false) };
    let fallback = fallback_author(tx, rules)?;
    let next = if filing.perform_as == fallback { None } else { fallback };
    if filing.perform_as == next {
        return Ok(false);
    }
    filing.perform_as = next;
    tx.put(FILINGS, &id, &filing)?;
    postpone(
        tx,
        &Effect::PostNote(id),
        EffectState::Due,
        Some(moment.now),
        "the author was refused",
        moment,
    )?;
    Ok(true)
}

/// Lever does not know the opportunity any more: the note goes to another of the person's, or its
/// messages go back to the thread and wait as Unmatched.
pub fn retarget(tx: &mut Tx<'_>, id: FilingId, rules: &Rules, moment: &mut Moment) -> Result<(), StoreError> {
    let effect = Effect::PostNote(id);
    let now = moment.now;
    let Some(mut filing) = tx.get(FILINGS, &id)? else { return finish(tx, &effect, now) };
    let Some(mut conversation) = tx.get(CONVERSATIONS, &filing.conversation)? else {
        return finish(tx, &effect, now);
    };
    // What we hold is not what Lever shows: read again, it goes or the note finds it after all.
    ask(tx, &Effect::Hydrate(filing.opportunity.clone()), Lane::Live, now)?;
    let mut others = candidacies(tx, conversation.number)?;
    others.retain(|other| other.id != filing.opportunity);
    if let Some(other) = target(&others, None, now) {
        // The messages are about the other one now, and are erased with that one alone.
        for mut text in messages_of(tx, conversation.id, id)? {
            text.opportunity = Some(other.clone());
            put_message(tx, &text)?;
        }
        filing.opportunity = other.clone();
        filing.state = FilingState::Due;
        tx.put(FILINGS, &id, &filing)?;
        if conversation.opportunity.as_ref() != Some(&other) {
            conversation.opportunity = Some(other);
            store(tx, &conversation)?;
        }
        return postpone(tx, &effect, EffectState::Due, Some(now), "the opportunity was not found", moment);
    }
    if !filing.notes.is_empty() {
        return hold_post(tx, id, "the opportunity is gone after a part was posted", moment);
    }
    for mut text in messages_of(tx, conversation.id, id)? {
        text.filing = None;
        put_message(tx, &text)?;
        tx.put(UNFILED, &key_of(&text), &())?;
    }
    // What came since is about nobody that Lever knows, either.
    for mut text in unfiled(tx, conversation.id)? {
        text.opportunity = None;
        put_message(tx, &text)?;
    }
    tx.remove(FILINGS, &id)?;
    tx.remove(FILINGS_OF, &(conversation.id, id))?;
    conversation.opportunity = None;
    let session = fulcrum_domain::Session::with_message(conversation.session, now, rules.times);
    conversation.session = Some(session);
    arm(tx, &mut conversation, None)?;
    store(tx, &conversation)?;
    finish(tx, &effect, now)
}

/// The messages of a filing.
fn messages_of(
    read: &impl Read,
    thread: ConversationId,
    filing: FilingId,
) -> Result<Vec<Message>, StoreError> {
    let all = read.list(MESSAGES, &Keys::beginning(&thread), usize::MAX)?;
    Ok(all.into_iter().map(|(_, text)| text).filter(|text| text.filing == Some(filing)).collect())
}
