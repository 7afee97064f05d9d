//! Interviews written to Lever, and the panels that they need (lever-api.md 5.6 and 5.7).
//!
//! Writes are sent once, whatever happens: to make an interview twice is worse than not to know. A PUT
//! replaces the whole object, so its body is made from one that was read just before.

use fulcrum_domain::{InterviewId, Lane, OpportunityId, PanelId, UserId};
use jiff::Timestamp;
use reqwest::Method;
use serde::{Serialize, Serializer};
use serde_json::json;

use super::client::{Ask, LeverClient};
use super::requests::full_page;
use super::wire;
use super::{Endpoint, Interview, LeverError, Offset, Page, Panel};

/// The body of an interview. What is absent, Lever resets; of a null it says nothing.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InterviewBody {
    /// What it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// For those who interview.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Where, or a link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Who interviews, at least one.
    pub interviewers: Vec<InterviewerBody>,
    /// When it begins.
    #[serde(
        rename = "date",
        serialize_with = "jiff::fmt::serde::timestamp::millisecond::required::serialize"
    )]
    pub starts_at: Timestamp,
    /// How long it takes, in minutes.
    #[serde(rename = "duration")]
    pub minutes: u32,
    /// The form for the feedback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feedback_template: Option<String>,
    /// How often those who interview are asked for it; Lever's default if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feedback_reminder: Option<String>,
}

/// Who interviews, in a body.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InterviewerBody {
    /// The user.
    #[serde(serialize_with = "as_text")]
    pub id: UserId,
    /// Their form for the feedback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feedback_template: Option<String>,
}

/// An id as Lever writes it; the id's own shape is the store's.
fn as_text<S: Serializer>(id: &UserId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

/// In whose name something is written, and about which opportunity.
#[derive(Clone, Copy, Debug)]
pub struct Performed<'a> {
    /// The opportunity.
    pub opportunity: &'a OpportunityId,
    /// The user; required by Lever.
    pub by: &'a UserId,
}

impl Performed<'_> {
    fn query(self) -> Vec<(&'static str, String)> {
        vec![("perform_as", self.by.to_string())]
    }
}

impl LeverClient {
    /// One interview.
    ///
    /// # Errors
    /// [`LeverError`].
    pub async fn interview(
        &self,
        lane: Lane,
        opportunity: &OpportunityId,
        id: &InterviewId,
    ) -> Result<Interview, LeverError> {
        let path = ["opportunities", &opportunity.to_string(), "interviews", &id.to_string()];
        let ask = Ask::get(Endpoint::Interview, &path, Vec::new());
        Ok(self.ask(lane, ask, wire::single).await?.0)
    }

    /// The panels of one opportunity, in no order. The 18 tick-boxes do not cover it.
    ///
    /// # Errors
    /// [`LeverError`].
    pub async fn panels(
        &self,
        lane: Lane,
        opportunity: &OpportunityId,
        offset: Option<&Offset>,
    ) -> Result<Page<Panel>, LeverError> {
        let path = ["opportunities", &opportunity.to_string(), "panels"];
        self.ask(lane, Ask::get(Endpoint::Panels, &path, full_page(offset)), wire::page).await
    }

    /// Makes an interview in a panel that the API made.
    ///
    /// # Errors
    /// [`LeverError`]; by its `outcome` it was surely not made, or nobody knows.
    pub async fn create_interview(
        &self,
        lane: Lane,
        performed: Performed<'_>,
        panel: &PanelId,
        body: &InterviewBody,
    ) -> Result<Interview, LeverError> {
        let mut body = json!(body);
        body["panel"] = json!(panel.to_string());
        let ask = Ask {
            endpoint: Endpoint::CreateInterview,
            method: Method::POST,
            path: &["opportunities", &performed.opportunity.to_string(), "interviews"],
            query: performed.query(),
            body: Some(body),
        };
        Ok(self.once(lane, &ask, wire::single).await?.0)
    }

    /// Makes a panel with one interview in it. The 18 tick-boxes do not cover it.
    ///
    /// # Errors
    /// [`LeverError`]; by its `outcome` it was surely not made, or nobody knows.
    pub async fn create_panel(
        &self,
        lane: Lane,
        performed: Performed<'_>,
        timezone: &str,
        interview: &InterviewBody,
    ) -> Result<Panel, LeverError> {
        let ask = Ask {
            endpoint: Endpoint::CreatePanel,
            method: Method::POST,
            path: &["opportunities", &performed.opportunity.to_string(), "panels"],
            query: performed.query(),
            body: Some(json!({"timezone": timezone, "interviews": [interview]})),
        };
        Ok(self.once(lane, &ask, wire::single).await?.0)
    }

    /// Replaces an interview. The same twice does no harm.
    ///
    /// # Errors
    /// [`LeverError`].
    pub async fn update_interview(
        &self,
        lane: Lane,
        performed: Performed<'_>,
        id: &InterviewId,
        body: &InterviewBody,
    ) -> Result<Interview, LeverError> {
        let ask = Ask {
            endpoint: Endpoint::UpdateInterview,
            method: Method::PUT,
            path: &["opportunities", &performed.opportunity.to_string(), "interviews", &id.to_string()],
            query: performed.query(),
            body: Some(json!(body)),
        };
        Ok(self.once(lane, &ask, wire::single).await?.0)
    }

    /// Deletes an interview; the last one takes its panel along.
    ///
    /// # Errors
    /// [`LeverError`]; [`LeverError::NotFound`] also when it was deleted before.
    pub async fn delete_interview(
        &self,
        lane: Lane,
        performed: Performed<'_>,
        id: &InterviewId,
    ) -> Result<(), LeverError> {
        let ask = Ask {
            endpoint: Endpoint::DeleteInterview,
            method: Method::DELETE,
            path: &["opportunities", &performed.opportunity.to_string(), "interviews", &id.to_string()],
            query: performed.query(),
            body: None,
        };
        self.once(lane, &ask, |_| Ok(())).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_written_as_lever_wants_it() {
        let body = InterviewBody {
            subject: Some("Phone screen".into()),
            note: None,
            location: None,
            interviewers: vec![InterviewerBody { id: "u1".parse().unwrap(), feedback_template: None }],
            starts_at: Timestamp::from_millisecond(1_783_000_000_000).unwrap(),
            minutes: 45,
            feedback_template: None,
            feedback_reminder: Some("daily".into()),
        };
        let expected = json!({"subject": "Phone screen", "interviewers": [{"id": "u1"}], "date": 1_783_000_000_000_i64, "duration": 45,
            "feedbackReminder": "daily"});
        assert_eq!(json!(body), expected);
    }
}
