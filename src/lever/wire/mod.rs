//! What Lever sends, as types: only the fields that are used here, and none trusted to be there.
//!
//! Each item of a page is read by itself. One that has no usable id is skipped and counted, so that
//! a single odd record never stops a listing of a million. These are wire shapes: what is stored is
//! for the store to say. They hold personal data, so `Debug` shows their ids alone.

mod fields;
mod meeting;
mod note;
mod opportunity;
mod reference;

use std::fmt;

use serde_json::value::RawValue;

pub(crate) use fields::{Fields, Read};
pub(crate) use note::MadeNote;

pub use fields::IdOr;
pub use meeting::{Interview, Interviewer, Panel};
pub use note::{Note, NoteField};
pub use opportunity::{Application, Archived, Contact, Opportunity, Phone, StageChange};
pub use reference::{ArchiveReason, Posting, Stage, User};

/// Writes a `Debug` that shows the id and no personal data.
macro_rules! debug_by_id {
    ($($name:ident),+) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.id).finish()
            }
        }
    )+};
}
use debug_by_id;

/// Where a listing goes on: Lever's word, given back as it came (lever-api.md 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offset(String);

impl Offset {
    /// An offset that was kept as text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, to be kept.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One page of a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// What could be read.
    pub items: Vec<T>,
    /// Where the next page begins. `None` at the end.
    pub next: Option<Offset>,
    /// Items that had to be left out: no id, or none that we accept.
    pub skipped: u32,
    /// Fields that were there but of a wrong type, and are absent from the items.
    pub wrong_fields: u32,
}

/// How an answer is not what Lever answers. Says nothing of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It is not a JSON object: a login page, half a body, rubbish.
    NotJson,
    /// It is an object, but of another shape, as an error under a 200.
    NoData,
    /// Its one item has no id, or none that we accept.
    NoId,
    /// It says that there is more, but not where.
    NoNext,
    /// It is longer than any answer of Lever's.
    TooLong,
    /// It is a redirection.
    Redirect,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotJson => "it is not a JSON object",
            Self::NoData => "it has no data",
            Self::NoId => "it has no usable id",
            Self::NoNext => "it has more pages but does not say where",
            Self::TooLong => "it is too long",
            Self::Redirect => "it sends us elsewhere",
        })
    }
}

/// Reads `{"data":[…],"hasNext":…,"next":…}`.
pub(crate) fn page<T: Read>(body: &str) -> Result<Page<T>, Unreadable> {
    let mut outer = Fields::parse(body).ok_or(Unreadable::NotJson)?;
    let raw = outer.take::<Vec<&RawValue>>("data").ok_or(Unreadable::NoData)?;
    let sent = raw.len();
    let items: Vec<T> = raw.into_iter().filter_map(|raw| outer.item(raw.get())).collect();
    let next: Option<String> = outer.take("next");
    // Some lists leave `hasNext` out; then a `next` says it as well.
    let has_next = outer.take("hasNext").unwrap_or(next.is_some());
    // To take a missing offset for the end would lose the rest without a word.
    let next = if has_next { Some(Offset(next.ok_or(Unreadable::NoNext)?)) } else { None };
    let skipped = u32::try_from(sent - items.len()).unwrap_or(u32::MAX);
    Ok(Page { items, next, skipped, wrong_fields: outer.wrong() })
}

/// Reads `{"data":{…}}`, also the `{"data":{"data":[{…}]}}` of some examples (lever-api.md 5.6), in which the
/// one item may stand without a list as well.
pub(crate) fn single<T: Read>(body: &str) -> Result<(T, u32), Unreadable> {
    let outer = Fields::parse(body).ok_or(Unreadable::NotJson)?;
    let mut data = outer.raw("data").and_then(Fields::parse).ok_or(Unreadable::NoData)?;
    if let Some(inner) = data.raw("data") {
        let first = serde_json::from_str::<Vec<&RawValue>>(inner).ok().and_then(|all| all.first().copied());
        data = Fields::parse(first.map_or(inner, RawValue::get)).unwrap_or(data);
    }
    let item = T::read(&mut data).ok_or(Unreadable::NoId)?;
    Ok((item, data.wrong()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_odd_item_does_not_cost_the_page() {
        let body = r#"{"data":[{"id":"offer","text":"Offer"},7,{"text":"no id"},{"id":"a/b"},{"id":"x","text":[]}],
            "hasNext":true,"next":"%5B3%2C1%5D","new":{}}"#;
        let page = page::<Stage>(body).unwrap();
        assert_eq!(page.items.len(), 2);
        assert_eq!((page.skipped, page.wrong_fields), (3, 2));
        assert_eq!(page.next, Some(Offset::new("%5B3%2C1%5D")));
    }

    #[test]
    fn the_end_is_told_by_has_next_or_by_its_absence() {
        let next = |body| page::<Stage>(body).map(|page| page.next);
        assert_eq!(next(r#"{"data":[],"hasNext":false}"#), Ok(None));
        assert_eq!(next(r#"{"data":[],"hasNext":false,"next":"x"}"#), Ok(None));
        assert_eq!(next(r#"{"data":[]}"#), Ok(None));
        assert_eq!(next(r#"{"data":[],"next":"x"}"#), Ok(Some(Offset::new("x"))));
        assert_eq!(next(r#"{"data":[],"hasNext":true}"#), Err(Unreadable::NoNext));
    }

    #[test]
    fn what_is_no_page_is_refused() {
        let refused = |body| page::<Stage>(body).unwrap_err();
        assert_eq!(refused("<html>"), Unreadable::NotJson);
        assert_eq!(refused("[]"), Unreadable::NotJson);
        assert_eq!(refused(r#"{"data":[{"id":"off"#), Unreadable::NotJson);
        assert_eq!(refused(r#"{"code":"x","message":"y"}"#), Unreadable::NoData);
        assert_eq!(refused(r#"{"data":{}}"#), Unreadable::NoData);
    }

    #[test]
    fn a_single_answer_may_be_nested_once_more() {
        for body in [
            r#"{"data":{"id":"offer"}}"#,
            r#"{"data":{"data":{"id":"offer"}}}"#,
            r#"{"data":{"data":[{"id":"offer"}]}}"#,
        ] {
            assert_eq!(single::<Stage>(body).unwrap().0.id.to_string(), "offer");
        }
        for body in [r#"{"data":{"text":"x"}}"#, r#"{"data":{"data":[]}}"#] {
            assert_eq!(single::<Stage>(body).unwrap_err(), Unreadable::NoId);
        }
    }
}
