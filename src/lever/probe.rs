//! Finds out what the API key may do, without changing anything.
//!
//! Lever tells nobody which tick-boxes a key has, and they cannot be changed later. So each request
//! that is needed is tried in its cheapest form. Reads ask for one record, of which the lists have
//! given the id; where a tenant has none, for one that cannot exist: 403 then says that the box is
//! missing, 404 that it is ticked. Writes are sent empty and to an opportunity that cannot exist, so
//! that they fail for that when they are allowed. Judged so; Lever documents neither order.

use fulcrum_domain::Lane;
use reqwest::Method;
use serde_json::json;

use super::client::{Ask, LeverClient};
use super::wire::{self, Fields, Read, Unreadable};
use super::{Endpoint, LeverError};

/// No record of anybody's.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

/// Whether the key may do something.
#[derive(Debug)]
pub enum Verdict {
    /// It may.
    Allowed,
    /// It lacks the tick-box.
    Missing,
    /// Lever's answer does not tell; this is what stood in the way.
    Unknown(LeverError),
    /// Lever accepted what it should have refused. It had no content and no addressee.
    Odd,
}

/// What the key may do.
#[derive(Debug)]
pub struct Permissions {
    /// Each request that is made anywhere, with its tick-box (lever-api.md 1.4).
    pub endpoints: Vec<(Endpoint, Verdict)>,
    /// Applications within the list of opportunities: one request where there would be a hundred.
    pub expand_applications: Verdict,
    /// The toggle for confidential data.
    pub confidential: Verdict,
}

impl Permissions {
    /// Whether this one is allowed.
    pub fn allows(&self, endpoint: Endpoint) -> bool {
        self.endpoints.iter().any(|(each, verdict)| *each == endpoint && matches!(verdict, Verdict::Allowed))
    }
}

/// Tries everything: about 25 requests.
///
/// # Errors
/// [`LeverError`] when nothing can be found out: the key is refused, or Lever is not to be reached.
pub async fn probe(client: &LeverClient, lane: Lane) -> Result<Permissions, LeverError> {
    use Endpoint as E;

    let mut probe = Probe { client, lane, endpoints: Vec::new() };
    let user = probe.list(E::Users, &["users"]).await?;
    let stage = probe.list(E::Stages, &["stages"]).await?;
    let posting = probe.list(E::Postings, &["postings"]).await?;
    let reason = probe.list(E::ArchiveReasons, &["archive_reasons"]).await?;
    let found = probe.list(E::Opportunities, &["opportunities"]).await?;
    let opportunity = found.id();

    probe.read(E::User, &["users", user.id()], user.known()).await;
    probe.read(E::Stage, &["stages", stage.id()], stage.known()).await;
    probe.read(E::Posting, &["postings", posting.id()], posting.known()).await;
    probe.read(E::ArchiveReason, &["archive_reasons", reason.id()], reason.known()).await;
    probe.read(E::Opportunity, &["opportunities", opportunity], found.known()).await;
    let application = found.application.as_deref();
    let path = ["opportunities", opportunity, "applications", application.unwrap_or(NOBODY)];
    probe.read(E::Application, &path, application.is_some()).await;
    let contact = found.contact.as_deref();
    probe.read(E::Contact, &["contacts", contact.unwrap_or(NOBODY)], contact.is_some()).await;
    probe.read(E::Interviews, &["opportunities", opportunity, "interviews"], found.known()).await;
    probe.read(E::Interview, &["opportunities", opportunity, "interviews", NOBODY], false).await;
    probe.read(E::Notes, &["opportunities", opportunity, "notes"], found.known()).await;
    probe.read(E::Note, &["opportunities", opportunity, "notes", NOBODY], false).await;
    probe.read(E::Panels, &["opportunities", opportunity, "panels"], found.known()).await;
    probe.read(E::DeletedOpportunities, &["opportunities", "deleted"], true).await;

    probe.write(E::CreateNote, Method::POST, &["opportunities", NOBODY, "notes"]).await;
    probe.write(E::DeleteNote, Method::DELETE, &["opportunities", NOBODY, "notes", NOBODY]).await;
    let interview = ["opportunities", NOBODY, "interviews", NOBODY];
    probe.write(E::CreateInterview, Method::POST, &interview[..3]).await;
    probe.write(E::UpdateInterview, Method::PUT, &interview).await;
    probe.write(E::DeleteInterview, Method::DELETE, &interview).await;

    Ok(Permissions {
        expand_applications: probe.feature(("expand", "applications")).await,
        confidential: probe.feature(("confidentiality", "all")).await,
        endpoints: probe.endpoints,
    })
}

