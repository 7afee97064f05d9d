//! What people do in the month: candidates with telephones of many zones, those who text them, those who
//! move them through the stages.

use std::collections::{BTreeMap, BTreeSet};

use fulcrum_domain::{
    Answer, Archived, Author, Body, Consent, ConsentSource, ConversationId, Interview, Number, Opportunity,
    OpportunityId, Phone, Purpose,
};
use jiff::{SignedDuration, Timestamp};
use rand::RngExt as _;

use super::Month;
use super::carrier::Sent;
use super::daemon::Hook;
use super::lever::Slot;
use super::settings::{INTERVIEWERS, REASONS, SPARED, STAGES};
use crate::engine::changes::{
    self, Arrival, BookError, Busy, CancelError, Choice, ComposeError, Draft, LiftError, Pick, Profile,
    Recipient, Wish,
};

/// Area codes, and all zones that a telephone with them may be in (carriers.md 5.5). Written down here
/// and not looked up, so that the law does not rest on the table that it judges.
pub(super) const AREAS: [(&str, &[&str]); 9] = [
    ("202", &["America/New_York"]),
    ("312", &["America/Chicago"]),
    ("303", &["America/Denver"]),
    ("213", &["America/Los_Angeles"]),
    ("602", &["America/Phoenix"]),
    ("808", &["Pacific/Honolulu"]),
    ("208", &["America/Boise", "America/Los_Angeles"]),
    ("219", &["America/Chicago", "America/New_York"]),
    ("850", &["America/Chicago", "America/New_York"]),
];

/// Who there is.
#[derive(Default)]
pub(super) struct People {
    /// Whose telephone it is: the one who has it, and perhaps somebody of their household.
    pub(super) of: BTreeMap<Number, Vec<OpportunityId>>,
    pub(super) zones: BTreeMap<Number, &'static [&'static str]>,
    /// Whose candidacy not everybody may see.
    pub(super) confidential: BTreeSet<OpportunityId>,
    /// What each number's people said when they were asked whether they may be texted.
    pub(super) consent: BTreeMap<Number, Option<Answer>>,
    /// Tokens of booking links that nobody has opened yet, and who got them.
    links: Vec<(String, Number)>,
    count: u32,
}

pub(super) fn hours(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count)
}

fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

impl Month {
    /// Some are candidates already, the others will apply.
    pub(super) fn settle_in(&mut self, candidates: u32) {
        for _ in 0..candidates {
            if self.chance(300) {
                let id = self.becomes_candidate();
                let mut row = self.lever.candidates[&id].clone();
                row.as_of = self.now;
                let consent = self.consent_of(&row);
                self.must(move |tx, rules, moment| {
                    let profile = Profile { row, consent, moved_by: None };
                    changes::put_profile(tx, &id, profile, Arrival::Backfill, rules, moment.now)
                });
            } else {
                let month = self.ends.duration_since(self.now) * 8 / 10;
                let pause = self.between(SignedDuration::ZERO, month);
                self.after(pause, |month| {
                    let id = month.becomes_candidate();
                    month.candidate_changed(&id);
                });
            }
        }
    }

