//! What the daemon in miniature does at the remotes, and what it makes of each answer: the same as the
//! tasks of `engine/hydrate`, `notes`, `appointments`, `erasures` and `send` do.

use fulcrum_domain::{
    AppointmentId, CarrierSid, Delivery, Effect, EffectState, FilingId, FilingState, Lost, LostSend,
    MessageId, NoteId, Number, OpportunityId, Remains, SendFailure, Write, match_lost, next_look, note,
    retry_at,
};
use jiff::SignedDuration;

use super::Month;
use super::carrier::NotTaken;
use super::lever::{Answer, Body, Call, Fault, Slot};
use crate::engine::changes::{
    self, AfterPost, Arrival, ListedInterview, NextPost, NextWrite, Profile, Report, Settled, Submission,
    Taken,
};
use crate::store::Read;
use crate::store::tables::{APPOINTMENTS, BY_SID, FILINGS};

impl Month {
    pub(super) fn do_at_lever(&mut self, taken: Taken) {
        match taken.effect.clone() {
            Effect::Hydrate(id) => self.hydrate(taken, id),
            Effect::Interviews(id) => self.list_interviews(taken, id),
            Effect::PostNote(id) => self.post_note(&taken, id),
            Effect::Appointment(id) => self.write_appointment(&taken, id),
            Effect::DeleteNote(erasure, opportunity, note) => {
                self.ask_lever(Call::DeleteNote(opportunity, note.clone()), move |month, answer| {
                    month.daemon.lever_is_answered();
                    match answer {
                        Ok(_) | Err(Fault::NotFound) => month.must(move |tx, _, moment| {
                            changes::certify_note(tx, erasure, &note, Remains::Gone)?;
                            changes::finish(tx, &taken.effect, moment.now)
                        }),
                        Err(fault) => month.put_off(taken.effect, EffectState::Due, fault),
                    }
                });
            }
            effect => self.broken(format_args!("{effect:?} is no effect at Lever")),
        }
    }

    /// It is done.
    fn done_at_lever(&mut self, effect: Effect) {
        self.daemon.lever_is_answered();
        self.must(move |tx, _, moment| changes::finish(tx, &effect, moment.now));
    }

    fn put_off(&mut self, effect: Effect, state: EffectState, fault: Fault) {
        let why = format!("{fault:?}");
        self.must(move |tx, _, moment| changes::postpone(tx, &effect, state, None, &why, moment));
    }

    fn hydrate(&mut self, taken: Taken, id: OpportunityId) {
        let as_of = self.now;
        let announced = taken.row.deletion_announced;
        self.ask_lever(Call::Opportunity(id.clone()), move |month, answer| match answer {
            Ok(Answer::Opportunity(mut row)) => {
                row.as_of = as_of;
                let consent = month.consent_of(&row);
                month.must(move |tx, rules, moment| {
                    let profile = Profile { row: *row, consent, moved_by: None };
                    let put = changes::put_profile(tx, &id, profile, Arrival::Webhook, rules, moment.now)?;
                    if put == changes::Put::Changed {
                        changes::retime(tx, &id, rules, moment)?;
                    }
                    Ok(())
                });
                if !month.dies_here(700) {
                    month.done_at_lever(taken.effect);
                }
            }
            Err(Fault::NotFound) if announced => {
                month.daemon.lever_is_answered();
                month.erase(id);
            }
            Err(Fault::NotFound) => {
                month.must(move |tx, _, moment| changes::mark_invisible(tx, &id, moment.now));
                if !month.dies_here(700) {
                    month.done_at_lever(taken.effect);
                }
            }
            Err(fault) => {
                month.daemon.lever_is_answered();
                month.put_off(taken.effect, EffectState::Due, fault);
            }
            Ok(_) => month.broken(format_args!("not the answer to a read")),
        });
    }

