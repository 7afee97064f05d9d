//! Which states of the United States a number may be in, and the windows that their laws leave for texts
//! (carriers.md 5.4).
//!
//! As with the zones, a number says where it was given out, and an area code may cover several states: the
//! strictest of them counts. A number of the same plan without a place (toll-free, or too new for the
//! table) may be in any of them, and its zone is a guess (5.5): for such there are windows of their own. Numbers
//! of other countries are not limited.

mod table;

use std::collections::BTreeMap;

use crate::Number;
use crate::quiet::Hours;
use table::{ELSEWHERE, STATES};

/// Where a number may be, as the laws of the United States see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In another country.
    Abroad,
    /// In one of these states; in any, if there is none.
    States(&'static [&'static str]),
}

fn place(number: Number) -> Place {
    /// +1 and ten digits.
    const FIRST: u64 = 10_000_000_000;
    let Some(national) = number.as_u64().checked_sub(FIRST).filter(|national| *national < FIRST) else {
        return Place::Abroad;
    };
    let area = u16::try_from(national / 10_000_000).unwrap_or(0);
    if ELSEWHERE.binary_search(&area).is_ok() {
        return Place::Abroad;
    }
    let row = STATES.binary_search_by_key(&area, |(area, _)| *area);
    Place::States(row.map_or(&[], |row| STATES[row].1))
}

/// Whether there is a state of these two letters, or a district or territory.
pub fn is_state(name: &str) -> bool {
    STATES.iter().any(|(_, states)| states.contains(&name))
}

/// The windows that laws leave, on top of those that an installation sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateWindows {
    everywhere: Hours,
    states: BTreeMap<String, Hours>,
    placeless: Hours,
}

impl Default for StateWindows {
    /// No limits.
    fn default() -> Self {
        Self::new(Hours::always(), BTreeMap::new())
    }
}

impl StateWindows {
    /// `everywhere` holds in the whole country, and `states` besides, by their two letters.
    pub const fn new(everywhere: Hours, states: BTreeMap<String, Hours>) -> Self {
        Self { everywhere, states, placeless: Hours::always() }
    }

    /// The same, and these for numbers of which not even the state can be told.
    #[must_use]
    pub const fn with_placeless(mut self, hours: Hours) -> Self {
        self.placeless = hours;
        self
    }

    /// What is left of each day for a number: within the windows of all states that it may be in.
    pub fn of(&self, number: Number) -> Hours {
        match place(number) {
            Place::Abroad => Hours::always(),
            Place::States([]) => self.everywhere.within(self.placeless),
            Place::States(states) => states
                .iter()
                .filter_map(|state| self.states.get(*state))
                .fold(self.everywhere, |hours, state| hours.within(*state)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::from_e164(text).unwrap()
    }

    fn check(text: &str, expected: Option<&[&str]>) {
        let found = match place(number(text)) {
            Place::Abroad => None,
            Place::States(states) => Some(states),
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_number_is_in_the_states_of_its_area_code() {
        check("+12025550142", Some(&["DC"]));
        check("+14015550142", Some(&["RI"]));
        check("+17135550142", Some(&["TX"]));
        check("+17295550142", Some(&["TN"]));
        check("+17875550142", Some(&["PR"]));
    }

    #[test]
    fn toll_free_numbers_are_in_no_state_and_others_abroad() {
        check("+18005550142", Some(&[]));
        check("+14165550142", None);
        check("+447911123456", None);
        check("+8613812345678", None);
    }

    #[test]
    fn a_state_is_known_by_its_two_letters() {
        assert!(is_state("RI") && is_state("DC") && !is_state("Ri") && !is_state("XX") && !is_state(""));
    }

    #[test]
    fn the_tables_are_in_order() {
        assert!(STATES.is_sorted_by(|(one, _), (next, _)| one < next));
        assert!(ELSEWHERE.is_sorted_by(|one, next| one < next));
        assert!(ELSEWHERE.iter().all(|area| STATES.binary_search_by_key(area, |(area, _)| *area).is_err()));
    }

    #[test]
    fn the_strictest_of_all_possible_states_counts() {
        let hours = |text: &str| Hours::new([Some(text.parse().unwrap()); 7]);
        // New numbers of 201 are in New Jersey, and some exchanges in New York.
        let states = [("NJ", "08:00-20:00"), ("NY", "09:00-21:00"), ("RI", "09:00-18:00")];
        let states = states.map(|(state, window)| (state.to_owned(), hours(window))).into();
        let windows = StateWindows::new(hours("08:00-21:00"), states);
        assert_eq!(windows.of(number("+12015550142")), hours("09:00-20:00"));
        assert_eq!(windows.of(number("+14015550142")), hours("09:00-18:00"));
        assert_eq!(windows.of(number("+18005550142")), hours("08:00-21:00"));
        assert_eq!(windows.of(number("+14165550142")), Hours::always());
        let windows = windows.with_placeless(hours("09:00-20:00"));
        assert_eq!(windows.of(number("+18005550142")), hours("09:00-20:00"));
        assert_eq!(windows.of(number("+14015550142")), hours("09:00-18:00"));
        assert_eq!(StateWindows::default().of(number("+14015550142")), Hours::always());
    }
}
