//! How the simulated account is set up: credentials, numbers, services and habits.

use std::time::Duration;

use super::keywords::KeywordHandling;
use super::signature::Port;

/// The account. Its secrets guard nothing real, yet there is no `Debug` to print them.
#[derive(Clone)]
pub struct TwilioOptions {
    /// `AC` and 32 hexadecimal digits.
    pub account_sid: String,
    /// The account's token; signs every webhook.
    pub auth_token: String,
    /// Standard API keys: `SK…` and its secret.
    pub api_keys: Vec<(String, String)>,
    /// The numbers that may send and receive, E.164.
    pub numbers: Vec<String>,
    /// Messaging services.
    pub services: Vec<MessagingService>,
    /// Who answers STOP, START and HELP.
    pub keywords: KeywordHandling,
    /// How webhook URLs are written in the signed string.
    pub signed_port: Port,
    /// How long each state lasts.
    pub pace: Pace,
    /// The share of texts, 0 to 1, that end `undelivered` with 30003.
    pub undelivered_share: f64,
    /// The share of delivered texts, 0 to 1, whose receipt never comes, so that `sent` is last.
    pub no_receipt_share: f64,
    /// Recipients by the end of their number, and the error code their texts end with.
    pub failing_endings: Vec<(String, u32)>,
    /// How long a new message stays out of listings, in simulated time.
    pub list_delay: Duration,
}

/// A pool of numbers behind one `MG…`.
#[derive(Clone)]
pub struct MessagingService {
    /// `MG` and 32 hexadecimal digits.
    pub sid: String,
    /// Its senders, E.164; the first one is chosen.
    pub numbers: Vec<String>,
}

/// How long a text takes to reach each state from the one before, in simulated time.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// From `accepted` to `queued`, with a messaging service.
    pub queued: Duration,
    /// From `queued` to `sending`.
    pub sending: Duration,
    /// From `sending` to `sent`.
    pub sent: Duration,
    /// From `sent` to `delivered` or `undelivered`.
    pub receipt: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            queued: Duration::from_millis(50),
            sending: Duration::from_millis(100),
            sent: Duration::from_millis(200),
            receipt: Duration::from_millis(500),
        }
    }
}

impl Default for TwilioOptions {
    fn default() -> Self {
        let numbered = |prefix: &str, digit: &str| format!("{prefix}{}", digit.repeat(32));
        Self {
            account_sid: numbered("AC", "0"),
            auth_token: "0123456789abcdef0123456789abcdef".into(),
            api_keys: vec![(numbered("SK", "1"), "sandbox-key-secret".into())],
            numbers: vec!["+12025550100".into(), "+12025550101".into()],
            services: vec![MessagingService {
                sid: numbered("MG", "2"),
                numbers: vec!["+12025550101".into()],
            }],
            keywords: KeywordHandling::default(),
            signed_port: Port::default(),
            pace: Pace::default(),
            undelivered_share: 0.0,
            no_receipt_share: 0.0,
            failing_endings: [
                ("0003", 30003),
                ("0004", 30004),
                ("0005", 30005),
                ("0006", 30006),
                ("0007", 30007),
                ("0008", 30008),
                ("0034", 30034),
                // Who has opted out, which a service may find only later (carriers.md 1.3).
                ("1610", 21610),
            ]
            .map(|(ending, code)| (ending.to_owned(), code))
            .to_vec(),
            list_delay: Duration::ZERO,
        }
    }
}

impl TwilioOptions {
    /// What an opt-out is tied to when `number` receives it: its service, else the number.
    pub(super) fn opt_out_scope<'a>(&'a self, number: &'a str) -> &'a str {
        self.service_of(number).map_or(number, |service| &service.sid)
    }

    pub(super) fn service_of(&self, number: &str) -> Option<&MessagingService> {
        self.services.iter().find(|service| service.numbers.iter().any(|own| own == number))
    }

    pub(super) fn service(&self, sid: &str) -> Option<&MessagingService> {
        self.services.iter().find(|service| service.sid == sid)
    }
}
