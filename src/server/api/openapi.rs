//! `/api/v1/openapi.json`: the description, made from the handlers and the wire structs. It has no
//! secret, so it needs no token.

use axum::Json;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi as _};

use super::{
    activity, automations, booking, bulk, consent, conversations, copies, desk, erasures, files, holds,
    imports, interviews, key, messages, mute, opportunities, opt_out, outbox, search, status, templates,
    timezone,
};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "fulcrum", description = "Texting candidates of Lever. Errors are RFC 9457 problem+json."),
    modifiers(&Bearer),
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
        copies::note,
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
