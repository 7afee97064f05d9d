//! The carriers: who carries a text to a phone and brings back the answer, in our words.
//!
//! A carrier is a variant of [`Carrier`], not a trait object: there are few, all are known here,
//! and one `match` shows what each must be able to do. What differs between them (carriers.md
//! 2.9) stays inside, but for what changes how the rest must go about it: whether a send may have
//! left ([`Outcome`]), how that is found out ([`LostAnswer`]), and whether what came in is listed.
//!
//! Nothing here decides or stores. What is to be done about an error stands in
//! `fulcrum_domain::SendFailure`; errors and `Debug` carry neither texts nor numbers.

pub mod telnyx;
pub mod twilio;
pub mod webhook;

mod answer;
mod error;
mod event;
mod file;
#[cfg(test)]
mod listener;

use std::fmt;
use std::time::Duration;

use fulcrum_domain::optout::Keyword;
use fulcrum_domain::{CarrierSid, Delivery, Listed, MessageId, SendFailure};
use jiff::{Timestamp, civil};
use url::Url;

pub use error::{Outcome, ReadError, SendError};
pub use event::{BadSignature, HookError, HookEvent};
pub use file::FileError;

/// The configured carrier. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Carrier {
    /// Twilio Programmable Messaging (carriers.md 1).
    Twilio(twilio::Client),
    /// Telnyx Messaging (carriers.md 2.1).
    Telnyx(telnyx::Client),
    /// The operator's own gateway, by signed webhooks (carriers.md 2.8).
    Webhook(webhook::Client),
}

/// Who takes what the configured carrier sends us.
#[derive(Clone, Debug)]
pub enum Hooks {
    /// Twilio's webhooks.
    Twilio(twilio::Hooks),
    /// Telnyx' webhooks.
    Telnyx(telnyx::Hooks),
    /// Those of the operator's own gateway.
    Webhook(webhook::Hooks),
}

/// How it is found out whether a text left whose answer was lost (carriers.md 2.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostAnswer {
    /// By looking for it in the carrier's list: a second request would text twice.
    LookFor,
    /// By the same request once more: our id is its key, and the carrier gives the first answer again.
    Repeat {
        /// For how long the carrier keeps the key; later it would text twice.
        kept: Duration,
    },
}

/// For how long a carrier keeps our keys: 24 hours by their documentation; a little less, for clocks and a
/// request that takes its time.
const KEYS_KEPT: Duration = Duration::from_secs((24 * 60 - 10) * 60);

/// A text to hand over.
#[derive(Clone)]
pub struct Outgoing {
    /// Our name for it; comes back with each status report.
    pub mid: MessageId,
    /// The recipient, E.164.
    pub to: String,
    /// Which of our numbers it leaves from, E.164; the carrier's pool may choose another.
    pub from: String,
    /// The text.
    pub body: String,
    /// For how long the carrier may hold it, if not even for the configured time.
    pub validity: Option<Duration>,
    /// Now, for a request that is signed.
    pub at: Timestamp,
}

impl fmt::Debug for Outgoing {
    /// Without the numbers and the text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("mid", &self.mid).finish_non_exhaustive()
    }
}

/// The carrier took the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The carrier's name for it.
    pub sid: CarrierSid,
    /// How far it is already.
    pub status: Delivery,
    /// What it counts as; none where the carrier has not counted yet.
    pub segments: Option<u32>,
}

/// A text that came in, by webhook or from the carrier's list.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceivedText {
    /// The carrier's name for it: the key by which it is taken in once.
    pub sid: CarrierSid,
    /// Who sent it, as the carrier writes it: E.164, a short code or a name.
    pub from: String,
    /// Which of our numbers it came to.
    pub to: String,
    /// The text; may be empty beside media.
    pub body: String,
    /// Pictures and the like.
    pub media: Vec<Media>,
    /// How many segments it came in.
    pub segments: u32,
    /// The carrier's own verdict on a keyword, where it gives one.
    pub opt_out: Option<Keyword>,
    /// When the carrier got it; a webhook does not say.
    pub at: Option<Timestamp>,
}

impl fmt::Debug for ReceivedText {
    /// Without the numbers, the text and the media.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedText")
            .field("sid", &self.sid)
            .field("segments", &self.segments)
            .field("opt_out", &self.opt_out)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// A picture or the like that came with a text.
#[derive(Clone, PartialEq, Eq)]
pub struct Media {
    /// Where the carrier keeps it. A stranger's word: fetch it only from the carrier's own origin.
    pub url: Url,
    /// Its MIME type, as declared.
    pub content_type: String,
}

/// What became of a text, as the carrier reports by webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusUpdate {
    /// Our name for the text, if it left with one.
    pub mid: Option<MessageId>,
    /// The carrier's name for it.
    pub sid: CarrierSid,
    /// How far it has come; none where the carrier's word is new to us.
    pub status: Option<Delivery>,
    /// Why it failed, if it did and the carrier says why.
    pub failure: Option<SendFailure>,
}

/// A text in the carrier's list, which counts the media but does not show them.
#[derive(Clone, Debug)]
pub struct ListedText {
    /// The text.
    pub text: ReceivedText,
    /// Whether media came with it, for [`Carrier::media`].
    pub has_media: bool,
}

/// A page of the texts that came in.
#[derive(Clone, Debug)]
pub struct InboundPage {
    /// The texts, in the carrier's order, still without their media.
    pub texts: Vec<ListedText>,
    /// The rest, if there is one.
    pub next: Option<NextPage>,
}

