//! What stands beside a conversation: who the candidate is, what their clock shows, and whether they may
//! be texted now, with the reason in words.
//!
//! Reading the rows is here; which word says what is in `words`, without a row. Everything is as it is
//! stored: [`Engine::refresh_if_older`] sees to it that this is not old.

mod words;

use fulcrum_domain::guard::{TALK, condemned};
use fulcrum_domain::quiet::Verdict;
use fulcrum_domain::zones::Zones;
use fulcrum_domain::{
    Author, ContactId, Conversation, ConversationId, Direction, Interview, Message, Number, Opportunity,
    OpportunityId, SendFailure, Sight, UserId,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::changes::{consent_of, known_zone, suppression_of, thread_of, zones_of};
use super::view::Gaze;
use super::{Engine, Settings};
use crate::store::tables::{
    ARCHIVE_REASONS, BY_CONTACT, CONVERSATIONS, INTERVIEWS, MESSAGES, OPPORTUNITIES, POSTINGS, STAGES, USERS,
};
use crate::store::{Keys, Read, StoreError, Subject};

pub use words::{Colleague, Consent, ZoneEvidence};

/// How far back in a thread is looked for a colleague's text and for a failure.
const LAST_MESSAGES: usize = 20;
/// People have a few opportunities; a hundred are a test record.
const MOST_OTHERS: usize = 100;

/// Who looks.
#[derive(Clone, Debug)]
pub struct Reader {
    /// How much they may see.
    pub sight: Sight,
    /// Who they are in Lever.
    pub user: Option<UserId>,
    /// What their texts are signed with where they are nobody in Lever.
    pub name: String,
}

/// What is known of a candidate and their number.
#[derive(Clone, Debug)]
pub struct Facts {
    /// When this was so.
    pub now: Timestamp,
    /// The thread with the number, if anything was ever said.
    pub conversation: Option<ConversationId>,
    /// Who that is; none in a thread that is about nobody yet.
    pub candidate: Option<Candidate>,
    /// Where a text goes.
    pub number: Option<Number>,
    /// The zones that the number allows; the organisation's if none is known.
    pub zones: Zones,
    /// How the zones are known.
    pub evidence: ZoneEvidence,
    /// Whether a text may start now by the clock.
    pub quiet: Verdict,
    /// Whether they wrote so recently that an answer may leave in quiet hours too.
    pub in_a_talk: bool,
    /// When the recipient's next morning begins, for *send later*.
    pub next_morning: Option<Timestamp>,
    /// Whether they may be texted at all, and how that is known.
    pub consent: Consent,
    /// Why no text arrives at the number, by what became of the last ones.
    pub unusable: Option<&'static str>,
    /// Whether the next text is the first: it gets the organisation's name and the opt-out line.
    pub first_text: bool,
    /// A colleague who has just texted them.
    pub colleague: Option<Colleague>,
    /// Whether the settings allow no text, since the opportunity is confidential.
    pub only_read: bool,
    /// The other threads in which the opportunity was spoken of, with their numbers.
    pub spoken_of: Vec<(ConversationId, Number)>,
}

/// A candidate, with names for ids.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The opportunity.
    pub id: OpportunityId,
    /// Its row: name, numbers, and *as of* when.
    pub opportunity: Opportunity,
    /// What Lever calls the stage.
    pub stage: Option<String>,
    /// The job's title and place.
    pub posting: Option<(String, Option<String>)>,
    /// The owner's name.
    pub owner: Option<String>,
    /// The reason of its archiving, where it is archived for one.
    pub archive_reason: Option<String>,
    /// The next meeting that stands.
    pub interview: Option<NextInterview>,
    /// The same person's other opportunities, active ones first, then the newest first.
    pub others: Vec<Other>,
}

/// A meeting that is to come.
#[derive(Clone, Debug)]
pub struct NextInterview {
    /// What it is called.
    pub subject: Option<String>,
    /// Where.
    pub location: Option<String>,
    /// Its start.
    pub starts_at: Timestamp,
    /// Its length in minutes.
    pub minutes: u32,
    /// The zone in which its time is told to the candidate: theirs if their number leaves no doubt, else
    /// the panel's, else the organisation's.
    pub zone: TimeZone,
}

