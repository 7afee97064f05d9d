//! A text came in: everything that follows from it, in one transaction.

use std::ops::ControlFlow;

use fulcrum_domain::optout::{self, Keyword, Verdict};
use fulcrum_domain::{
    ActivityKind, Actor, Answer, Attachment, Body, CarrierSid, Consent, ConsentSource, Conversation,
    Direction, Message, MessageId, Number, OpportunityId, OptOutSource, Purpose, Suppression, target,
};
use jiff::{SignedDuration, Timestamp};

use super::activity::note_of;
use super::booking::hear;
use super::compose::queue_automatic;
use super::consent::put_consent;
use super::file::ask_for_files;
use super::suppress::{doubt, lift, settle_doubt, suppress, suppression_of};
use super::thaw::thaw;
use super::thread::{add_message, candidacies, key_of, open, store, tell};
use super::{KeywordAnswers, Rules};
use crate::engine::clock::Moment;
use crate::store::tables::{BY_SID, MESSAGES};
use crate::store::{Keys, Read, StoreError, Tx};

/// The rule behind an opt-out that the carrier understood.
const CARRIERS_KEYWORD: &str = "the carrier's keyword";

/// A text from outside, with parsed numbers.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The carrier's name for it, by which its repeats are known.
    pub sid: CarrierSid,
    /// Who wrote.
    pub from: Number,
    /// To which of our numbers.
    pub to: Number,
    /// The words.
    pub body: Body,
    /// Pictures and files.
    pub attachments: Vec<Attachment>,
    /// The carrier's time, where it tells one; else now.
    pub at: Option<Timestamp>,
    /// The carrier's own reading.
    pub keyword: Option<Keyword>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Stored, as this message.
    Stored(MessageId),
    /// It was here before.
    Duplicate,
}

/// A question that is older is not answered any more: after an outage nobody waits for it.
const ANSWERED_WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// Takes a text in: stores it in its thread, decides what it is about, and honours an opt-out
/// before anything else can happen (behaviour.md 1 and 2).
pub fn receive(
    tx: &mut Tx<'_>,
    text: Incoming,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<Received, StoreError> {
    let sid = text.sid.to_string();
    if tx.has(BY_SID, &sid)? {
        return Ok(Received::Duplicate);
    }
    let at = text.at.unwrap_or(moment.now).min(moment.now);
    let mut conversation = open(tx, text.from)?;
    let suppression = suppression_of(tx, text.from)?;
    let verdict = match text.keyword {
        Some(Keyword::Stop) => Verdict::OptOut { rule: CARRIERS_KEYWORD },
        Some(Keyword::Start) => Verdict::Start,
        Some(Keyword::Help) => Verdict::Help,
        None => optout::read(text.body.reveal(), suppression.is_some()),
    };
    let known = candidacies(tx, text.from)?;
    let answered = newest_outbound(tx, &conversation, at)?;
    let opportunity = target(&known, answered.as_ref().map(|(id, at)| (id, *at)), moment.now);

    let id = MessageId::new(at, &moment.id_bits());
    let message = Message {
        attachments: text.attachments,
        opportunity: opportunity.clone(),
        sid: Some(text.sid),
        rule: rule_of(verdict).map(str::to_owned),
        ..Message::incoming(id, conversation.id, at, text.body, text.to)
    };
    tx.put(BY_SID, &sid, &id)?;
    conversation.opportunity = opportunity.or(conversation.opportunity);
    conversation.our_number = Some(text.to);
    let outdated = said_otherwise_since(tx, &message, verdict)?;
    let fresh = moment.now.duration_since(at) <= ANSWERED_WITHIN;
    let carrier_answers = match rules.keyword_answers {
        KeywordAnswers::Carrier(words) => text.keyword.is_some() || words.answer(message.body.reveal()),
        KeywordAnswers::Fulcrum => false,
    };
    add_message(tx, &mut conversation, &message, rules)?;
    ask_for_files(tx, &message, moment.now)?;
    tell(tx, &message);
    store(tx, &conversation)?;
    note_of(tx, &conversation, Actor::candidate(), ActivityKind::Message, "a text came in", moment.now)?;
    if !outdated {
        if verdict == Verdict::Answer && fresh {
            hear(tx, &conversation, message.body.reveal(), rules, moment)?;
            conversation = open(tx, text.from)?;
        }
        obey(tx, verdict, conversation, fresh && !carrier_answers, rules, moment)?;
    }
    Ok(Received::Stored(id))
}

pub(super) fn rule_of(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::OptOut { rule } | Verdict::PossibleOptOut { rule } => Some(rule),
        Verdict::Help => Some("help"),
        Verdict::Start => Some("start"),
        Verdict::Answer => None,
    }
}

fn is_stop(text: &Message) -> bool {
    text.rule.as_deref() == Some(CARRIERS_KEYWORD)
        || matches!(optout::read(text.body.reveal(), true), Verdict::OptOut { .. })
}

