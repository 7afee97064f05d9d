//! What we ask of Lever (lever-api.md 4.6), one method for each kind of request.
//!
//! Listings take the offset of the page before and give one page: whoever walks them stores each
//! page with its offset, and so can go on after a stop.

use fulcrum_domain::{ApplicationId, Lane, NoteId, OpportunityId, UserId};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::json;

use super::client::{Ask, LeverClient};
use super::wire::{self, MadeNote, Read};
use super::{
    Application, ArchiveReason, Endpoint, Interview, LeverError, Note, Offset, Opportunity, Page, Posting,
    Stage, User,
};

/// The page size; Lever allows no more (lever-api.md 3).
const PAGE_ITEMS_MAX: u8 = 100;

type Query = Vec<(&'static str, String)>;

/// A span of time, both ends included, each open when absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first millisecond.
    pub start: Option<Timestamp>,
    /// The last millisecond.
    pub end: Option<Timestamp>,
}

impl Span {
    /// From then on.
    pub const fn since(start: Timestamp) -> Self {
        Self { start: Some(start), end: None }
    }

    fn write(self, query: &mut Query, start: &'static str, end: &'static str) {
        let ms = |at: Timestamp| at.as_millisecond().to_string();
        query.extend(self.start.map(|at| (start, ms(at))));
        query.extend(self.end.map(|at| (end, ms(at))));
    }
}

/// Which records are listed (lever-api.md 4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Confidentiality {
    /// Those that anybody may see.
    #[default]
    Open,
    /// Confidential ones, too; this needs the grant.
    All,
}

impl Confidentiality {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "non-confidential",
            Self::All => "all",
        }
    }
}

/// Which opportunities are listed, and how. What is left at its default does not narrow the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Only archived, or only active ones.
    pub archived: Option<bool>,
    /// By when they began.
    pub created: Span,
    /// By when the stage last changed.
    pub advanced: Span,
    /// By the last change; leaves out the many records that have no time of it.
    pub updated: Span,
    /// Which of them, as far as the key may see.
    pub confidentiality: Confidentiality,
    /// With whole applications.
    pub expand_applications: bool,
    /// Where the page before said that this one begins.
    pub offset: Option<Offset>,
}

impl ListQuery {
    fn to_query(&self) -> Query {
        let mut query = full_page(self.offset.as_ref());
        query.push(("confidentiality", self.confidentiality.as_str().to_owned()));
        query.extend(self.archived.map(|archived| ("archived", archived.to_string())));
        self.created.write(&mut query, "created_at_start", "created_at_end");
        self.advanced.write(&mut query, "advanced_at_start", "advanced_at_end");
        self.updated.write(&mut query, "updated_at_start", "updated_at_end");
        query.extend(self.expand_applications.then(expand_applications));
        query
    }
}

/// A note to be made (lever-api.md 5.4).
#[derive(Clone, Copy)]
pub struct NewNote<'a> {
    /// The text, plain.
    pub value: &'a str,
    /// Whether only some may see it.
    pub secret: bool,
    /// Who is shown as its author; nobody when absent.
    pub perform_as: Option<&'a UserId>,
    /// Whether those who follow the candidate are told.
    pub notify_followers: bool,
}

/// Reads are tried again within; what is said of [`LeverError`] holds after the last try.
impl LeverClient {
    /// Users, with those that have left, since others refer to them.
    ///
    /// # Errors
    /// [`LeverError`].
    pub async fn users(&self, lane: Lane, offset: Option<&Offset>) -> Result<Page<User>, LeverError> {
        let mut query = full_page(offset);
        query.push(("includeDeactivated", "true".to_owned()));
        self.list(lane, Endpoint::Users, &["users"], query).await
    }

    /// Stages, in the order of the pipeline.
    ///
    /// # Errors
    /// [`LeverError`].
    pub async fn stages(&self, lane: Lane, offset: Option<&Offset>) -> Result<Page<Stage>, LeverError> {
        self.list(lane, Endpoint::Stages, &["stages"], full_page(offset)).await
    }

    /// Postings in every state.
    ///
    /// # Errors
    /// [`LeverError`].
    pub async fn postings(
        &self,
        lane: Lane,
        confidentiality: Confidentiality,
        offset: Option<&Offset>,
    ) -> Result<Page<Posting>, LeverError> {
        let mut query = full_page(offset);
        query.push(("confidentiality", confidentiality.as_str().to_owned()));
        self.list(lane, Endpoint::Postings, &["postings"], query).await
    }

    /// Archive reasons.
    ///
    /// # Errors
    /// [`LeverError`].
    pub async fn archive_reasons(
        &self,
        lane: Lane,
        offset: Option<&Offset>,
    ) -> Result<Page<ArchiveReason>, LeverError> {
        self.list(lane, Endpoint::ArchiveReasons, &["archive_reasons"], full_page(offset)).await
    }

    /// Opportunities. In the order of lever-api.md 3, under which moves between two pages hide some.
    ///
    /// # Errors
    /// [`LeverError`]; [`LeverError::Forbidden`] also for `expand` or confidentiality without grant.
    pub async fn opportunities(
        &self,
        lane: Lane,
        query: &ListQuery,
    ) -> Result<Page<Opportunity>, LeverError> {
        self.list(lane, Endpoint::Opportunities, &["opportunities"], query.to_query()).await
    }

    /// One opportunity, with its application if asked to expand.
    ///
    /// # Errors
    /// [`LeverError`].
    pub async fn opportunity(
        &self,
        lane: Lane,
        id: &OpportunityId,
        expand: bool,
    ) -> Result<Opportunity, LeverError> {
        let query = expand.then(expand_applications).into_iter().collect();
        self.one(lane, Endpoint::Opportunity, &["opportunities", &id.to_string()], query).await
    }