    fn list_interviews(&mut self, taken: Taken, id: OpportunityId) {
        let as_of = self.now;
        self.ask_lever(Call::Interviews(id.clone()), move |month, answer| match answer {
            Ok(Answer::Interviews(slots)) => {
                month.must(move |tx, rules, moment| {
                    let seen =
                        |slot: &Slot| (slot.row.id.clone(), Some(slot.panel.clone()), slot.note.clone());
                    let listed: Vec<_> = slots.iter().map(seen).collect();
                    let rows = slots.into_iter().map(|mut slot| {
                        slot.row.as_of = as_of;
                        ListedInterview { row: slot.row, made_at: Some(as_of), made_by: None }
                    });
                    let rows: Vec<_> = rows.collect();
                    changes::adopt_listed(tx, &id, &listed, as_of)?;
                    changes::put_interviews(tx, &id, &rows, as_of, rules, moment.now)?;
                    changes::retime(tx, &id, rules, moment)
                });
                if !month.dies_here(700) {
                    month.done_at_lever(taken.effect);
                }
            }
            Err(Fault::NotFound) => month.done_at_lever(taken.effect),
            Err(fault) => {
                month.daemon.lever_is_answered();
                month.put_off(taken.effect, EffectState::Due, fault);
            }
            Ok(_) => month.broken(format_args!("not the answer to a listing")),
        });
    }

    fn post_note(&mut self, taken: &Taken, id: FilingId) {
        let filing = self.read(|snapshot| snapshot.get(FILINGS, &id));
        if let Some(filing) = filing.filter(|_| taken.row.state == EffectState::Unknown)
            && filing.state == FilingState::Posting
            && let Some(part) = filing.next_part()
        {
            let reference = note::reference(id, part + 1, filing.parts.len());
            let call = Call::FindNote(filing.opportunity.clone(), reference);
            return self.ask_lever(call, move |month, answer| match answer {
                Ok(Answer::Note(note)) => month.note_stands(id, filing.opportunity, note),
                Ok(_) | Err(Fault::NotFound) => month.post_next(id),
                Err(fault) => {
                    month.daemon.lever_is_answered();
                    month.put_off(Effect::PostNote(id), EffectState::Unknown, fault);
                }
            });
        }
        self.post_next(id);
    }

    fn post_next(&mut self, id: FilingId) {
        let next = self.must(move |tx, _, moment| changes::begin_post(tx, id, moment.now));
        let Some(NextPost { filing, part }) = next else { return self.daemon.lever_is_answered() };
        let at = filing.opportunity.clone();
        let call = Call::CreateNote(at.clone(), filing.parts[part].clone(), filing.secret);
        self.ask_lever(call, move |month, answer| match answer {
            Ok(Answer::Note(note)) => month.note_stands(id, at, note),
            Err(Fault::NotFound) => {
                month.daemon.lever_is_answered();
                month.must(move |tx, rules, moment| changes::retarget(tx, id, rules, moment));
            }
            Err(fault) => {
                month.daemon.lever_is_answered();
                let lost = fault == Fault::Cut;
                let state = if lost { EffectState::Unknown } else { EffectState::Due };
                month.put_off(Effect::PostNote(id), state, fault);
            }
            Ok(_) => month.broken(format_args!("not the answer to a note")),
        });
    }

    fn note_stands(&mut self, id: FilingId, at: OpportunityId, note: NoteId) {
        let after = self.must(move |tx, _, moment| changes::finish_post(tx, id, &at, note, moment.now));
        if self.dies_here(700) {
            return;
        }
        match after {
            AfterPost::More => self.post_next(id),
            AfterPost::Filed(_) => self.daemon.lever_is_answered(),
        }
    }