    fn becomes_candidate(&mut self) -> OpportunityId {
        self.people.count += 1;
        let count = self.people.count;
        let again = if self.chance(60) { self.one_of(&self.lever.active()) } else { None };
        let known = again.and_then(|other| self.lever.candidates.get(&other).cloned());
        let id: OpportunityId = format!("opportunity-{count}").parse().unwrap();
        let (contact, name, number) = match known {
            // The same person applies for something else, or somebody else of their household.
            Some(other) if self.chance(500) => (other.contact.clone(), other.name.clone(), other.number()),
            Some(other) => (format!("contact-{count}").parse().unwrap(), name_of(count), other.number()),
            None => (format!("contact-{count}").parse().unwrap(), name_of(count), None),
        };
        let number = number.unwrap_or_else(|| {
            let (area, zones) = self.one_of(&AREAS).unwrap();
            let number = Number::from_e164(&format!("+1{area}234{:04}", count % 10_000)).unwrap();
            self.people.zones.insert(number, zones);
            let answer = match self.chance.random_range(0..100) {
                0..5 => Some(Answer::No),
                5..12 => None,
                _ => Some(Answer::Yes),
            };
            self.people.consent.insert(number, answer);
            number
        });
        self.people.of.entry(number).or_default().push(id.clone());
        let confidential = self.chance(80);
        if confidential {
            self.people.confidential.insert(id.clone());
        }
        let application = self.chance(500).then(|| format!("application-{count}").parse().unwrap());
        let tags = if self.chance(200) { vec![SPARED.to_owned()] } else { Vec::new() };
        let row = Opportunity {
            contact,
            name,
            phones: vec![Phone { kind: None, number: Some(number), raw: None }],
            emails: vec![],
            stage: STAGES[0].parse().unwrap(),
            archived: None,
            owner: None,
            application,
            posting: None,
            tags,
            confidential,
            anonymised: false,
            created_at: self.now,
            advanced_at: self.now,
            updated_at: Some(self.now),
            as_of: self.now,
            interviews_as_of: None,
        };
        self.lever.candidates.insert(id.clone(), row);
        self.goes_its_way(id.clone());
        self.is_written_to(id.clone());
        id
    }

    /// What Lever tells of it.
    pub(super) fn consent_of(&self, row: &Opportunity) -> Option<Consent> {
        let answer = (*self.people.consent.get(&row.number()?)?)?;
        let source = ConsentSource::Application("application".parse().unwrap());
        Some(Consent { answer, source, at: row.created_at, by: "Lever".into() })
    }

    /// What becomes of a candidacy, step by step.
    fn goes_its_way(&mut self, id: OpportunityId) {
        let pause = self.between(hours(2), hours(72));
        self.after(pause, move |month| {
            let Some(row) = month.lever.candidates.get(&id).cloned() else { return };
            if !month.goes_on() || !row.is_active() {
                return;
            }
            let stage = STAGES.iter().position(|stage| row.stage.to_string() == *stage).unwrap_or(0);
            match month.chance.random_range(0..100) {
                0..3 => return month.is_deleted(&id),
                3..18 => return month.is_archived(&id),
                18..24 => month.slips(&id, STAGES[(stage + 1).min(3)], STAGES[stage]),
                24..34 => month.is_invited_in_lever(&id),
                _ => month.moves_to(&id, STAGES[(stage + 1).min(3)]),
            }
            month.goes_its_way(id);
        });
    }

    pub(super) fn moves_to(&mut self, id: &OpportunityId, stage: &str) {
        let now = self.now;
        self.law_sees_move(id);
        let Some(row) = self.lever.candidates.get_mut(id) else { return };
        row.stage = stage.parse().unwrap();
        (row.advanced_at, row.updated_at) = (now, Some(now));
        self.candidate_changed(id);
    }

    /// Moved by mistake, and back.
    fn slips(&mut self, id: &OpportunityId, there: &str, back: &'static str) {
        self.moves_to(id, there);
        let (id, pause) = (id.clone(), self.between(SignedDuration::from_secs(5), minutes(3)));
        self.after(pause, move |month| month.moves_to(&id, back));
    }

    fn is_archived(&mut self, id: &OpportunityId) {
        let (now, reason) = (self.now, self.one_of(&REASONS).unwrap());
        let Some(row) = self.lever.candidates.get_mut(id) else { return };
        row.archived = Some(Archived { reason: reason.parse().ok(), at: now });
        row.updated_at = Some(now);
        self.candidate_changed(id);
    }

    fn is_deleted(&mut self, id: &OpportunityId) {
        self.lever.candidates.remove(id);
        self.lever.interviews.remove(id);
        self.lever.changed.remove(id);
        self.lever.deleted.insert(id.clone(), self.now);
        self.law_sees_interviews(id);
        self.announce(id, Hook::Deleted);
    }

