//! What Twilio sends us: texts, and what became of ours (carriers.md 1.4, 1.5).
//!
//! [`Hooks`] checks the signature and the account before anything is read, so that nobody can
//! hold a text that was not verified. Fields that are not known are passed over: Twilio adds some
//! without notice.

use fulcrum_domain::optout::Keyword;
use fulcrum_domain::{CarrierSid, MessageId};
use url::Url;

use super::codes::class_of;
use super::form::{Form, FormError};
use super::signature::{BadSignature, Payload, Signed, SigningKeys};
use super::wire;
use crate::carrier::{Media, ReceivedText, StatusUpdate};

/// The answer to a text, as `text/xml`: no reply. (`text/plain` would be texted to the sender.)
pub const EMPTY_TWIML: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#;

/// More than Twilio takes with one message.
const MAX_MEDIA: usize = 16;

/// The receiving end.
#[derive(Clone, Debug)]
pub struct Hooks {
    public_url: Url,
    account_sid: String,
    keys: SigningKeys,
}

/// A request of Twilio's, raw.
#[derive(Clone, Copy)]
pub struct HookRequest<'a> {
    /// Path and query, as they came.
    pub target: &'a str,
    /// The header `X-Twilio-Signature`.
    pub signature: Option<&'a str>,
    /// The header `X-Twilio-Webhooks-Signature-Settings`.
    pub key_settings: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

