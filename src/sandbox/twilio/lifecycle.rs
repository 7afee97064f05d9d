//! What becomes of an accepted text, and when.
//!
//! The whole path of a text is drawn when it is created: (`accepted`, later) `queued`, `sending`,
//! `sent`, then `delivered` or `undelivered`, with the accidents that the options ask for. The
//! steps wait in one list by simulated time. Each step but `sending` is reported to the text's
//! `StatusCallback`; the state it was created in is not (carriers.md 1.4).

use std::time::Duration;

use jiff::Timestamp;

use crate::dice::Dice;

use super::delivery::Webhook;
use super::error::delivery_error;
use super::message::{Direction, Message, Status};
use super::options::TwilioOptions;
use super::segments::segments;

/// One change of state, so long after the text was taken (or was scheduled to go).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) after: Duration,
    pub(super) status: Status,
    pub(super) error: Option<u32>,
}

/// Draws the path of a new text. One that would be sent only after its validity period has failed by then.
pub(super) fn plan(options: &TwilioOptions, message: &Message, dice: &mut Dice) -> Vec<Step> {
    let mut steps = course(options, message, dice);
    let over = |step: &Step| step.after > message.validity;
    if steps.iter().any(|step| step.status == Status::Sent && over(step)) {
        steps.retain(|step| !over(step));
        steps.push(Step { after: message.validity, status: Status::Failed, error: Some(30036) });
    }
    steps
}

fn course(options: &TwilioOptions, message: &Message, dice: &mut Dice) -> Vec<Step> {
    let ending = options.failing_endings.iter().find(|(ending, _)| message.to.ends_with(ending));
    let error = ending.map(|(_, code)| *code);
    let error = error.or_else(|| dice.chance(options.undelivered_share).then_some(30003));
    let silent = error.is_none() && dice.chance(options.no_receipt_share);
    let mut after = Duration::ZERO;
    let mut steps = Vec::new();
    let mut step = |pause: Duration, status, error| {
        after += pause;
        steps.push(Step { after, status, error });
    };
    let pace = options.pace;
    if message.status != Status::Queued {
        step(pace.queued, Status::Queued, None);
    }
    step(pace.sending, Status::Sending, None);
    if let Some(code @ (21610 | 30001 | 30002 | 30034)) = error {
        // Twilio gives these up by itself, before any carrier has seen them.
        step(pace.sent, Status::Failed, Some(code));
        return steps;
    }
    step(pace.sent, Status::Sent, None);
    match error {
        Some(_) => step(pace.receipt, Status::Undelivered, error),
        None if silent => {}
        None => step(pace.receipt, Status::Delivered, None),
    }
    steps
}

/// Takes a step, unless the text was cancelled before; gives the report that follows from it.
pub(super) fn take(
    options: &TwilioOptions,
    message: &mut Message,
    step: Step,
    now: Timestamp,
) -> Option<Webhook> {
    if message.status == Status::Canceled {
        return None;
    }
    message.status = step.status;
    message.updated = now;
    message.error_code = step.error;
    match step.status {
        Status::Queued if message.from.is_none() => {
            let service = message.service.as_deref().and_then(|sid| options.service(sid));
            message.from = service.and_then(|service| service.numbers.first().cloned());
            message.num_segments = segments(&message.body);
        }
        Status::Sent => message.sent = Some(now),
        Status::Sending => return None,
        _ => {}
    }
    report(options, message, now)
}

/// The status webhook for the state a text is in, if somebody wants it.
pub(super) fn report(options: &TwilioOptions, message: &Message, now: Timestamp) -> Option<Webhook> {
    let url = message.callback.clone().filter(|_| message.direction != Direction::Inbound)?;
    let status = message.status.name();
    let mut fields = vec![
        ("SmsSid", message.sid.clone()),
        ("SmsStatus", status.into()),
        ("MessageStatus", status.into()),
        ("To", message.to.clone()),
        ("MessageSid", message.sid.clone()),
        ("AccountSid", options.account_sid.clone()),
        ("From", message.from.clone().unwrap_or_default()),
        ("ApiVersion", "2010-04-01".into()),
    ];
    fields.extend(message.service.clone().map(|sid| ("MessagingServiceSid", sid)));
    if let Some(code) = message.error_code {
        fields.push(("ErrorCode", code.to_string()));
        fields.push(("ErrorMessage", delivery_error(code).into()));
    }
    if matches!(message.status, Status::Delivered | Status::Undelivered) {
        fields.push(("RawDlrDoneDate", now.strftime("%y%m%d%H%M").to_string()));
    }
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Some(Webhook { event: "status", url, fields })
}