impl NextInterview {
    /// A meeting, told by the clock of those who can be at `known` zones.
    pub(super) fn of(row: Interview, known: &Zones, fallback: &TimeZone) -> Self {
        let panel = row.timezone.as_deref().and_then(|name| TimeZone::get(name).ok());
        let zone = known.agreed(row.starts_at).cloned().or(panel).unwrap_or_else(|| fallback.clone());
        Self {
            subject: row.subject,
            location: row.location,
            starts_at: row.starts_at,
            minutes: row.minutes,
            zone,
        }
    }
}

/// Another opportunity of the same person.
#[derive(Clone, Debug)]
pub struct Other {
    /// Which one.
    pub id: OpportunityId,
    /// The job's title.
    pub posting: Option<String>,
    /// What Lever calls the stage.
    pub stage: Option<String>,
    /// Whether it is still active.
    pub active: bool,
}

impl Engine {
    /// What stands beside a conversation or on a candidate's page; none of what is not known or not for
    /// this reader's eyes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn facts(&self, subject: Subject, reader: Reader) -> Result<Option<Facts>, StoreError> {
        let settings = self.settings.load_full();
        let now = self.clock.now();
        self.store.read(move |snapshot| facts(snapshot, &subject, None, &reader, &settings, now)).await
    }

    /// The same of an opportunity in one of its candidate's threads: what holds for a number, holds for that
    /// thread's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn facts_in(
        &self,
        id: OpportunityId,
        thread: ConversationId,
        reader: Reader,
    ) -> Result<Option<Facts>, StoreError> {
        let settings = self.settings.load_full();
        let now = self.clock.now();
        let subject = Subject::Opportunity(id);
        self.store
            .read(move |snapshot| facts(snapshot, &subject, Some(thread), &reader, &settings, now))
            .await
    }
}

fn facts(
    read: &impl Read,
    subject: &Subject,
    thread: Option<ConversationId>,
    reader: &Reader,
    settings: &Settings,
    now: Timestamp,
) -> Result<Option<Facts>, StoreError> {
    let (about, conversation, number) = match subject {
        Subject::Opportunity(id) => {
            let Some(row) = read.get(OPPORTUNITIES, id)? else { return Ok(None) };
            let opened = thread.map(|id| read.get(CONVERSATIONS, &id)).transpose()?.flatten();
            let number = opened.as_ref().map(|thread| thread.number).or(row.number());
            let thread = match opened {
                Some(thread) => Some(thread),
                None => number.map(|number| thread_of(read, number)).transpose()?.flatten(),
            };
            (Some((id.clone(), row)), thread, number)
        }
        Subject::Conversation(id) => {
            let Some(thread) = read.get(CONVERSATIONS, id)? else { return Ok(None) };
            let row = match &thread.opportunity {
                Some(id) => read.get(OPPORTUNITIES, id)?.map(|row| (id.clone(), row)),
                None => None,
            };
            let number = Some(thread.number);
            (row, Some(thread), number)
        }
    };
    let confidential = about.as_ref().is_some_and(|(_, row)| row.confidential);
    if !reader.sight.reaches(confidential) {
        return Ok(None);
    }
    let fallback = &settings.rules.zone;
    let spoken_of = match &about {
        Some((id, _)) => super::view::spoken_of(&Gaze::new(read, reader.sight), id)?,
        None => Vec::new(),
    };
    let this = conversation.as_ref().map(|thread| thread.id);
    let spoken_of = spoken_of.into_iter().filter(|thread| Some(thread.id) != this);
    let spoken_of = spoken_of.map(|thread| (thread.id, thread.number)).collect();
    let known = zones_of(read, number)?;
    let set = number.map(|number| known_zone(read, number)).transpose()?.flatten();
    let candidate = match about {
        Some((id, row)) => Some(candidate(read, id, row, &known, reader.sight, fallback, now)?),
        None => None,
    };
    let suppression = number.map(|number| suppression_of(read, number)).transpose()?.flatten();
    let hours = number.map_or(settings.rules.quiet_hours, |number| settings.rules.hours_for(number));
    let evidence = number.map(|number| consent_of(read, number)).transpose()?.flatten();
    let messages = match &conversation {
        Some(thread) => last_messages(read, thread)?,
        None => Vec::new(),
    };
    let doubt = conversation.as_ref().and_then(|thread| thread.possible_opt_out);
    Ok(Some(Facts {
        now,
        conversation: conversation.as_ref().map(|thread| thread.id),
        candidate,
        number,
        evidence: ZoneEvidence::of(&known, set.is_some()),
        quiet: hours.verdict(&known, fallback, now),
        in_a_talk: messages
            .iter()
            .find(|message| message.direction == Direction::In)
            .is_some_and(|message| now.duration_since(message.at) <= TALK),
        next_morning: hours.next_morning(&known, fallback, now),
        zones: known.or(fallback),
        consent: Consent::of(
            suppression.as_ref(),
            doubt.is_some(),
            evidence.as_ref(),
            settings.rules.consent.level,
            fallback,
        ),
        unusable: condemned(&messages).map(SendFailure::reason),
        first_text: !conversation.is_some_and(|thread| thread.texted),
        colleague: words::colleague(&messages, reader, now),
        only_read: confidential && !settings.rules.text_confidential,
        spoken_of,
    }))
}

