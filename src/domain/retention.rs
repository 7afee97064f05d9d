//! For how long what was said is kept, by where the candidate stands.

use jiff::{SignedDuration, Timestamp};

/// Where the candidates of a number stand, taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Footing {
    /// One of them is active.
    Active,
    /// All are archived, the last of them then.
    Archived(Timestamp),
    /// The same, and one was hired.
    Hired(Timestamp),
    /// The number leads to nobody.
    Nobody,
}

/// For how long what was said with a number is kept after its last text, and after the last archiving:
/// for ever where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// While somebody is active.
    pub active: Option<SignedDuration>,
    /// After all were archived.
    pub archived: Option<SignedDuration>,
    /// After one was hired.
    pub hired: Option<SignedDuration>,
    /// Of numbers that lead to nobody.
    pub nobody: Option<SignedDuration>,
}

impl Retention {
    /// Whether anything ever ends.
    pub fn is_for_ever(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the time of a thread is over.
    pub fn is_over(&self, footing: Footing, last_text: Timestamp, now: Timestamp) -> bool {
        let (kept, since) = match footing {
            Footing::Active => (self.active, last_text),
            Footing::Archived(at) => (self.archived, last_text.max(at)),
            Footing::Hired(at) => (self.hired, last_text.max(at)),
            Footing::Nobody => (self.nobody, last_text),
        };
        kept.is_some_and(|kept| now.duration_since(since) > kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_counts_from_the_last_text_and_the_last_archiving() {
        let day = |n: i64| Timestamp::from_second(n * 86_400).unwrap();
        let days = |n: i64| Some(SignedDuration::from_hours(24 * n));
        let retention = Retention { archived: days(10), nobody: days(5), ..Retention::default() };
        assert!(!retention.is_for_ever() && Retention::default().is_for_ever());
        assert!(!retention.is_over(Footing::Active, day(0), day(10_000)));
        assert!(!retention.is_over(Footing::Hired(day(0)), day(0), day(10_000)));
        assert!(!retention.is_over(Footing::Archived(day(5)), day(0), day(15)));
        assert!(retention.is_over(Footing::Archived(day(5)), day(0), day(16)));
        assert!(!retention.is_over(Footing::Archived(day(0)), day(5), day(15)));
        assert!(retention.is_over(Footing::Nobody, day(0), day(6)));
    }
}