#[cfg(test)]
mod tests {
    use super::super::message::sample;
    use super::*;

    fn path(change: impl FnOnce(&mut TwilioOptions, &mut Message)) -> Vec<&'static str> {
        let (mut options, mut message) = (TwilioOptions::default(), sample("SM1", Timestamp::UNIX_EPOCH));
        change(&mut options, &mut message);
        let steps = plan(&options, &message, &mut Dice::new(1, 1, 1));
        assert!(steps.is_sorted_by_key(|step| step.after));
        steps.iter().map(|step| step.status.name()).collect()
    }

    #[test]
    fn a_text_goes_from_queued_to_delivered() {
        assert_eq!(path(|_, _| {}), ["sending", "sent", "delivered"]);
    }

    #[test]
    fn a_service_queues_first() {
        let accepted = path(|_, message| message.status = Status::Accepted);
        assert_eq!(accepted, ["queued", "sending", "sent", "delivered"]);
    }

    #[test]
    fn accidents_end_the_path_where_they_should() {
        assert_eq!(path(|options, _| options.no_receipt_share = 1.0), ["sending", "sent"]);
        assert_eq!(path(|options, _| options.undelivered_share = 1.0), ["sending", "sent", "undelivered"]);
        for to in ["+14155550034", "+14155551610"] {
            assert_eq!(path(|_, message| message.to = to.into()), ["sending", "failed"]);
        }
    }

    #[test]
    fn what_waits_longer_than_its_validity_period_is_never_sent() {
        let waiting = |validity| {
            path(|options, message| {
                options.pace.sending = Duration::from_secs(40 * 60);
                message.validity = Duration::from_secs(validity);
            })
        };
        assert_eq!(waiting(3600), ["sending", "sent", "delivered"]);
        assert_eq!(waiting(2400), ["sending", "failed"]);
        assert_eq!(waiting(360), ["failed"]);
    }

    #[test]
    fn a_landline_is_reported_with_its_code() {
        let (options, mut message) = (TwilioOptions::default(), sample("SM1", Timestamp::UNIX_EPOCH));
        message.to = "+14155550006".into();
        message.callback = Some("https://a.example/s?mid=1#rc=5".into());
        let steps = plan(&options, &message, &mut Dice::new(1, 1, 1));
        let now = "2026-11-24T05:30:00Z".parse().unwrap();
        let reports: Vec<_> = steps.iter().map(|step| take(&options, &mut message, *step, now)).collect();
        assert!(reports[0].is_none(), "nothing is reported for sending");
        let last = reports[2].as_ref().unwrap();
        let value = |key| last.fields.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        assert_eq!(value("MessageStatus"), Some("undelivered"));
        assert_eq!(value("ErrorCode"), Some("30006"));
        assert_eq!(value("RawDlrDoneDate"), Some("2611240530"));
        assert_eq!(value("Body"), None);
    }

    #[test]
    fn a_service_chooses_its_sender_when_it_queues() {
        let (options, mut message) = (TwilioOptions::default(), sample("SM1", Timestamp::UNIX_EPOCH));
        (message.from, message.status, message.num_segments) = (None, Status::Accepted, 0);
        message.service = Some(options.services[0].sid.clone());
        let step = plan(&options, &message, &mut Dice::new(1, 1, 1))[0];
        take(&options, &mut message, step, Timestamp::UNIX_EPOCH);
        assert_eq!((message.from.as_deref(), message.num_segments), (Some("+12025550101"), 1));
    }
}