    fn write_appointment(&mut self, taken: &Taken, id: AppointmentId) {
        let Some(one) = self.read(|snapshot| snapshot.get(APPOINTMENTS, &id)) else {
            return self.done_at_lever(taken.effect.clone());
        };
        let lost = taken.row.state == EffectState::Unknown && one.lever.is_none() && one.sending.is_some();
        if lost {
            let call = Call::Interviews(one.opportunity.clone());
            return self.ask_lever(call, move |month, answer| match answer {
                Ok(Answer::Interviews(slots)) => match slots.into_iter().find(|slot| one.wrote(&slot.note)) {
                    Some(slot) => {
                        month.daemon.lever_is_answered();
                        month.written(id, Settled::Stands(slot.row.id, Some(slot.panel)));
                    }
                    None => month.write_next(id),
                },
                Err(Fault::NotFound) => month.write_next(id),
                Err(fault) => {
                    month.daemon.lever_is_answered();
                    month.put_off(Effect::Appointment(id), EffectState::Unknown, fault);
                }
                Ok(_) => month.broken(format_args!("not the answer to a listing")),
            });
        }
        let Some(Write::Update(interview)) = one.next_write() else { return self.write_next(id) };
        let as_of = self.now;
        self.ask_lever(Call::Interviews(one.opportunity.clone()), move |month, answer| match answer {
            Ok(Answer::Interviews(slots)) => {
                let mut seen = slots.into_iter().map(|slot| slot.row).find(|row| row.id == interview);
                if let Some(seen) = &mut seen {
                    seen.as_of = as_of;
                }
                month.must(move |tx, rules, moment| {
                    changes::see_appointment(tx, id, seen.as_ref(), as_of, moment.now)?;
                    changes::retime(tx, &one.opportunity, rules, moment)
                });
                month.write_next(id);
            }
            Ok(_) | Err(Fault::NotFound) => month.not_written(&one.opportunity, id),
            Err(fault) => {
                month.daemon.lever_is_answered();
                month.put_off(Effect::Appointment(id), EffectState::Due, fault);
            }
        });
    }

    fn write_next(&mut self, id: AppointmentId) {
        let next = self.must(move |tx, rules, moment| changes::begin_write(tx, id, rules, moment.now));
        let Some(NextWrite { appointment, write }) = next else { return self.daemon.lever_is_answered() };
        let meeting = &appointment.meeting;
        let body = Box::new(Body {
            subject: meeting.subject.clone(),
            location: meeting.location.clone(),
            note: appointment.note_with_reference(),
            starts_at: meeting.starts_at,
            minutes: meeting.minutes,
            timezone: meeting.timezone.clone(),
            interviewers: meeting.interviewers.iter().cloned().collect(),
        });
        let at = appointment.opportunity.clone();
        let (call, creates, deletes) = match write {
            Write::Create => (Call::CreateInterview(at.clone(), body), true, false),
            Write::Update(interview) => (Call::UpdateInterview(at.clone(), interview, body), false, false),
            Write::Delete(interview) => (Call::DeleteInterview(at.clone(), interview), false, true),
        };
        self.ask_lever(call, move |month, answer| match answer {
            Ok(Answer::Interview(interview, panel)) => {
                month.daemon.lever_is_answered();
                month.written(id, Settled::Stands(interview, Some(panel)));
            }
            Ok(_) => {
                month.daemon.lever_is_answered();
                month.written(id, Settled::Gone);
            }
            Err(Fault::NotFound) if deletes => {
                month.daemon.lever_is_answered();
                month.written(id, Settled::Gone);
            }
            Err(Fault::NotFound) => month.not_written(&at, id),
            Err(fault) => {
                month.daemon.lever_is_answered();
                let lost = creates && fault == Fault::Cut;
                let state = if lost { EffectState::Unknown } else { EffectState::Due };
                month.put_off(Effect::Appointment(id), state, fault);
            }
        });
    }

    fn written(&mut self, id: AppointmentId, settled: Settled) {
        self.must(move |tx, _, moment| changes::settle_write(tx, id, settled, moment.now));
    }

    fn not_written(&mut self, opportunity: &OpportunityId, id: AppointmentId) {
        self.daemon.lever_is_answered();
        let hydrate = Effect::Hydrate(opportunity.clone());
        self.must(move |tx, _, moment| {
            changes::ask(tx, &hydrate, fulcrum_domain::Lane::Live, moment.now)?;
            changes::block_write(tx, id, "Lever does not show this candidate", moment)
        });
    }

    pub(super) fn do_at_records(&mut self, taken: Taken) {
        let epoch = self.daemon.epoch();
        self.after(SignedDuration::from_millis(200), move |month| {
            if !month.daemon.lives_in(epoch) {
                return;
            }
            month.daemon.records_are_answered();
            if month.now < month.carrier.down_until {
                return month.put_off(taken.effect, EffectState::Due, Fault::Unreachable);
            }
            let Effect::DeleteText(erasure, sid) = taken.effect.clone() else { return };
            month.carrier_forgets(&sid);
            month.must(move |tx, _, moment| {
                changes::certify_copy(tx, erasure)?;
                changes::finish(tx, &taken.effect, moment.now)
            });
        });
    }

