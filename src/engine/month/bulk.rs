//! Bulk texts in the month: a recruiter texts the candidates of some stages, looks at whom it is for, confirms
//! it, has a second person approve what is large; pauses it, stops it, or forgets about it. The daemon in
//! miniature takes the turns as `engine/bulk/turn` does, and is killed between them more often than elsewhere.

use fulcrum_domain::bulk::{Audience, Bulk, BulkId, BulkState, Exclusion, Nudge, RecipientState, Step};
use fulcrum_domain::{Actor, Sight};
use jiff::{SignedDuration, Timestamp};

use super::Month;
use super::people::hours;
use super::settings::{OPEN_DAYS, STAGES};
use crate::engine::bulk::{MakeError, look, meet, round};
use crate::engine::changes::{self, BulkError, ComposeError};
use crate::store::Read;
use crate::store::tables::BULKS;

/// How soon the daemon looks again whether there is room for more of those whose turn has come.
const SHORTLY: SignedDuration = SignedDuration::from_secs(5);

impl Month {
    /// Who is invited to what, over the whole month.
    pub(super) fn bulks_ahead(&mut self) {
        let month = self.ends.duration_since(self.now);
        let count = u32::try_from(month.as_hours() / 48).unwrap_or(0) + 2;
        for number in 0..count.min(OPEN_DAYS) {
            let pause = self.between(hours(2), month);
            self.after(pause, move |month| month.plans_open_day(number));
        }
    }

    fn plans_open_day(&mut self, number: u32) {
        if !self.daemon.is_up() {
            return self.after(hours(1), move |month| month.plans_open_day(number));
        }
        let stage = self.one_of(&STAGES[..2]).unwrap();
        let sight = if self.chance(300) { Sight::All } else { Sight::Open };
        let nudges = self.chance(400);
        let settings = self.daemon.settings.clone();
        let made = self.must(move |tx, _, moment| {
            let mut words = |id: String| match settings.templates.get(&id) {
                Some(template) => changes::keep_words(tx, template).map(Some),
                None => Ok(None),
            };
            let (first, again) = (words(format!("day-{number}"))?, words(format!("again-{number}"))?);
            let (Some(template), Some(again)) = (first, again) else { return Ok(None) };
            let bulk = Bulk {
                name: format!("Open day {number}"),
                template,
                nudge: nudges.then_some(Nudge { template: again, after_days: 1 }),
                audience: Audience { stages: vec![stage.parse().unwrap()], ..Audience::default() },
                bad_rows: Vec::new(),
                sender: None,
                sender_name: "Priya".into(),
                made_by: "priya".into(),
                made_at: moment.now,
                state: BulkState::Draft,
            };
            let looked = look(&*tx, bulk, Vec::new(), sight, &settings, moment.now);
            let (bulk, recipients) = match looked {
                Ok(looked) => looked,
                Err(MakeError::Store(error)) => return Err(error),
                Err(_) => return Ok(None),
            };
            Ok(Some((changes::make_bulk(tx, &bulk, recipients.clone())?, recipients)))
        });
        let Some((id, recipients)) = made else { return };
        self.look_at_preview(number, id, &recipients, sight);
        let pause = self.between(SignedDuration::from_mins(2), hours(3));
        self.after(pause, move |month| month.confirms(number, id));
    }

    /// A person takes a step. Whether it was one.
    fn steps(&mut self, id: BulkId, step: Step, by: &'static str) -> bool {
        let above = self.daemon.settings.second_person_above;
        let by = Actor::from(by);
        match self
            .change(move |tx, rules, moment| changes::step_bulk(tx, id, step, &by, above, rules, moment))
        {
            Ok(()) => true,
            Err(BulkError::Store(error)) => self.broken(format_args!("{error}")),
            Err(_) => false,
        }
    }

    fn confirms(&mut self, number: u32, id: BulkId) {
        if !self.daemon.is_up() {
            return self.after(hours(1), move |month| month.confirms(number, id));
        }
        let waiting = self.read(|snapshot| changes::all_recipients(snapshot, id));
        let recipients = waiting.iter().filter(|(_, one)| one.state == RecipientState::Waiting).count();
        if self.steps(id, Step::Confirm { recipients: recipients + 1 }, "priya") {
            self.broken(format_args!("a bulk text is confirmed for more than it is for"));
        }
        if !self.steps(id, Step::Confirm { recipients }, "priya") {
            return;
        }
        if recipients <= self.daemon.settings.second_person_above {
            return self.goes(number, id);
        }
        if self.steps(id, Step::Approve, "priya") {
            self.broken(format_args!("one person confirms and approves a bulk text for {recipients}"));
        }
        let pause = self.between(SignedDuration::from_mins(2), hours(8));
        if self.chance(850) {
            self.after(pause, move |month| month.approves(number, id));
        }
    }

    fn approves(&mut self, number: u32, id: BulkId) {
        if !self.daemon.is_up() {
            return self.after(hours(1), move |month| month.approves(number, id));
        }
        if self.steps(id, Step::Approve, "omar") {
            self.law_approves();
            self.goes(number, id);
        }
    }

    fn goes(&mut self, number: u32, id: BulkId) {
        self.law_lets_go(number, true);
        let pause = self.between(SignedDuration::from_secs(2), SignedDuration::from_mins(4));
        match self.chance(1000 / 4) {
            true if self.chance(500) => self.after(pause, move |month| month.stops(number, id)),
            true => self.after(pause, move |month| month.pauses(number, id)),
            false => {}
        }
    }

    fn stops(&mut self, number: u32, id: BulkId) {
        if self.daemon.is_up() && self.steps(id, Step::Stop, "priya") {
            self.law_lets_go(number, false);
        }
    }

    fn pauses(&mut self, number: u32, id: BulkId) {
        if self.daemon.is_up() && self.steps(id, Step::Pause, "priya") {
            self.law_lets_go(number, false);
            let pause = self.between(SignedDuration::from_mins(2), hours(20));
            self.after(pause, move |month| month.resumes(number, id));
        }
    }

    fn resumes(&mut self, number: u32, id: BulkId) {
        if !self.daemon.is_up() {
            return self.after(hours(1), move |month| month.resumes(number, id));
        }
        if self.steps(id, Step::Resume, "priya") {
            self.law_lets_go(number, true);
        }
    }

    /// The turns that have come, and when the next does. None when it died over them.
    pub(super) fn meet_turns(&mut self) -> Option<Option<Timestamp>> {
        let now = self.now;
        let round = self.read(|snapshot| round(snapshot, now));
        for turn in round.turns {
            let settings = self.daemon.settings.clone();
            match self.change(move |tx, _, moment| meet(tx, turn, &settings, &Default::default(), moment)) {
                Ok(()) => {}
                Err(ComposeError::Store(error)) => self.broken(format_args!("{error}")),
                Err(error) => {
                    let why = Exclusion::Refused(error.to_string());
                    self.must(move |tx, _, _| changes::exclude(tx, turn, why));
                }
            }
            if self.dies_here(60) {
                return None;
            }
        }
        for id in round.done {
            self.must(move |tx, _, moment| changes::finish_bulk(tx, id, moment.now));
        }
        Some(round.next.map(|next| next.max(now + SHORTLY)))
    }

    /// How far a bulk text is.
    pub(super) fn state_of_bulk(&self, id: BulkId) -> Option<BulkState> {
        self.read(|snapshot| snapshot.get(BULKS, &id)).map(|bulk| bulk.state)
    }
}
