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
/// [`LeverError`] when nothing can be found out: the key is refused, Lever is not to be reached or lets us wait
/// until we give up, or what answers for its lists is not Lever.
pub async fn probe(client: &LeverClient, lane: Lane) -> Result<Permissions, LeverError> {
    use Endpoint as E;

    let mut probe = Probe { client, lane, endpoints: Vec::new() };
    let user = probe.list(E::Users, &["users"]).await?;
    let stage = probe.list(E::Stages, &["stages"]).await?;
    let posting = probe.list(E::Postings, &["postings"]).await?;
    let reason = probe.list(E::ArchiveReasons, &["archive_reasons"]).await?;
    let found = probe.list(E::Opportunities, &["opportunities"]).await?;
    let opportunity = found.id();

    probe.read(E::User, &["users", user.id()], user.known()).await?;
    probe.read(E::Stage, &["stages", stage.id()], stage.known()).await?;
    probe.read(E::Posting, &["postings", posting.id()], posting.known()).await?;
    probe.read(E::ArchiveReason, &["archive_reasons", reason.id()], reason.known()).await?;
    probe.read(E::Opportunity, &["opportunities", opportunity], found.known()).await?;
    let application = found.application.as_deref();
    let path = ["opportunities", opportunity, "applications", application.unwrap_or(NOBODY)];
    probe.read(E::Application, &path, application.is_some()).await?;
    let contact = found.contact.as_deref();
    probe.read(E::Contact, &["contacts", contact.unwrap_or(NOBODY)], contact.is_some()).await?;
    probe.read(E::Interviews, &["opportunities", opportunity, "interviews"], found.known()).await?;
    probe.read(E::Interview, &["opportunities", opportunity, "interviews", NOBODY], false).await?;
    probe.read(E::Notes, &["opportunities", opportunity, "notes"], found.known()).await?;
    probe.read(E::Note, &["opportunities", opportunity, "notes", NOBODY], false).await?;
    probe.read(E::Panels, &["opportunities", opportunity, "panels"], found.known()).await?;
    probe.read(E::DeletedOpportunities, &["opportunities", "deleted"], true).await?;

    probe.write(E::CreateNote, Method::POST, &["opportunities", NOBODY, "notes"]).await?;
    probe.write(E::DeleteNote, Method::DELETE, &["opportunities", NOBODY, "notes", NOBODY]).await?;
    probe.write(E::CreatePanel, Method::POST, &["opportunities", NOBODY, "panels"]).await?;
    let interview = ["opportunities", NOBODY, "interviews", NOBODY];
    probe.write(E::CreateInterview, Method::POST, &interview[..3]).await?;
    probe.write(E::UpdateInterview, Method::PUT, &interview).await?;
    probe.write(E::DeleteInterview, Method::DELETE, &interview).await?;

    Ok(Permissions {
        expand_applications: probe.feature(("expand", "applications")).await?,
        confidential: probe.feature(("confidentiality", "all")).await?,
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
        let page = self.ask(Ask::get(endpoint, path, query), wire::page::<Found>).await;
        let (found, verdict) = match page {
            Ok(page) => (page.items.into_iter().next(), Verdict::Allowed),
            Err(error @ LeverError::Forbidden { .. }) => (None, of_error(error, true)),
            // One that is busy, or fails, is Lever still if it has answered before.
            Err(error @ (LeverError::Throttled | LeverError::Server { .. })) if self.has_answered() => {
                (None, of_error(error, true))
            }
            Err(error) => return Err(error),
        };
        self.endpoints.push((endpoint, verdict));
        Ok(found.unwrap_or_default())
    }

    /// Reads one thing. When it is known to exist, not to find it tells nothing.
    async fn read(&mut self, endpoint: Endpoint, path: &[&str], known: bool) -> Result<(), LeverError> {
        let answer = self.ask(Ask::get(endpoint, path, Vec::new()), has_data).await;
        self.judge(endpoint, answer.map(|()| Verdict::Allowed), known)
    }

    /// Tries a write that cannot succeed.
    async fn write(&mut self, endpoint: Endpoint, method: Method, path: &[&str]) -> Result<(), LeverError> {
        let body = (method != Method::DELETE).then(|| json!({}));
        let ask = Ask { endpoint, method, path, query: Vec::new(), body };
        let answer = self.client.once(self.lane, &ask, |_| Ok(())).await;
        self.judge(endpoint, answer.map(|()| Verdict::Odd), false)
    }

    /// Lists one opportunity with something more, which may need more than the list does.
    async fn feature(&self, more: (&'static str, &str)) -> Result<Verdict, LeverError> {
        let query = vec![("limit", "1".to_owned()), (more.0, more.1.to_owned())];
        let ask = Ask::get(Endpoint::Opportunities, &["opportunities"], query);
        match self.ask(ask, has_data).await {
            Err(error) if error.is_timeout() => Err(error),
            answer => Ok(answer.map_or_else(|error| of_error(error, true), |()| Verdict::Allowed)),
        }
    }

    /// Asks, and again as the client does, but where Lever has let us wait or somebody else answered: so it would
    /// be with each of the others, too.
    async fn ask<T>(
        &self,
        ask: Ask<'_>,
        read: impl Fn(&str) -> Result<T, Unreadable>,
    ) -> Result<T, LeverError> {
        match self.client.once(self.lane, &ask, &read).await {
            Err(error) if error.passes() && !error.is_timeout() && !error.is_strange() => {
                self.client.ask(self.lane, ask, read).await
            }
            answer => answer,
        }
    }

    /// Keeps the verdict on an answer. One that did not come ends it.
    fn judge(
        &mut self,
        endpoint: Endpoint,
        answer: Result<Verdict, LeverError>,
        known: bool,
    ) -> Result<(), LeverError> {
        let verdict = match answer {
            Err(error) if error.is_timeout() => return Err(error),
            answer => answer.unwrap_or_else(|error| of_error(error, known)),
        };
        self.endpoints.push((endpoint, verdict));
        Ok(())
    }

    /// Whether anything was allowed or refused, in Lever's own words.
    fn has_answered(&self) -> bool {
        self.endpoints.iter().any(|(_, verdict)| matches!(verdict, Verdict::Allowed | Verdict::Missing))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a client of a test, outside of the daemon")]

    use std::num::NonZeroU32;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use axum::Router;
    use axum::extract::Request;
    use secrecy::SecretString;
    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::lever::{LeverSettings, PaceSettings, Pacer};

    /// A Lever that answers by `answer(method, path and query)`, and what it was asked.
    async fn lever(
        answer: impl Fn(&Method, &str) -> (u16, &'static str) + Clone + Send + Sync + 'static,
    ) -> (LeverClient, Arc<Mutex<Vec<String>>>) {
        let (tracker, asked) = (TaskTracker::new(), Arc::new(Mutex::new(Vec::new())));
        let keep = Arc::clone(&asked);
        let router = Router::new().fallback(async move |request: Request| {
            let path = request.uri().path_and_query().unwrap().as_str().to_owned();
            let (status, body) = answer(request.method(), &path);
            keep.lock().unwrap().push(format!("{} {path}", request.method()));
            (http::StatusCode::from_u16(status).unwrap(), body)
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        tracker.spawn(async move { axum::serve(listener, router).await });
        (client_of(&base_url, Duration::from_secs(10), &tracker), asked)
    }

    fn client_of(base_url: &str, deadline: Duration, tracker: &TaskTracker) -> LeverClient {
        let many = NonZeroU32::new(1000).unwrap();
        let pace = PaceSettings { period: Duration::from_millis(1), burst: many, in_flight: 8 };
        let settings = LeverSettings {
            base_url: base_url.parse().unwrap(),
            api_key: SecretString::from("key"),
            https_only: false,
            way: reqwest::Client::builder(),
            proxy: None,
            connect_timeout: Duration::from_secs(5),
            deadline,
        };
        let pacer = Pacer::start(pace, tracker, CancellationToken::new());
        LeverClient::new(settings, pacer, Arc::new(|_| {})).unwrap()
    }

    const LIST: (u16, &str) =
        (200, r#"{"data":[{"id":"x1","applications":["a1"],"contact":"c1"}],"hasNext":false}"#);
    const NOT_FOUND: (u16, &str) = (404, r#"{"code":"NotFoundError","message":"not found"}"#);
    const FORBIDDEN: (u16, &str) = (403, r#"{"code":"ForbiddenError","message":"no"}"#);

    #[tokio::test]
    async fn what_is_missing_is_found_and_nothing_is_changed() {
        let (client, asked) = lever(|method, path| match (method.as_str(), path) {
            ("POST", path) if path.ends_with("/interviews") => (400, r#"{"code":"BadRequestError"}"#),
            ("POST" | "DELETE", path) if path.contains("/notes") => FORBIDDEN,
            (_, path) if path.contains("/panels") || path.contains("expand=") => FORBIDDEN,
            (_, path) if path.contains(NOBODY) => NOT_FOUND,
            (_, path) if path.starts_with("/users/") => NOT_FOUND,
            _ => LIST,
        })
        .await;
        let permissions = probe(&client, Lane::Interactive).await.unwrap();

        let missing: Vec<_> =
            permissions.endpoints.iter().filter(|(_, v)| matches!(v, Verdict::Missing)).collect();
        let missing: Vec<_> = missing.iter().map(|(endpoint, _)| *endpoint).collect();
        assert_eq!(
            missing,
            [Endpoint::Panels, Endpoint::CreateNote, Endpoint::DeleteNote, Endpoint::CreatePanel]
        );
        let unknown = permissions.endpoints.iter().filter(|(_, v)| matches!(v, Verdict::Unknown(_)));
        assert_eq!(unknown.map(|(endpoint, _)| *endpoint).collect::<Vec<_>>(), [Endpoint::User]);
        assert_eq!(permissions.endpoints.len(), 24);
        assert!(permissions.allows(Endpoint::CreateInterview) && permissions.allows(Endpoint::Note));
        assert!(matches!(permissions.expand_applications, Verdict::Missing));
        assert!(matches!(permissions.confidential, Verdict::Allowed));

        let asked = asked.lock().unwrap();
        let writes: Vec<_> = asked.iter().filter(|line| !line.starts_with("GET ")).collect();
        assert_eq!(writes.len(), 6);
        assert!(writes.iter().all(|line| line.contains(&format!("/opportunities/{NOBODY}/"))), "{writes:?}");
        assert!(asked.contains(&"GET /opportunities/x1/applications/a1".to_owned()));
    }

    #[tokio::test]
    async fn an_empty_tenant_tells_as_much() {
        let (client, _) = lever(|_, path| match path {
            path if path.contains(NOBODY) => NOT_FOUND,
            _ => (200, r#"{"data":[],"hasNext":false}"#),
        })
        .await;
        let permissions = probe(&client, Lane::Interactive).await.unwrap();
        assert!(
            permissions.endpoints.iter().all(|(endpoint, _)| permissions.allows(*endpoint)),
            "{permissions:?}"
        );
    }

    /// Each of these was "works" for the key, and "doubtful" for all it may do.
    #[tokio::test]
    async fn what_is_not_lever_ends_it_at_once() {
        for answer in [
            (404, r#"{"type":"about:blank","title":"no such path"}"#),
            (404, r#"{"code":"ResourceNotFound","message":"/users does not exist"}"#),
            (407, ""),
            (200, "<html>Sign in to our network"),
            (200, r#"{"status":"ok"}"#),
            (403, "<html>blocked"),
            (400, "Bad Request"),
        ] {
            let (client, asked) = lever(move |_, _| answer).await;
            let told = probe(&client, Lane::Interactive).await;
            assert!(told.is_err(), "{answer:?}: {told:?}");
            let asked = asked.lock().unwrap();
            assert!(asked.iter().all(|line| line.starts_with("GET /users?")), "{asked:?}");
        }
    }

    #[tokio::test]
    async fn a_list_that_one_tenant_cannot_lack_is_asked_for_in_vain() {
        let (client, _) =
            lever(|_, path| if path.starts_with("/postings?") { (404, "") } else { LIST }).await;
        assert!(matches!(probe(&client, Lane::Interactive).await, Err(error) if error.is_no_api()));
    }

    /// Each of 25 requests was waited for three times: more than six minutes.
    #[tokio::test]
    async fn whoever_lets_us_wait_is_asked_once() {
        let asked = Arc::new(Mutex::new(0));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tracker, count) = (TaskTracker::new(), Arc::clone(&asked));
        tracker.spawn(async move {
            let mut held = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                *count.lock().unwrap() += 1;
                held.push(stream);
            }
        });
        let client = client_of(&format!("http://{address}"), Duration::from_millis(300), &tracker);
        let told = probe(&client, Lane::Interactive).await;
        assert!(matches!(&told, Err(error) if error.is_timeout()), "{told:?}");
        assert_eq!(*asked.lock().unwrap(), 1);
    }

    #[tokio::test]
    async fn a_wrong_key_ends_it_at_once() {
        let (client, asked) = lever(|_, _| (401, r#"{"code":"UnauthorizedError"}"#)).await;
        assert!(matches!(probe(&client, Lane::Interactive).await, Err(LeverError::Unauthorized)));
        assert_eq!(asked.lock().unwrap().len(), 1);
    }
}