/// A request that is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// 403.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// 403.
    #[error("meant for another account")]
    OtherAccount,
    /// 400, or 413 when too large.
    #[error(transparent)]
    Form(#[from] FormError),
    /// 400.
    #[error("field {0} is missing or makes no sense")]
    Field(&'static str),
}

impl Hooks {
    /// For URLs at Twilio that begin with `public_url`.
    #[must_use]
    pub fn new(public_url: Url, account_sid: String, keys: SigningKeys) -> Self {
        Self { public_url, account_sid, keys }
    }

    /// A text that came in.
    ///
    /// # Errors
    /// [`HookError`]; nothing in it comes from the sender.
    pub fn message(&self, request: &HookRequest<'_>) -> Result<ReceivedText, HookError> {
        received_text(&self.verified(request)?)
    }

    /// What became of a text of ours.
    ///
    /// # Errors
    /// [`HookError`]; nothing in it comes from the sender.
    pub fn status(&self, request: &HookRequest<'_>) -> Result<StatusUpdate, HookError> {
        let form = self.verified(request)?;
        status_update(&form, request.target.split_once('?').map_or("", |(_, query)| query))
    }

    fn verified(&self, request: &HookRequest<'_>) -> Result<Form, HookError> {
        let form = Form::parse(request.body)?;
        self.keys.verify(&Signed {
            public_url: &self.public_url,
            target: request.target,
            payload: Payload::Form(&form),
            signature: request.signature,
            key_settings: request.key_settings,
        })?;
        match form.get("AccountSid") {
            Some(sid) if sid == self.account_sid => Ok(form),
            _ => Err(HookError::OtherAccount),
        }
    }
}

fn sid(form: &Form) -> Result<CarrierSid, HookError> {
    form.get("MessageSid").and_then(|sid| sid.parse().ok()).ok_or(HookError::Field("MessageSid"))
}

fn received_text(form: &Form) -> Result<ReceivedText, HookError> {
    let required = |name| match form.get(name) {
        Some(value) if !value.is_empty() => Ok(value.to_owned()),
        _ => Err(HookError::Field(name)),
    };
    Ok(ReceivedText {
        sid: sid(form)?,
        from: required("From")?,
        to: required("To")?,
        body: form.get("Body").unwrap_or_default().to_owned(),
        media: media(form),
        segments: form.get("NumSegments").and_then(|n| n.parse().ok()).unwrap_or(1),
        opt_out: match form.get("OptOutType") {
            Some("STOP") => Some(Keyword::Stop),
            Some("START") => Some(Keyword::Start),
            Some("HELP") => Some(Keyword::Help),
            _ => None,
        },
        at: None,
    })
}

/// What came with a text. One that has no proper address is left out: the text counts more.
fn media(form: &Form) -> Vec<Media> {
    let count = form.get("NumMedia").and_then(|n| n.parse().ok()).unwrap_or(0).min(MAX_MEDIA);
    let one = |n: usize| {
        let url = form.get(&format!("MediaUrl{n}"))?.parse().ok()?;
        let content_type = form.get(&format!("MediaContentType{n}")).unwrap_or_default().to_owned();
        Some(Media { url, content_type })
    };
    (0..count).filter_map(one).collect()
}

fn status_update(form: &Form, query: &str) -> Result<StatusUpdate, HookError> {
    // Our own word, which is missing where a service reports by itself; then the carrier's id says which text.
    let mid: Option<MessageId> = Form::parse(query.as_bytes())?.get("mid").and_then(|mid| mid.parse().ok());
    let word = form.get("MessageStatus").ok_or(HookError::Field("MessageStatus"))?;
    Ok(StatusUpdate {
        mid,
        sid: sid(form)?,
        status: wire::delivery(word),
        failure: form.get("ErrorCode").and_then(|code| code.parse().ok()).map(class_of),
    })
}

#[cfg(test)]
mod tests {
    use fulcrum_domain::{Delivery, SendFailure};
    use proptest::prelude::*;

    use super::*;

    const ACCOUNT: &str = "AC00000000000000000000000000000000";
    const MESSAGE: &str =
        "MessageSid=SM1&From=%2B14155550123&To=%2B14155550100&Body=private+words&AccountSid=AC0";

    fn parse(body: &str) -> Result<ReceivedText, HookError> {
        received_text(&Form::parse(body.as_bytes()).unwrap())
    }

    #[test]
    fn a_text_is_taken_with_its_signature_and_for_our_account_only() {
        let body = "SmsSid=SM22222222222222222222222222222222&SmsStatus=delivered&MessageStatus=delivered&To=%2B14155550123&MessageSid=SM22222222222222222222222222222222&AccountSid=AC00000000000000000000000000000000&From=%2B14155550100&ApiVersion=2010-04-01&RawDlrDoneDate=2611240530";
        let keys = SigningKeys {
            auth_tokens: vec!["0123456789abcdef0123456789abcdef".into()],
            ..SigningKeys::default()
        };
        let hooks = |account: &str| {
            Hooks::new("https://sms.example.com".parse().unwrap(), account.into(), keys.clone())
        };
        let request = HookRequest {
            target: "/twilio/status?mid=0190f3c2",
            signature: Some("5T3oYPbBaUgTk3EIrDp0CzL1t4w="),
            key_settings: None,
            body: body.as_bytes(),
        };
        assert!(hooks(ACCOUNT).message(&request).is_ok());
        let update = hooks(ACCOUNT).status(&request).unwrap();
        assert_eq!(update.mid, None, "no id of ours: the carrier's counts");
        assert_eq!(update.sid.as_str(), "SM22222222222222222222222222222222");
        assert_eq!(hooks("AC1").message(&request), Err(HookError::OtherAccount));
        let unsigned = HookRequest { signature: None, ..request };
        assert_eq!(hooks(ACCOUNT).message(&unsigned), Err(HookError::Signature(BadSignature)));
    }

    #[test]
    fn a_text_with_media_and_a_keyword() {
        let more = "&NumMedia=3&MediaUrl0=https://a.example/1&MediaContentType0=image/png&MediaUrl1=no&OptOutType=STOP&NumSegments=2";
        let text = parse(&format!("{MESSAGE}{more}")).unwrap();
        assert_eq!(text.from, "+14155550123");
        assert_eq!(text.body, "private words");
        assert_eq!((text.segments, text.opt_out), (2, Some(Keyword::Stop)));
        assert_eq!(text.media.len(), 1);
        assert_eq!(text.media[0].content_type, "image/png");
    }

    #[test]
    fn a_text_without_its_head_is_refused() {
        for name in ["MessageSid", "From", "To"] {
            let body = MESSAGE.replace(&format!("{name}="), "Other=");
            assert_eq!(parse(&body), Err(HookError::Field(name)));
        }
    }

    #[test]
    fn neither_text_nor_number_is_printed() {
        let printed = format!("{:?}", parse(MESSAGE).unwrap());
        assert!(!printed.contains("private") && !printed.contains("555"), "{printed}");
    }

    #[test]
    fn a_status_names_our_text_and_its_failure() {
        let mid = "0190f3c2-0000-7000-8000-000000000001";
        let check = |body: &str, status, failure| {
            let form = Form::parse(body.as_bytes()).unwrap();
            let update = status_update(&form, &format!("mid={mid}")).unwrap();
            assert_eq!((update.status, update.failure), (status, failure));
            assert_eq!(update.mid, Some(mid.parse().unwrap()));
        };
        check("MessageSid=SM1&MessageStatus=sent", Some(Delivery::Sent), None);
        check(
            "MessageSid=SM1&MessageStatus=undelivered&ErrorCode=30006",
            Some(Delivery::Undelivered),
            Some(SendFailure::Landline),
        );
        check("MessageSid=SM1&MessageStatus=teleported", None, None);
    }

    proptest! {
        #[test]
        fn no_form_of_a_strangers_panics(body in "(MessageSid|From|To|NumMedia|MediaUrl0|MessageStatus|=|&|[0-9]{1,20}|%[0-9a-f]{2}|\\PC){0,30}") {
            if let Ok(form) = Form::parse(body.as_bytes()) {
                let _ = received_text(&form);
                let _ = status_update(&form, &body);
            }
        }
    }
}