    /// Somebody makes an interview in Lever, and perhaps moves it or takes it back.
    fn is_invited_in_lever(&mut self, id: &OpportunityId) {
        let starts_at = self.now + self.between(hours(3), hours(100));
        let (user, _) = self.one_of(&INTERVIEWERS).unwrap();
        let row = Interview {
            id: format!("interview-{}", self.number_up()).parse().unwrap(),
            subject: None,
            location: None,
            starts_at: Timestamp::from_second(starts_at.as_second() / 900 * 900).unwrap(),
            minutes: 45,
            timezone: Some("America/New_York".into()),
            interviewers: vec![user.parse().unwrap()],
            cancelled_at: None,
            as_of: self.now,
        };
        let panel = format!("panel-{}", self.number_up()).parse().unwrap();
        let slots = self.lever.interviews.entry(id.clone()).or_default();
        slots.push(Slot { row, panel, note: String::new() });
        self.interviews_changed(id);
        if self.chance(400) {
            let (id, pause) = (id.clone(), self.between(minutes(5), hours(40)));
            self.after(pause, move |month| month.is_changed_in_lever(&id));
        }
    }

    /// Any interview of theirs, be it ours or Lever's.
    fn is_changed_in_lever(&mut self, id: &OpportunityId) {
        let (now, moves) = (self.now, self.chance(600));
        let by = self.between(hours(1), hours(50));
        let Some(slot) = self.lever.interviews.get_mut(id).and_then(|slots| slots.last_mut()) else { return };
        if slot.row.starts_at <= now || slot.row.cancelled_at.is_some() {
            return;
        }
        if moves {
            let at = slot.row.starts_at + by;
            slot.row.starts_at = Timestamp::from_second(at.as_second() / 900 * 900).unwrap();
        } else {
            slot.row.cancelled_at = Some(now);
        }
        self.interviews_changed(id);
    }

    /// Somebody of the team texts them, again and again.
    fn is_written_to(&mut self, id: OpportunityId) {
        let pause = self.between(minutes(20), hours(60));
        self.after(pause, move |month| {
            if !month.goes_on() || !month.lever.candidates.contains_key(&id) {
                return;
            }
            month.writes(&id);
            if month.chance(100) {
                month.files_now(&id);
            }
            month.is_written_to(id);
        });
    }

    fn writes(&mut self, id: &OpportunityId) {
        if !self.daemon.is_up() {
            return;
        }
        let word = self.number_up();
        let filler = if self.chance(50) { "As we said, ".repeat(70) } else { String::new() };
        let draft = Draft {
            to: Recipient::Opportunity(id.clone()),
            body: Body::new(format!("{filler}are you free on Tuesday? k{word:08}k")),
            author: Author::Staff { user: None, name: "Priya".into() },
            purpose: Purpose::Conversation,
            from: None,
            send_at: self.chance(150).then(|| self.now + minutes(90)),
            cannot_wait: None,
        };
        let written = self.change(move |tx, rules, moment| changes::compose(tx, draft, rules, moment));
        match written {
            Ok(text) => {
                self.law.written.insert(word, text.id);
                if self.chance(60) {
                    let pause = self.between(SignedDuration::from_secs(1), minutes(5));
                    self.after(pause, move |month| month.calls_off(text.id));
                }
            }
            Err(ComposeError::Store(error)) => self.broken(format_args!("{error}")),
            Err(_) => {}
        }
    }

    fn calls_off(&mut self, id: fulcrum_domain::MessageId) {
        if !self.daemon.is_up() {
            return;
        }
        let done =
            self.change(move |tx, rules, moment| changes::cancel(tx, id, "priya".into(), rules, moment.now));
        if let Err(CancelError::Store(error)) = done {
            self.broken(format_args!("{error}"));
        }
    }

    fn thread_with(&self, id: &OpportunityId) -> Option<(ConversationId, Number)> {
        let number = self.lever.candidates.get(id)?.number()?;
        self.read(|snapshot| changes::thread_of(snapshot, number)).map(|thread| (thread.id, number))
    }

    fn files_now(&mut self, id: &OpportunityId) {
        if let Some((thread, number)) = self.thread_with(id).filter(|_| self.daemon.is_up()) {
            self.law.asked_for.insert(number, self.now);
            self.must(move |tx, rules, moment| changes::file_now(tx, thread, rules, moment).map(drop));
        }
    }

