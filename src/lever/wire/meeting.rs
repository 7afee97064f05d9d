//! Interviews and their panels (lever-api.md 5.5 and 5.7). Interviews have no time of change: to see a move, compare.

use fulcrum_domain::{InterviewId, OpportunityId, PanelId, PostingId, StageId, UserId};
use jiff::Timestamp;

use super::{Fields, Read, debug_by_id};

/// A meeting with a candidate.
#[derive(Clone, PartialEq)]
pub struct Interview {
    /// Its id.
    pub id: InterviewId,
    /// The frame it belongs to.
    pub panel: Option<PanelId>,
    /// With whom; Lever says so, but only lately.
    pub opportunity: Option<OpportunityId>,
    /// What it is called.
    pub subject: Option<String>,
    /// For those who interview.
    pub note: Option<String>,
    /// Where, or a link.
    pub location: Option<String>,
    /// Who interviews.
    pub interviewers: Vec<Interviewer>,
    /// An IANA name.
    pub timezone: Option<String>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it begins.
    pub starts_at: Option<Timestamp>,
    /// How long it takes.
    pub duration_minutes: Option<u32>,
    /// Who made it.
    pub user: Option<UserId>,
    /// The stage in which it was made.
    pub stage: Option<StageId>,
    /// Set when it was called off; it stays readable.
    pub canceled_at: Option<Timestamp>,
    /// The jobs it is about.
    pub postings: Vec<PostingId>,
    /// The form for the feedback.
    pub feedback_template: Option<String>,
    /// How often those who interview are asked for it.
    pub feedback_reminder: Option<String>,
}

impl Read for Interview {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            id: fields.id("id")?,
            panel: fields.id("panel"),
            opportunity: fields.id("opportunityId"),
            subject: fields.take("subject"),
            note: fields.take("note"),
            location: fields.take("location"),
            interviewers: fields.objects("interviewers"),
            timezone: fields.take("timezone"),
            created_at: fields.time("createdAt"),
            starts_at: fields.time("date"),
            duration_minutes: fields.take("duration"),
            user: fields.id("user"),
            stage: fields.id("stage"),
            canceled_at: fields.time("canceledAt"),
            postings: fields.ids("postings"),
            feedback_template: fields.take("feedbackTemplate"),
            feedback_reminder: fields.take("feedbackReminder"),
        })
    }
}

/// Who interviews.
#[derive(Clone, PartialEq)]
pub struct Interviewer {
    /// The user.
    pub id: UserId,
    /// As shown, or empty.
    pub name: String,
    /// As in the account, or empty.
    pub email: String,
    /// Their form for the feedback.
    pub feedback_template: Option<String>,
}

impl Read for Interviewer {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            id: fields.id("id")?,
            name: fields.text("name"),
            email: fields.text("email"),
            feedback_template: fields.take("feedbackTemplate"),
        })
    }
}

/// The frame of one or more interviews.
#[derive(Clone, PartialEq)]
pub struct Panel {
    /// Its id.
    pub id: PanelId,
    /// Whether the API made it: only then the API may change what is in it.
    pub externally_managed: bool,
    /// Set when it was called off.
    pub canceled_at: Option<Timestamp>,
    /// An IANA name.
    pub timezone: Option<String>,
    /// The interviews in it.
    pub interviews: Vec<Interview>,
}

impl Read for Panel {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            id: fields.id("id")?,
            externally_managed: fields.take("externallyManaged").unwrap_or(false),
            canceled_at: fields.time("canceledAt"),
            timezone: fields.take("timezone"),
            interviews: fields.objects("interviews"),
        })
    }
}

debug_by_id!(Interview, Interviewer, Panel);

#[cfg(test)]
mod tests {
    use super::super::single;
    use super::*;

    #[test]
    fn the_sample_is_read_whole() {
        let body = r#"{"data":{"id":"32b7bf78-0000-4000-8000-000000000001","panel":"027d1217-0000-4000-8000-000000000002",
            "subject":"Phone screen","note":"Call the candidate","interviewers":[{"id":"c4bc6266-0000-4000-8000-000000000003",
            "name":"Taylor C","email":null,"feedbackTemplate":"no-feedback"}],"timezone":"America/Los_Angeles",
            "createdAt":1782973120306,"date":1783000000000,"duration":45,"location":null,"feedbackTemplate":null,
            "feedbackForms":[],"feedbackReminder":"daily","user":null,"stage":"lead-reached-out","canceledAt":null,
            "postings":["75ff237f-0000-4000-8000-000000000004"],"gcalEventUrl":null}}"#;
        let (interview, wrong) = single::<Interview>(body).unwrap();
        assert_eq!((interview.duration_minutes, interview.interviewers.len(), wrong), (Some(45), 1, 0));
        assert!(interview.opportunity.is_none() && interview.canceled_at.is_none());
    }
}
