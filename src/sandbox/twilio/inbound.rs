//! Somebody texts one of our numbers.
//!
//! The text becomes a Message, keywords take effect at once, and the webhook of carriers.md 1.5
//! goes out with every field the real one has, blank geography and one unknown field included.
//! If it fails, the fallback URL is asked once; what the answer says is carried out, even if it
//! is a mistake, since a plain text that reaches a candidate is just what a test must see.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;

use super::answer::{Reaction, react};
use super::delivery::{Failure, Webhook};
use super::keywords::{Keyword, KeywordHandling};
use super::message::{Direction, Media, Message, Status, VALIDITY_MAX, account_path, new_sid};
use super::segments::segments;
use super::state::{Account, TwilioState};

/// A text cannot be received.
#[derive(Debug, thiserror::Error)]
pub enum InboundError {
    /// Nobody has that number here.
    #[error("{0} is not a number of the simulated account")]
    UnknownNumber(String),
}

/// A picture or card that somebody sends.
#[derive(Clone, Debug)]
pub struct InboundMedia {
    /// As `image/jpeg`.
    pub content_type: String,
    /// What is in the file.
    pub bytes: Bytes,
}

impl TwilioState {
    /// Lets `from` text `to`, gives the message's SID, and sends the webhook meanwhile.
    ///
    /// # Errors
    ///
    /// If `to` is none of the account's numbers.
    pub fn inbound(
        &self,
        from: &str,
        to: &str,
        body: &str,
        media: Vec<InboundMedia>,
    ) -> Result<String, InboundError> {
        let account = &self.0;
        if !account.options.numbers.iter().any(|own| own == to) {
            return Err(InboundError::UnknownNumber(to.to_owned()));
        }
        let message = account.received(from, to, body, media);
        let sid = message.sid.clone();
        tokio::spawn(Arc::clone(account).announce(message));
        Ok(sid)
    }

    /// Whether texts from `number` to `recipient` are blocked.
    #[must_use]
    pub fn is_opted_out(&self, number: &str, recipient: &str) -> bool {
        self.0.lock().opt_outs.contains(self.0.options.opt_out_scope(number), recipient)
    }
}

impl Account {
    /// Stores the text and does what its keyword, if it is one, asks for.
    fn received(&self, from: &str, to: &str, body: &str, media: Vec<InboundMedia>) -> Message {
        let now = self.now();
        let media = media.into_iter().map(|item| Media::new(item.content_type, item.bytes));
        let media: Vec<_> = media.collect();
        let message = Message {
            sid: new_sid(if media.is_empty() { "SM" } else { "MM" }),
            direction: Direction::Inbound,
            from: Some(from.to_owned()),
            to: to.to_owned(),
            body: body.to_owned(),
            media,
            num_segments: segments(body),
            service: self.options.service_of(to).map(|service| service.sid.clone()),
            status: Status::Received,
            error_code: None,
            created: now,
            updated: now,
            sent: Some(now),
            validity: VALIDITY_MAX,
            callback: None,
        };
        let mut book = self.lock();
        self.record(
            "message_received",
            json!({"sid": message.sid, "from": from, "to": to, "body": body, "num_media": message.media.len()}),
        );
        if let Some(keyword) = self.keyword(body) {
            let reply = book.opt_outs.apply(keyword, self.options.opt_out_scope(to), from);
            if let Some(text) = reply {
                // No resource: the real one's answers cannot be listed either.
                self.record("auto_reply", json!({"from": to, "to": from, "body": text}));
            }
        }
        book.messages.insert(message.clone());
        message
    }

    fn keyword(&self, body: &str) -> Option<Keyword> {
        Keyword::of(body).filter(|_| self.options.keywords != KeywordHandling::Off)
    }