struct Probe<'a> {
    client: &'a LeverClient,
    lane: Lane,
    endpoints: Vec<(Endpoint, Verdict)>,
}

impl Probe<'_> {
    /// Lists one item, and gives its ids for the reads that follow.
    async fn list(&mut self, endpoint: Endpoint, path: &[&str]) -> Result<Found, LeverError> {
        let query = vec![("limit", "1".to_owned())];
        let page = self.client.ask(self.lane, Ask::get(endpoint, path, query), wire::page::<Found>).await;
        let (found, verdict) = match page {
            Ok(page) => (page.items.into_iter().next(), Verdict::Allowed),
            Err(error @ (LeverError::Unauthorized | LeverError::Unreachable(_) | LeverError::Cancelled)) => {
                return Err(error);
            }
            Err(error) => (None, of_error(error, true)),
        };
        self.endpoints.push((endpoint, verdict));
        Ok(found.unwrap_or_default())
    }

    /// Reads one thing. When it is known to exist, not to find it tells nothing.
    async fn read(&mut self, endpoint: Endpoint, path: &[&str], known: bool) {
        let answer = self.client.ask(self.lane, Ask::get(endpoint, path, Vec::new()), has_data).await;
        self.endpoints
            .push((endpoint, answer.map_or_else(|error| of_error(error, known), |()| Verdict::Allowed)));
    }

    /// Tries a write that cannot succeed.
    async fn write(&mut self, endpoint: Endpoint, method: Method, path: &[&str]) {
        let body = (method != Method::DELETE).then(|| json!({}));
        let ask = Ask { endpoint, method, path, query: Vec::new(), body };
        let answer = self.client.once(self.lane, &ask, |_| Ok(())).await;
        self.endpoints
            .push((endpoint, answer.map_or_else(|error| of_error(error, false), |()| Verdict::Odd)));
    }

    /// Lists one opportunity with something more, which may need more than the list does.
    async fn feature(&self, more: (&'static str, &str)) -> Verdict {
        let query = vec![("limit", "1".to_owned()), (more.0, more.1.to_owned())];
        let ask = Ask::get(Endpoint::Opportunities, &["opportunities"], query);
        let answer = self.client.ask(self.lane, ask, has_data).await;
        answer.map_or_else(|error| of_error(error, true), |()| Verdict::Allowed)
    }
}

/// What a failed request says of the key. For a record that exists, only a refusal of the key does.
fn of_error(error: LeverError, known: bool) -> Verdict {
    match error {
        LeverError::Forbidden { .. } => Verdict::Missing,
        LeverError::NotFound { .. } | LeverError::BadRequest { .. } if !known => Verdict::Allowed,
        error => Verdict::Unknown(error),
    }
}

fn has_data(body: &str) -> Result<(), Unreadable> {
    let fields = Fields::parse(body).ok_or(Unreadable::NotJson)?;
    fields.raw("data").map(|_| ()).ok_or(Unreadable::NoData)
}

/// The ids of a listed item, of whatever kind, that lead on.
#[derive(Default)]
struct Found {
    id: Option<String>,
    application: Option<String>,
    contact: Option<String>,
}

impl Found {
    fn id(&self) -> &str {
        self.id.as_deref().unwrap_or(NOBODY)
    }

    const fn known(&self) -> bool {
        self.id.is_some()
    }
}

impl Read for Found {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            id: fields.id("id"),
            application: fields.ids("applications").into_iter().next(),
            contact: fields.id("contact"),
        })
    }
}
