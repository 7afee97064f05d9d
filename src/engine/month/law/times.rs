//! When candidates meet somebody: as it stood in Lever, or as they booked it here before Lever had it. Reminders
//! and bookings are held against that, and not against our file.

use std::collections::{BTreeMap, BTreeSet};

use fulcrum_domain::booking::Booked;
use fulcrum_domain::slots::Span;
use fulcrum_domain::{BookingId, InterviewId, Message, Number, OpportunityId, UserId};
use jiff::{SignedDuration, Timestamp};

use super::super::Month;
use super::super::settings::LEADS;

/// A reminder that would fall into the night comes the evening before.
const LATER: SignedDuration = SignedDuration::from_hours(15);
/// What changes in Lever is known after so long at the latest, if nothing is wrong.
const LEARNED: SignedDuration = SignedDuration::from_mins(10);

/// A time that stood, or stands.
pub(super) struct Stood {
    span: Span,
    users: BTreeSet<UserId>,
    /// The interview in Lever; none before Lever has it.
    interview: Option<(OpportunityId, InterviewId)>,
    /// The booking here.
    booking: Option<BookingId>,
    /// When it ended, if it did: it was moved or called off.
    until: Option<Timestamp>,
}

fn span(start: Timestamp, minutes: u32) -> Span {
    Span::new(start, SignedDuration::from_mins(minutes.into()))
}

impl Month {
    fn number_of_candidate(&self, id: &OpportunityId) -> Option<Number> {
        self.people.of.iter().find(|(_, all)| all.contains(id)).map(|(number, _)| *number)
    }

    /// An answer about a candidate was lost: what follows may come late.
    pub(in crate::engine::month) fn law_loses(&mut self, of: &OpportunityId) {
        if let Some(number) = self.number_of_candidate(of) {
            self.law.lost.insert(number, self.now);
        }
    }

    /// Lever's interviews of a candidate are not what they were.
    pub(in crate::engine::month) fn law_sees_interviews(&mut self, of: &OpportunityId) {
        let Some(number) = self.number_of_candidate(of) else { return };
        let (now, is_gone) = (self.now, !self.lever.candidates.contains_key(of));
        let slots = self.lever.interviews.get(of).cloned().unwrap_or_default();
        let stands: BTreeMap<_, _> = slots
            .iter()
            .filter(|slot| slot.row.cancelled_at.is_none())
            .map(|slot| (slot.row.id.clone(), span(slot.row.starts_at, slot.row.minutes)))
            .collect();
        let all = self.law.stood.entry(number).or_default();
        for one in all.iter_mut().filter(|one| one.until.is_none()) {
            let ends = match &one.interview {
                Some((theirs, id)) => theirs == of && stands.get(id) != Some(&one.span),
                None => is_gone,
            };
            if ends {
                one.until = Some(now);
            }
        }
        for slot in slots.iter().filter(|slot| slot.row.cancelled_at.is_none()) {
            let (id, span) = ((of.clone(), slot.row.id.clone()), stands[&slot.row.id]);
            let users: BTreeSet<_> = slot.row.interviewers.iter().cloned().collect();
            if all.iter().any(|one| one.until.is_none() && one.interview.as_ref() == Some(&id)) {
                continue;
            }
            let booked = all.iter_mut().find(|one| {
                one.until.is_none() && one.interview.is_none() && one.span == span && one.users == users
            });
            match booked {
                Some(one) => one.interview = Some(id),
                None => all.push(Stood { span, users, interview: Some(id), booking: None, until: None }),
            }
        }
    }

    /// Somebody has taken a time, or given it back: no two have the same one.
    pub(in crate::engine::month) fn look_at_booking(
        &mut self,
        id: BookingId,
        number: Number,
        booked: Option<Booked>,
    ) {
        let now = self.now;
        self.law.asked_at.insert(number, now);
        let all = self.law.stood.entry(number).or_default();
        let mut moved = false;
        for one in all.iter_mut().filter(|one| one.until.is_none() && one.booking == Some(id)) {
            (one.until, moved) = (Some(now), true);
        }
        self.law.tally.moved_or_off += u32::from(moved);
        let Some(booked) = booked else { return };
        let (span, users) =
            (span(booked.starts_at, booked.minutes), booked.interviewers.into_iter().collect());
        let standing = self.law.stood.values().flatten().filter(|one| one.until.is_none());
        let mut taken = standing.filter(|one| one.span.overlaps(span) && !one.users.is_disjoint(&users));
        if let Some(other) = taken.find_map(|one| one.booking) {
            self.broken(format_args!("{other:?} and {id:?} have one time of one interviewer"));
        }
        self.law.tally.bookings += 1;
        let stood = Stood { span, users, interview: None, booking: Some(id), until: None };
        self.law.stood.entry(number).or_default().push(stood);
    }

    /// No reminder leaves after its interview, nor more often than it should.
    pub(super) fn look_at_reminder(&mut self, text: &Message, to: Number) {
        // All that ever stood at a time: who is called off and asked again for the same time is reminded again.
        let mut starts: BTreeMap<Timestamp, usize> = BTreeMap::new();
        let mut coming = BTreeSet::new();
        let (now, soon) = (self.now, self.now + LEADS[0] + LATER);
        for one in self.law.stood.get(&to).into_iter().flatten() {
            *starts.entry(one.span.start).or_default() += 1;
            let is_known_to_end = one.until.is_some_and(|until| {
                now.duration_since(until) > LEARNED
                    && !self.law.in_trouble(until, now)
                    && !self.law.lost_since(to, until)
            });
            if !is_known_to_end && one.span.start > now && one.span.start <= soon {
                coming.insert(one.span.start);
            }
        }
        let Some(most) = coming.iter().map(|at| starts[at]).max() else {
            self.broken(format_args!("{to} is reminded of an interview that is over, or of none"));
        };
        self.law.tally.reminders += 1;
        let of_this = self.law.reminded.entry((to, text.body.reveal().to_owned())).or_default();
        of_this.insert(text.id);
        if of_this.len() > LEADS.len() * most {
            let (count, body) = (of_this.len(), text.body.reveal());
            self.broken(format_args!("{to} is reminded {count} times of one interview: {body}"));
        }
    }
}
