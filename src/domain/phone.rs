//! Telephone numbers: what people type into a field, as the number that a text can go to.
//!
//! The numbering plans are `rlibphonenumber`'s, and only this file knows that crate. A number is
//! kept as the digits of its E.164 form in a `u64`: small in keys, and equal only if it is the
//! same number, however it was written.
//!
//! There are two doors. [`Number::parse`] is for what people wrote: it takes a number only when
//! the plan says that it exists and may receive texts, and says why not otherwise; what is
//! doubtful, such as two numbers in one field, is left to a person (carriers.md 6).
//! [`Number::from_e164`] is for what a carrier sends, which is already exact; asking the plan
//! there would lose texts whenever a plan is newer than our copy of it.

use std::fmt;
use std::str::FromStr;

use rlibphonenumber::{PHONE_NUMBER_UTIL, ParseError, PhoneNumber, PhoneNumberType, ValidationError};
use serde::{Deserialize, Serialize};

/// The digits of an E.164 number. Prints as `+12025550142`; its `Debug` shows only the last four.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Number(u64);

/// Why a text is no number that we could write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotANumber {
    /// Empty, or words only.
    #[error("there is no telephone number in it")]
    NoDigits,
    /// Two or more in one field: a person has to choose.
    #[error("there is more than one telephone number in it")]
    Several,
    /// A desk behind a switchboard; texts do not get there.
    #[error("it has an extension, where no text arrives")]
    Extension,
    /// Shorter than any number of that country; a short code or an emergency number too.
    #[error("it is too short for a telephone number")]
    TooShort,
    /// Longer than any number of that country.
    #[error("it is too long for a telephone number")]
    TooLong,
    /// The right length, but the numbering plan gives it to nobody.
    #[error("no numbering plan has this number")]
    Unassigned,
    /// Surely a landline. Where the plan cannot tell (North America), it is taken.
    #[error("it is a landline")]
    Landline,
    /// Toll-free, premium, shared cost and other services.
    #[error("it is a service number, not a person's")]
    Service,
}

/// A carrier's address that is not `+` and 7 to 15 digits, such as a short code or a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an E.164 number: it must be '+' and 7 to 15 digits, the first not 0")]
pub struct NotE164;

impl Number {
    /// Reads what a person wrote; a number without `+` is one of `default_region`.
    ///
    /// # Errors
    /// [`NotANumber`] with the reason.
    pub fn parse(raw: &str, default_region: &Region) -> Result<Self, NotANumber> {
        if how_many(raw) > 1 {
            return Err(NotANumber::Several);
        }
        // "202-555-0142 (cell)": the library would take the letters for digits of a keypad.
        let raw = raw.trim_end_matches(|c: char| !c.is_numeric());
        let number = PhoneNumber::parse(raw, Some(default_region.0)).map_err(|error| match error {
            ParseError::InvalidCountryCode => NotANumber::Unassigned,
            ParseError::NotANumber(_) => NotANumber::NoDigits,
            ParseError::TooShortAfterIdd | ParseError::TooShortNsn => NotANumber::TooShort,
            ParseError::TooLongNsn => NotANumber::TooLong,
        })?;
        if number.extension.is_some() {
            return Err(NotANumber::Extension);
        }
        match number.get_type() {
            PhoneNumberType::Mobile | PhoneNumberType::FixedLineOrMobile | PhoneNumberType::VoIP => {
                Self::from_e164(&number.to_string()).map_err(|NotE164| NotANumber::Unassigned)
            }
            PhoneNumberType::FixedLine => Err(NotANumber::Landline),
            PhoneNumberType::Unknown => Err(match number.is_possible_with_reason() {
                Err(ValidationError::TooShort) => NotANumber::TooShort,
                Err(ValidationError::TooLong) => NotANumber::TooLong,
                _ => NotANumber::Unassigned,
            }),
            _ => Err(NotANumber::Service),
        }
    }

    /// Reads a carrier's address, whether or not a plan has such a number.
    ///
    /// # Errors
    /// [`NotE164`] when it is not `+` and 7 to 15 digits.
    pub fn from_e164(address: &str) -> Result<Self, NotE164> {
        let digits = address.strip_prefix('+').ok_or(NotE164)?;
        if digits.starts_with('0') || digits.len() > 15 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotE164);
        }
        Self::from_u64(digits.parse().map_err(|_| NotE164)?)
    }

    /// The number that [`Self::as_u64`] gave to the store.
    ///
    /// # Errors
    /// [`NotE164`] when it has not 7 to 15 digits.
    pub const fn from_u64(digits: u64) -> Result<Self, NotE164> {
        if digits >= 1_000_000 && digits < 1_000_000_000_000_000 { Ok(Self(digits)) } else { Err(NotE164) }
    }

    /// The digits as one integer, country code first.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The last four digits, all that is shown where a transcript may be read by others.
    pub fn last4(self) -> String {
        format!("{:04}", self.0 % 10_000)
    }
}

/// How many telephone numbers stand in a text, counting what has seven digits or more.
fn how_many(raw: &str) -> usize {
    raw.split(|c: char| c.is_alphabetic() || "/,;|&\n".contains(c))
        .filter(|part| part.chars().filter(|c| c.is_numeric()).count() >= 7)
        .count()
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Number(..{})", self.last4())
    }
}

impl TryFrom<u64> for Number {
    type Error = NotE164;

    fn try_from(digits: u64) -> Result<Self, NotE164> {
        Self::from_u64(digits)
    }
}

impl From<Number> for u64 {
    fn from(number: Number) -> Self {
        number.0
    }
}

/// A country whose numbering plan is known, by its two letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region(rlibphonenumber::Region);

