//! Confidential candidacies: what is said about one stands in its own secret notes, and nobody who may not see
//! it reads of it.

use fulcrum_domain::{Message, Number, OpportunityId, Purpose, Sight};

use super::super::Month;
use super::super::carrier::Received;
use super::words_in;
use crate::engine::view::Gaze;
use crate::store::tables::{CONVERSATIONS, MESSAGES};
use crate::store::{Keys, Read};

/// The last text about an opportunity that was written to a number and that got there.
pub(super) struct LastWritten {
    at: jiff::Timestamp,
    about: Option<OpportunityId>,
}

impl Month {
    /// A text is at the carrier.
    pub(super) fn remember_written(&mut self, text: &Message, to: Number) {
        if can_be_answered(text) {
            let last = LastWritten { at: self.now, about: text.opportunity.clone() };
            self.law.last_written.insert(to, last);
        }
    }

    /// A text leaves. Until it is there, nobody can say which text an answer is to; it may never be known.
    pub(super) fn remember_confidential(&mut self, text: &Message, to: Number) {
        if can_be_answered(text) {
            self.law.last_written.remove(&to);
        }
        let Some(about) = text.opportunity.clone().filter(|id| self.people.confidential.contains(id)) else {
            return;
        };
        for word in words_in(text.body.reveal()) {
            self.law.tally.confidential += 1;
            self.law.confidential.insert(word, about.clone());
        }
    }

    /// A text from outside answers the last that they got.
    pub(super) fn remember_answer(&mut self, text: &Received) {
        let month = jiff::SignedDuration::from_hours(30 * 24);
        let last = self.law.last_written.get(&text.from);
        let last = last.filter(|last| last.at < text.at && text.at.duration_since(last.at) < month);
        let Some(about) = last.and_then(|last| last.about.clone()) else { return };
        if self.people.confidential.contains(&about) && self.lever.candidates.contains_key(&about) {
            for word in words_in(&text.body) {
                self.law.tally.confidential += 1;
                self.law.confidential.insert(word, about.clone());
            }
        }
    }

    /// A note is made: what is confidential stays with what is.
    pub(super) fn look_at_secrecy(&mut self, of: &OpportunityId, value: &str, secret: bool) {
        let here = self.people.confidential.contains(of);
        if here && !secret {
            self.broken(format_args!("a note of {of}, which is confidential, is open"));
        }
        for word in words_in(value) {
            if let Some(about) = self.law.confidential.get(&word).filter(|_| !here) {
                self.broken(format_args!(
                    "k{word:08}k, about {about}, which is confidential, stands with {of}"
                ));
            }
        }
    }

    /// Whoever may not see confidential candidacies looks at every thread.
    pub(super) fn look_with_open_eyes(&self) {
        let seen = self.read(|snapshot| {
            let gaze = Gaze::new(snapshot, Sight::Open);
            let mut seen = None;
            for (id, _) in snapshot.list(CONVERSATIONS, &Keys::all(), usize::MAX)? {
                let all = snapshot.list(MESSAGES, &Keys::beginning(&id), usize::MAX)?;
                let all = all.into_iter().map(|(_, text)| text).collect();
                for text in gaze.of_messages(all)? {
                    let words = words_in(text.body.reveal());
                    seen = seen.or(words.into_iter().find(|word| self.law.confidential.contains_key(word)));
                }
            }
            Ok(seen)
        });
        if let Some(word) = seen {
            self.broken(format_args!("k{word:08}k is confidential and is shown to everybody"));
        }
    }
}

/// What STOP and HELP are answered with asks for nothing.
fn can_be_answered(text: &Message) -> bool {
    !matches!(text.purpose, Purpose::OptOutConfirmation | Purpose::Help)
}
