//! What one recipient of a bulk text would get, or why nothing. The preview, the list of the excluded and
//! the sending ask this same question, so that what people confirm is what leaves.

use fulcrum_domain::bulk::{Bulk, Exclusion, Recipient, number_of};
use fulcrum_domain::guard::refusal;
use fulcrum_domain::template::Version;
use fulcrum_domain::{Answer, Number, Purpose, Sight};
use jiff::Timestamp;

use crate::engine::changes::{self, ComposeError};
use crate::engine::templates::fields;
use crate::engine::{Sender, Settings, TemplateError};
use crate::store::tables::{OPPORTUNITIES, TEMPLATE_WORDS};
use crate::store::{Read, StoreError};

/// A text as it would leave.
pub(super) struct Words {
    /// To where.
    pub(super) number: Number,
    /// The words, as a first text if it is one.
    pub(super) words: String,
}

pub(super) fn words_for(
    read: &impl Read,
    bulk: &Bulk,
    version: &Version,
    recipient: &Recipient,
    sight: Sight,
    settings: &Settings,
    now: Timestamp,
) -> Result<Result<Words, Exclusion>, StoreError> {
    let id = &recipient.opportunity;
    let row = read.get(OPPORTUNITIES, id)?;
    let confidential = row.as_ref().is_some_and(|row| row.confidential);
    let number = match number_of(row.as_ref(), recipient.consents, sight) {
        Ok(number) => number,
        Err(why) => return Ok(Err(why)),
    };
    if confidential && !settings.rules.text_confidential {
        return Ok(Err(Exclusion::Refused(ComposeError::Confidential.to_string())));
    }
    let mut standing = changes::standing(read, number, &settings.rules, now)?;
    // Put on record when their text is written.
    standing.consent = standing.consent.or((recipient.consents == Some(true)).then_some(Answer::Yes));
    if let Err(why) = refusal(Purpose::Bulk, &standing) {
        return Ok(Err(Exclusion::Refused(why.to_string())));
    }
    let sender = match &bulk.sender {
        Some(user) => Sender::User(user.clone()),
        None => Sender::Name(bulk.sender_name.clone()),
    };
    let fields = match fields(read, id.clone(), Some(sender), None, sight, &settings.rules, now) {
        Ok(fields) => fields,
        Err(TemplateError::Store(error)) => return Err(error),
        Err(error) => return Ok(Err(Exclusion::Unfilled(error.to_string()))),
    };
    // Kept when the bulk text was made, and never taken away.
    let text = read.get(TEMPLATE_WORDS, &version.hash)?.unwrap_or_default();
    let words = match settings.templates.fill(&text, &fields) {
        Ok(words) => words,
        Err(error) => return Ok(Err(Exclusion::Unfilled(error.to_string()))),
    };
    match changes::introduced(read, number, &words, &settings.rules) {
        Ok(words) if words.is_empty() => Ok(Err(Exclusion::Refused(ComposeError::Empty.to_string()))),
        Ok(words) => Ok(Ok(Words { number, words })),
        Err(ComposeError::Store(error)) => Err(error),
        Err(refused) => Ok(Err(Exclusion::Refused(refused.to_string()))),
    }
}