/// Not two letters of a country that has telephone numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a country: it must be two letters, such as \"US\" or \"GB\"")]
pub struct NotARegion;

impl Region {
    /// The digits that numbers of this region begin with in E.164.
    pub fn calling_code(&self) -> Option<u16> {
        PHONE_NUMBER_UTIL.get_country_code_for_region(self.0).and_then(|code| code.try_into().ok())
    }
}

impl FromStr for Region {
    type Err = NotARegion;

    fn from_str(code: &str) -> Result<Self, NotARegion> {
        let region = code.to_ascii_uppercase().parse().map_err(|_| NotARegion)?;
        let known = code.len() == 2 && PHONE_NUMBER_UTIL.get_country_code_for_region(region).is_some();
        if known { Ok(Self(region)) } else { Err(NotARegion) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(raw: &str, region: &str, expected: Result<&str, NotANumber>) {
        let got = Number::parse(raw, &region.parse().unwrap()).map(|number| number.to_string());
        assert_eq!(got.as_deref(), expected.as_ref().map(|&e| e), "{raw} in {region}");
    }

    #[test]
    fn a_mobile_is_read_however_it_is_written() {
        for raw in [
            "+12025550142",
            "202-555-0142",
            "(202) 555.0142",
            "1 202 555 0142",
            "tel:+1-202-555-0142",
            "202 555 0142 (cell)",
            "Mobile: 202 555 0142",
            "  ２０２５５５０１４２ ",
            "011 1 202 555 0142",
        ] {
            check(raw, "US", Ok("+12025550142"));
        }
        check("07911 123456", "GB", Ok("+447911123456"));
        check("+44 (0) 7911 123456", "US", Ok("+447911123456"));
        check("0151 12345678", "DE", Ok("+4915112345678"));
    }

    #[test]
    fn numbers_kept_for_stories_pass_in_north_america() {
        for last in ["0100", "0142", "0199"] {
            check(&format!("+1312555{last}"), "DE", Ok(&format!("+1312555{last}")));
        }
    }

    #[test]
    fn a_number_of_another_country_is_not_bent_to_ours() {
        check("+19003445678", "BR", Err(NotANumber::Service));
        check("+1 202 555 0142", "BR", Ok("+12025550142"));
        check("+78001234567", "KZ", Err(NotANumber::Service));
    }

    #[test]
    fn what_cannot_be_texted_says_why() {
        use NotANumber::*;
        check("", "US", Err(NoDigits));
        check("ask me", "US", Err(NoDigits));
        check("202 555 0142 / 202 555 0143", "US", Err(Several));
        check("2025550142 or 2025550143", "US", Err(Several));
        check("202-555-0142 ext. 55", "US", Err(Extension));
        check("tel:+12025550142;ext=5", "US", Err(Extension));
        check("911", "US", Err(TooShort));
        check("72345", "US", Err(TooShort));
        check("555-0142", "US", Err(Unassigned));
        check("202 555 0142 0", "US", Err(TooLong));
        check("+1 555 555 0142", "US", Err(Unassigned));
        check("+999 202 555 0142", "US", Err(Unassigned));
        check("020 7946 0958", "GB", Err(Landline));
        check("+39 06 1234 5678", "US", Err(Landline));
        check("1-800-555-0142", "US", Err(Service));
        check("+1 900 555 1234", "US", Err(Service));
        check("0843 123 4567", "GB", Err(Service));
    }

    #[test]
    fn a_carrier_s_address_is_taken_as_it_is() {
        for address in ["+12025550142", "+447700900123", "+15005550006", "+999999999999999"] {
            assert_eq!(Number::from_e164(address).unwrap().to_string(), address);
        }
        for address in ["", "+", "12025550142", "+0123456789", "72345", "+1 2025550142", "ACME", "+١٢٣٤٥٦٧٨"]
        {
            assert_eq!(Number::from_e164(address), Err(NotE164), "{address}");
        }
        assert_eq!(Number::from_e164("whatsapp:+12025550142"), Err(NotE164));
        assert_eq!(Number::from_e164("+1234567890123456"), Err(NotE164));
    }

    #[test]
    fn only_the_last_four_digits_reach_a_log() {
        let number = Number::from_e164("+12025550042").unwrap();
        assert_eq!(format!("{number:?} {}", number.last4()), "Number(..0042) 0042");
    }

    #[test]
    fn a_region_knows_how_its_numbers_begin() {
        for (region, code) in [("US", 1), ("GB", 44), ("DE", 49)] {
            assert_eq!(region.parse::<Region>().unwrap().calling_code(), Some(code));
        }
    }

    #[test]
    fn a_region_is_a_country_with_telephones() {
        for code in ["US", "gb", "DE"] {
            assert!(code.parse::<Region>().is_ok(), "{code}");
        }
        for code in ["", "U", "USA", "001", "ZZ", "XX", "é"] {
            assert_eq!(code.parse::<Region>(), Err(NotARegion), "{code}");
        }
    }

    proptest! {
        #[test]
        fn nothing_typed_panics(raw in any::<String>()) {
            let _ = Number::parse(&raw, &Region(rlibphonenumber::Region::US));
            let _ = Number::from_e164(&raw);
        }

        #[test]
        fn a_number_found_reads_back(raw in "[+0-9 ().-]{5,18}", region in "US|GB|DE|IN") {
            if let Ok(number) = Number::parse(&raw, &region.parse().unwrap()) {
                prop_assert_eq!(Number::from_e164(&number.to_string()), Ok(number));
                prop_assert_eq!(Number::from_u64(number.as_u64()), Ok(number));
            }
        }
    }
}
