//! The carrier and the telephones behind it: texts that arrive once for each request that got there,
//! answers and reports that may be lost, and a list of everything for whoever asks.

use std::collections::BTreeMap;

use fulcrum_domain::{CarrierSid, Delivery, Listed, MessageId, Number};
use jiff::{SignedDuration, Timestamp};

use super::Month;

/// What the carrier has.
#[derive(Default)]
pub(super) struct Carrier {
    pub(super) down_until: Timestamp,
    pub(super) sent: Vec<Sent>,
    pub(super) received: Vec<Received>,
    of: BTreeMap<Number, Vec<usize>>,
}

/// A text that it took from us.
#[derive(Clone)]
pub(super) struct Sent {
    pub(super) sid: CarrierSid,
    pub(super) to: Number,
    pub(super) body: String,
    pub(super) at: Timestamp,
}

/// A text that a telephone sent to us.
#[derive(Clone)]
pub(super) struct Received {
    pub(super) sid: CarrierSid,
    pub(super) from: Number,
    pub(super) body: String,
    pub(super) at: Timestamp,
}

/// Why a text was not taken, as far as can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// Certainly not.
    Unreachable,
    /// The connection was cut.
    Cut,
    /// It cannot reach that telephone.
    Undeliverable,
}

impl Month {
    /// Hands a text to the carrier.
    pub(super) fn hand_over(
        &mut self,
        text: (MessageId, Number, String),
        then: impl FnOnce(&mut Self, Result<CarrierSid, NotTaken>) + 'static,
    ) {
        self.round_trip(150, move |month| month.at_carrier(text), then);
    }

    fn at_carrier(&mut self, text: (MessageId, Number, String)) -> Result<CarrierSid, NotTaken> {
        let to = text.1;
        let answer = self.takes(text);
        if answer == Err(NotTaken::Cut) {
            self.law.lost.insert(to, self.now);
        }
        answer
    }

    fn takes(&mut self, (mid, to, body): (MessageId, Number, String)) -> Result<CarrierSid, NotTaken> {
        if self.now < self.carrier.down_until {
            return Err(if self.chance(900) { NotTaken::Unreachable } else { NotTaken::Cut });
        }
        if self.chance(10) {
            return Err(NotTaken::Cut);
        }
        if self.chance(10) {
            return Err(NotTaken::Undeliverable);
        }
        let sid: CarrierSid = format!("SMsent{}", self.number_up()).parse().unwrap();
        self.look_at_arrival(mid, to, &body);
        let text = Sent { sid: sid.clone(), to, body, at: self.now };
        self.carrier.of.entry(to).or_default().push(self.carrier.sent.len());
        self.carrier.sent.push(text.clone());
        for (word, most) in [(Delivery::Sent, 3), (Delivery::Delivered, 60)] {
            let pause = self.between(SignedDuration::from_millis(5), SignedDuration::from_secs(most));
            let (sid, copies) = (sid.clone(), u32::from(self.chance(900)) + u32::from(self.chance(50)));
            for _ in 0..copies {
                let sid = sid.clone();
                self.after(pause, move |month| month.receipt_arrives(mid, sid, word));
            }
        }
        self.after(SignedDuration::from_secs(4), move |month| month.phone_rings(&text));
        if self.chance(20) {
            self.law.lost_answers += 1;
            return Err(NotTaken::Cut);
        }
        Ok(sid)
    }

    /// What the carrier lists for a number; none when it cannot be reached.
    pub(super) fn listed(&self, to: Number) -> Option<Vec<Listed>> {
        if self.now < self.carrier.down_until {
            return None;
        }
        let theirs = self.carrier.of.get(&to).into_iter().flatten().map(|index| &self.carrier.sent[*index]);
        let listed = theirs.map(|text| Listed {
            sid: text.sid.clone(),
            to: text.to.to_string(),
            body: text.body.clone(),
            by_api: true,
            created: Timestamp::from_second(text.at.as_second()).unwrap(),
            status: Some(Delivery::Sent),
            failure: None,
        });
        Some(listed.collect())
    }

    /// A telephone sends a text to us. The webhook may be lost: the list has it all the same.
    pub(super) fn phone_sends(&mut self, from: Number, body: String) {
        let sid: CarrierSid = format!("SMreceived{}", self.number_up()).parse().unwrap();
        let text = Received { sid, from, body, at: self.now };
        self.carrier.received.push(text.clone());
        let copies = u32::from(self.chance(950)) + u32::from(self.chance(30));
        for _ in 0..copies {
            let text = text.clone();
            let pause = self.between(SignedDuration::from_millis(100), SignedDuration::from_secs(3));
            self.after(pause, move |month| month.text_arrives(&text));
        }
    }
}
