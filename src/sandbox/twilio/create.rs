//! Decides whether a text that is to be sent is taken, and if not, which error it gets.
//!
//! The checks go from what is missing over what is malformed to what is forbidden, and the
//! magic numbers of Twilio's test credentials (carriers.md 1.11) count beside the account's
//! own. Numbers must be E.164 here: Twilio repairs some others, a client should not need it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use url::{Host, Url};

use super::error::ApiError;
use super::keywords::OptOuts;
use super::message::{Direction, Media, Message, Status, VALIDITY_MAX, new_sid};
use super::options::TwilioOptions;
use super::segments::segments;

const BODY_CHARACTERS_MAX: usize = 1600;
const MEDIA_MAX: usize = 10;

/// A decoded form; a key may stand in it several times.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn parse(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    /// The last value of `key`, blank or not.
    pub(super) fn given(&self, key: &str) -> Option<&str> {
        self.all(key).last()
    }

    /// The last value of `key` unless it is blank.
    fn get(&self, key: &str) -> Option<&str> {
        self.given(key).filter(|value| !value.is_empty())
    }

    /// As it was sent: pairs, in their order.
    pub(super) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

/// What is taken: the new message, and when it goes out if not at once.
pub(super) struct Accepted {
    pub(super) message: Message,
    pub(super) send_at: Option<Timestamp>,
}

/// Checks the form of `POST Messages.json`.
pub(super) fn accept(
    options: &TwilioOptions,
    opt_outs: &OptOuts,
    form: &Form,
    now: Timestamp,
) -> Result<Accepted, ApiError> {
    let refuse = |code, message: &str| Err(ApiError::new(code, message));
    let Some(to) = form.get("To") else {
        return refuse(21604, "A 'To' phone number is required.");
    };
    let (from, service) = (form.get("From"), form.get("MessagingServiceSid"));
    if from.is_none() && service.is_none() {
        return refuse(21603, "A 'From' phone number or a Messaging Service is required.");
    }
    let media_urls: Vec<&str> = form.all("MediaUrl").filter(|url| !url.is_empty()).collect();
    let body = form.get("Body").unwrap_or_default();
    if body.is_empty() && media_urls.is_empty() && form.get("ContentSid").is_none() {
        return refuse(21602, "Message body is required.");
    }
    check_recipient(to, from)?;
    let scope = check_sender(options, from, service)?;
    if opt_outs.contains(scope, to) {
        return refuse(21610, "Attempt to send to unsubscribed recipient");
    }
    if body.chars().count() > BODY_CHARACTERS_MAX {
        return refuse(21617, "The concatenated message body exceeds the 1600 character limit");
    }
    check_media(&media_urls)?;
    let callback = form.get("StatusCallback");
    if callback.is_some_and(|url| !is_callback(url)) {
        return refuse(21609, "The StatusCallback URL is not a valid URL.");
    }
    let validity = match form.get("ValidityPeriod").map(str::parse) {
        None => VALIDITY_MAX,
        Some(Ok(seconds)) if (1..=VALIDITY_MAX.as_secs()).contains(&seconds) => Duration::from_secs(seconds),
        Some(_) => return refuse(21624, "The ValidityPeriod is not between 1 and 36000 seconds."),
    };
    let send_at = schedule(form, service, now)?;
    let status = match (service, send_at) {
        (None, _) => Status::Queued,
        (Some(_), None) => Status::Accepted,
        (Some(_), Some(_)) => Status::Scheduled,
    };
    let message = Message {
        sid: new_sid(if media_urls.is_empty() { "SM" } else { "MM" }),
        direction: Direction::OutboundApi,
        from: from.filter(|_| service.is_none()).map(str::to_owned),
        to: to.to_owned(),
        body: body.to_owned(),
        media: media_urls.iter().map(|_| Media::picture()).collect(),
        num_segments: if service.is_none() { segments(body) } else { 0 },
        service: service.map(str::to_owned),
        status,
        error_code: None,
        created: now,
        updated: now,
        sent: None,
        validity,
        callback: callback.map(str::to_owned),
    };
    Ok(Accepted { message, send_at })
}

