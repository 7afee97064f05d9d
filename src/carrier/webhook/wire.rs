//! The JSON of the gateway's contract (docs/gateway.md), and what it means in our words.
//!
//! Words that are not known are passed over, so that a gateway may say more than we know.

use fulcrum_domain::optout::Keyword;
use fulcrum_domain::{Delivery, MessageId, SendFailure};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::carrier::{Accepted, Media, ReceivedText, StatusUpdate};

/// Every webhook, in both directions.
#[derive(Serialize, Deserialize)]
pub(super) struct Envelope<T> {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) timestamp: Option<Timestamp>,
    pub(super) data: T,
}

/// `message.send`.
#[derive(Serialize)]
pub(super) struct Send<'a> {
    pub(super) mid: String,
    pub(super) to: &'a str,
    pub(super) from: &'a str,
    pub(super) text: &'a str,
    /// None yet; they may come.
    pub(super) media: [(); 0],
}

/// `ping`.
#[derive(Serialize)]
pub(super) struct Nothing {}

/// The answer to `message.send`.
#[derive(Deserialize)]
pub(super) struct Taken {
    provider_id: String,
    segments: Option<u32>,
}

/// The body of a refusal.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// `message.received`.
#[derive(Deserialize)]
pub(super) struct Received {
    id: Option<String>,
    from: Option<String>,
    to: Option<String>,
    text: Option<String>,
    #[serde(default)]
    media: Vec<MediaItem>,
    segments: Option<u32>,
    keyword: Option<String>,
    received_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct MediaItem {
    url: String,
    content_type: Option<String>,
}

/// `message.status`.
#[derive(Deserialize)]
pub(super) struct Status {
    mid: Option<String>,
    provider_id: Option<String>,
    status: Option<String>,
    error: Option<String>,
}

impl Taken {
    /// The gateway has the text.
    pub(super) fn accepted(self) -> Option<Accepted> {
        Some(Accepted {
            sid: self.provider_id.parse().ok()?,
            status: Delivery::Accepted,
            segments: self.segments.filter(|count| *count > 0),
        })
    }
}

impl Received {
    /// A text that came in; without a name of its own it has that of its webhook.
    pub(super) fn text(self, webhook_id: &str) -> Result<ReceivedText, &'static str> {
        let number = |text: Option<String>| text.filter(|text| !text.is_empty());
        let media = self.media.into_iter().filter_map(|item| {
            let url = item.url.parse().ok()?;
            Some(Media { url, content_type: item.content_type.unwrap_or_default() })
        });
        Ok(ReceivedText {
            sid: self.id.as_deref().unwrap_or(webhook_id).parse().map_err(|_| "data.id")?,
            from: number(self.from).ok_or("data.from")?,
            to: number(self.to).ok_or("data.to")?,
            body: self.text.unwrap_or_default(),
            media: media.collect(),
            segments: self.segments.unwrap_or(1),
            opt_out: match self.keyword.as_deref() {
                Some("stop") => Some(Keyword::Stop),
                Some("start") => Some(Keyword::Start),
                Some("help") => Some(Keyword::Help),
                _ => None,
            },
            at: self.received_at,
        })
    }
}

impl Status {
    /// What became of a text; a gateway without names of its own uses ours.
    pub(super) fn update(self) -> Result<StatusUpdate, &'static str> {
        let mid: Option<MessageId> =
            self.mid.as_deref().map(str::parse).transpose().map_err(|_| "data.mid")?;
        let sid = self.provider_id.or(self.mid).ok_or("data.provider_id")?;
        Ok(StatusUpdate {
            mid,
            sid: sid.parse().map_err(|_| "data.provider_id")?,
            status: delivery(&self.status.ok_or("data.status")?),
            failure: self.error.as_deref().map(class_of),
        })
    }
}

/// Our word for the gateway's.
fn delivery(status: &str) -> Option<Delivery> {
    Some(match status {
        "queued" => Delivery::Accepted,
        "sending" => Delivery::Sending,
        "sent" => Delivery::Sent,
        "delivered" => Delivery::Delivered,
        "undelivered" => Delivery::Undelivered,
        "failed" => Delivery::Failed,
        _ => return None,
    })
}

/// Why, in the body of a refusal; none where it is no body of the gateway's.
pub(super) fn refusal(body: &[u8]) -> Option<SendFailure> {
    serde_json::from_slice::<Refusal>(body).ok().map(|refusal| class_of(&refusal.error))
}

/// The class of one of the contract's words.
fn class_of(error: &str) -> SendFailure {
    match error {
        "opted_out" => SendFailure::OptedOut,
        "bad_number" => SendFailure::BadNumber,
        "landline" => SendFailure::Landline,
        "unreachable" => SendFailure::Unreachable,
        "blocked" => SendFailure::Blocked,
        "spam" => SendFailure::Filtered,
        "not_permitted" => SendFailure::NotPermitted,
        "account" => SendFailure::Config,
        "sender" => SendFailure::Sender,
        "too_long" => SendFailure::TooLong,
        "malformed" => SendFailure::Rejected,
        "busy" => SendFailure::Congested,
        "daily_cap" => SendFailure::DailyCap,
        "expired" => SendFailure::Expired,
        _ => SendFailure::Unknown,
    }
}
