//! From what Lever sends to what we keep.

use fulcrum_domain::{
    Actor, ArchiveReason, Archived, Consent, ConsentSource, Interview, Number, Opportunity, Phone, Posting,
    Region, Stage, User,
};
use jiff::Timestamp;

use super::changes::{Profile, Rules};
use crate::lever;

/// An opportunity as of when it was asked for. None when it lacks what every one has: a person
/// and a stage.
pub(super) fn profile(sent: lever::Opportunity, as_of: Timestamp, rules: &Rules) -> Option<Profile> {
    let contact = sent.contact?;
    let application = sent.applications.into_iter().next();
    let created_at = sent.created_at.unwrap_or(as_of);
    let whole = application.as_ref().and_then(|application| application.expanded.as_deref());
    let consent = whole.and_then(|application| consent(application, created_at, rules));
    let moves = sent.stage_changes.iter().rev();
    let moved_by =
        moves.take(1).find(|last| Some(&last.to) == sent.stage.as_ref()).and_then(|last| last.user.clone());
    let row = Opportunity {
        contact: contact.id,
        name: sent.name,
        phones: sent.phones.into_iter().map(|sent| phone(sent, &rules.region)).collect(),
        emails: sent.emails,
        stage: sent.stage?,
        archived: sent.archived.map(|a| Archived { reason: a.reason, at: a.at.unwrap_or(as_of) }),
        owner: sent.owner,
        posting: whole.and_then(|application| application.posting.clone()),
        application: application.map(|a| a.id),
        tags: sent.tags,
        confidential: sent.confidential,
        anonymised: sent.anonymized,
        created_at,
        advanced_at: sent.last_advanced_at.unwrap_or(created_at),
        updated_at: sent.updated_at,
        as_of,
        interviews_as_of: None,
    };
    Some(Profile { row, consent, moved_by })
}

/// What somebody said about texts when they applied, if the configured question was asked.
pub(super) fn consent(application: &lever::Application, began: Timestamp, rules: &Rules) -> Option<Consent> {
    let question = rules.consent.question.as_ref()?;
    let mut answers = application.answers.iter();
    let answer = answers.find_map(|asked| question.read(&asked.id, &asked.text, &asked.values))?;
    Some(Consent {
        answer,
        source: ConsentSource::Application(application.id.clone()),
        at: application.created_at.unwrap_or(began),
        by: Actor::candidate(),
    })
}

fn phone(sent: lever::Phone, region: &Region) -> Phone {
    match Number::parse(&sent.value, region) {
        Ok(number) => Phone { kind: sent.kind, number: Some(number), raw: None },
        Err(_) => Phone { kind: sent.kind, number: None, raw: Some(sent.value) },
    }
}

/// An interview. None when it has no time.
pub(super) fn interview(sent: lever::Interview, as_of: Timestamp) -> Option<Interview> {
    Some(Interview {
        id: sent.id,
        subject: sent.subject,
        location: sent.location,
        starts_at: sent.starts_at?,
        minutes: sent.duration_minutes.unwrap_or(0),
        timezone: sent.timezone,
        interviewers: sent.interviewers.into_iter().map(|interviewer| interviewer.id).collect(),
        cancelled_at: sent.canceled_at,
        as_of,
    })
}

pub(super) fn user(sent: lever::User) -> User {
    User { name: sent.name, email: sent.email, active: sent.deactivated_at.is_none() }
}

pub(super) fn stage(sent: lever::Stage, position: u32) -> Stage {
    Stage { text: sent.text, position }
}

pub(super) fn archive_reason(sent: lever::ArchiveReason) -> ArchiveReason {
    ArchiveReason { text: sent.text, hired: sent.hired }
}

pub(super) fn posting(sent: lever::Posting) -> Posting {
    Posting {
        title: sent.text,
        state: sent.state,
        location: sent.location,
        team: sent.team,
        department: sent.department,
        owner: sent.owner,
        confidential: sent.confidential,
    }
}