    pub(super) fn do_at_carrier(&mut self, taken: &Taken, number: Option<Number>) {
        let Effect::Send(id) = taken.effect else { return };
        if taken.row.state == EffectState::Unknown {
            return self.look_up(taken, id, number);
        }
        let begun = self.must(move |tx, rules, moment| changes::begin_send(tx, id, rules, moment));
        let Some(Submission { message, to, .. }) = begun else { return self.free(number) };
        self.look_at_leaving(&message, to);
        if self.dies_here(700) {
            return;
        }
        let attempts = taken.row.attempts;
        self.hand_over((id, to, message.body.reveal().to_owned()), move |month, answer| {
            month.free(number);
            let failed = |class| Report { delivery: Delivery::Failed, failure: Some(class), sid: None };
            match answer {
                Ok(sid) => month.settle(id, accepted(sid)),
                Err(NotTaken::Undeliverable) => month.settle(id, failed(SendFailure::Landline)),
                Err(NotTaken::Cut) => {
                    let wait = next_look(SignedDuration::ZERO).unwrap();
                    month.look_again(id, wait);
                }
                Err(NotTaken::Unreachable) => {
                    month.look_at_return(id, to);
                    month.must(move |tx, _, moment| {
                        let at = retry_at(moment.now, attempts, moment.jitter());
                        changes::requeue_send(tx, id, Some(at), "unreachable", moment)
                    });
                }
            }
        });
    }

    fn settle(&mut self, id: MessageId, report: Report) {
        self.must(move |tx, rules, moment| changes::settle_send(tx, id, report, rules, moment));
    }

    fn look_again(&mut self, id: MessageId, wait: SignedDuration) {
        self.must(move |tx, _, moment| {
            changes::look_up_send(tx, id, moment.now + wait, "the answer was lost", moment)
        });
    }

    fn free(&mut self, number: Option<Number>) {
        if let Some(number) = number {
            self.daemon.busy.remove(&number);
        }
    }

    /// The answer to a text was lost: it is looked for in the carrier's list.
    fn look_up(&mut self, taken: &Taken, id: MessageId, number: Option<Number>) {
        let text = self.read(|snapshot| changes::message(snapshot, id));
        let (Some(text), Some(to)) = (text.filter(|text| text.sid.is_none()), number) else {
            self.free(number);
            let effect = taken.effect.clone();
            return self.must(move |tx, _, moment| changes::finish(tx, &effect, moment.now));
        };
        let looks = taken.row.looks;
        let epoch = self.daemon.epoch();
        self.after(SignedDuration::from_millis(300), move |month| {
            if !month.daemon.lives_in(epoch) {
                return;
            }
            month.free(number);
            let Some(listed) = month.listed(to) else {
                let wait = retry_at(month.now, looks, 0.5).duration_since(month.now);
                return month.look_again(id, wait);
            };
            let (now, submitted_at) = (month.now, text.submitted_at.unwrap_or(text.at));
            let (to, body) = (to.to_string(), text.body.reveal());
            let owned = |sid: &CarrierSid| {
                let owner = month.read(|snapshot| snapshot.get(BY_SID, &sid.to_string()));
                owner.is_some_and(|owner| owner != id)
            };
            match match_lost(LostSend { to: &to, body, submitted_at }, &listed, owned, now) {
                Lost::Adopt { found, .. } => {
                    let sid = found.sid.clone();
                    month.settle(id, accepted(sid));
                }
                Lost::Absent => match next_look(now.duration_since(submitted_at)) {
                    Some(wait) => month.look_again(id, wait),
                    None => {
                        month.look_at_unconfirmed(id);
                        let news = Report { delivery: Delivery::Unconfirmed, failure: None, sid: None };
                        month.settle(id, news);
                    }
                },
            }
        });
    }
}

fn accepted(sid: CarrierSid) -> Report {
    Report { delivery: Delivery::Accepted, failure: None, sid: Some(sid) }
}
