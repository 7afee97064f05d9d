//! Contacts as people typed them: names, phones in every format, mostly no e-mail.
//!
//! A contact is a pure function of seed and index. Numbers lie in the ranges set aside for fiction (555-01xx
//! in North America, Ofcom's drama numbers in the United Kingdom), so nobody real can appear in a demo. The
//! most recent thousands of contacts have numbers of their own; further back the ranges are used again, which
//! is also life.

use super::ids::Kind;
use super::reference::LOCATIONS;
use super::wire::Phone;
use crate::dice::Dice;

pub(super) const FIRST_NAMES: &[&str] = &[
    "Ana", "Ben", "Carla", "David", "Elena", "Farid", "Grace", "Hugo", "Ines", "Jamal", "Keiko", "Liam",
    "Maya", "Noah", "Olga", "Priya", "Quinn", "Rosa", "Sam", "Tariq", "Uma", "Victor", "Wendy", "Ximena",
    "Yusuf", "Zoë",
];
pub(super) const LAST_NAMES: &[&str] = &[
    "Ruiz", "Smith", "Okafor", "Nguyen", "Müller", "Garcia", "Cohen", "Patel", "Johnson", "Silva", "Kim",
    "Novak", "O'Brien", "Haddad", "Larsen", "Rossi", "Dubois", "Tanaka", "Brown", "Adeyemi", "Kowalski",
    "Lopez", "Reyes",
];
const AREAS: &[u16] = &[
    202, 212, 213, 206, 303, 305, 312, 313, 404, 408, 412, 415, 503, 512, 602, 614, 615, 617, 619, 702, 703,
    713, 714, 718, 720, 786, 801, 804, 813, 816, 818, 832, 847, 901, 904, 917, 919, 949, 954, 971,
];
/// Area codes of those who apply while the simulator runs; none of them is in [`AREAS`].
const LATE_AREAS: &[u16] = &[203, 207, 208, 209, 210, 214, 215, 216, 217, 218];

/// What a contact says of itself; copied into each of its opportunities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) headline: String,
    pub(super) location: String,
    pub(super) phones: Vec<Phone>,
    pub(super) emails: Vec<String>,
    pub(super) links: Vec<String>,
    pub(super) anonymized: bool,
}

/// The contact at `index` of a tenant that had `total` at the start.
pub(super) fn generate(seed: u64, index: u32, total: u32) -> Person {
    let mut dice = Dice::new(seed, Kind::Contact as u64, index.into());
    if dice.chance(0.005) {
        return Person { anonymized: true, ..Person::default() };
    }
    let (first, last) = (dice.pick(FIRST_NAMES), dice.pick(LAST_NAMES));
    let name = match dice.below(200) {
        0 => String::new(),
        1 => first.to_owned(),
        _ => format!("{first} {last}"),
    };
    let emails = if dice.chance(0.3) { vec![email(first, last, index)] } else { Vec::new() };
    Person {
        name,
        headline: if dice.chance(0.3) { "Acme".to_owned() } else { String::new() },
        location: if dice.chance(0.5) { dice.pick(&LOCATIONS).to_owned() } else { String::new() },
        phones: phones(&mut dice, index, total),
        emails,
        links: Vec::new(),
        anonymized: false,
    }
}

/// Somebody new, the `nth` to apply while the simulator runs.
pub(super) fn newcomer(seed: u64, index: u32, nth: u32) -> Person {
    let mut dice = Dice::new(seed, Kind::Contact as u64, index.into());
    let (first, last) = (dice.pick(FIRST_NAMES), dice.pick(LAST_NAMES));
    let area = LATE_AREAS[nth as usize / 100 % LATE_AREAS.len()];
    Person {
        name: format!("{first} {last}"),
        phones: vec![mobile(north_american(&mut dice, area, nth % 100))],
        emails: vec![email(first, last, index)],
        ..Person::default()
    }
}

