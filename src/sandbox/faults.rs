//! Faults on demand: what the remotes do wrong, when, how often.
//!
//! Rules are tried in order; the first that matches and whose draw succeeds is the fault of this request.
//! Draws come from a seed, so a failing run can be repeated. The rules say nothing about how a fault is
//! carried out: that is `server` for answers, and whoever sends webhooks for those (`lever::hooks`,
//! `twilio::delivery`, `courier`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::dice::Dice;

/// Which way of talking a rule concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remote {
    /// Requests to the simulated Lever.
    Lever,
    /// Requests to the simulated Twilio.
    Twilio,
    /// Webhooks that Lever sends.
    LeverWebhook,
    /// Webhooks that Twilio sends.
    TwilioWebhook,
    /// Requests to the simulated Telnyx.
    Telnyx,
    /// Webhooks that Telnyx sends.
    TelnyxWebhook,
    /// Requests to the simulated gateway.
    Gateway,
    /// Webhooks that the gateway sends.
    GatewayWebhook,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// Answered with this status and nothing done; without a body, an error body in the remote's shape.
    Status {
        /// HTTP status; 200 with an error body is possible too.
        code: u16,
        /// JSON to answer with.
        body: Option<Value>,
    },
    /// Handled after a pause.
    Latency {
        /// Milliseconds of real time.
        ms: u64,
    },
    /// Connection closed, nothing done.
    #[serde(alias = "down")]
    CutBefore,
    /// Everything done, connection closed without an answer.
    CutAfter,
    /// Everything done, and answered with this status all the same, in the remote's shape.
    StatusAfter {
        /// HTTP status.
        code: u16,
    },
    /// Done, and answered 200 with a web page.
    Html,
    /// Done, and answered 200 with bytes that are not JSON.
    Rubbish,
    /// Done, with a valid head and a body that ends half-way.
    HalfBody,
    /// Never answered, nothing done.
    Hang,
    /// Webhook: delivered twice.
    Duplicate,
    /// Webhook: held back until the next one has been delivered, or a second has passed.
    Reorder,
    /// Webhook: delivered later.
    Delay {
        /// Milliseconds of real time.
        ms: u64,
    },
    /// Webhook: never delivered.
    Drop,
}

/// One line of the list of faults.
#[derive(Clone, Debug, Deserialize)]
pub struct Rule {
    /// Whom it concerns.
    pub remote: Remote,
    /// Only this HTTP method.
    #[serde(default)]
    pub method: Option<String>,
    /// Only where the path (for webhooks, the event) contains this.
    #[serde(default)]
    pub path: Option<String>,
    /// What goes wrong.
    #[serde(flatten)]
    pub fault: Fault,
    /// Only this often, then the rule is used up.
    #[serde(default)]
    pub times: Option<u32>,
    /// Only for this share of what matches, 0 to 1.
    #[serde(default)]
    pub probability: Option<f64>,
    /// Only for so many milliseconds of real time from when the rule is given.
    #[serde(default)]
    pub for_ms: Option<u64>,
}

impl Remote {
    fn is_webhooks(self) -> bool {
        match self {
            Self::LeverWebhook | Self::TwilioWebhook | Self::TelnyxWebhook | Self::GatewayWebhook => true,
            Self::Lever | Self::Twilio | Self::Telnyx | Self::Gateway => false,
        }
    }
}

impl Fault {
    /// Whether it concerns a single attempt to deliver a webhook, and not when and how often it is delivered.
    pub(crate) fn is_of_an_attempt(&self) -> bool {
        !matches!(
            self,
            Self::Duplicate | Self::Reorder | Self::Delay { .. } | Self::Latency { .. } | Self::Drop
        )
    }
}

impl Rule {
    /// `fault` at `remote`, every time.
    #[must_use]
    pub fn new(remote: Remote, fault: Fault) -> Self {
        Self { remote, method: None, path: None, fault, times: None, probability: None, for_ms: None }
    }

    /// Only for this HTTP method.
    #[must_use]
    pub fn method(mut self, method: &Method) -> Self {
        self.method = Some(method.to_string());
        self
    }

    /// Only where the path contains `part`.
    #[must_use]
    pub fn path(mut self, part: &str) -> Self {
        self.path = Some(part.to_owned());
        self
    }

    /// Only so many times.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Only for this share of what matches.
    #[must_use]
    pub fn probability(mut self, probability: f64) -> Self {
        self.probability = Some(probability);
        self
    }

