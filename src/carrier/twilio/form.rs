//! What Twilio posts: form fields, decoded strictly.
//!
//! Not `form_urlencoded`'s decoder: it replaces what is not UTF-8, and a text must come as it was
//! signed or not at all. Order and repeats are kept, blank fields too: they are signed.

/// More than any webhook of Twilio's: a text has at most 1,600 characters and some 40 fields.
const MAX_BYTES: usize = 64 * 1024;
const MAX_FIELDS: usize = 256;

/// The fields of a form, as they came. Holds a text and numbers, so it has no `Debug`.
#[derive(Clone, Default)]
pub struct Form(Vec<(String, String)>);

/// A form that Twilio would not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// The whole is too large.
    #[error("form larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// Too many fields.
    #[error("form with more than {MAX_FIELDS} fields")]
    TooManyFields,
    /// A `%` without two hex digits, or bytes that are not UTF-8.
    #[error("form is not percent-encoded UTF-8")]
    BadEncoding,
}

impl Form {
    /// Decodes `application/x-www-form-urlencoded`.
    ///
    /// # Errors
    /// [`FormError`] on what Twilio would not send.
    pub fn parse(body: &[u8]) -> Result<Self, FormError> {
        if body.len() > MAX_BYTES {
            return Err(FormError::TooLarge);
        }
        let mut fields = Vec::new();
        for pair in body.split(|&b| b == b'&').filter(|pair| !pair.is_empty()) {
            if fields.len() == MAX_FIELDS {
                return Err(FormError::TooManyFields);
            }
            let (key, value) = match pair.iter().position(|&b| b == b'=') {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &[][..]),
            };
            fields.push((decode(key)?, decode(value)?));
        }
        Ok(Self(fields))
    }

    /// The first field of that name.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// All of them, in the order in which they came.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

fn decode(text: &[u8]) -> Result<String, FormError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let (byte, after) = match (first, after) {
            (b'+', after) => (b' ', after),
            (b'%', [high, low, after @ ..]) => (hex(*high)? << 4 | hex(*low)?, after),
            (b'%', _) => return Err(FormError::BadEncoding),
            (byte, after) => (byte, after),
        };
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| FormError::BadEncoding)
}

fn hex(digit: u8) -> Result<u8, FormError> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok()).ok_or(FormError::BadEncoding)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(body: &str, expected: Result<&[(&str, &str)], FormError>) {
        match (Form::parse(body.as_bytes()), expected) {
            (Ok(form), Ok(fields)) => assert_eq!(form.fields().collect::<Vec<_>>(), fields),
            (form, expected) => assert_eq!(form.err(), expected.err()),
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_reads_back(fields in prop::collection::vec(("\\PC{1,9}", "\\PC{0,20}"), 0..9)) {
            let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
            prop_assert_eq!(Form::parse(body.as_bytes()).unwrap().0, fields);
        }

        #[test]
        fn no_body_of_a_stranger_panics(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Form::parse(&body);
        }
    }

    #[test]
    fn blanks_repeats_and_order_are_kept() {
        check("b=2&a=&b=+1%2B&c", Ok(&[("b", "2"), ("a", ""), ("b", " 1+"), ("c", "")]));
    }

    #[test]
    fn what_is_not_utf_8_is_refused() {
        for body in ["a=%ff", "a=%c3", "%e9=1", "a=%", "a=%2", "a=%zz", "a=%+1"] {
            check(body, Err(FormError::BadEncoding));
        }
        assert_eq!(Form::parse(b"a=\xff").err(), Some(FormError::BadEncoding));
    }

    #[test]
    fn a_huge_form_is_refused() {
        check(&"a".repeat(MAX_BYTES + 1), Err(FormError::TooLarge));
        check(&"a&".repeat(MAX_FIELDS + 1), Err(FormError::TooManyFields));
    }
}