    /// Sends the webhook, then if need be the fallback, and carries the answer out.
    async fn announce(self: Arc<Self>, message: Message) {
        let addresses = self.lock().addresses.clone();
        let Some(url) = addresses.message_url else { return };
        let mut fields = self.fields(&message, &addresses.base_url);
        let first = Webhook { event: "message", url: url.clone(), fields: fields.clone() };
        let Some(code) = self.ask(&first, &message).await else { return };
        let Some(fallback) = addresses.fallback_url else { return };
        fields.push(("ErrorCode".into(), code.to_string()));
        fields.push(("ErrorUrl".into(), url));
        self.ask(&Webhook { event: "message", url: fallback, fields }, &message).await;
    }

    /// Posts one webhook and does what the answer says; gives the error if there is one to tell.
    async fn ask(self: &Arc<Self>, webhook: &Webhook, message: &Message) -> Option<u32> {
        let code = match self.sender.send(webhook).await {
            Err(Failure::Lost) => return None,
            Err(failure) => failure.code(),
            Ok(answer) => match react(&answer) {
                Reaction::Error(code) => code,
                Reaction::PlainText(text) => {
                    self.reply("accidental_reply", message, text);
                    return None;
                }
                Reaction::Reply(texts) => {
                    for text in texts {
                        self.reply("twiml_reply", message, text);
                    }
                    return None;
                }
            },
        };
        self.record("webhook_error", json!({"code": code, "url": webhook.url, "sid": message.sid}));
        Some(code)
    }

    /// Texts back what the webhook's answer contained, without a callback.
    fn reply(self: &Arc<Self>, kind: &'static str, message: &Message, text: String) {
        let now = self.now();
        let reply = Message {
            sid: new_sid("SM"),
            direction: Direction::OutboundReply,
            from: Some(message.to.clone()),
            to: message.from.clone().unwrap_or_default(),
            num_segments: segments(&text),
            body: text,
            media: Vec::new(),
            status: Status::Queued,
            created: now,
            updated: now,
            sent: None,
            validity: VALIDITY_MAX,
            ..message.clone()
        };
        let mut book = self.lock();
        let detail = json!({"sid": reply.sid, "from": reply.from, "to": reply.to, "body": reply.body});
        self.record(kind, detail);
        self.start(&mut book, reply, None);
    }

    fn fields(&self, message: &Message, base_url: &str) -> Vec<(String, String)> {
        let text = str::to_owned;
        let mut fields = vec![
            ("ToCountry", text("US")),
            ("ToState", text("")),
            ("SmsMessageSid", message.sid.clone()),
            ("NumMedia", message.media.len().to_string()),
            ("ToCity", text("")),
            ("FromZip", text("")),
            ("SmsSid", message.sid.clone()),
            ("FromState", text("CA")),
            ("SmsStatus", text("received")),
            ("FromCity", text("SAN FRANCISCO")),
            ("Body", message.body.clone()),
            ("FromCountry", text("US")),
            ("To", message.to.clone()),
            ("ToZip", text("")),
            ("NumSegments", message.num_segments.to_string()),
            ("MessageSid", message.sid.clone()),
            ("AccountSid", self.options.account_sid.clone()),
            ("From", message.from.clone().unwrap_or_default()),
            ("ApiVersion", text("2010-04-01")),
            ("AddedWithoutNotice", text("1")),
        ];
        fields.extend(message.service.clone().map(|sid| ("MessagingServiceSid", sid)));
        if self.options.keywords == KeywordHandling::Advanced {
            fields.extend(self.keyword(&message.body).map(|keyword| ("OptOutType", text(keyword.name()))));
        }
        let mut fields: Vec<_> = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let folder = format!("{base_url}{}/Messages", account_path(&self.options.account_sid));
        for (index, media) in message.media.iter().enumerate() {
            let url = format!("{folder}/{}/Media/{}", message.sid, media.sid);
            fields.push((format!("MediaUrl{index}"), url));
            fields.push((format!("MediaContentType{index}"), media.content_type.clone()));
        }
        fields
    }
}
