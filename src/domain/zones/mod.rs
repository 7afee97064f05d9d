//! Where a number may be: its possible time zones, by area code (carriers.md 5.5).
//!
//! The table (`table.rs`, made by `generate.py` from libphonenumber's data) has the union of all zones
//! of an area code and not those of its exchanges: an exchange says where a landline is, and texts go to
//! mobiles. Numbers of a country whose mobiles have no area code may be anywhere in that country. For
//! toll-free and other numbers without a place nothing is known, and the organisation's zone stands in.
//!
//! A number says where it was given out, not where its owner is today. So several zones are not a choice:
//! what is done by the clock has to be right in all of them. Only a person who knows it replaces them by one
//! ([`KnownZone`]).

mod table;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::serde::timestamp::millisecond;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::{Actor, Number};
use table::{PREFIXES, SETS};

/// No leading digits in the table are longer.
const LONGEST_PREFIX: u64 = 99_999;

/// The zones that somebody may be in; empty when nothing is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zones(Vec<TimeZone>);

/// The possible zones of a number.
pub fn of(number: Number) -> Zones {
    let mut prefix = number.as_u64();
    while prefix > LONGEST_PREFIX {
        prefix /= 10;
    }
    while prefix > 0 {
        if let Ok(row) = PREFIXES.binary_search_by_key(&prefix, |(digits, _)| *digits) {
            let names = SETS[PREFIXES[row].1];
            return Zones(names.iter().filter_map(|name| TimeZone::get(name).ok()).collect());
        }
        prefix /= 10;
    }
    Zones::unknown()
}

/// The zone by an IANA name, in any case; none for what is none.
pub fn named(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok().filter(|zone| !zone.is_unknown() && zone.iana_name().is_some())
}

/// The zone of a number's owner, as a person knows it: it stands in place of what the number says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownZone {
    /// Its IANA name.
    pub name: String,
    /// Who said so.
    pub by: Actor,
    /// When.
    #[serde(with = "millisecond::required")]
    pub at: Timestamp,
}

impl Zones {
    /// Nothing is known.
    pub const fn unknown() -> Self {
        Self(Vec::new())
    }

    /// A zone that is known for sure.
    pub fn one(zone: TimeZone) -> Self {
        Self(vec![zone])
    }

    /// Whether nothing is known.
    pub fn is_unknown(&self) -> bool {
        self.0.is_empty()
    }

    /// The zones, or `fallback` where none is known: never empty.
    pub fn or(&self, fallback: &TimeZone) -> Self {
        if self.is_unknown() { Self::one(fallback.clone()) } else { self.clone() }
    }

    /// The zones one by one.
    pub fn iter(&self) -> impl Iterator<Item = &TimeZone> {
        self.0.iter()
    }

    /// The zone whose clock shows what all of them show at `at`, if they agree.
    pub fn agreed(&self, at: Timestamp) -> Option<&TimeZone> {
        self.0.first().filter(|_| self.clocks(at).len() == 1)
    }

    /// What the clocks show there at `now`, in order and each time once: one in most cases.
    pub fn clocks(&self, now: Timestamp) -> Vec<DateTime> {
        let mut clocks: Vec<DateTime> = self.iter().map(|zone| zone.to_datetime(now)).collect();
        clocks.sort_unstable();
        clocks.dedup();
        clocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(number: &str, expected: &[&str]) {
        let zones = of(Number::from_e164(number).unwrap());
        let names: Vec<_> = zones.iter().map(|zone| zone.iana_name().unwrap()).collect();
        assert_eq!(names, expected, "{number}");
    }

    #[test]
    fn an_american_number_is_in_the_zones_of_its_area_code() {
        check("+12025550142", &["America/New_York"]);
        check("+12125550142", &["America/New_York"]);
        check("+13125550142", &["America/Chicago"]);
        check("+13035550142", &["America/Denver"]);
        check("+14805550142", &["America/Phoenix"]);
        check("+14155550142", &["America/Los_Angeles"]);
        check("+18085550142", &["Pacific/Honolulu"]);
        check("+17875550142", &["America/Puerto_Rico"]);
    }

    #[test]
    fn an_area_code_across_a_border_of_zones_has_both() {
        check("+12195550142", &["America/Chicago", "America/New_York"]);
        check("+18125550142", &["America/Chicago", "America/New_York"]);
        check("+14235550142", &["America/Chicago", "America/New_York"]);
        check("+19285550142", &["America/Denver", "America/Phoenix"]);
    }

    #[test]
    fn a_new_area_code_has_the_zones_of_the_one_that_it_covers() {
        check("+13645550142", &["America/Chicago", "America/New_York"]);
        check("+17295550142", &["America/Chicago", "America/New_York"]);
        check("+17785550142", &["America/Edmonton", "America/Vancouver"]);
    }

    #[test]
    fn a_mobile_of_another_country_may_be_anywhere_in_it() {
        check("+447911123456", &["Europe/Guernsey", "Europe/Isle_of_Man", "Europe/Jersey", "Europe/London"]);
        check("+919876543210", &["Asia/Calcutta"]);
        check("+4915112345678", &["Europe/Berlin"]);
        check("+77012345678", &["Asia/Almaty", "Asia/Aqtobe"]);
        assert_eq!(of(Number::from_e164("+61412345678").unwrap()).iter().count(), 8);
    }

    #[test]
    fn brazilian_and_mexican_mobiles_have_area_codes() {
        check("+5511987654321", &["America/Sao_Paulo"]);
        check("+5568987654321", &["America/Rio_Branco"]);
        check("+526641234567", &["America/Tijuana"]);
        check("+529981234567", &["America/Cancun"]);
    }

    #[test]
    fn nothing_is_known_of_a_number_without_a_place() {
        check("+18005550142", &[]);
        check("+18885550142", &[]);
        check("+15005550006", &[]);
        check("+999999999999999", &[]);
    }

    #[test]
    fn the_table_is_in_order_and_its_zones_exist() {
        assert!(PREFIXES.is_sorted_by(|(one, _), (next, _)| one < next));
        assert!(PREFIXES.iter().all(|(prefix, set)| *prefix <= LONGEST_PREFIX && *set < SETS.len()));
        for name in SETS.iter().copied().flatten() {
            assert!(TimeZone::get(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_zone_has_a_name_that_stands_in_the_table_of_all() {
        let name = |text| named(text).and_then(|zone| zone.iana_name().map(str::to_owned));
        assert_eq!(name("America/Chicago").as_deref(), Some("America/Chicago"));
        assert_eq!(name("america/chicago").as_deref(), Some("America/Chicago"));
        for none in ["", "Chicago", "Etc/Unknown", "CST6CDT,M3.2.0,M11.1.0", "+05:00", "number"] {
            assert_eq!(name(none), None, "{none}");
        }
    }

    #[test]
    fn zones_with_the_same_clock_show_one_time() {
        let noon: Timestamp = "2025-03-04T17:00:00Z".parse().unwrap();
        let clocks = |number: &str| of(Number::from_e164(number).unwrap()).clocks(noon).len();
        assert_eq!((clocks("+447911123456"), clocks("+12195550142"), clocks("+18005550142")), (1, 2, 0));
        let agreed = |number: &str| of(Number::from_e164(number).unwrap()).agreed(noon).is_some();
        assert!(agreed("+447911123456") && !agreed("+12195550142") && !agreed("+18005550142"));
    }
}
