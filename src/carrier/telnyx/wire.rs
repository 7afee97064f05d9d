//! Telnyx' JSON, as it goes and comes (carriers.md 2.1), and what it means in our words.
//!
//! What goes must be the same bytes each time, since a key is bound to them. Of what comes every field
//! may be null, and new fields and statuses appear without notice: none of that may fail.

use fulcrum_domain::{Delivery, Listed, MessageId, SendFailure};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::codes::class_of;
use crate::carrier::{Accepted, Media, ReceivedText, StatusUpdate};

/// What is asked for.
#[derive(Serialize)]
pub(super) struct Create<'a> {
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) messaging_profile_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) webhook_url: Option<String>,
}

/// What every good answer is wrapped in.
#[derive(Deserialize)]
pub(super) struct Envelope<T> {
    pub(super) data: T,
}

/// What a webhook tells.
#[derive(Deserialize)]
pub(super) struct Event {
    pub(super) event_type: Option<String>,
    pub(super) payload: Option<Message>,
}

/// A message, in either direction, as far as we read it.
#[derive(Deserialize)]
pub(super) struct Message {
    id: Option<String>,
    direction: Option<String>,
    from: Option<Party>,
    #[serde(default)]
    to: Vec<Party>,
    text: Option<String>,
    parts: Option<u32>,
    received_at: Option<Timestamp>,
    media: Option<Vec<MediaItem>>,
    errors: Option<Vec<Fault>>,
    webhook_url: Option<String>,
}

#[derive(Deserialize)]
struct Party {
    phone_number: Option<String>,
    status: Option<String>,
}

#[derive(Deserialize)]
struct MediaItem {
    url: Option<String>,
    content_type: Option<String>,
}

/// The body of an error.
#[derive(Deserialize)]
struct Faults {
    errors: Vec<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    code: Option<Value>,
}

impl Fault {
    /// A text, in Telnyx' words; a number would do.
    fn code(&self) -> Option<u32> {
        match self.code.as_ref()? {
            Value::String(code) => code.parse().ok(),
            Value::Number(code) => code.as_u64()?.try_into().ok(),
            _ => None,
        }
    }
}

/// Telnyx' code in the body of an error.
pub(super) fn code(body: &[u8]) -> Option<u32> {
    serde_json::from_slice::<Faults>(body).ok()?.errors.iter().find_map(Fault::code)
}

/// Our word for Telnyx' status; none for one that is new.
pub(super) fn delivery(status: &str) -> Option<Delivery> {
    Some(match status {
        "queued" => Delivery::Accepted,
        "sending" => Delivery::Sending,
        // Nobody will say more of one that is not confirmed.
        "sent" | "delivery_unconfirmed" => Delivery::Sent,
        "delivered" | "read" => Delivery::Delivered,
        "delivery_failed" => Delivery::Undelivered,
        "sending_failed" | "expired" => Delivery::Failed,
        _ => return None,
    })
}

impl Message {
    /// The answer to a send.
    pub(super) fn accepted(self) -> Option<Accepted> {
        Some(Accepted {
            status: self.status().and_then(delivery).unwrap_or(Delivery::Accepted),
            segments: self.parts.filter(|count| *count > 0),
            sid: self.id?.parse().ok()?,
        })
    }

    /// A message on record.
    pub(super) fn listed(self) -> Option<Listed> {
        Some(Listed {
            status: self.status().and_then(delivery),
            failure: self.failure(),
            by_api: self.direction.as_deref() == Some("outbound"),
            created: self.received_at.unwrap_or(Timestamp::UNIX_EPOCH),
            sid: self.id?.parse().ok()?,
            to: self.to.into_iter().next()?.phone_number?,
            body: self.text.unwrap_or_default(),
        })
    }

    /// A text that came in. Media without a proper address is left out: the text counts more.
    pub(super) fn received(self) -> Result<ReceivedText, &'static str> {
        let media = self.media.into_iter().flatten().filter_map(|item| {
            let url = item.url?.parse().ok()?;
            Some(Media { url, content_type: item.content_type.unwrap_or_default() })
        });
        let number = |party: Option<Party>| party?.phone_number.filter(|number| !number.is_empty());
        Ok(ReceivedText {
            sid: self.id.and_then(|id| id.parse().ok()).ok_or("id")?,
            from: number(self.from).ok_or("from")?,
            to: number(self.to.into_iter().next()).ok_or("to")?,
            body: self.text.unwrap_or_default(),
            media: media.collect(),
            segments: self.parts.unwrap_or(1),
            opt_out: None,
            at: self.received_at,
        })
    }

    /// What became of a text of ours.
    pub(super) fn update(self, hook_url: &str) -> Result<StatusUpdate, &'static str> {
        Ok(StatusUpdate {
            mid: self.mid(hook_url),
            status: self.status().ok_or("to.status").map(delivery)?,
            failure: self.failure(),
            sid: self.id.and_then(|id| id.parse().ok()).ok_or("id")?,
        })
    }

    fn status(&self) -> Option<&str> {
        self.to.first()?.status.as_deref()
    }

    fn failure(&self) -> Option<SendFailure> {
        let code = self.errors.iter().flatten().find_map(Fault::code);
        let expired = || (self.status() == Some("expired")).then_some(SendFailure::Expired);
        code.map(class_of).or_else(expired)
    }

    /// Our name for the text: the address that we gave for its news, which the signed body repeats.
    fn mid(&self, hook_url: &str) -> Option<MessageId> {
        let told: Url = self.webhook_url.as_deref()?.parse().ok()?;
        let ours: Url = hook_url.parse().ok()?;
        if told.origin() != ours.origin() || told.path() != ours.path() {
            return None;
        }
        told.query_pairs().find(|(name, _)| name == "mid")?.1.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_or_missing_fails_nothing() {
        let message = |text: &str| serde_json::from_str::<Message>(text).unwrap();
        assert!(message("{}").accepted().is_none());
        assert!(message(r#"{"id":"a b"}"#).accepted().is_none(), "no id for a URL");
        let teleported = r#"{"id":"m1","to":[{"status":"teleported"}],"news":{"of":[1]}}"#;
        assert_eq!(message(teleported).accepted().unwrap().status, Delivery::Accepted);
        assert_eq!(message(teleported).update("https://a.example/hooks/telnyx").unwrap().status, None);
        assert_eq!(message(teleported).received(), Err("from"));
    }

    #[test]
    fn a_code_reads_as_text_or_number() {
        for body in [r#"{"errors":[{"code":"40300","title":"no"}]}"#, r#"{"errors":[{},{"code":40300}]}"#] {
            assert_eq!(code(body.as_bytes()), Some(40300));
        }
        assert_eq!(code(br#"{"errors":[]}"#), None);
    }

    #[test]
    fn our_name_counts_only_in_our_own_address() {
        let mid = "0190f3c2-0000-7000-8000-000000000001";
        let named = |url: &str| {
            let text = format!(r#"{{"id":"m1","to":[{{"status":"sent"}}],"webhook_url":"{url}?mid={mid}"}}"#);
            serde_json::from_str::<Message>(&text)
                .unwrap()
                .update("https://a.example/x/hooks/telnyx")
                .unwrap()
                .mid
        };
        assert_eq!(named("https://a.example/x/hooks/telnyx"), Some(mid.parse().unwrap()));
        assert_eq!(named("https://a.example/hooks/telnyx"), None);
        assert_eq!(named("https://b.example/x/hooks/telnyx"), None);
    }
}
