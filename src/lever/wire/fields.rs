//! Reads the fields of one JSON object, forgiving each of them by itself.
//!
//! Lever adds fields when it likes, leaves some out and promises no types (lever-api.md 1.1, 5). A
//! field that cannot be read is then as good as absent, and is counted; it must not cost the
//! object, nor the object its page. A derived `Deserialize` fails as a whole, so the values stay
//! raw here until each is asked for.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Something named by its id, and the thing itself where Lever was asked to expand it.
#[derive(Clone, Debug, PartialEq)]
pub struct IdOr<I, T> {
    /// Its id, in both cases.
    pub id: I,
    /// The thing itself.
    pub expanded: Option<Box<T>>,
}

/// A resource of Lever's that can be read from an object's fields.
pub(crate) trait Read: Sized {
    /// `None` when it has no id, or one that we refuse: nothing can be done with such an item.
    fn read(fields: &mut Fields<'_>) -> Option<Self>;
}

/// The fields of one object, unread, and a count of those that could not be read.
pub(crate) struct Fields<'a> {
    raw: Vec<(Cow<'a, str>, &'a RawValue)>,
    wrong: u32,
}

impl<'a> Fields<'a> {
    /// The fields of `text`, when that is one JSON object.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let raw = serde_json::from_str::<Object<'a>>(text).ok()?.0;
        Some(Self { raw, wrong: 0 })
    }

    /// How many fields were there but could not be read, here and in what was read from here.
    pub(crate) const fn wrong(&self) -> u32 {
        self.wrong
    }

    /// Whether the object is `{}`.
    pub(crate) const fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The field as it was sent. `null` is as good as absent.
    pub(crate) fn raw(&self, key: &str) -> Option<&'a str> {
        let (_, raw) = self.raw.iter().find(|(name, _)| name == key)?;
        Some(raw.get()).filter(|text| *text != "null")
    }

    /// A field of any plain type.
    pub(crate) fn take<T: Deserialize<'a>>(&mut self, key: &str) -> Option<T> {
        let read = serde_json::from_str(self.raw(key)?);
        self.count(read.ok())
    }

    /// A text, empty when there is none.
    pub(crate) fn text(&mut self, key: &str) -> String {
        self.take(key).unwrap_or_default()
    }

    /// Texts; what is none is left out.
    pub(crate) fn texts(&mut self, key: &str) -> Vec<String> {
        self.each(key, |_, raw| serde_json::from_str(raw).ok())
    }

    /// A time in milliseconds since 1970, also when written with a fraction or in quotes.
    pub(crate) fn time(&mut self, key: &str) -> Option<Timestamp> {
        let text = self.raw(key)?.trim_matches('"');
        let whole = text.parse().ok().or_else(|| {
            let ms = text.parse::<f64>().ok().filter(|ms| ms.abs() < 1e15)?;
            Some(ms as i64)
        });
        self.count(whole.and_then(|ms| Timestamp::from_millisecond(ms).ok()))
    }

    /// An id, or the id of the object that was expanded in its place (lever-api.md 4.1).
    pub(crate) fn id<I: FromStr>(&mut self, key: &str) -> Option<I> {
        let raw = self.raw(key)?;
        self.count(id_of(raw))
    }

    /// Ids, each by itself or expanded.
    pub(crate) fn ids<I: FromStr>(&mut self, key: &str) -> Vec<I> {
        self.each(key, |_, raw| id_of(raw))
    }

    /// An id with what was expanded in its place, if it was.
    pub(crate) fn id_or<I: FromStr, T: Read>(&mut self, key: &str) -> Option<IdOr<I, T>> {
        let raw = self.raw(key)?;
        let read = self.id_or_item(raw);
        self.count(read)
    }

    /// Ids, each with what was expanded in its place.
    pub(crate) fn ids_or<I: FromStr, T: Read>(&mut self, key: &str) -> Vec<IdOr<I, T>> {
        self.each(key, Self::id_or_item)
    }

    fn id_or_item<I: FromStr, T: Read>(&mut self, raw: &'a str) -> Option<IdOr<I, T>> {
        Some(IdOr { id: id_of(raw)?, expanded: self.item(raw).map(Box::new) })
    }

    /// An object within.
    pub(crate) fn object<T: Read>(&mut self, key: &str) -> Option<T> {
        let raw = self.raw(key)?;
        let read = self.item(raw);
        self.count(read)
    }

    /// Objects within; those that cannot be read are left out.
    pub(crate) fn objects<T: Read>(&mut self, key: &str) -> Vec<T> {
        self.each(key, Self::item)
    }

    /// The elements of an array, each read by `read`; those that cannot be read are left out.
    pub(crate) fn each<T>(
        &mut self,
        key: &str,
        mut read: impl FnMut(&mut Self, &'a str) -> Option<T>,
    ) -> Vec<T> {
        let Some(raw) = self.take::<Vec<&'a RawValue>>(key) else { return Vec::new() };
        raw.into_iter()
            .filter_map(|raw| {
                let item = read(self, raw.get());
                self.count(item)
            })
            .collect()
    }

    /// One object from its text; what is wrong in it counts here.
    pub(crate) fn item<T: Read>(&mut self, raw: &'a str) -> Option<T> {
        let mut fields = Self::parse(raw)?;
        let item = T::read(&mut fields);
        self.wrong += fields.wrong;
        item
    }

    fn count<T>(&mut self, read: Option<T>) -> Option<T> {
        self.wrong += u32::from(read.is_none());
        read
    }
}