    /// A text arrives at a telephone.
    pub(super) fn phone_rings(&mut self, text: &Sent) {
        if !self.goes_on() {
            return;
        }
        let number = text.to;
        if let Some((_, rest)) = text.body.split_once("/b/") {
            let token = rest.split_whitespace().next().unwrap_or_default().to_owned();
            self.people.links.push((token.clone(), number));
            let pause = self.between(minutes(1), hours(30));
            self.after(pause, move |month| month.opens(&token, number));
        }
        let word = self.number_up();
        let (words, pause) = match self.chance.random_range(0..100) {
            0..3 => ("STOP".to_owned(), minutes(3)),
            3..5 => (format!("please stop texting me k{word:08}k"), minutes(9)),
            5..6 => ("HELP".to_owned(), minutes(1)),
            6..46 => (format!("Tuesday suits me k{word:08}k"), self.between(minutes(1), hours(20))),
            _ => return,
        };
        self.after(pause, move |month| month.phone_sends(number, words));
    }

    /// What somebody who opted out, or seems to have, does next.
    pub(super) fn after_opting_out(&mut self, number: Number) {
        let pause = self.between(minutes(30), hours(50));
        if self.chance(300) {
            self.after(pause, move |month| month.phone_sends(number, "START".into()));
        }
    }

    pub(super) fn somebody_decides(&mut self, number: Number) {
        if self.chance(600) {
            let opted_out = self.chance(500);
            let pause = self.between(minutes(10), hours(30));
            self.after(pause, move |month| {
                if month.daemon.is_up() && month.law.doubts(number) {
                    let wish = Wish { opted_out, reason: "they said so".into(), since: None };
                    let decided = month.change(move |tx, rules, moment| {
                        changes::decide_opt_out(tx, number, &wish, &"priya".into(), rules, moment.now)
                    });
                    match decided {
                        Ok(()) => month.law.decided(number, month.now, opted_out),
                        Err(LiftError::Store(error)) => month.broken(format_args!("{error}")),
                        Err(_) => {}
                    }
                }
            });
        }
    }

    /// A candidate opens a booking link: takes a time, mostly the first, as everybody does; later they may
    /// move it or call it off.
    fn opens(&mut self, token: &str, number: Number) {
        if !self.daemon.is_up() || !self.goes_on() {
            return;
        }
        self.people.links.retain(|(other, _)| other != token);
        // Somebody else looks at the same page in the same moment, and wants the same time.
        if self.chance(400)
            && let Some((other, theirs)) = self.one_of(&self.people.links.clone())
        {
            self.at(self.now, move |month| month.opens(&other, theirs));
        }
        let (token, first, draw) = (token.to_owned(), self.chance(700), self.chance.random_range(0..1000));
        let calls_off = self.chance(150);
        let again = token.clone();
        let booked = self.change(move |tx, rules, moment| {
            let choice = Choice::behind(tx, &token, rules, moment.now)?;
            let mut choice = choice.ok_or(BookError::Unknown)?;
            let (id, revision) = (choice.id, choice.booking.revision);
            let is_booked = matches!(choice.booking.state, fulcrum_domain::booking::State::Booked(_));
            if is_booked && calls_off {
                choice.call_off(tx, revision, moment)?;
                return Ok((id, None));
            }
            let free = choice.free(tx, &Busy::new())?;
            let count = free.slots.len().max(1);
            let slot = free.slots.get(if first { 0 } else { draw % count }).ok_or(BookError::NotFree)?;
            let pick = Pick { start: slot.start, timezone: "America/Chicago".into(), revision };
            choice.take(tx, &pick, &Busy::new(), moment).map(|booked| (id, Some(booked)))
        });
        match booked {
            Ok((id, booked)) => {
                self.look_at_booking(id, number, booked);
                if self.chance(600) {
                    let pause = self.between(minutes(2), hours(40));
                    self.after(pause, move |month| month.opens(&again, number));
                }
            }
            Err(BookError::Store(error)) => self.broken(format_args!("{error}")),
            Err(_) => {}
        }
    }
}

/// Names that are in no other name.
fn name_of(count: u32) -> String {
    format!("Zoe{count:05}z Quill{count:05}q")
}