fn is_start(text: &Message) -> bool {
    text.rule.as_deref() == rule_of(Verdict::Start)
}

/// Whether a later text already says the opposite: a START or a STOP that is found late in the
/// carrier's list must not undo what came after it.
pub(super) fn said_otherwise_since(
    read: &impl Read,
    message: &Message,
    verdict: Verdict,
) -> Result<bool, StoreError> {
    let otherwise = |later: &Message| match verdict {
        Verdict::Start => is_stop(later),
        Verdict::OptOut { .. } | Verdict::PossibleOptOut { .. } => is_start(later),
        Verdict::Help | Verdict::Answer => false,
    };
    let mut found = false;
    let later = Keys::beginning(&message.conversation).after(&key_of(message));
    read.scan(MESSAGES, &later, |_, later| {
        // Of two at the same instant, the one that came last has the last word.
        found = later.direction == Direction::In && later.at > message.at && otherwise(&later);
        Ok(if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(found)
}

fn obey(
    tx: &mut Tx<'_>,
    verdict: Verdict,
    mut conversation: Conversation,
    we_answer: bool,
    rules: &Rules,
    moment: &mut Moment,
) -> Result<(), StoreError> {
    let number = conversation.number;
    match verdict {
        Verdict::OptOut { rule } => {
            settle_doubt(tx, &mut conversation)?;
            store(tx, &conversation)?;
            let stop = Suppression { at: moment.now, source: OptOutSource::Text(rule.into()) };
            let is_new = suppress(tx, number, &stop, Actor::candidate(), moment.now)?;
            if is_new && we_answer {
                let words = rules.opt_out_confirmation.clone();
                let purpose = Purpose::OptOutConfirmation;
                queue_automatic(tx, conversation, "opt-out confirmation", words, purpose, rules, moment)?;
            }
        }
        Verdict::PossibleOptOut { rule } => {
            doubt(tx, &mut conversation, rule, moment.now)?;
        }
        Verdict::Start => {
            let since = conversation.possible_opt_out;
            settle_doubt(tx, &mut conversation)?;
            store(tx, &conversation)?;
            lift(tx, number, true, Actor::candidate(), moment.now)?;
            let (source, by) = (ConsentSource::Text, Actor::candidate());
            let yes = Consent { answer: Answer::Yes, source, at: moment.now, by };
            put_consent(tx, number, &yes, moment.now)?;
            if let Some(since) = since {
                thaw(tx, &conversation, since, rules, moment.now)?;
            }
        }
        Verdict::Help => {
            if we_answer && suppression_of(tx, number)?.is_none() {
                let words = rules.help_text.clone();
                queue_automatic(tx, conversation, "help", words, Purpose::Help, rules, moment)?;
            }
        }
        Verdict::Answer => {}
    }
    Ok(())
}

/// The opportunity and the time of the text of ours in this thread that left last and can be answered at `at`:
/// one that still waits cannot, nor one that left later than an answer that was found late. After an outage
/// texts may leave in another order than that in which they stand.
fn newest_outbound(
    read: &impl Read,
    conversation: &Conversation,
    at: Timestamp,
) -> Result<Option<(OpportunityId, Timestamp)>, StoreError> {
    /// So many texts in a row without an answer of ours leave nothing to be bound to.
    const LOOK_BACK: usize = 500;
    let newest_first = read.list_back(MESSAGES, &Keys::beginning(&conversation.id), LOOK_BACK)?;
    let left_at = |m: &Message| m.submitted_at.unwrap_or(m.at);
    // Of two that left in one moment, the last that was written.
    Ok(newest_first
        .into_iter()
        .rev()
        .map(|(_, message)| message)
        .filter(|m| m.direction == Direction::Out && !m.purpose.is_of_the_number())
        .filter(|m| !m.delivery.has_stayed() && left_at(m) <= at)
        .filter_map(|m| m.opportunity.clone().map(|opportunity| (opportunity, left_at(&m))))
        .max_by_key(|(_, left)| *left))
}

#[cfg(test)]
mod tests {
    use fulcrum_domain::ConversationId;

    use super::*;

    #[test]
    fn what_an_older_program_took_for_a_keyword_is_one_still() {
        let own = Number::from_e164("+12025550100").unwrap();
        let (at, thread) = (Timestamp::UNIX_EPOCH, ConversationId::new(1));
        let by_rule = |rule: &str| Message {
            rule: Some(rule.to_owned()),
            ..Message::incoming(MessageId::new(at, &[1; 10]), thread, at, Body::new("a word"), own)
        };
        // As it stands by texts in files: it must not be spelt otherwise.
        let (stop, start) = (by_rule("the carrier's keyword"), by_rule("start"));
        assert!(is_stop(&stop) && !is_start(&stop));
        assert!(is_start(&start) && !is_stop(&start));
    }
}
