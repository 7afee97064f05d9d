//! Twilio's JSON, as it comes (carriers.md 1.2, 1.3, 1.11), and what it means in our words.
//!
//! Every field may be null, numbers may be texts, and new fields and statuses appear without
//! notice: none of that may fail. What cannot be used without (a sid, an address) makes the one
//! message none, not the page an error.

use fulcrum_domain::{Delivery, Listed};
use jiff::{Timestamp, fmt::rfc2822};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::codes::class_of;
use crate::carrier::{Accepted, ListedText, ReceivedText};

/// The Message resource, as far as we read it.
#[derive(Deserialize)]
pub(super) struct Message {
    sid: Option<String>,
    status: Option<String>,
    direction: Option<String>,
    from: Option<String>,
    to: Option<String>,
    body: Option<String>,
    date_created: Option<String>,
    #[serde(default, deserialize_with = "number")]
    error_code: Option<u32>,
    #[serde(default, deserialize_with = "number")]
    num_segments: Option<u32>,
    #[serde(default, deserialize_with = "number")]
    num_media: Option<u32>,
}

/// A page of Messages.
#[derive(Deserialize)]
pub(super) struct MessagePage {
    pub(super) messages: Vec<Message>,
    pub(super) next_page_uri: Option<String>,
}

/// A page of the media of one Message.
#[derive(Deserialize)]
pub(super) struct MediaPage {
    pub(super) media_list: Vec<MediaItem>,
    pub(super) next_page_uri: Option<String>,
}

/// A picture or the like.
#[derive(Deserialize)]
pub(super) struct MediaItem {
    pub(super) sid: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) uri: Option<String>,
}

/// The Account resource. Its `auth_token` is never read.
#[derive(Deserialize)]
pub(super) struct Account {
    pub(super) status: String,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
}

/// The body of an error, in Twilio's own shape or RFC 9457's: both have the code.
#[derive(Deserialize)]
pub(super) struct ErrorBody {
    #[serde(default, deserialize_with = "number")]
    pub(super) code: Option<u32>,
}

/// Our word for Twilio's status; none for one that is new.
pub(super) fn delivery(status: &str) -> Option<Delivery> {
    Some(match status {
        "accepted" | "scheduled" | "queued" => Delivery::Accepted,
        "sending" => Delivery::Sending,
        "sent" => Delivery::Sent,
        "delivered" | "read" => Delivery::Delivered,
        "undelivered" => Delivery::Undelivered,
        "failed" => Delivery::Failed,
        "canceled" => Delivery::Canceled,
        "received" => Delivery::Received,
        _ => return None,
    })
}

impl Message {
    /// The answer to a send.
    pub(super) fn accepted(self) -> Option<Accepted> {
        Some(Accepted {
            sid: self.sid?.parse().ok()?,
            status: self.status.as_deref().and_then(delivery).unwrap_or(Delivery::Accepted),
            segments: self.num_segments.filter(|count| *count > 0),
        })
    }

    /// A message on record.
    pub(super) fn listed(self) -> Option<Listed> {
        Some(Listed {
            created: self.created()?,
            sid: self.sid?.parse().ok()?,
            to: self.to?,
            body: self.body.unwrap_or_default(),
            by_api: self.direction.as_deref() == Some("outbound-api"),
            status: self.status.as_deref().and_then(delivery),
            failure: self.error_code.map(class_of),
        })
    }

    /// A text that came in, whole but for its media.
    pub(super) fn received(self) -> Option<ListedText> {
        let has_media = self.num_media.is_some_and(|count| count > 0);
        let text = ReceivedText {
            at: self.created(),
            sid: self.sid?.parse().ok()?,
            from: self.from?,
            to: self.to?,
            body: self.body.unwrap_or_default(),
            media: Vec::new(),
            segments: self.num_segments.unwrap_or(1),
            opt_out: None,
        };
        Some(ListedText { text, has_media })
    }

    /// Whether it came in, and all of it: one that is still `receiving` is for a later look.
    pub(super) fn is_inbound(&self) -> bool {
        self.direction.as_deref() == Some("inbound") && self.status.as_deref() != Some("receiving")
    }

    fn created(&self) -> Option<Timestamp> {
        rfc2822::DateTimeParser::new().parse_timestamp(self.date_created.as_deref()?).ok()
    }
}

/// A number, or a text that is one. Anything else is none.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Number(number) => number.as_u64().and_then(|number| number.try_into().ok()),
        Value::String(text) => text.parse().ok(),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use fulcrum_domain::SendFailure;

    use super::*;

    /// The sample of carriers.md 1.2, with more that nobody has heard of.
    const SAMPLE: &str = r#"{"account_sid":"AC1","api_version":"2010-04-01","body":"Hello! 👍",
        "date_created":"Thu, 24 Aug 2023 05:01:45 +0000","date_sent":null,
        "date_updated":"Thu, 24 Aug 2023 05:01:45 +0000","direction":"outbound-api","error_code":null,
        "error_message":null,"from":"+14155552345","messaging_service_sid":null,"num_media":"0",
        "num_segments":"1","price":null,"price_unit":"USD","sid":"SM1","status":"queued",
        "to":"+14155550123","news":{"of":[1]}}"#;

    fn message(change: &str, to: &str) -> Message {
        serde_json::from_str(&SAMPLE.replace(change, to)).unwrap()
    }

    #[test]
    fn the_sample_reads() {
        let listed = message("", "").listed().unwrap();
        assert_eq!(listed.created, "2023-08-24T05:01:45Z".parse().unwrap());
        assert!(listed.by_api);
        assert_eq!((listed.status, listed.failure), (Some(Delivery::Accepted), None));
        let accepted = message("", "").accepted().unwrap();
        assert_eq!((accepted.sid.as_str(), accepted.segments), ("SM1", Some(1)));
    }

    #[test]
    fn a_service_has_not_counted_yet() {
        assert_eq!(
            message(r#""num_segments":"1""#, r#""num_segments":"0""#).accepted().unwrap().segments,
            None
        );
    }

    #[test]
    fn a_code_reads_as_number_or_text() {
        for code in ["30006", r#""30006""#] {
            let listed =
                message(r#""error_code":null"#, &format!(r#""error_code":{code}"#)).listed().unwrap();
            assert_eq!(listed.failure, Some(SendFailure::Landline));
        }
    }

    #[test]
    fn what_is_new_or_missing_fails_nothing() {
        assert_eq!(message("queued", "teleported").listed().unwrap().status, None);
        assert!(message(r#""sid":"SM1""#, r#""sid":null"#).accepted().is_none());
        assert!(message("Thu, 24 Aug 2023 05:01:45 +0000", "yesterday").listed().is_none());
        assert!(serde_json::from_str::<Message>("{}").unwrap().received().is_none());
    }

    #[test]
    fn both_shapes_of_an_error_have_their_code() {
        for body in [
            r#"{"code":21610,"message":"no","more_info":"https://x","status":400}"#,
            r#"{"type":"t","title":"no","status":400,"code":21610,"errors":[{"detail":"d","pointer":"/To"}]}"#,
        ] {
            assert_eq!(serde_json::from_str::<ErrorBody>(body).unwrap().code, Some(21610));
        }
    }
}