/// Where a listing goes on.
#[derive(Clone)]
pub struct NextPage(Url);

impl fmt::Debug for NextPage {
    /// The address holds a number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NextPage(..)")
    }
}

/// The account as the carrier describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// `active`, or why nothing will work.
    pub status: String,
    /// A trial: it texts verified numbers only, and marks each text.
    pub trial: bool,
}

impl Carrier {
    /// Its word in the config.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Twilio(_) => "twilio",
            Self::Telnyx(_) => "telnyx",
            Self::Webhook(_) => "webhook",
        }
    }

    /// What to do about a text whose answer was lost.
    #[must_use]
    pub fn lost_answer(&self) -> LostAnswer {
        match self {
            Self::Twilio(_) => LostAnswer::LookFor,
            Self::Telnyx(_) | Self::Webhook(_) => LostAnswer::Repeat { kept: KEYS_KEPT },
        }
    }

    /// Whether the texts that came in can be listed. Where not, the carrier's own retries are all that
    /// brings a text whose webhook failed.
    #[must_use]
    pub fn lists_inbound(&self) -> bool {
        match self {
            Self::Twilio(_) => true,
            Self::Telnyx(_) | Self::Webhook(_) => false,
        }
    }

    /// Hands a text over, once.
    ///
    /// # Errors
    /// [`SendError`], which says first whether the text may have left all the same.
    pub async fn send(&self, text: &Outgoing) -> Result<Accepted, SendError> {
        match self {
            Self::Twilio(client) => client.send(text).await,
            Self::Telnyx(client) => client.send(text).await,
            Self::Webhook(client) => client.send(text).await,
        }
    }

    /// What the carrier has on record for a recipient, to look for a lost text there
    /// (`fulcrum_domain::match_lost`).
    ///
    /// # Errors
    /// [`ReadError`]; nothing has changed anywhere.
    pub async fn find_lost(&self, to: &str) -> Result<Vec<Listed>, ReadError> {
        match self {
            Self::Twilio(client) => client.find_lost(to).await,
            Self::Telnyx(_) | Self::Webhook(_) => Err(ReadError::NotOffered),
        }
    }

    /// What became of one text.
    ///
    /// # Errors
    /// [`ReadError`]; `NotFound` if the carrier knows no such message.
    pub async fn fetch(&self, sid: &CarrierSid) -> Result<Listed, ReadError> {
        match self {
            Self::Twilio(client) => client.fetch(sid).await,
            Self::Telnyx(client) => client.fetch(sid).await,
            Self::Webhook(_) => Err(ReadError::NotOffered),
        }
    }

    /// The texts that came to one of our numbers since a day (UTC, inclusive), first page.
    ///
    /// # Errors
    /// [`ReadError`]; nothing has changed anywhere.
    pub async fn inbound_since(&self, number: &str, since: civil::Date) -> Result<InboundPage, ReadError> {
        match self {
            Self::Twilio(client) => client.inbound_since(number, since).await,
            Self::Telnyx(_) | Self::Webhook(_) => Err(ReadError::NotOffered),
        }
    }

    /// The page after another.
    ///
    /// # Errors
    /// [`ReadError`]; nothing has changed anywhere.
    pub async fn inbound_next(&self, page: NextPage) -> Result<InboundPage, ReadError> {
        match self {
            Self::Twilio(client) => client.inbound_page(page.0).await,
            Self::Telnyx(_) | Self::Webhook(_) => Err(ReadError::NotOffered),
        }
    }

    /// The media that came with a text.
    ///
    /// # Errors
    /// [`ReadError`]; nothing has changed anywhere.
    pub async fn media(&self, sid: &CarrierSid) -> Result<Vec<Media>, ReadError> {
        match self {
            Self::Twilio(client) => client.media(sid).await,
            Self::Telnyx(_) | Self::Webhook(_) => Err(ReadError::NotOffered),
        }
    }

    /// A file that came with a text, by the address that the carrier gave for it, if it has at most `most`
    /// bytes. `at` is now, for a request that is signed.
    ///
    /// # Errors
    /// [`FileError`]; an address that is not the carrier's is not asked.
    pub async fn file(&self, url: &Url, most: u64, at: Timestamp) -> Result<Vec<u8>, FileError> {
        match self {
            Self::Twilio(client) => client.file(url, most).await,
            Self::Telnyx(client) => client.file(url, most).await,
            Self::Webhook(client) => client.file(url, most, at).await,
        }
    }

    /// Deletes the carrier's record of a text, with its words and media.
    ///
    /// # Errors
    /// [`ReadError`]; `NotFound` when it is gone already. It may always be tried again.
    pub async fn delete(&self, sid: &CarrierSid) -> Result<(), ReadError> {
        match self {
            Self::Twilio(client) => client.delete(sid).await,
            Self::Telnyx(_) | Self::Webhook(_) => Err(ReadError::NotOffered),
        }
    }

    /// Whether the credentials work, and the account. `at` is now.
    ///
    /// # Errors
    /// [`ReadError`]; `Refused` with 401 for wrong credentials.
    pub async fn check(&self, at: Timestamp) -> Result<Account, ReadError> {
        match self {
            Self::Twilio(client) => client.check().await,
            Self::Telnyx(client) => client.check().await,
            Self::Webhook(client) => client.check(at).await,
        }
    }
}
