//! Rows as lines of an export.

use fulcrum_domain::automation::{
    AutomationState, Card, CardState, Enrolment, EnrolmentId, EnrolmentState, Event, EventKind, RunLine,
};
use fulcrum_domain::booking::{self, Booking};
use fulcrum_domain::bulk::{Bulk, BulkId, Recipient, RecipientState};
use fulcrum_domain::file::{FileKind, FileState};
use fulcrum_domain::template::Version;
use fulcrum_domain::zones::KnownZone;
use fulcrum_domain::{
    Account, Activity, Appointment, ArchiveReason, ArchiveReasonId, Author, BookingId, Consent, Conversation,
    ConversationId, Direction, Erasure, ErasureId, Filing, FilingId, FilingState, Interview, InterviewId,
    Message, Number, Opportunity, OpportunityId, OptOutSource, Phone, Posting, PostingId, Reminded,
    Reminders, Stage, StageId, Suppression, User, UserId,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::store::tables::Digest;
use crate::store::{DeskRow, Hold, Lifted};

/// The folder of the files in a person's ZIP.
pub(super) const FOLDER: &str = "files/";

fn text(id: &impl ToString) -> String {
    id.to_string()
}

fn maybe(id: Option<&impl ToString>) -> Option<String> {
    id.map(text)
}

fn list(ids: &[impl ToString]) -> Vec<String> {
    ids.iter().map(text).collect()
}

pub(super) fn user(id: &UserId, row: &User) -> Value {
    json!({"type": "user", "id": text(id), "name": row.name, "email": row.email, "active": row.active})
}

pub(super) fn stage(id: &StageId, row: &Stage) -> Value {
    json!({"type": "stage", "id": text(id), "text": row.text, "position": row.position})
}

pub(super) fn archive_reason(id: &ArchiveReasonId, row: &ArchiveReason) -> Value {
    json!({"type": "archive_reason", "id": text(id), "text": row.text, "hired": row.hired})
}

pub(super) fn posting(id: &PostingId, row: &Posting) -> Value {
    json!({
        "type": "posting", "id": text(id), "title": row.title, "state": row.state, "location": row.location,
        "team": row.team, "department": row.department, "owner": maybe(row.owner.as_ref()),
        "confidential": row.confidential,
    })
}

pub(super) fn opportunity(id: &OpportunityId, row: &Opportunity) -> Value {
    let phone =
        |phone: &Phone| json!({"kind": phone.kind, "number": maybe(phone.number.as_ref()), "raw": phone.raw});
    let archived = row.archived.as_ref();
    let archived = archived.map(|a| json!({"reason": maybe(a.reason.as_ref()), "at": a.at}));
    json!({
        "type": "opportunity", "id": text(id), "contact": text(&row.contact), "name": row.name,
        "phones": row.phones.iter().map(phone).collect::<Vec<_>>(), "emails": row.emails,
        "stage": text(&row.stage), "archived": archived, "owner": maybe(row.owner.as_ref()),
        "posting": maybe(row.posting.as_ref()), "tags": row.tags, "confidential": row.confidential,
        "created_at": row.created_at, "advanced_at": row.advanced_at, "updated_at": row.updated_at,
        "as_of": row.as_of,
    })
}

pub(super) fn interview((opportunity, id): &(OpportunityId, InterviewId), row: &Interview) -> Value {
    json!({
        "type": "interview", "id": text(id), "opportunity": text(opportunity), "subject": row.subject,
        "location": row.location, "starts_at": row.starts_at, "minutes": row.minutes,
        "timezone": row.timezone, "interviewers": list(&row.interviewers), "cancelled_at": row.cancelled_at,
    })
}

pub(super) fn conversation(id: &ConversationId, row: &Conversation) -> Value {
    json!({
        "type": "conversation", "id": text(id), "number": text(&row.number),
        "our_number": maybe(row.our_number.as_ref()), "opportunity": maybe(row.opportunity.as_ref()),
        "last_message_at": row.last_message_at, "files_at": row.deadline,
        "possible_opt_out": row.possible_opt_out,
    })
}

pub(super) fn desk(id: &ConversationId, row: &DeskRow) -> Value {
    json!({
        "type": "desk", "conversation": text(id),
        "assigned": row.desk.assigned.as_ref().map(Account::as_str),
        "followers": row.desk.followers.iter().map(Account::as_str).collect::<Vec<_>>(),
        "archived_at": row.desk.archived_at,
    })
}

/// What a file that came with a text is called where it is exported, behind the name of their folder.
pub(super) fn file_name(folder: &str, message: &Message, place: usize, kind: FileKind) -> String {
    format!("{folder}{}-{place}.{}", message.id, kind.ending())
}

pub(super) fn message(
    row: &Message,
    files: &[Option<FileState>],
    folder: Option<&str>,
    made_from: Option<&Version>,
) -> Value {
    let (author, author_name) = match &row.author {
        Author::Candidate => ("candidate", None),
        Author::Staff { name, .. } => ("staff", Some(name)),
        Author::Automatic(reason) => ("automatic", Some(reason)),
    };
    let states = files.iter().copied().chain(std::iter::repeat(None));
    let file = |(place, (file, state)): (usize, (&fulcrum_domain::Attachment, Option<FileState>))| {
        let (name, error) = match state {
            Some(FileState::Here { kind, .. }) => {
                (folder.map(|folder| file_name(folder, row, place, kind)), None)
            }
            Some(FileState::Missing(trouble)) => (None, Some(trouble.reason())),
            Some(FileState::Waiting) | None => (None, None),
        };
        json!({"media_type": file.media_type, "url": file.url, "file": name, "error": error})
    };
    json!({
        "type": "message", "id": text(&row.id), "conversation": text(&row.conversation),
        "direction": row.direction.word(), "at": row.at, "author": author,
        "author_name": author_name, "body": row.body.reveal(),
        "attachments": row.attachments.iter().zip(states).enumerate().map(file).collect::<Vec<_>>(),
        "our_number": text(&row.our_number), "opportunity": maybe(row.opportunity.as_ref()),
        "status": row.status_word(), "error": row.failure_words(), "carrier_id": maybe(row.sid.as_ref()),
        "transcript": maybe(row.filing.as_ref()), "template": made_from.map(|version| &version.id),
        "template_version": made_from.map(|version| hex::encode(version.hash)),
    })
}

pub(super) fn transcript(id: &FilingId, row: &Filing) -> Value {
    let (state, reason) = match &row.state {
        FilingState::Due | FilingState::Posting => ("due", None),
        FilingState::Filed => ("filed", None),
        FilingState::Held(why) => ("held", Some(why.to_string())),
    };
    json!({
        "type": "transcript", "id": text(id), "conversation": text(&row.conversation),
        "opportunity": text(&row.opportunity), "state": state, "reason": reason, "messages": row.messages,
        "notes": list(&row.notes), "due_at": row.due_at, "filed_at": row.filed_at,
    })
}

pub(super) fn opt_out(hash: &Digest, row: &Suppression) -> Value {
    opt_out_of(None, Some(&hex::encode(hash)), row)
}

/// The same where the number is known.
pub(super) fn opt_out_of(number: Option<Number>, hash: Option<&str>, row: &Suppression) -> Value {
    let (source, words) = match &row.source {
        OptOutSource::Text(rule) => ("text", Some(rule)),
        OptOutSource::Carrier => ("carrier", None),
        OptOutSource::Person(reason) => ("person", Some(reason)),
    };
    json!({
        "type": "opt_out", "number": maybe(number.as_ref()), "number_hash": hash, "at": row.at,
        "source": source, "words": words,
    })
}

pub(super) fn lifted((number, at): &(Number, Timestamp), row: &Lifted) -> Value {
    json!({
        "type": "opt_out_lifted", "number": text(number), "at": at, "by": row.by.as_str(), "reason": row.reason,
        "opted_out_at": row.opt_out.as_ref().map(|before| before.at),
    })
}

pub(super) fn activity(row: &Activity) -> Value {
    json!({
        "type": "activity", "at": row.at, "actor": row.actor.as_str(), "kind": row.kind.word(),
        "conversation": maybe(row.conversation.as_ref()), "opportunity": maybe(row.opportunity.as_ref()),
        "detail": row.detail,
    })
}

pub(super) fn erasure(id: &ErasureId, row: &Erasure) -> Value {
    json!({
        "type": "erasure", "id": id.number(), "at": row.at, "by": row.by.as_str(), "cause": row.cause.word(),
        "opportunities": list(&row.opportunities), "file_written_at": row.file_written_at,
        "complete": row.is_complete(),
    })
}

pub(super) fn consent((number, _): &(Number, Timestamp), row: &Consent) -> Value {
    let (source, detail) = row.source.words();
    json!({
        "type": "consent", "number": text(number), "answer": row.answer.word(), "source": source,
        "detail": detail, "at": row.at, "by": row.by.as_str(),
    })
}

pub(super) fn timezone(number: &Number, row: &KnownZone) -> Value {
    json!({
        "type": "timezone", "number": text(number), "timezone": row.name, "at": row.at, "by": row.by.as_str(),
    })
}

pub(super) fn appointment(row: &Appointment) -> Value {
    let (wanted, meeting) = (row.wanted.word(), &row.meeting);
    json!({
        "type": "appointment", "id": text(&row.id), "opportunity": text(&row.opportunity), "state": wanted,
        "interview": maybe(row.lever.as_ref().map(|lever| &lever.interview)), "subject": meeting.subject,
        "note": meeting.note, "location": meeting.location, "starts_at": meeting.starts_at,
        "minutes": meeting.minutes, "timezone": meeting.timezone,
        "interviewers": meeting.interviewers.iter().map(text).collect::<Vec<_>>(),
        "made_by": row.made_by.as_str(), "made_at": row.made_at,
    })
}

pub(super) fn booking(id: &BookingId, row: &Booking) -> Value {
    let (state, booked) = match &row.state {
        booking::State::Open => ("open", None),
        booking::State::Booked(booked) => ("booked", Some(booked)),
        booking::State::Over(_) => ("over", None),
    };
    json!({
        "type": "booking", "id": id.number(), "opportunity": text(&row.opportunity),
        "event_type": row.event_type, "expires_at": row.expires_at, "state": state,
        "starts_at": booked.map(|booked| booked.starts_at), "minutes": booked.map(|booked| booked.minutes),
        "timezone": booked.map(|booked| &booked.timezone),
        "appointment": maybe(booked.and_then(|booked| booked.appointment.as_ref())),
    })
}

pub(super) fn enrolment(id: &EnrolmentId, row: &Enrolment) -> Value {
    let (state, reason, message) = match &row.state {
        EnrolmentState::Waiting => ("waiting", None, None),
        EnrolmentState::Held(why) => ("held", Some(why.to_string()), None),
        EnrolmentState::Sent(message) => ("sent", None, Some(message)),
        EnrolmentState::Ended(why) => ("ended", Some(why.clone()), None),
    };
    json!({
        "type": "enrolment", "id": text(id), "automation": row.automation,
        "opportunity": text(&row.opportunity), "event": row.event.words(), "happened_at": row.happened_at,
        "enrolled_at": row.enrolled_at, "due": row.due, "state": state, "reason": reason,
        "message": maybe(message), "card": row.card,
    })
}

pub(super) fn automation(name: &str, row: &AutomationState) -> Value {
    let switched = row.switch.as_ref().map(|switch| {
        json!({"paused": switch.paused, "config_paused": switch.config_paused, "by": switch.by.as_str()})
    });
    json!({
        "type": "automation", "name": name, "active_since": row.active_since, "switched": switched,
        "sent": row.sent,
    })
}

pub(super) fn card(id: &u64, row: &Card) -> Value {
    let (state, decided_by) = match &row.state {
        CardState::Waiting => ("waiting", None),
        CardState::Approved(by) => ("approved", Some(by.as_str())),
        CardState::Refused(by) => ("called-off", Some(by.as_str())),
        CardState::Expired => ("expired", None),
    };
    json!({
        "type": "card", "id": id, "by": row.by.as_str(), "opened_at": row.opened_at, "state": state,
        "decided_by": decided_by, "count": row.count,
    })
}

pub(super) fn template_version(hash: &Digest, text: &str) -> Value {
    json!({"type": "template_version", "id": hex::encode(hash), "text": text})
}

pub(super) fn decision((opportunity, _): &(OpportunityId, u64), row: &RunLine) -> Value {
    json!({
        "type": "decision", "opportunity": text(opportunity), "at": row.at, "automation": row.automation,
        "enrolment": maybe(row.enrolment.as_ref()), "what": row.what, "message": maybe(row.message.as_ref()),
    })
}

pub(super) fn event(row: &Event) -> Value {
    let stage = match &row.kind {
        EventKind::StageEntered { to, .. } => Some(to),
        _ => None,
    };
    let message = match &row.kind {
        EventKind::Texted(message) => Some(message),
        _ => None,
    };
    json!({
        "type": "event", "opportunity": text(&row.opportunity), "at": row.at, "seen_at": row.seen_at,
        "by": row.by.as_str(), "what": row.kind.words(), "stage": maybe(stage),
        "interview": maybe(row.kind.interview()), "message": maybe(message),
    })
}

pub(super) fn reminder(row: &Reminders) -> Value {
    let (appointment, interview) = match &row.of {
        Reminded::Appointment(id) => (Some(id), None),
        Reminded::Interview(id) => (None, Some(id)),
    };
    let due = row.due.iter().rev().filter_map(|ms| Timestamp::from_millisecond(*ms).ok());
    json!({
        "type": "reminder", "opportunity": text(&row.opportunity), "appointment": maybe(appointment),
        "interview": maybe(interview), "starts_at": row.starts_at, "due": due.collect::<Vec<_>>(),
        "message": maybe(row.sent.as_ref()), "no_reminder": row.dropped,
    })
}

pub(super) fn bulk(id: &BulkId, row: &Bulk) -> Value {
    json!({
        "type": "bulk", "id": text(id), "name": row.name, "template": row.template.id,
        "state": row.state.word(), "sender": maybe(row.sender.as_ref()), "made_by": row.made_by.as_str(),
        "made_at": row.made_at,
    })
}

pub(super) fn recipient((bulk, _): &(BulkId, u64), row: &Recipient) -> Value {
    let (state, reason, messages) = match &row.state {
        RecipientState::Waiting => ("waiting", None, vec![]),
        RecipientState::Excluded(why) => ("excluded", Some(why.to_string()), vec![]),
        RecipientState::Written(message) => ("written", None, vec![*message]),
        RecipientState::Nudged { first, nudge } => ("nudged", None, vec![*first, *nudge]),
        RecipientState::CalledOff => ("called-off", None, vec![]),
    };
    json!({
        "type": "recipient", "bulk": text(bulk), "opportunity": text(&row.opportunity),
        "consents": row.consents, "state": state, "reason": reason, "messages": list(&messages),
    })
}

pub(super) fn hold(opportunity: &OpportunityId, row: &Hold) -> Value {
    json!({
        "type": "hold", "opportunity": text(opportunity), "since": row.since, "by": row.by.as_str(),
        "reason": row.reason,
    })
}

/// A message for people to read.
pub(super) fn said(row: &Message, files: &[Option<FileState>]) -> String {
    let who = match &row.author {
        Author::Candidate => "candidate",
        Author::Staff { name, .. } | Author::Automatic(name) => name,
    };
    let way = if row.direction == Direction::In { "<" } else { ">" };
    let files = files.iter().enumerate().filter_map(|(place, state)| match state {
        Some(FileState::Here { kind, .. }) => Some(format!(" [{}]", file_name(FOLDER, row, place, *kind))),
        _ => None,
    });
    let files: String = files.collect();
    format!("{:.0} {way} {who} ({}): {}{files}", row.at, row.status_word(), row.body.reveal())
}