fn check_recipient(to: &str, from: Option<&str>) -> Result<(), ApiError> {
    let (code, reason) = match to {
        "+15005550001" => (21211, "is not a valid phone number"),
        "+15005550002" => (21612, "is not reachable from this 'From'"),
        "+15005550003" => (21408, "is in a region that is not enabled"),
        "+15005550004" => (21610, "has opted out"),
        "+15005550009" => (21614, "is not a mobile number"),
        _ if !is_e164(to) => (21211, "is not a valid phone number"),
        _ if from == Some(to) => (21211, "is also the 'From' number"),
        _ => return Ok(()),
    };
    Err(ApiError::new(code, format!("The 'To' number {to} {reason}.")))
}

/// Checks who sends, and gives what an opt-out of the recipient is tied to.
fn check_sender<'a>(
    options: &'a TwilioOptions,
    from: Option<&'a str>,
    service: Option<&'a str>,
) -> Result<&'a str, ApiError> {
    if let Some(sid) = service {
        let Some(service) = options.service(sid) else {
            return Err(ApiError::new(21701, format!("The Messaging Service {sid} does not exist.")));
        };
        return match from {
            _ if service.numbers.is_empty() => {
                Err(ApiError::new(21704, "The Messaging Service has no phone numbers."))
            }
            Some(from) if !service.numbers.iter().any(|own| own == from) => {
                Err(ApiError::new(21606, format!("The Messaging Service does not contain {from}.")))
            }
            _ => Ok(&service.sid),
        };
    }
    let from = from.unwrap_or_default();
    let (code, reason) = match from {
        "+15005550006" => return Ok(from),
        _ if options.numbers.iter().any(|own| own == from) => return Ok(options.opt_out_scope(from)),
        "+15005550001" => (21212, "is not valid"),
        "+15005550008" => (21611, "has a full queue"),
        _ if is_e164(from) => (21606, "is not a number of this account that can send texts"),
        _ => (21212, "is not valid"),
    };
    Err(ApiError::new(code, format!("The 'From' number {from} {reason}.")))
}

fn check_media(urls: &[&str]) -> Result<(), ApiError> {
    if urls.len() > MEDIA_MAX {
        return Err(ApiError::new(21623, "A message takes at most 10 media."));
    }
    match urls.iter().find(|url| !is_web(url)) {
        Some(url) => Err(ApiError::new(21620, format!("Invalid media URL {url}"))),
        None => Ok(()),
    }
}

/// The moment asked for by `ScheduleType=fixed`: more than 300 s and at most 35 days ahead.
fn schedule(form: &Form, service: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
    let send_at = match (form.get("ScheduleType"), form.get("SendAt")) {
        (None, None) => return Ok(None),
        (Some("fixed"), Some(text)) => text,
        _ => return Err(ApiError::new(35114, "ScheduleType must be 'fixed' and come with SendAt.")),
    };
    if service.is_none() {
        return Err(ApiError::new(35118, "MessagingServiceSid is required to schedule a message."));
    }
    let (soonest, latest) = (SignedDuration::from_secs(300), SignedDuration::from_hours(35 * 24));
    let in_range = |at: &Timestamp| (soonest..=latest).contains(&at.duration_since(now));
    match send_at.parse().ok().filter(in_range) {
        Some(at) => Ok(Some(at)),
        None => Err(ApiError::new(35115, "SendAt is no time between 300 seconds and 35 days ahead.")),
    }
}

