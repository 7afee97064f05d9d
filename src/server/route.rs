//! Routes as rows of tables, each with the right that it needs, so that none can be added without
//! saying who may use it; one test walks all of them with every role.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter, on};
use fulcrum_domain::Right;
use http::Method;

use super::Shared;
use super::admit::{Door, FORM_BYTES_MAX, Face, Gate, LONG_BYTES_MAX, admit};
use super::problem::wrong_method;

/// A route, and who may use it.
pub(super) struct Route {
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests walk the tables by it"))]
    pub(super) method: Method,
    pub(super) path: &'static str,
    /// What one must be allowed; nothing for everybody.
    pub(super) needs: Option<Right>,
    /// How it refuses.
    pub(super) face: Face,
    /// The largest form that it takes.
    form_bytes_max: usize,
    handler: MethodRouter<Arc<Shared>>,
}

/// What programs and scripts of ours ask for: refused with problem+json.
pub(super) fn data<T: 'static>(
    method: Method,
    path: &'static str,
    needs: impl Into<Option<Right>>,
    handler: impl Handler<T, Arc<Shared>>,
) -> Route {
    Route::new(method, path, needs.into(), Face::Data, handler)
}

/// What people look at, and forms that they send: refused with a page.
pub(super) fn page<T: 'static>(
    method: Method,
    path: &'static str,
    needs: impl Into<Option<Right>>,
    handler: impl Handler<T, Arc<Shared>>,
) -> Route {
    Route::new(method, path, needs.into(), Face::Page, handler)
}

impl Route {
    fn new<T: 'static>(
        method: Method,
        path: &'static str,
        needs: Option<Right>,
        face: Face,
        handler: impl Handler<T, Arc<Shared>>,
    ) -> Self {
        let filter = MethodFilter::try_from(method.clone()).expect("tables name methods that axum knows");
        Self { method, path, needs, face, form_bytes_max: FORM_BYTES_MAX, handler: on(filter, handler) }
    }

    /// The same where a whole list may be in the form.
    pub(super) fn long(self) -> Self {
        Self { form_bytes_max: LONG_BYTES_MAX, ..self }
    }
}

/// The routes of a table behind `door`.
pub(super) fn router(shared: &Arc<Shared>, table: Vec<Route>, door: Door) -> Router {
    let routes = table.into_iter().fold(Router::new(), |router, route| {
        let Route { needs, face, form_bytes_max, .. } = route;
        let gate = Gate { shared: shared.clone(), door, needs, face, form_bytes_max };
        router.route(route.path, route.handler.route_layer(from_fn_with_state(gate, admit)))
    });
    routes.method_not_allowed_fallback(wrong_method).with_state(shared.clone())
}