fn last_messages(read: &impl Read, thread: &Conversation) -> Result<Vec<Message>, StoreError> {
    let rows = read.list_back(MESSAGES, &Keys::beginning(&thread.id), LAST_MESSAGES)?;
    Ok(rows.into_iter().map(|(_, message)| message).collect())
}

/// The candidate of an opportunity, with what a reader may see of their others.
pub(super) fn candidate(
    read: &impl Read,
    id: OpportunityId,
    opportunity: Opportunity,
    known: &Zones,
    sight: Sight,
    fallback: &TimeZone,
    now: Timestamp,
) -> Result<Candidate, StoreError> {
    let posting = match &opportunity.posting {
        Some(posting) => read.get(POSTINGS, posting)?.map(|row| (row.title, row.location)),
        None => None,
    };
    let owner = match &opportunity.owner {
        Some(owner) => read.get(USERS, owner)?.map(|user| user.name),
        None => None,
    };
    let archive_reason = match opportunity.archived.as_ref().and_then(|archived| archived.reason.as_ref()) {
        Some(reason) => read.get(ARCHIVE_REASONS, reason)?.map(|reason| reason.text),
        None => None,
    };
    Ok(Candidate {
        stage: read.get(STAGES, &opportunity.stage)?.map(|stage| stage.text),
        posting,
        owner,
        archive_reason,
        interview: next_interview(read, &id, known, fallback, now)?,
        others: others(read, &opportunity.contact, &id, sight)?,
        opportunity,
        id,
    })
}

fn next_interview(
    read: &impl Read,
    id: &OpportunityId,
    known: &Zones,
    fallback: &TimeZone,
    now: Timestamp,
) -> Result<Option<NextInterview>, StoreError> {
    let rows = read.list(INTERVIEWS, &Keys::beginning(id), super::PAGE_MAX)?;
    let to_come = rows.into_iter().map(|(_, row)| row);
    let next = to_come
        .filter(|row| row.cancelled_at.is_none() && row.starts_at > now)
        .min_by_key(|row| row.starts_at);
    Ok(next.map(|row| NextInterview::of(row, known, fallback)))
}

fn others(
    read: &impl Read,
    contact: &ContactId,
    this: &OpportunityId,
    sight: Sight,
) -> Result<Vec<Other>, StoreError> {
    let mut rows = Vec::new();
    for ((_, id), ()) in read.list(BY_CONTACT, &Keys::beginning(contact), MOST_OTHERS)? {
        let row = if id == *this { None } else { read.get(OPPORTUNITIES, &id)? };
        rows.extend(row.filter(|row| sight.reaches(row.confidential)).map(|row| (id, row)));
    }
    rows.sort_by_key(|(_, row)| (!row.is_active(), std::cmp::Reverse(row.created_at)));
    let other = |(id, row): (OpportunityId, Opportunity)| {
        let posting = match &row.posting {
            Some(posting) => read.get(POSTINGS, posting)?.map(|posting| posting.title),
            None => None,
        };
        let stage = read.get(STAGES, &row.stage)?.map(|stage| stage.text);
        Ok(Other { id, posting, stage, active: row.is_active() })
    };
    rows.into_iter().map(other).collect()
}

impl Reader {
    /// Whether they wrote this text.
    fn wrote(&self, message: &Message) -> bool {
        match &message.author {
            Author::Staff { user: Some(user), .. } if self.user.is_some() => self.user.as_ref() == Some(user),
            Author::Staff { name, .. } => *name == self.name,
            Author::Candidate | Author::Automatic(_) => false,
        }
    }
}

/// The name of a colleague who wrote this text, for this reader.
fn colleague_of<'a>(message: &'a Message, reader: &Reader) -> Option<&'a str> {
    match &message.author {
        Author::Staff { name, .. } if message.direction == Direction::Out && !reader.wrote(message) => {
            Some(name)
        }
        _ => None,
    }
}