fn is_e164(number: &str) -> bool {
    let digits = number.strip_prefix('+').unwrap_or_default();
    (7..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_web(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

/// Twilio refuses host names with an underscore; an address or `localhost` is fine here.
fn is_callback(url: &str) -> bool {
    let host_is_fine = |url: &Url| match url.host() {
        Some(Host::Domain(name)) => !name.contains('_'),
        Some(_) => true,
        None => false,
    };
    is_web(url) && Url::parse(url).is_ok_and(|url| host_is_fine(&url))
}

#[cfg(test)]
mod tests {
    use super::super::keywords::Keyword;
    use super::*;

    fn attempt(query: &str) -> Result<Accepted, ApiError> {
        let mut opt_outs = OptOuts::default();
        opt_outs.apply(Keyword::Stop, "+12025550100", "+14155550199");
        let now = "2026-11-24T12:00:00Z".parse().unwrap();
        accept(&TwilioOptions::default(), &opt_outs, &Form::parse(query.as_bytes()), now)
    }

    #[test]
    fn every_refusal_has_the_code_of_the_real_one() {
        let ok = "To=%2B14155550123&From=%2B12025550100&Body=Hi";
        let from = "From=%2B12025550100&Body=Hi&To=%2B";
        let to = "To=%2B14155550123&Body=Hi&From=%2B";
        let service = "To=%2B14155550123&Body=Hi&MessagingServiceSid=MG22222222222222222222222222222222";
        let long = "a".repeat(1601);
        let eleven = "&MediaUrl=https://x.example/a".repeat(11);
        for (code, form) in [
            (21604, "From=%2B12025550100&Body=Hi".to_owned()),
            (21603, "To=%2B14155550123&Body=Hi".to_owned()),
            (21602, "To=%2B14155550123&From=%2B12025550100&Body=".to_owned()),
            (21211, "To=415-555-0123&From=%2B12025550100&Body=Hi".to_owned()),
            (21211, format!("{from}12025550100")),
            (21211, format!("{from}15005550001")),
            (21612, format!("{from}15005550002")),
            (21408, format!("{from}15005550003")),
            (21610, format!("{from}15005550004")),
            (21614, format!("{from}15005550009")),
            (21610, format!("{from}14155550199")),
            (21212, format!("{to}15005550001")),
            (21606, format!("{to}15005550007")),
            (21611, format!("{to}15005550008")),
            (21606, format!("{to}14155559999")),
            (21212, "To=%2B14155550123&Body=Hi&From=Acme!".to_owned()),
            (21701, "To=%2B14155550123&Body=Hi&MessagingServiceSid=MG0".to_owned()),
            (21606, format!("{service}&From=%2B12025550100")),
            (21617, format!("{ok}&Body={long}")),
            (21620, format!("{ok}&MediaUrl=nowhere")),
            (21623, format!("{ok}{eleven}")),
            (21609, format!("{ok}&StatusCallback=ftp://x.example/")),
            (21609, format!("{ok}&StatusCallback=https://a_b.example/")),
            (21624, format!("{ok}&ValidityPeriod=0")),
            (21624, format!("{ok}&ValidityPeriod=soon")),
            (35114, format!("{service}&SendAt=2026-11-24T13:00:00Z")),
            (35115, format!("{service}&ScheduleType=fixed&SendAt=2026-11-24T12:04:00Z")),
            (35118, format!("{ok}&ScheduleType=fixed&SendAt=2026-11-24T13:00:00Z")),
        ] {
            assert_eq!(attempt(&form).err().map(|error| error.code), Some(code), "{form}");
        }
    }

    #[test]
    fn a_number_sends_at_once_and_a_service_has_no_sender_yet() {
        let callback = "http://127.0.0.1:8080/s?mid=1%23rc=5";
        let form = format!("To=%2B14155550123&From=%2B15005550006&Body=Hi&StatusCallback={callback}");
        let direct = attempt(&form).unwrap().message;
        assert_eq!((direct.status, direct.num_segments), (Status::Queued, 1));
        assert_eq!(direct.callback.as_deref(), Some("http://127.0.0.1:8080/s?mid=1#rc=5"));
        let form = "To=%2B14155550123&Body=Hi&MessagingServiceSid=MG22222222222222222222222222222222";
        let pooled = attempt(form).unwrap().message;
        assert_eq!((pooled.status, pooled.num_segments, pooled.from), (Status::Accepted, 0, None));
    }

    #[test]
    fn repeated_keys_are_all_kept() {
        let form =
            "To=%2B14155550123&From=%2B12025550100&MediaUrl=https://x.example/a&MediaUrl=https://x.example/b";
        let message = attempt(form).unwrap().message;
        assert_eq!((message.media.len(), &message.sid[..2]), (2, "MM"));
    }
}