    /// One application.
    ///
    /// # Errors
    /// [`LeverError`].
    pub async fn application(
        &self,
        lane: Lane,
        opportunity: &OpportunityId,
        id: &ApplicationId,
    ) -> Result<Application, LeverError> {
        let path = ["opportunities", &opportunity.to_string(), "applications", &id.to_string()];
        self.one(lane, Endpoint::Application, &path, Vec::new()).await
    }

    /// Opportunities that were deleted in the span from `start` to `end`, at most 30 days.
    ///
    /// # Errors
    /// [`LeverError`].
    pub async fn deleted_opportunities(
        &self,
        lane: Lane,
        start: Timestamp,
        end: Timestamp,
        offset: Option<&Offset>,
    ) -> Result<Page<Opportunity>, LeverError> {
        let mut query = full_page(offset);
        Span { start: Some(start), end: Some(end) }.write(&mut query, "deleted_at_start", "deleted_at_end");
        self.list(lane, Endpoint::DeletedOpportunities, &["opportunities", "deleted"], query).await
    }

    /// The interviews of one opportunity, in no order.
    ///
    /// # Errors
    /// [`LeverError`].
    pub async fn interviews(
        &self,
        lane: Lane,
        opportunity: &OpportunityId,
        offset: Option<&Offset>,
    ) -> Result<Page<Interview>, LeverError> {
        let path = ["opportunities", &opportunity.to_string(), "interviews"];
        self.list(lane, Endpoint::Interviews, &path, full_page(offset)).await
    }

    /// The notes of one opportunity, in no order. The 18 tick-boxes do not cover it.
    ///
    /// # Errors
    /// [`LeverError`].
    pub async fn notes(
        &self,
        lane: Lane,
        opportunity: &OpportunityId,
        offset: Option<&Offset>,
    ) -> Result<Page<Note>, LeverError> {
        let path = ["opportunities", &opportunity.to_string(), "notes"];
        self.list(lane, Endpoint::Notes, &path, full_page(offset)).await
    }

    /// Makes a note. Sent once, whatever happens; not to be cancelled, or its outcome is unknown.
    ///
    /// # Errors
    /// [`LeverError`]; by its `outcome` the note was surely not made, or nobody knows.
    pub async fn create_note(
        &self,
        lane: Lane,
        opportunity: &OpportunityId,
        note: NewNote<'_>,
    ) -> Result<NoteId, LeverError> {
        let ask = Ask {
            endpoint: Endpoint::CreateNote,
            method: Method::POST,
            path: &["opportunities", &opportunity.to_string(), "notes"],
            query: note.perform_as.map(|user| ("perform_as", user.to_string())).into_iter().collect(),
            body: Some(json!({
                "value": note.value,
                "secret": note.secret,
                "notifyFollowers": note.notify_followers,
            })),
        };
        let (MadeNote(id), _) = self.once(lane, &ask, wire::single).await?;
        Ok(id)
    }

    /// Deletes a note that was made through the API (lever-api.md 5.4).
    ///
    /// # Errors
    /// [`LeverError`]; [`LeverError::NotFound`] when it is gone already.
    pub async fn delete_note(
        &self,
        lane: Lane,
        opportunity: &OpportunityId,
        note: &NoteId,
    ) -> Result<(), LeverError> {
        let ask = Ask {
            endpoint: Endpoint::DeleteNote,
            method: Method::DELETE,
            path: &["opportunities", &opportunity.to_string(), "notes", &note.to_string()],
            query: Vec::new(),
            body: None,
        };
        self.ask(lane, ask, |_| Ok(())).await
    }

    async fn list<T: Read>(
        &self,
        lane: Lane,
        endpoint: Endpoint,
        path: &[&str],
        query: Query,
    ) -> Result<Page<T>, LeverError> {
        self.ask(lane, Ask::get(endpoint, path, query), wire::page).await
    }

    async fn one<T: Read>(
        &self,
        lane: Lane,
        endpoint: Endpoint,
        path: &[&str],
        query: Query,
    ) -> Result<T, LeverError> {
        let (item, wrong_fields) = self.ask(lane, Ask::get(endpoint, path, query), wire::single).await?;
        if wrong_fields > 0 {
            tracing::debug!(%endpoint, wrong_fields, "lever sent fields of unexpected types");
        }
        Ok(item)
    }
}

pub(super) fn full_page(offset: Option<&Offset>) -> Query {
    let mut query = vec![("limit", PAGE_ITEMS_MAX.to_string())];
    query.extend(offset.map(|offset| ("offset", offset.as_str().to_owned())));
    query
}

fn expand_applications() -> (&'static str, String) {
    ("expand", "applications".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_says_only_what_narrows_it() {
        let shown = |query: &ListQuery| {
            let pairs: Vec<_> =
                query.to_query().iter().map(|(key, value)| format!("{key}={value}")).collect();
            pairs.join("&")
        };
        assert_eq!(shown(&ListQuery::default()), "limit=100&confidentiality=non-confidential");
        let at = Timestamp::from_millisecond(1_735_689_600_123).unwrap();
        let query = ListQuery {
            archived: Some(false),
            created: Span { start: Some(at), end: Some(at) },
            advanced: Span::since(at),
            confidentiality: Confidentiality::All,
            expand_applications: true,
            offset: Some(Offset::new("%5B3%5D")),
            ..ListQuery::default()
        };
        assert_eq!(
            shown(&query),
            "limit=100&offset=%5B3%5D&confidentiality=all&archived=false&created_at_start=1735689600123\
             &created_at_end=1735689600123&advanced_at_start=1735689600123&expand=applications"
        );
    }
}