    /// Only for so long from when it is given.
    #[must_use]
    pub fn lasting(mut self, duration: Duration) -> Self {
        self.for_ms = Some(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// Reads one rule, or a list of them, in JSON.
    ///
    /// # Errors
    /// What is wrong with one of them; then none is taken.
    pub fn read_all(value: Value) -> Result<Vec<Self>, String> {
        match value {
            Value::Array(rules) => rules.into_iter().map(Self::read).collect(),
            rule => Ok(vec![Self::read(rule)?]),
        }
    }

    /// Reads a rule. Serde cannot refuse unknown keys beside a flattened field, so that is done here: a key that
    /// is not understood would let the fault go on for ever, or be another.
    ///
    /// # Errors
    /// What is wrong with it, and what is known.
    fn read(value: Value) -> Result<Self, String> {
        const ANY: [&str; 7] = ["remote", "kind", "method", "path", "times", "probability", "for_ms"];
        let of_kind: &[&str] = match value["kind"].as_str() {
            Some("status") => &["code", "body"],
            Some("status_after") => &["code"],
            Some("latency" | "delay") => &["ms"],
            _ => &[],
        };
        let known = || ANY.iter().chain(of_kind);
        let keys = || value.as_object().into_iter().flat_map(|fields| fields.keys());
        if let Some(unknown) = keys().find(|key| !known().any(|known| known == key)) {
            let known: Vec<String> = known().map(|key| format!("`{key}`")).collect();
            return Err(format!("unknown field `{unknown}`, expected one of {}", known.join(", ")));
        }
        let rule: Self = serde_json::from_value(value).map_err(|error| error.to_string())?;
        if rule.probability.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return Err("`probability` is a share, from 0 to 1".into());
        }
        if rule.times == Some(0) {
            return Err("`times` is how often it happens, at least 1".into());
        }
        match rule.fault {
            Fault::Status { code, .. } | Fault::StatusAfter { code } if !(200..=599).contains(&code) => {
                Err(format!("`code` is the status of an answer, from 200 to 599, and not {code}"))
            }
            Fault::Html | Fault::Rubbish | Fault::HalfBody if rule.remote.is_webhooks() => {
                Err("what a webhook is answered is up to its receiver: `html`, `rubbish` and `half_body` are for requests".into())
            }
            _ => Ok(rule),
        }
    }

    fn matches(&self, remote: Remote, method: &Method, path: &str) -> bool {
        self.remote == remote
            && self.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method.as_str()))
            && self.path.as_ref().is_none_or(|part| path.contains(part))
    }
}

/// The shared list of faults. Clones share it.
#[derive(Clone, Debug)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    rules: Vec<Active>,
    dice: Dice,
}

#[derive(Debug)]
struct Active {
    rule: Rule,
    since: Instant,
}

impl Faults {
    /// No faults but `rules`, drawn by `seed`.
    #[must_use]
    pub fn new(seed: u64, rules: Vec<Rule>) -> Self {
        let faults = Self(Arc::new(Mutex::new(State { rules: Vec::new(), dice: Dice::new(seed, 0xFA, 0) })));
        for rule in rules {
            faults.add(rule);
        }
        faults
    }

    /// Adds a rule behind the others.
    pub fn add(&self, rule: Rule) {
        self.lock().rules.push(Active { rule, since: Instant::now() });
    }

    /// From now on nothing goes wrong.
    pub fn clear(&self) {
        self.lock().rules.clear();
    }

    /// What goes wrong with this request, if anything. For webhooks `path` is the event.
    #[must_use]
    pub fn draw(&self, remote: Remote, method: &Method, path: &str) -> Option<Fault> {
        self.draw_of(remote, method, path, |_| true)
    }

    /// The same among faults of some kinds only; the others are neither drawn nor used up.
    pub(crate) fn draw_of(
        &self,
        remote: Remote,
        method: &Method,
        path: &str,
        fits: impl Fn(&Fault) -> bool,
    ) -> Option<Fault> {
        let mut state = self.lock();
        let State { rules, dice } = &mut *state;
        rules.retain(|active| {
            let over =
                active.rule.for_ms.is_some_and(|ms| active.since.elapsed() >= Duration::from_millis(ms));
            !over && active.rule.times != Some(0)
        });
        let hit = rules.iter_mut().find(|active| {
            fits(&active.rule.fault)
                && active.rule.matches(remote, method, path)
                && active.rule.probability.is_none_or(|p| dice.chance(p))
        })?;
        if let Some(times) = &mut hit.rule.times {
            *times -= 1;
        }
        Some(hit.rule.fault.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_used_up_after_its_times() {
        let faults = Faults::new(1, vec![Rule::new(Remote::Lever, Fault::CutAfter).path("/notes").times(2)]);
        let draw = |path| faults.draw(Remote::Lever, &Method::POST, path);
        assert_eq!(draw("/v1/users"), None);
        assert_eq!(draw("/v1/opportunities/x/notes"), Some(Fault::CutAfter));
        assert_eq!(draw("/v1/opportunities/x/notes"), Some(Fault::CutAfter));
        assert_eq!(draw("/v1/opportunities/x/notes"), None);
    }

    #[test]
    fn what_cannot_be_carried_out_is_refused() {
        let refused = |rule: Value| Rule::read_all(rule).unwrap_err();
        let status = |code: u16| serde_json::json!({"remote": "lever", "kind": "status", "code": code});
        assert!(refused(status(1000)).contains("`code`"));
        assert!(refused(status(99)).contains("`code`"));
        let rule = |key: &str, value: Value| {
            let mut rule = serde_json::json!({"remote": "lever", "kind": "hang"});
            rule[key] = value;
            rule
        };
        assert!(refused(rule("probability", 2.into())).contains("`probability`"));
        assert!(refused(rule("times", 0.into())).contains("`times`"));
        assert!(Rule::read_all(rule("probability", 1.into())).is_ok());
    }

    #[test]
    fn a_rule_reads_from_json() {
        let rules: Vec<Rule> = serde_json::from_str(
            r#"[{"remote":"twilio","method":"post","kind":"status","code":503,"for_ms":1000},
                {"remote":"lever_webhook","kind":"duplicate","probability":0.5},
                {"remote":"lever","kind":"status_after","code":504},
                {"remote":"lever","kind":"down","for_ms":5000}]"#,
        )
        .unwrap();
        assert_eq!(rules[0].fault, Fault::Status { code: 503, body: None });
        assert_eq!(rules[2].fault, Fault::StatusAfter { code: 504 });
        assert_eq!(rules[3].fault, Fault::CutBefore);
    }
}
