//! The facts in words, for the people who text.

use fulcrum_domain::booking::{spoken_day, spoken_time};
use fulcrum_domain::quiet::Verdict;
use fulcrum_domain::zones::Zones;
use fulcrum_domain::{
    Answer, Consent as Evidence, ConsentLevel, ConsentSource, Message, OptOutSource, Purpose, Suppression,
};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{Facts, NextInterview, Reader, colleague_of};

/// A colleague's text is worth a warning for so long.
const JUST_NOW: SignedDuration = SignedDuration::from_mins(2);

/// How the zones of a candidate are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneEvidence {
    /// A person said so.
    Person,
    /// The area or the country of their number has one zone.
    Number,
    /// It has several.
    NumberInDoubt,
    /// Their number says nothing: the organisation's zone stands in.
    Organisation,
}

impl ZoneEvidence {
    pub(super) fn of(known: &Zones, by_person: bool) -> Self {
        if by_person {
            return Self::Person;
        }
        match known.iter().count() {
            0 => Self::Organisation,
            1 => Self::Number,
            _ => Self::NumberInDoubt,
        }
    }

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Person => "set by hand",
            Self::Number => "by the number's area",
            Self::NumberInDoubt => "by the number's area, which has several time zones",
            Self::Organisation => "the number has no known area; this is your own time",
        }
    }
}

/// Whether somebody may be texted, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Whether a person may text them.
    pub may: bool,
    /// What is known.
    pub words: &'static str,
    /// By what evidence, and since when.
    pub source: Option<String>,
    /// The opt-out, if there is one.
    pub opt_out: Option<Suppression>,
}

impl Consent {
    /// From what is recorded of the number; `in_doubt` while a person should look whether they opted out.
    pub(super) fn of(
        suppression: Option<&Suppression>,
        in_doubt: bool,
        evidence: Option<&Evidence>,
        wanted: ConsentLevel,
        zone: &TimeZone,
    ) -> Self {
        match suppression {
            Some(suppression) => Self {
                may: false,
                words: "opted out of texts",
                source: Some(opt_out_source(suppression, zone)),
                opt_out: Some(suppression.clone()),
            },
            None if in_doubt => {
                let words = "may have opted out: decide before you text";
                Self { may: true, words, source: None, opt_out: None }
            }
            None => Self::by_answer(evidence, wanted, zone),
        }
    }

    fn by_answer(evidence: Option<&Evidence>, wanted: ConsentLevel, zone: &TimeZone) -> Self {
        let may = wanted.check(Purpose::Conversation, evidence.map(|evidence| evidence.answer)).is_ok();
        let source = evidence.map(|evidence| consent_source(evidence, zone));
        let words = match (evidence.map(|evidence| evidence.answer), wanted) {
            (Some(Answer::Yes), _) => "agreed to texts",
            (Some(Answer::No), _) => "said no to texts",
            (None, ConsentLevel::None) => "not asked yet: they may be texted all the same",
            (None, ConsentLevel::Permissive) => "not asked yet: nothing is sent to them by itself",
            (None, ConsentLevel::Strict) => "not agreed to texts",
        };
        Self { may, words, source, opt_out: None }
    }
}

fn opt_out_source(suppression: &Suppression, zone: &TimeZone) -> String {
    let how = match &suppression.source {
        OptOutSource::Text(_) => "by text".to_owned(),
        OptOutSource::Carrier => "at the carrier".to_owned(),
        OptOutSource::Person(who) => format!("recorded by {who}"),
    };
    format!("{how}, {}", day(suppression.at, zone))
}

fn consent_source(evidence: &Evidence, zone: &TimeZone) -> String {
    let how = match &evidence.source {
        ConsentSource::Application(_) => "on their application".to_owned(),
        ConsentSource::Text => "by text".to_owned(),
        ConsentSource::Person(reason) => format!("recorded by {}: {reason}", evidence.by.as_str()),
        ConsentSource::Import(what) => format!("imported by {}: {what}", evidence.by.as_str()),
    };
    format!("{how}, {}", day(evidence.at, zone))
}

