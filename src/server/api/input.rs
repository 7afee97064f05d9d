//! Requests as types: JSON bodies, paging, idempotency keys. What does not fit is answered with
//! the field that is meant.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use fulcrum_domain::{ConversationId, MessageId};
use http::{HeaderMap, header, request};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use utoipa::IntoParams;

use crate::engine::{Engine, HITS_MAX, InboxCursor, Once, PAGE_MAX};
use crate::server::Shared;
use crate::server::admit::LONG_BYTES_MAX;
use crate::server::caller::Caller;
use crate::server::problem::{Kind, Problem};
use crate::store::tables::{ActivityKey, Digest};

/// The longest text is 1,600 characters.
const BYTES_MAX: usize = 64 * 1024;

/// The id in a path.
pub(super) struct Id(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut request::Parts, shared: &S) -> Result<Self, Problem> {
        let Path(id) = Path::from_request_parts(parts, shared)
            .await
            .map_err(|_| Problem::not_found("nothing has an id that is not UTF-8"))?;
        Ok(Self(id))
    }
}

/// The parameters of an address.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut request::Parts, _: &S) -> Result<Self, Problem> {
        query(parts).map(Self)
    }
}

fn query<T: DeserializeOwned>(parts: &request::Parts) -> Result<T, Problem> {
    let read = Query::try_from_uri(&parts.uri);
    read.map(|Query(asked)| asked).map_err(|error| Problem::new(Kind::Malformed, error.body_text()))
}

/// A JSON body. `T` must have only optional fields and deny unknown ones: what is required is
/// asked for by [`required`], so that each problem names its field.
pub(super) struct Input<T> {
    pub(super) value: T,
    /// What tells this body from another under the same idempotency key.
    pub(super) digest: Digest,
}

impl<T: DeserializeOwned> FromRequest<Arc<Shared>> for Input<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Problem> {
        Self::of(request, shared, BYTES_MAX).await
    }
}

/// The same where a whole list may be in it.
pub(super) struct Long<T>(pub(super) Input<T>);

impl<T: DeserializeOwned> FromRequest<Arc<Shared>> for Long<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Problem> {
        Input::of(request, shared, LONG_BYTES_MAX).await.map(Self)
    }
}

impl<T: DeserializeOwned> Input<T> {
    async fn of(request: Request, shared: &Shared, bytes_max: usize) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(Kind::NotJson, "the header Content-Type must be application/json"));
        }
        Self::read(&shared.read_body(request.into_body(), bytes_max).await?)
    }

    /// From the bytes of the body.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Problem> {
        Ok(Self { value: parse(bytes)?, digest: digest(&[bytes]) })
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let fields: Map<String, Value> = serde_json::from_slice(bytes)
        .map_err(|error| Problem::new(Kind::Malformed, format!("the body is not a JSON object: {error}")))?;
    serde_json::from_slice(bytes).map_err(|whole| {
        // Each field alone, since serde does not say which one it means.
        let found = fields.into_iter().find_map(|(name, value)| {
            let alone = Value::Object(Map::from_iter([(name.clone(), value)]));
            T::deserialize(alone).err().map(|error| Problem::invalid(&name, error.to_string()))
        });
        // A field that comes twice is wrong only as a whole.
        found.unwrap_or_else(|| Problem::new(Kind::Invalid, whole.to_string()))
    })
}

/// A field that must be there.
pub(super) fn required<T>(field: &'static str, value: Option<T>) -> Result<T, Problem> {
    value.ok_or_else(|| Problem::invalid(field, "this field is required"))
}

/// The longest reason.
const REASON_CHARS: usize = 500;

/// Why somebody does something, which must be said.
pub(super) fn reason(value: Option<String>) -> Result<String, Problem> {
    let reason = required("reason", value)?.trim().to_owned();
    if reason.is_empty() || reason.chars().count() > REASON_CHARS {
        return Err(Problem::invalid("reason", format!("it must have 1 to {REASON_CHARS} characters")));
    }
    Ok(reason)
}

