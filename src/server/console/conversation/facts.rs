//! What stands beside a conversation: the candidate in lines, and the notes that were filed.

use fulcrum_domain::{FilingState, OpportunityId, WhyHeld};

use super::lines::{Reader, moment, shown};
use crate::engine::{Candidate, Facts, FilingView};
use crate::server::console::{texts, words};

/// A line about the candidate.
pub(in crate::server::console) struct Fact {
    pub(in crate::server::console) name: &'static str,
    pub(in crate::server::console) words: String,
    pub(in crate::server::console) href: Option<String>,
    /// Whether it goes by their time zone, which can be set beside it.
    pub(in crate::server::console) by_zone: bool,
}

/// A transcript that stands in Lever, or is on its way.
pub(in crate::server::console) struct Note {
    pub(in crate::server::console) href: Option<String>,
    pub(in crate::server::console) words: String,
}

/// The candidate's page in Lever.
fn in_lever(lever: &str, id: &OpportunityId) -> String {
    format!("{lever}/candidates/{id}")
}

/// The facts, each on a line; what is not known is left out.
pub(super) fn lines(facts: &Facts, base: &str, lever: &str, reader: &Reader<'_>) -> Vec<Fact> {
    let mut lines = Vec::new();
    let mut put = |name, words: String, href| {
        lines.push(Fact { name, words, href, by_zone: name == texts::LOCAL_TIME });
    };
    if let Some(candidate) = &facts.candidate {
        about(candidate, reader, &mut |name, words| put(name, words, None));
        put(texts::IN_LEVER, texts::PROFILE.to_owned(), Some(in_lever(lever, &candidate.id)));
    }
    if let Some(number) = facts.number {
        let number = number.to_string();
        put(texts::NUMBER, words::number(&number), Some(format!("tel:{number}")));
        put(texts::LOCAL_TIME, format!("{} ({})", facts.local_time(), facts.evidence.words()), None);
    }
    let consent = match &facts.consent.source {
        Some(source) => format!("{}: {source}", facts.consent.words),
        None => facts.consent.words.to_owned(),
    };
    put(texts::CONSENT, consent, None);
    if facts.first_text {
        put(texts::FIRST_TEXT, texts::FIRST_TEXT_WORDS.to_owned(), None);
    }
    for (id, number) in &facts.spoken_of {
        put(texts::OTHER_THREADS, number.to_string(), Some(format!("{base}/c/{id}")));
    }
    for other in facts.candidate.iter().flat_map(|candidate| &candidate.others) {
        let parts = [other.posting.as_deref(), other.stage.as_deref()];
        let words: Vec<String> = parts.into_iter().flatten().map(shown).collect();
        let words = if words.is_empty() { other.id.to_string() } else { words.join(", ") };
        let words = if other.active { words } else { format!("{words} ({})", texts::ARCHIVED_SMALL) };
        put(texts::OTHERS, words, Some(format!("{base}/o/{}", other.id)));
    }
    lines
}

/// What matters before one writes, for where there is no room for more: their time, and whether they may be
/// texted.
pub(super) fn brief(facts: &Facts) -> String {
    match facts.number {
        Some(_) => format!("{} \u{b7} {}", facts.local_time(), facts.consent.words),
        None => String::new(),
    }
}

fn about(candidate: &Candidate, reader: &Reader<'_>, put: &mut impl FnMut(&'static str, String)) {
    if let Some((title, place)) = &candidate.posting {
        let place = place.as_ref().map(|place| format!(", {}", shown(place))).unwrap_or_default();
        put(texts::POSTING, format!("{}{place}", shown(title)));
    }
    if let Some(stage) = &candidate.stage {
        put(texts::STAGE, shown(stage));
    }
    if let Some(archived) = &candidate.opportunity.archived {
        let reason = candidate.archive_reason.as_deref().map(|reason| format!("{}, ", shown(reason)));
        put(
            texts::ARCHIVED_IN_LEVER,
            format!("{}{}", reason.unwrap_or_default(), words::ago(archived.at, reader.now)),
        );
    }
    if let Some(owner) = &candidate.owner {
        put(texts::OWNER, shown(owner));
    }
    if let Some(interview) = &candidate.interview {
        let subject = interview.subject.as_deref().map(|subject| format!("{}, ", shown(subject)));
        put(
            texts::INTERVIEW,
            format!("{}{}", subject.unwrap_or_default(), moment(interview.starts_at, reader)),
        );
    }
}

/// Why a transcript is held, in the words of machines, for whoever can mend it.
fn held(why: &WhyHeld, may_mend: bool) -> String {
    match why {
        WhyHeld::Other(_) if !may_mend => texts::HELD_FOR_ADMIN.to_owned(),
        why => format!("{}: {why}", texts::HELD),
    }
}

/// The transcripts, the newest first.
pub(super) fn notes(filings: &[FilingView], lever: &str, reader: &Reader<'_>, may_mend: bool) -> Vec<Note> {
    let note = |FilingView { filing, .. }: &FilingView| {
        let messages = match filing.messages {
            1 => texts::ONE_MESSAGE.to_owned(),
            count => format!("{count} {}", texts::MESSAGES_SMALL),
        };
        let (words, href) = match (&filing.state, filing.filed_at) {
            (FilingState::Filed, at) => {
                let at = at.unwrap_or(filing.due_at);
                (format!("{}, {messages}", moment(at, reader)), Some(in_lever(lever, &filing.opportunity)))
            }
            (FilingState::Held(why), _) => (held(why, may_mend), None),
            (FilingState::Due | FilingState::Posting, _) => {
                (format!("{}, {messages}", texts::ON_ITS_WAY), None)
            }
        };
        Note { href, words }
    };
    filings.iter().map(note).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_note_is_held_is_told_to_whoever_can_mend_it() {
        let words = "lever refuses a request to create_note: 400 BadRequestError";
        let why = WhyHeld::Other(words.into());
        assert_eq!(held(&why, true), format!("Held: {words}"));
        assert_eq!(held(&why, false), "Held: an administrator must look");
        assert_eq!(held(&WhyHeld::NotShown, true), held(&WhyHeld::NotShown, false));
    }
}
