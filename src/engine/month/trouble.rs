//! Outages, kills and nonsense.

use fulcrum_domain::{Author, Body, Number, Purpose};
use jiff::SignedDuration;

use super::Month;
use super::people::hours;
use crate::engine::changes::{self, BookError, Draft, Recipient};

impl Month {
    /// Outages, kills and nonsense, over the whole month.
    pub(super) fn trouble_ahead(&mut self) {
        let days = self.ends.duration_since(self.now).as_hours() / 24;
        let month = self.ends.duration_since(self.now);
        // Once each is down for a day: longer than the time between two reminders, and as long as a transcript waits.
        let (begins, lasts) = (self.between(hours(30), month), self.between(hours(23), hours(30)));
        self.after(begins, move |month| month.carrier_goes_down(lasts));
        let (begins, lasts) = (self.between(hours(30), month), self.between(hours(23), hours(30)));
        self.after(begins, move |month| month.lever_goes_down(lasts));
        for _ in 0..=days / 3 {
            let (begins, lasts) =
                (self.between(hours(1), month), self.between(SignedDuration::from_mins(5), hours(9)));
            self.after(begins, move |month| month.lever_goes_down(lasts));
            let (begins, lasts) =
                (self.between(hours(1), month), self.between(SignedDuration::from_mins(5), hours(9)));
            self.after(begins, move |month| month.carrier_goes_down(lasts));
        }
        for _ in 0..days * 2 {
            let when = self.between(hours(1), month);
            self.after(when, |month| {
                if month.daemon.is_up() {
                    month.kill_daemon();
                }
            });
            let when = self.between(hours(1), month);
            self.after(when, Self::is_told_nonsense);
        }
        for day in 1..=days {
            self.after(hours(24 * day), Self::look_at_everything);
        }
    }

    fn lever_goes_down(&mut self, lasts: SignedDuration) {
        // A shorter outage within a longer one does not end it.
        self.lever.down_until = self.lever.down_until.max(self.now + lasts);
        self.trouble_until(self.now + lasts);
    }

    fn carrier_goes_down(&mut self, lasts: SignedDuration) {
        self.carrier.down_until = self.carrier.down_until.max(self.now + lasts);
        self.trouble_until(self.now + lasts);
    }

    /// What cannot be is asked for; nothing may come of it (invariant 10).
    fn is_told_nonsense(&mut self) {
        if !self.daemon.is_up() {
            return;
        }
        let before = self.contents();
        let draft = |to, body: String| Draft {
            to,
            body: Body::new(body),
            author: Author::Staff { user: None, name: "Priya".into() },
            purpose: Purpose::Conversation,
            from: None,
            send_at: None,
            cannot_wait: None,
        };
        let someone = self.lever.active().first().cloned();
        let nobody = Recipient::Opportunity("nobody".parse().unwrap());
        let mut drafts = vec![draft(nobody, "Are you there?".into())];
        if let Some(id) = someone {
            drafts.push(draft(Recipient::Opportunity(id.clone()), " ".into()));
            drafts.push(draft(Recipient::Opportunity(id.clone()), "x".repeat(5000)));
            let stranger = Number::from_e164("+12025559999").unwrap();
            drafts.push(draft(Recipient::Both(id, stranger), "Are you there?".into()));
        }
        for draft in drafts {
            if self.change(move |tx, rules, moment| changes::compose(tx, draft, rules, moment)).is_ok() {
                self.broken(format_args!("a text that cannot be was taken"));
            }
        }
        let nowhere = self.change(|tx, _, _| changes::booking_of(tx, "nowhere")?.ok_or(BookError::Unknown));
        if nowhere.is_ok() || before != self.contents() {
            self.broken(format_args!("nonsense left something behind"));
        }
    }
}