fn day(at: Timestamp, zone: &TimeZone) -> String {
    zone.to_datetime(at).strftime("%-d %b %Y").to_string()
}

/// A colleague who has just texted the candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Colleague {
    /// Their name.
    pub name: String,
    /// How long ago.
    pub seconds: i64,
}

/// The colleague who wrote the newest text, if that was just now. `messages` have the newest first.
pub(super) fn colleague(messages: &[Message], reader: &Reader, now: Timestamp) -> Option<Colleague> {
    messages.iter().find_map(|message| {
        let ago = now.duration_since(message.at);
        let name = colleague_of(message, reader).filter(|_| ago <= JUST_NOW)?;
        Some(Colleague { name: name.to_owned(), seconds: ago.as_secs().max(0) })
    })
}

impl Facts {
    /// Whether a person may text the candidate.
    ///
    /// # Errors
    /// The reason, for people, with what to do.
    pub fn may_text(&self) -> Result<(), String> {
        if self.number.is_none() {
            return Err(
                "There is no number in Lever that can be texted. Add one there, or write an e-mail.".into()
            );
        }
        if !self.consent.may {
            let source = self.consent.source.as_deref().unwrap_or("nothing is on record");
            return Err(format!(
                "The candidate has {} ({source}). Write an e-mail or call.",
                self.consent.words
            ));
        }
        if self.only_read {
            return Err("The opportunity is confidential, and candidates of such are not texted here.".into());
        }
        match self.unusable {
            Some(reason) => {
                Err(format!("The last text did not arrive: {reason}. Try another number, or an e-mail."))
            }
            None => Ok(()),
        }
    }

    /// What the candidate's clock shows, such as "15:10" or "between 14:10 and 15:10": as the
    /// console shows times.
    pub fn local_time(&self) -> String {
        spoken(&self.zones.clocks(self.now), "%H:%M")
    }

    /// The same for another moment, with its day: "Wed 5 Mar, 08:00".
    pub fn in_their_time(&self, at: Timestamp) -> String {
        spoken(&self.zones.clocks(at), "%a %-d %b, %H:%M")
    }

    /// Whether a text that is written now waits for the end of quiet hours.
    pub fn must_wait(&self) -> bool {
        self.quiet != Verdict::Open && !self.in_a_talk
    }

    /// The warning in quiet hours, with what becomes of a text.
    pub fn quiet_words(&self) -> Option<String> {
        let here = self.local_time();
        match self.quiet {
            Verdict::Open => None,
            Verdict::Closed { .. } if self.in_a_talk => Some(format!(
                "It is {here} for the candidate. They wrote within the last hour, so an answer leaves at once."
            )),
            Verdict::Closed { opens: Some(opens) } => Some(format!(
                "It is {here} for the candidate. A text waits until quiet hours end: {}, their time.",
                self.in_their_time(opens)
            )),
            Verdict::Closed { opens: None } => Some(format!(
                "It is {here} for the candidate, and no hour is right in all time zones of their number."
            )),
        }
    }
}

/// One time, or the first and the last of several.
fn spoken(clocks: &[DateTime], format: &str) -> String {
    let time = |clock: &DateTime| clock.strftime(format).to_string();
    match clocks {
        [] => String::new(),
        [one] => time(one),
        [first, .., last] => format!("between {} and {}", time(first), time(last)),
    }
}

impl NextInterview {
    /// Its day, as a template says it: "Tue, Mar 4".
    pub fn date(&self) -> String {
        spoken_day(self.starts_at, &self.zone)
    }

    /// Its time with the zone, as a template says it: "2:30 PM EST".
    pub fn time(&self) -> String {
        spoken_time(self.starts_at, &self.zone)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn several_clocks_are_told_by_the_first_and_the_last() {
        let clocks = [date(2025, 3, 4).at(11, 5, 0, 0), date(2025, 3, 4).at(12, 5, 0, 0)];
        assert_eq!(spoken(&clocks, "%-I:%M %P"), "between 11:05 am and 12:05 pm");
        assert_eq!(spoken(&clocks[..1], "%a %-d %b, %-I:%M %P"), "Tue 4 Mar, 11:05 am");
    }
}
