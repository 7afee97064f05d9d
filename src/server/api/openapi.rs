//! `/api/v1/openapi.json`: the description, made from the handlers and the wire structs. It has no
//! secret, so it needs no token.
//!
//! A handler says what is its own. What is the same for all is added here: who is refused, what is too much, how
//! errors are written, and the names by which generated clients call.

use axum::Json;
use http::{Method, StatusCode};
use utoipa::openapi::path::Operation;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr};
use utoipa::{Modify, OpenApi as _};

use super::{
    activity, automations, booking, bulk, consent, conversations, desk, erasures, files, holds, imports,
    interviews, key, messages, mute, opportunities, opt_out, outbox, search, status, templates, timezone,
};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "fulcrum", description = "Texting candidates of Lever. Errors are RFC 9457 problem+json."),
    modifiers(&Bearer, &Common),
    paths(
        describe,
        status::status,
        activity::list,
        desk::inbox,
        desk::assign,
        desk::follow,
        desk::archive,
        desk::dismiss,
        desk::read,
        desk::unread,
        conversations::list,
        conversations::one,
        conversations::file,
        conversations::attach,
        messages::list,
        files::file,
        messages::send,
        messages::cancel,
        opportunities::one,
        booking::list,
        booking::link,
        booking::offer_times,
        interviews::list,
        interviews::arrange,
        interviews::change,
        interviews::call_off,
        opt_out::decide,
        key::probe,
        mute::unmute,
        imports::import,
        holds::list,
        holds::hold,
        erasures::list,
        erasures::erase,
        erasures::one,
        opt_out::decide_for_candidate,
        opt_out::record,
        consent::list,
        consent::list_for_candidate,
        consent::record,
        consent::record_for_candidate,
        timezone::set,
        timezone::set_for_candidate,
        outbox::failed,
        outbox::retrying,
        outbox::retry,
        outbox::give_up,
        templates::list,
        templates::render,
        templates::version,
        bulk::list,
        bulk::make,
        bulk::one,
        bulk::recipients,
        bulk::step,
        automations::list,
        automations::test,
        automations::pause,
        automations::resume,
        automations::why_not,
        automations::approve,
        automations::call_off,
        automations::why,
        search::search,
    )
)]
struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// What is true of every operation.
struct Common;

impl Modify for Common {
    fn modify(&self, openapi: &mut OpenApi) {
        for (path, item) in &mut openapi.paths.paths {
            let operations = [
                (Method::GET, &mut item.get),
                (Method::PUT, &mut item.put),
                (Method::POST, &mut item.post),
                (Method::DELETE, &mut item.delete),
            ];
            for (method, operation) in operations {
                if let Some(operation) = operation {
                    operation.operation_id = Some(name_of(&method, path));
                    add_refusals(operation);
                    complete_answers(operation);
                }
            }
        }
    }
}

/// A name that no other operation has, such as `post_conversations_id_file`.
fn name_of(method: &Method, path: &str) -> String {
    let path = path.trim_start_matches("/api/v1/");
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.fold(method.as_str().to_ascii_lowercase(), |name, word| name + "_" + word)
}

/// What stands in front of the handler refuses, too.
fn add_refusals(operation: &mut Operation) {
    let mut refusals = vec![StatusCode::TOO_MANY_REQUESTS];
    if operation.security.is_some() {
        refusals.extend([StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN]);
    }
    if operation.request_body.is_some() {
        refusals.extend([
            StatusCode::BAD_REQUEST,
            StatusCode::PAYLOAD_TOO_LARGE,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ]);
    }
    for status in refusals {
        let body = Content::new(Some(Ref::from_schema_name("Problem")));
        let refusal = ResponseBuilder::new().content(PLAIN, body).build();
        operation.responses.responses.entry(status.as_str().to_owned()).or_insert_with(|| refusal.into());
    }
}

/// What the macro takes all bodies for, and what those of errors are.
const PLAIN: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// Each answer has words, and each error its own type.
fn complete_answers(operation: &mut Operation) {
    for (status, answer) in &mut operation.responses.responses {
        let RefOr::T(answer) = answer else { continue };
        let Ok(status) = status.parse::<StatusCode>() else { continue };
        if answer.description.is_empty() {
            answer.description = status.canonical_reason().unwrap_or("An answer").to_owned();
        }
        if !status.is_success()
            && let Some(body) = answer.content.shift_remove(PLAIN)
        {
            answer.content.insert(PROBLEM.to_owned(), body);
        }
    }
}

#[utoipa::path(
    get, path = "/api/v1/openapi.json", summary = "This description",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json"))
)]
pub(super) async fn describe() -> Json<OpenApi> {
    Json(Description::openapi())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::api::table;

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let openapi = serde_json::to_value(Description::openapi()).unwrap();
        assert_eq!(openapi["openapi"], "3.1.0");
        let mut described: Vec<_> = openapi["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, methods)| {
                let methods = methods.as_object().unwrap().keys();
                methods.map(move |method| format!("{} {path}", method.to_uppercase()))
            })
            .collect();
        let mut served: Vec<_> =
            table().iter().map(|route| format!("{} {}", route.method, route.path)).collect();
        described.sort();
        served.sort();
        assert_eq!(described, served);
    }

    /// Generators of clients refused it: operations shared names, and answers had no words.
    #[test]
    fn every_operation_has_a_name_of_its_own_and_says_what_it_answers() {
        let openapi = serde_json::to_value(Description::openapi()).unwrap();
        let paths = openapi["paths"].as_object().unwrap().values();
        let operations: Vec<_> = paths.flat_map(|item| item.as_object().unwrap().values()).collect();
        let mut names: Vec<_> = operations.iter().map(|one| one["operationId"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names.len(), names.iter().collect::<std::collections::BTreeSet<_>>().len());
        assert!(names.contains(&"post_conversations_id_file"), "{names:?}");
        for operation in operations {
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.contains_key("429"), "{operation}");
            assert_eq!(answers.contains_key("401"), operation["security"].is_array(), "{operation}");
            for (status, answer) in answers {
                assert!(!answer["description"].as_str().unwrap().is_empty(), "{operation}");
                let types = answer["content"].as_object().into_iter().flat_map(|types| types.keys());
                let problems = types.filter(|name| *name == PROBLEM).count();
                assert_eq!(problems, usize::from(status.as_str() >= "400"), "{status}: {operation}");
            }
        }
    }

    #[test]
    fn every_schema_that_is_meant_is_there() {
        let text = serde_json::to_string(&Description::openapi()).unwrap();
        let whole: serde_json::Value = serde_json::from_str(&text).unwrap();
        let schemas = whole["components"]["schemas"].as_object().unwrap();
        for reference in text.split("#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{name} is missing in {:?}", schemas.keys());
        }
    }
}
