//! The order in which Lever lists opportunities (lever-api.md 3): stage rank ascending, then `lastAdvancedAt`
//! descending, then id ascending; and the offset tokens that name a place in it.
//!
//! A place is one 128-bit key, so a million of them are a few dozen megabytes, a move is one removal and one
//! insertion, and a page starts with one search. The cursor is a position, not a snapshot: who moves past it
//! is missed or seen twice, as at Lever.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use serde_json::Value;

use super::error::ApiError;
use super::ids::head_of;
use super::query::decode_once;

/// A place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(u128);

impl Key {
    /// `stage` is the position in the pipeline, `head` the first 32 bits of the opportunity's id.
    pub(super) fn new(stage: u8, advanced: i64, head: u32) -> Self {
        Self(u128::from(stage) << 96 | u128::from(!advanced.cast_unsigned()) << 32 | u128::from(head))
    }

    pub(super) fn head(self) -> u32 {
        self.0 as u32
    }
}

/// All visible opportunities in Lever's order.
#[derive(Debug, Default)]
pub(super) struct Order(BTreeSet<Key>);

impl Order {
    pub(super) fn new(keys: impl Iterator<Item = Key>) -> Self {
        Self(keys.collect())
    }

    pub(super) fn insert(&mut self, key: Key) {
        self.0.insert(key);
    }

    pub(super) fn remove(&mut self, key: Key) {
        self.0.remove(&key);
    }

    /// The keys of one stage, from `from` on, advanced within the range.
    pub(super) fn stage(
        &self,
        stage: u8,
        advanced: &RangeInclusive<i64>,
        from: Key,
    ) -> impl Iterator<Item = Key> + use<'_> {
        let first = Key::new(stage, *advanced.end(), 0).max(from);
        let last = Key::new(stage, *advanced.start(), u32::MAX);
        let range = (first <= last).then(|| self.0.range(first..=last));
        range.into_iter().flatten().copied()
    }
}

/// A token that names the first item of the next page, percent-encoded already as Lever sends it.
pub(super) fn token(parts: &Value) -> String {
    form_urlencoded::byte_serialize(parts.to_string().as_bytes()).collect()
}

/// Reads a token back, with up to one layer of percent-encoding left on it.
pub(super) fn parse_token(text: &str) -> Result<Vec<Value>, ApiError> {
    let decoded = if text.starts_with('[') { text.to_owned() } else { decode_once(text) };
    serde_json::from_str(&decoded).map_err(|_| invalid_offset(text))
}

/// The key that an opportunity's token names; `ranks` are those of the stages in pipeline order.
pub(super) fn parse_key(text: &str, ranks: &[f64]) -> Result<Key, ApiError> {
    let parts = parse_token(text)?;
    let [rank, advanced, id] = parts.as_slice() else { return Err(invalid_offset(text)) };
    let (Some(rank), Some(advanced), Some(head)) =
        (rank.as_f64(), advanced.as_i64(), id.as_str().and_then(head_of))
    else {
        return Err(invalid_offset(text));
    };
    let stage = ranks.partition_point(|known| *known < rank);
    let exact = ranks.get(stage) == Some(&rank);
    Ok(if exact { Key::new(stage as u8, advanced, head) } else { Key::new(stage as u8, i64::MAX, 0) })
}

pub(super) fn invalid_offset(text: &str) -> ApiError {
    ApiError::bad_request(format!("Invalid offset token: {text}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "4f0c7a52-1111-4c1e-9d3a-0a1b2c3d4e5f";

    #[test]
    fn later_advanced_comes_first_within_a_stage() {
        let key = |stage, advanced, head| Key::new(stage, advanced, head);
        let mut keys = [key(1, 9, 0), key(0, 5, 2), key(0, 7, 1), key(0, 5, 1)];
        keys.sort();
        assert_eq!(keys, [key(0, 7, 1), key(0, 5, 1), key(0, 5, 2), key(1, 9, 0)]);
    }

    #[test]
    fn a_token_is_read_with_one_or_two_layers_of_encoding() {
        let sent = token(&json!([105.5, 1_490_220_060_000_i64, ID]));
        assert_eq!(sent, format!("%5B105.5%2C1490220060000%2C%22{ID}%22%5D"));
        let expected = Key::new(1, 1_490_220_060_000, 0x4f0c_7a52);
        let ranks = [1.0, 105.5];
        assert_eq!(parse_key(&sent, &ranks).unwrap(), expected);
        assert_eq!(parse_key(&decode_once(&sent), &ranks).unwrap(), expected);
    }

    #[test]
    fn rubbish_is_an_invalid_token() {
        for text in ["", "abc", "[]", "[1,2]", "[1,2,\"x\"]", "%255B1%255D"] {
            let error = parse_key(text, &[1.0]).unwrap_err();
            assert!(error.message.starts_with("Invalid offset token"), "{text}");
        }
    }
}