/// The id that stands in `raw`, plainly or as the field `id` of an object.
fn id_of<I: FromStr>(raw: &str) -> Option<I> {
    let text = match Fields::parse(raw) {
        Some(fields) => fields.raw("id")?,
        None => raw,
    };
    serde_json::from_str::<Cow<'_, str>>(text).ok()?.parse().ok()
}

struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some((Key(key), raw)) = map.next_entry()? {
                    pairs.push((key, raw));
                }
                Ok(Object(pairs))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

/// A key, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use fulcrum_domain::StageId;
    use proptest::prelude::*;

    use super::*;

    fn fields(text: &str) -> Fields<'_> {
        Fields::parse(text).unwrap()
    }

    #[test]
    fn a_wrong_type_is_absent_and_counted() {
        let mut fields = fields(r#"{"a":7,"b":null,"c":"x"}"#);
        assert_eq!(fields.take::<String>("a"), None);
        assert_eq!(fields.take::<String>("b"), None);
        assert_eq!(fields.take::<String>("c"), Some("x".into()));
        assert_eq!(fields.take::<String>("d"), None);
        assert_eq!(fields.wrong(), 1);
    }

    #[test]
    fn an_id_is_read_plain_or_expanded() {
        let mut fields = fields(r#"{"a":"lead-new","b":{"text":"x","id":"lead-new"},"c":{},"d":"a b"}"#);
        let id = "lead-new".parse::<StageId>().ok();
        assert_eq!((fields.id("a"), fields.id("b")), (id.clone(), id));
        assert_eq!((fields.id::<StageId>("c"), fields.id::<StageId>("d")), (None, None));
        assert_eq!(fields.wrong(), 2);
    }

    #[test]
    fn times_are_milliseconds_however_written() {
        let mut fields =
            fields(r#"{"a":1735689600123,"b":"1735689600123","c":1.735689600123e12,"d":1e300,"e":{}}"#);
        let at = Timestamp::from_millisecond(1_735_689_600_123).ok();
        assert_eq!([fields.time("a"), fields.time("b"), fields.time("c")], [at; 3]);
        assert_eq!([fields.time("d"), fields.time("e")], [None; 2]);
        assert_eq!(fields.wrong(), 2);
    }

    #[test]
    fn escapes_in_keys_and_lone_surrogates_in_values_cost_no_more_than_themselves() {
        let mut fields = fields(r#"{"n\u0061me":"x","a":"\ud800","id":"offer"}"#);
        assert_eq!(fields.text("name"), "x");
        assert_eq!(fields.take::<String>("a"), None);
        assert!(fields.id::<StageId>("id").is_some());
    }

    proptest! {
        #[test]
        fn nothing_panics(text in r#"[\[\]{}",:a-z0-9\\ ]{0,60}"#) {
            if let Some(mut fields) = Fields::parse(&text) {
                fields.time("a");
                fields.ids::<StageId>("b");
            }
        }
    }
}
