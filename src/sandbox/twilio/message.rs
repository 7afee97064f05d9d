//! The Message resource as the simulated Twilio keeps and shows it (carriers.md 1.2).
//!
//! The JSON has the types that bite: counts and prices are strings, dates are RFC 2822, links
//! are relative, and nearly everything may be null.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::error::delivery_error;

/// The path below which everything of an account lives.
pub(super) fn account_path(account: &str) -> String {
    format!("/2010-04-01/Accounts/{account}")
}

/// A fresh identifier: two letters and 32 hexadecimal digits.
pub(super) fn new_sid(prefix: &str) -> String {
    format!("{prefix}{}", uuid::Uuid::new_v4().simple())
}

/// Where a message stands; the wire's words are its names in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Accepted,
    Scheduled,
    Canceled,
    Queued,
    Sending,
    Sent,
    Failed,
    Delivered,
    Undelivered,
    Received,
}

impl Status {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Scheduled => "scheduled",
            Self::Canceled => "canceled",
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
            Self::Received => "received",
        }
    }

    /// Whether nothing more is expected, so that the message may be deleted. `sent` counts: it
    /// is the last word of a carrier without receipts.
    pub(super) fn is_final(self) -> bool {
        !matches!(self, Self::Accepted | Self::Scheduled | Self::Queued | Self::Sending)
    }
}

/// Twilio's longest `ValidityPeriod`, which holds where none is asked for.
pub(super) const VALIDITY_MAX: Duration = Duration::from_secs(36_000);

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Inbound,
    OutboundApi,
    OutboundReply,
}

impl Direction {
    fn name(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::OutboundApi => "outbound-api",
            Self::OutboundReply => "outbound-reply",
        }
    }
}

/// A picture or a card of a message.
#[derive(Clone, Debug)]
pub(super) struct Media {
    pub(super) sid: String,
    pub(super) content_type: String,
    pub(super) bytes: bytes::Bytes,
}

impl Media {
    pub(super) fn new(content_type: String, bytes: bytes::Bytes) -> Self {
        Self { sid: new_sid("ME"), content_type, bytes }
    }

    /// What stands for a picture that the client asks to send: nothing is fetched from its URL.
    pub(super) fn picture() -> Self {
        Self::new("image/jpeg".into(), bytes::Bytes::new())
    }
}

/// One text, in either direction.
#[derive(Clone)]
pub(super) struct Message {
    pub(super) sid: String,
    pub(super) direction: Direction,
    /// None until a messaging service has chosen its sender.
    pub(super) from: Option<String>,
    pub(super) to: String,
    pub(super) body: String,
    pub(super) media: Vec<Media>,
    pub(super) num_segments: usize,
    pub(super) service: Option<String>,
    pub(super) status: Status,
    pub(super) error_code: Option<u32>,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
    pub(super) sent: Option<Timestamp>,
    /// How long it may wait until it is sent.
    pub(super) validity: Duration,
    /// Where its states are reported, fragment included.
    pub(super) callback: Option<String>,
}

impl Message {
    /// The resource as the API shows it.
    pub(super) fn to_json(&self, account: &str) -> Value {
        let uri = format!("{}/Messages/{}", account_path(account), self.sid);
        json!({
            "account_sid": account,
            "api_version": "2010-04-01",
            "body": self.body,
            "date_created": rfc2822(self.created),
            "date_sent": self.sent.map(rfc2822),
            "date_updated": rfc2822(self.updated),
            "direction": self.direction.name(),
            "error_code": self.error_code,
            "error_message": self.error_code.map(delivery_error),
            "from": self.from,
            "messaging_service_sid": self.service,
            "num_media": self.media.len().to_string(),
            "num_segments": self.num_segments.to_string(),
            "price": self.sent.map(|_| self.price()),
            "price_unit": "USD",
            "sid": self.sid,
            "status": self.status.name(),
            "subresource_uris": {"media": format!("{uri}/Media.json")},
            "to": self.to,
            "uri": format!("{uri}.json"),
        })
    }

    /// 0.75 cents for each segment, negative since it is taken from the balance.
    fn price(&self) -> String {
        let hundred_thousandths = 750 * self.num_segments;
        let (whole, part) = (hundred_thousandths / 100_000, hundred_thousandths % 100_000);
        format!("-{whole}.{part:05}")
    }

    /// The resource of one of its media.
    pub(super) fn media_json(&self, account: &str, media: &Media) -> Value {
        json!({
            "sid": media.sid,
            "account_sid": account,
            "parent_sid": self.sid,
            "content_type": media.content_type,
            "date_created": rfc2822(self.created),
            "date_updated": rfc2822(self.created),
            "uri": format!("{}/Messages/{}/Media/{}.json", account_path(account), self.sid, media.sid),
        })
    }
}

/// `Thu, 24 Aug 2023 05:01:45 +0000`.
pub(super) fn rfc2822(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

#[cfg(test)]
pub(super) fn sample(sid: &str, created: Timestamp) -> Message {
    Message {
        sid: sid.into(),
        direction: Direction::OutboundApi,
        from: Some("+14155550100".into()),
        to: "+14155550123".into(),
        body: "Hello! 👍".into(),
        media: Vec::new(),
        num_segments: 1,
        service: None,
        status: Status::Queued,
        error_code: None,
        created,
        updated: created,
        sent: None,
        validity: VALIDITY_MAX,
        callback: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resource_has_the_twenty_properties_and_the_types_that_bite() {
        let created = "2023-08-24T05:01:45Z".parse().unwrap();
        let mut message = sample("SM1", created);
        assert_eq!(
            message.to_json("AC1"),
            json!({
                "account_sid": "AC1", "api_version": "2010-04-01", "body": "Hello! 👍",
                "date_created": "Thu, 24 Aug 2023 05:01:45 +0000", "date_sent": null,
                "date_updated": "Thu, 24 Aug 2023 05:01:45 +0000",
                "direction": "outbound-api", "error_code": null, "error_message": null,
                "from": "+14155550100", "messaging_service_sid": null, "num_media": "0",
                "num_segments": "1", "price": null, "price_unit": "USD", "sid": "SM1",
                "status": "queued",
                "subresource_uris": {"media": "/2010-04-01/Accounts/AC1/Messages/SM1/Media.json"},
                "to": "+14155550123", "uri": "/2010-04-01/Accounts/AC1/Messages/SM1.json"
            })
        );
        message.sent = Some(created);
        message.error_code = Some(30006);
        let json = message.to_json("AC1");
        assert_eq!((&json["price"], &json["error_code"]), (&json!("-0.00750"), &json!(30006)));
        assert_eq!(json["date_sent"], "Thu, 24 Aug 2023 05:01:45 +0000");
    }
}