/// The first half of a SHA-256, over parts that no other parts can imitate.
fn digest(parts: &[&[u8]]) -> Digest {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut digest = [0; 16];
    digest.copy_from_slice(&hash.finalize()[..16]);
    digest
}

/// The header `Idempotency-Key`, and the path that it came to.
pub(super) struct IdempotencyKey(Option<(String, String)>);

/// Longer ones are a mistake; a UUID has 36 characters.
const KEY_CHARS_MAX: usize = 255;

impl IdempotencyKey {
    /// None: nothing is repeated.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// The key that a form was drawn with, for the call at `path`. One that nobody drew repeats nothing.
    pub(super) fn of_form(text: &str, path: &str) -> Self {
        let fits = (1..=KEY_CHARS_MAX).contains(&text.len());
        Self(fits.then(|| (text.to_owned(), path.to_owned())))
    }

    /// A request that has its effect once, by its body. Each caller has their own keys.
    pub(super) fn of(&self, caller: &Caller, body: Digest) -> Option<Once> {
        let whose = caller.actor();
        let key = |key: &str| digest(&[whose.as_str().as_bytes(), key.as_bytes()]);
        self.0.as_ref().map(|(text, path)| Once {
            key: key(text),
            request: digest(&[path.as_bytes(), &body]),
            body,
        })
    }

    /// The engine, for a request that has its effect once.
    pub(super) async fn engine(
        &self,
        shared: &Shared,
        caller: &Caller,
        body: Digest,
    ) -> Result<Engine, Problem> {
        shared.engine.under(self.of(caller, body)).await
    }
}

/// The digest of no body.
pub(super) const NOTHING: Digest = [0; 16];

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut request::Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        match value.to_str() {
            Ok(key) if (1..=KEY_CHARS_MAX).contains(&key.len()) => {
                Ok(Self(Some((key.to_owned(), parts.uri.path().to_owned()))))
            }
            _ => Err(Problem::new(
                Kind::Malformed,
                "the header Idempotency-Key must be 1 to 255 plain characters",
            )),
        }
    }
}

/// The part of a list that is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// Rows of a page, 1 to 200.
    #[serde(default = "fifty")]
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: usize,
    /// The `next` of the page before.
    cursor: Option<String>,
}

const fn fifty() -> usize {
    50
}

impl<S: Sync> FromRequestParts<S> for Paging {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut request::Parts, _: &S) -> Result<Self, Problem> {
        let paging: Self = query(parts)?;
        Self::new(Some(paging.limit), paging.cursor)
    }
}

impl Paging {
    /// Of a request that has other parameters besides.
    pub(super) fn new(limit: Option<usize>, cursor: Option<String>) -> Result<Self, Problem> {
        match limit.unwrap_or(fifty()) {
            limit @ 1..=PAGE_MAX => Ok(Self { limit, cursor }),
            _ => Err(Problem::new(Kind::Malformed, "limit must be 1 to 200")),
        }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Where the page begins; none for the first.
    pub(super) fn after<C: Cursor>(&self) -> Result<Option<C>, Problem> {
        let read = |text: &String| {
            C::from_text(text).ok_or_else(|| {
                let detail = "the cursor is not one of this list; take the next of the page before";
                Problem::new(Kind::Malformed, detail)
            })
        };
        self.cursor.as_ref().map(read).transpose()
    }
}

/// What is looked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Search {
    /// Words of a name or of a text: all of them are meant, case and accents do not matter, the last
    /// may be unfinished, what stands in double quotes stands so in the text. Digits alone are a number:
    /// its beginning, or its end from four digits on.
    #[param(min_length = 1, max_length = 200)]
    pub(super) q: String,
    /// The most people and the most conversations, 1 to 100.
    #[serde(default = "twenty")]
    #[param(default = 20, minimum = 1, maximum = 100)]
    pub(super) limit: usize,
}

const fn twenty() -> usize {
    20
}