/// The index of the contact that an address was generated for.
pub(super) fn index_of_email(email: &str) -> Option<u32> {
    email.strip_suffix("@example.com")?.rsplit('.').next()?.parse().ok()
}

/// What was typed, in E.164, if it is a North American number.
pub(super) fn north_american_number(typed: &str) -> Option<String> {
    let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
    let national = if digits.len() == 11 { digits.strip_prefix('1')? } else { &digits };
    (national.len() == 10).then(|| format!("+1{national}"))
}

fn email(first: &str, last: &str, index: u32) -> String {
    let plain = |name: &str| -> String {
        name.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_lowercase()
    };
    format!("{}.{}.{index}@example.com", plain(first), plain(last))
}

/// Usually one number, sometimes none, two, or something that is no number at all.
fn phones(dice: &mut Dice, index: u32, total: u32) -> Vec<Phone> {
    // One contact in a hundred gives the number of the contact before it: a household, or a duplicate.
    let owner = if index > 0 && dice.chance(0.01) { index - 1 } else { index };
    let rank = total.saturating_sub(owner + 1);
    let area = AREAS[rank as usize / 100 % AREAS.len()];
    let main = north_american(dice, area, rank % 100);
    match dice.below(100) {
        0..3 => Vec::new(),
        3..5 => vec![mobile(
            dice.pick(&["n/a", "call me", "555-0100", "+1 202", "0", "123456789012345678"]).to_owned(),
        )],
        5..9 => vec![mobile(british(dice))],
        9..12 => vec![
            Phone { kind: Some("skype".to_owned()), value: format!("live:candidate{index}") },
            mobile(main),
        ],
        12..20 => {
            let line = dice.below(100) as u32;
            vec![
                Phone { kind: Some("home".to_owned()), value: north_american(dice, 661, line) },
                mobile(main),
            ]
        }
        20..30 => vec![Phone { kind: None, value: main }],
        _ => vec![mobile(main)],
    }
}

fn mobile(value: String) -> Phone {
    Phone { kind: Some("mobile".to_owned()), value }
}

fn north_american(dice: &mut Dice, area: u16, line: u32) -> String {
    match dice.below(8) {
        0 => format!("({area}) 555-01{line:02}"),
        1 => format!("{area}-555-01{line:02}"),
        2 => format!("+1 {area} 555 01{line:02}"),
        3 => format!("+1{area}55501{line:02}"),
        4 => format!("1.{area}.555.01{line:02}"),
        5 => format!("{area}55501{line:02}"),
        6 => format!(" {area} 555 01{line:02} (cell)"),
        _ => format!("+1 ({area}) 555-01{line:02}"),
    }
}

fn british(dice: &mut Dice) -> String {
    let line = dice.below(1000);
    match dice.below(3) {
        0 => format!("+44 7700 900{line:03}"),
        1 => format!("+44 (0)7700 900{line:03}"),
        _ => format!("00447700900{line:03}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_back_to_its_contact() {
        assert_eq!(index_of_email(&email("Zoë", "O'Brien", 41)), Some(41));
        assert_eq!(email("Zoë", "O'Brien", 41), "zo.obrien.41@example.com");
        assert_eq!(index_of_email("someone@acme.example"), None);
    }

    #[test]
    fn every_way_of_typing_a_number_means_the_same() {
        let mut dice = Dice::new(1, 2, 3);
        for _ in 0..100 {
            let typed = north_american(&mut dice, 202, 23);
            assert_eq!(north_american_number(&typed).as_deref(), Some("+12025550123"), "{typed}");
        }
        for other in ["+44 7700 900123", "n/a", "555-0100", "123456789012345678"] {
            assert_eq!(north_american_number(other), None, "{other}");
        }
    }

    #[test]
    fn newcomers_have_numbers_of_their_own() {
        let number = |nth| north_american_number(&newcomer(7, 5000 + nth, nth).phones[0].value).unwrap();
        let all: std::collections::BTreeSet<_> = (0..1000).map(number).collect();
        assert_eq!(all.len(), 1000);
    }
}