impl<S: Sync> FromRequestParts<S> for Search {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut request::Parts, _: &S) -> Result<Self, Problem> {
        let asked: Self = query(parts)?;
        match asked.limit {
            1..=HITS_MAX => Ok(asked),
            _ => Err(Problem::new(Kind::Malformed, "limit must be 1 to 100")),
        }
    }
}

/// A place in a list. Opaque to callers, so that it may change.
pub(crate) trait Cursor: Sized {
    fn bytes(&self) -> Vec<u8>;
    fn read(bytes: &[u8]) -> Option<Self>;

    fn to_text(&self) -> String {
        BASE64.encode(self.bytes())
    }

    fn from_text(text: &str) -> Option<Self> {
        Self::read(&BASE64.decode(text).ok()?)
    }
}

impl Cursor for u64 {
    fn bytes(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_be_bytes)
    }
}

impl Cursor for ConversationId {
    fn bytes(&self) -> Vec<u8> {
        self.number().to_be_bytes().to_vec()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(u64::from_be_bytes).map(Self::new)
    }
}

impl Cursor for InboxCursor {
    fn bytes(&self) -> Vec<u8> {
        [self.0.as_millisecond().to_be_bytes(), self.1.number().to_be_bytes()].concat()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (at, number) = <ActivityKey as Cursor>::read(bytes)?;
        Some((at, ConversationId::new(number)))
    }
}

impl Cursor for ActivityKey {
    fn bytes(&self) -> Vec<u8> {
        [self.0.as_millisecond().to_be_bytes(), self.1.to_be_bytes()].concat()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (at, number) = bytes.split_first_chunk()?;
        let at = Timestamp::from_millisecond(i64::from_be_bytes(*at)).ok()?;
        number.try_into().ok().map(|number| (at, u64::from_be_bytes(number)))
    }
}

impl Cursor for (Timestamp, MessageId) {
    fn bytes(&self) -> Vec<u8> {
        [self.0.as_millisecond().to_be_bytes().as_slice(), &self.1.to_key()].concat()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (at, id) = bytes.split_first_chunk()?;
        let at = Timestamp::from_millisecond(i64::from_be_bytes(*at)).ok()?;
        match MessageId::from_key(id) {
            Ok((id, [])) => Some((at, id)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Two {
        body: Option<String>,
        count: Option<u8>,
    }

    fn pointer(body: &str) -> Option<String> {
        parse::<Two>(body.as_bytes()).unwrap_err().pointer
    }

    #[test]
    fn a_wrong_field_is_named() {
        assert_eq!(pointer(r#"{"body": 5}"#).unwrap(), "/body");
        assert_eq!(pointer(r#"{"body": "x", "count": 300}"#).unwrap(), "/count");
        assert_eq!(pointer(r#"{"boddy": "x"}"#).unwrap(), "/boddy");
        assert_eq!(pointer(r#"{"a/b~": 1}"#).unwrap(), "/a~1b~0");
    }

    #[test]
    fn what_is_no_object_is_refused_as_a_whole() {
        for body in ["", "[]", "{", "7", "null", &"[".repeat(10_000), r#"{"body":"a","body":"b"}"#] {
            assert_eq!(pointer(body), None, "{body}");
        }
    }

    #[test]
    fn parts_of_a_digest_do_not_run_together() {
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
    }

    proptest! {
        #[test]
        fn a_cursor_leads_back_to_its_place(
            number in any::<u64>(), ms in 0..4_102_444_800_000i64, random in any::<[u8; 10]>(),
        ) {
            let id = ConversationId::new(number);
            prop_assert_eq!(ConversationId::read(&id.bytes()), Some(id));
            let at = Timestamp::from_millisecond(ms).unwrap();
            let place = (at, MessageId::new(at, &random));
            prop_assert_eq!(Cursor::read(&place.bytes()), Some(place));
            prop_assert_eq!(Cursor::read(&(at, id).bytes()), Some((at, id)));
        }

        #[test]
        fn no_cursor_of_a_strangers_panics(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = ConversationId::read(&bytes);
            let _ = <(Timestamp, MessageId)>::read(&bytes);
            let _ = InboxCursor::read(&bytes);
        }
    }
}
