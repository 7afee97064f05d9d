//! Bringing Lever in line with the interviews that are wanted (behaviour.md 4, "Lever's rules").
//!
//! Lever takes an interview only in a panel that the API made, so the first one makes its panel. It
//! knows no idempotency: each write is marked before it leaves, and an interview whose answer was lost
//! is looked for before another is made: by the reference in its note, and where somebody has rewritten that, by
//! its time, its people and its age. To replace and to delete can be repeated; a replacement is built from what
//! stands there just before, so that nothing is reset.

use std::collections::{BTreeMap, BTreeSet};

use fulcrum_domain::{Appointment, AppointmentId, Effect, EffectState, InterviewId, Lane, PanelId, Write};
use jiff::{SignedDuration, Timestamp};

use super::changes::{self, NextWrite, Settled, Taken};
use super::people::FetchError;
use super::{Engine, convert};
use crate::lever::{self, InterviewBody, InterviewerBody, LeverError, Offset, Performed, Unreadable};
use crate::store::tables::APPOINTMENTS;
use crate::store::{Read, StoreError};

/// What Lever showed, and when it was asked.
type Current = (Option<lever::Interview>, Timestamp);

impl Engine {
    /// Does [`Effect::Appointment`].
    pub(crate) async fn write_appointment(&self, taken: Taken, id: AppointmentId) -> Result<(), StoreError> {
        let stored = self.store.read(move |snapshot| snapshot.get(APPOINTMENTS, &id)).await?;
        let Some(stored) = stored else { return self.finish(taken.effect).await };
        if taken.row.state == EffectState::Unknown
            && stored.lever.is_none()
            && stored.sending.is_some()
            && !self.resolve_appointment(&stored).await?
        {
            return Ok(());
        }
        let current = match stored.next_write() {
            Some(Write::Update(interview)) => match self.current(&stored, &interview).await {
                Ok(current) => Some(current),
                Err(FetchError::Lever(error)) => return self.not_written(&stored, None, &error).await,
                Err(FetchError::Store(error)) => return Err(error),
            },
            _ => None,
        };
        let (settings, mut moment) = (self.settings.load_full(), self.clock.moment());
        let seen = current.clone();
        let next = self
            .store
            .change(move |tx| {
                if let Some((shown, as_of)) = seen {
                    let shown = shown.and_then(|shown| convert::interview(shown, as_of));
                    changes::see_appointment(tx, id, shown.as_ref(), as_of, moment.now)?;
                    changes::retime(tx, &stored.opportunity, &settings.rules, &mut moment)?;
                }
                changes::begin_write(tx, id, &settings.rules, moment.now)
            })
            .await?;
        let Some(NextWrite { appointment, write }) = next else { return Ok(()) };
        let performed = Performed { opportunity: &appointment.opportunity, by: &appointment.perform_as };
        let answer = match (&write, current) {
            (Write::Create, _) => self.create(&appointment, performed).await,
            (Write::Update(interview), Some((Some(current), _))) => {
                let body = replacement(&appointment, &current);
                let answer =
                    self.lever.update_interview(Lane::Interactive, performed, interview, &body).await;
                answer.map(|shown| Settled::Stands(shown.id, shown.panel))
            }
            // It is wanted otherwise since it was read: read again.
            (Write::Update(_), _) => return self.put_off_write(id, EffectState::Due, "it was changed").await,
            (Write::Delete(interview), _) => {
                match self.lever.delete_interview(Lane::Interactive, performed, interview).await {
                    Ok(()) => Ok(Settled::Gone),
                    Err(error) => match self.is_gone(&appointment, &error).await {
                        Ok(true) => Ok(Settled::Gone),
                        Ok(false) => Err(error),
                        Err(FetchError::Lever(error)) => Err(error),
                        Err(FetchError::Store(error)) => return Err(error),
                    },
                }
            }
        };
        match answer {
            Ok(settled) => self.written(id, settled).await,
            Err(error) => self.not_written(&appointment, Some(&write), &error).await,
        }
    }

    /// The key may be allowed more by now: what it was not allowed to write is tried again.
    pub(crate) async fn retry_appointments(&self) {
        let now = self.clock.now();
        if let Err(error) = self.store.change(move |tx| changes::unblock_appointments(tx, now)).await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "interviews that wait for a permission could not be tried again");
        }
    }

    async fn written(&self, id: AppointmentId, settled: Settled) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.store.change(move |tx| changes::settle_write(tx, id, settled, now)).await
    }

    /// What Lever shows of an interview now; none when there is none.
    async fn current(&self, one: &Appointment, interview: &InterviewId) -> Result<Current, FetchError> {
        let as_of = self.clock.now();
        match self.lever.interview(Lane::Interactive, &one.opportunity, interview).await {
            Ok(shown) => Ok((Some(shown), as_of)),
            Err(error) if self.is_gone(one, &error).await? => Ok((None, as_of)),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether an answer about an interview says that it is gone. Where Lever does not show its candidate, that
    /// answers alike, and the interview may stand (lever-api.md 1.5).
    async fn is_gone(&self, one: &Appointment, error: &LeverError) -> Result<bool, FetchError> {
        let finds_nothing = matches!(error, LeverError::NotFound { of_record: true, names_user: false, .. });
        Ok(finds_nothing && self.is_shown(Lane::Interactive, &one.opportunity).await?)
    }

    /// Makes an interview: in a panel that the API made before, else with a panel of its own.
    async fn create(&self, one: &Appointment, performed: Performed<'_>) -> Result<Settled, LeverError> {
        let body = first(one);
        if let Some(panel) = self.api_panel(one).await? {
            match self.lever.create_interview(Lane::Interactive, performed, &panel, &body).await {
                Ok(shown) => return Ok(Settled::Stands(shown.id, shown.panel.or(Some(panel)))),
                // Its last interview was deleted meanwhile, and it went with that.
                Err(LeverError::NotFound { of_record: true, names_user: false, .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let panel =
            self.lever.create_panel(Lane::Interactive, performed, &one.meeting.timezone, &body).await?;
        let made = panel.interviews.first().ok_or(LeverError::Unreadable(Unreadable::NoData))?;
        Ok(Settled::Stands(made.id.clone(), Some(panel.id)))
    }

    /// A panel of the opportunity that the API made, best one in the same zone; none as far as the key
    /// can see.
    async fn api_panel(&self, one: &Appointment) -> Result<Option<PanelId>, LeverError> {
        let mut found = None;
        let mut offset: Option<Offset> = None;
        loop {
            match self.lever.panels(Lane::Interactive, &one.opportunity, offset.as_ref()).await {
                Ok(page) => {
                    for panel in page.items {
                        if !panel.externally_managed || panel.canceled_at.is_some() {
                            continue;
                        }
                        if panel.timezone.as_deref() == Some(&one.meeting.timezone) {
                            return Ok(Some(panel.id));
                        }
                        found = found.or(Some(panel.id));
                    }
                    match page.next {
                        Some(next) => offset = Some(next),
                        None => return Ok(found),
                    }
                }
                Err(LeverError::Forbidden { .. } | LeverError::NotFound { of_record: true, .. }) => {
                    return Ok(self.known_panel(one).await);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The same by what was written before, where the key may list no panels.
    async fn known_panel(&self, one: &Appointment) -> Option<PanelId> {
        let id = one.opportunity.clone();
        let others = self.store.read(move |snapshot| changes::appointments_of(snapshot, &id)).await;
        others.ok()?.into_iter().find_map(|other| other.lever?.panel)
    }

    /// A write failed; `write` is none when it was only prepared.
    async fn not_written(
        &self,
        one: &Appointment,
        write: Option<&Write>,
        error: &LeverError,
    ) -> Result<(), StoreError> {
        let id = one.id;
        let settings = self.settings.load_full();
        let mut moment = self.clock.moment();
        let mut why = error.to_string();
        match error {
            LeverError::NotFound { names_user: true, .. }
            | LeverError::BadRequest { names_user: true, .. }
            | LeverError::Forbidden { names_user: true, .. }
                if write.is_some() =>
            {
                if !matches!(error, LeverError::Forbidden { .. }) {
                    why = "lever does not know one of the users who take part in it".to_owned();
                }
                self.store
                    .change(move |tx| {
                        if changes::release_performer(tx, id, &settings.rules, &mut moment)? {
                            return Ok(());
                        }
                        changes::block_write(tx, id, &why, &mut moment)
                    })
                    .await
            }
            LeverError::NotFound { of_record: true, .. }
            | LeverError::Forbidden { .. }
            | LeverError::BadRequest { .. }
            | LeverError::InvalidOffset => {
                let lost = matches!(error, LeverError::NotFound { .. }).then(|| one.opportunity.clone());
                if lost.is_some() {
                    why = "lever does not show this candidate".to_owned();
                }
                tracing::warn!(appointment = %id, "an interview is not in lever as wanted: {why}");
                self.store
                    .change(move |tx| {
                        if let Some(opportunity) = lost {
                            changes::ask(tx, &Effect::Hydrate(opportunity), Lane::Live, moment.now)?;
                        }
                        changes::block_write(tx, id, &why, &mut moment)
                    })
                    .await
            }
            LeverError::Server { .. } | LeverError::Interrupted(_) | LeverError::Unreadable(_)
                if write == Some(&Write::Create) =>
            {
                self.put_off_write(id, EffectState::Unknown, &why).await
            }
            _ => self.put_off_write(id, EffectState::Due, &why).await,
        }
    }

    async fn put_off_write(
        &self,
        id: AppointmentId,
        state: EffectState,
        why: &str,
    ) -> Result<(), StoreError> {
        let why = why.to_owned();
        let mut moment = self.clock.moment();
        self.store
            .change(move |tx| changes::postpone(tx, &Effect::Appointment(id), state, None, &why, &mut moment))
            .await
    }

    /// An interview may stand in Lever already. True when it surely does not, and may be made.
    async fn resolve_appointment(&self, one: &Appointment) -> Result<bool, StoreError> {
        match self.find_interview(one).await {
            Ok(Some(found)) => {
                tracing::info!(appointment = %one.id, "an interview whose answer was lost was found");
                self.written(one.id, Settled::Stands(found.id, found.panel)).await?;
                Ok(false)
            }
            // No such opportunity: making it will tell.
            Ok(None) | Err(LeverError::NotFound { of_record: true, .. }) => Ok(true),
            Err(error @ LeverError::Forbidden { .. }) => {
                let mut moment = self.clock.moment();
                let (id, why) =
                    (one.id, format!("the answer was lost, and {error}: look in Lever, then retry"));
                self.store.change(move |tx| changes::block_write(tx, id, &why, &mut moment)).await?;
                Ok(false)
            }
            Err(error) => {
                self.put_off_write(one.id, EffectState::Unknown, &error.to_string()).await?;
                Ok(false)
            }
        }
    }

    /// The interview in Lever that was sent, and whose answer was lost.
    async fn find_interview(&self, one: &Appointment) -> Result<Option<lever::Interview>, LeverError> {
        let (mut all, mut offset) = (Vec::new(), None::<Offset>);
        loop {
            let page = self.lever.interviews(Lane::Interactive, &one.opportunity, offset.as_ref()).await?;
            all.extend(page.items);
            match page.next {
                Some(next) => offset = Some(next),
                None => break,
            }
        }
        let id = one.opportunity.clone();
        let others = self.store.read(move |snapshot| changes::appointments_of(snapshot, &id)).await;
        // Where they cannot be read, an interview of theirs may be taken for this one, and none is made twice.
        let others = others.unwrap_or_default();
        Ok(sent_as(one, all, &others))
    }
}

/// By how much Lever's clock and ours may differ when both say when something was made.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Which of these was sent as `one`. The reference decides, whatever else was changed there since; without it
/// the time and the people, of what was made since and is none of the `others` here. Who made it is not asked:
/// Lever need not name the one in whose name it was, and whoever arranged the same by hand wants no second one.
fn sent_as(
    one: &Appointment,
    all: Vec<lever::Interview>,
    others: &[Appointment],
) -> Option<lever::Interview> {
    let marked = |shown: &lever::Interview| shown.note.as_deref().is_some_and(|note| one.wrote(note));
    let sent = one.sending.as_ref().unwrap_or(&one.meeting);
    let is_others = |shown: &lever::Interview| {
        let stands = others.iter().filter_map(|other| other.lever.as_ref());
        let wrote = |note: &str| others.iter().any(|other| other.id != one.id && other.wrote(note));
        stands.into_iter().any(|there| there.interview == shown.id)
            || shown.note.as_deref().is_some_and(wrote)
    };
    let begun = one.made_at.saturating_sub(SKEW).unwrap_or(Timestamp::MIN);
    let alike = |shown: &lever::Interview| {
        shown.canceled_at.is_none()
            && shown.starts_at == Some(sent.starts_at)
            && shown.interviewers.iter().map(|each| &each.id).collect::<BTreeSet<_>>()
                == sent.interviewers.iter().collect()
            && shown.created_at.is_none_or(|at| at >= begun)
            && !is_others(shown)
    };
    let place = all.iter().position(marked).or_else(|| all.iter().position(alike))?;
    all.into_iter().nth(place)
}

/// Lever's word for an interview without a form.
const NO_FORM: &str = "no-feedback";

/// The body of a new interview.
fn first(one: &Appointment) -> InterviewBody {
    let meeting = &one.meeting;
    let interviewers = meeting.interviewers.iter();
    InterviewBody {
        subject: meeting.subject.clone(),
        note: Some(one.note_with_reference()),
        location: meeting.location.clone(),
        interviewers: interviewers
            .map(|id| InterviewerBody {
                id: id.clone(),
                feedback_template: meeting.feedback_template.clone(),
            })
            .collect(),
        starts_at: meeting.starts_at,
        minutes: meeting.minutes,
        feedback_template: form(&meeting.feedback_template),
        feedback_reminder: None,
    }
}

/// An interview's own form as Lever takes it: it shows a word for none, and takes a form's id only.
fn form(form: &Option<String>) -> Option<String> {
    form.clone().filter(|form| form != NO_FORM)
}

/// The body that replaces what stands there: what is not ours, or was not changed, stays as it is.
fn replacement(one: &Appointment, current: &lever::Interview) -> InterviewBody {
    let before = one.lever.as_ref().map(|there| &there.meeting);
    let new = first(one);
    let note_stays = before.is_some_and(|before| before.note == one.meeting.note);
    let form_stays = before.is_some_and(|before| before.feedback_template == one.meeting.feedback_template);
    let forms: BTreeMap<_, _> =
        current.interviewers.iter().map(|known| (&known.id, &known.feedback_template)).collect();
    let interviewers = new.interviewers.into_iter().map(|each| match forms.get(&each.id) {
        Some(form) if form_stays => InterviewerBody { feedback_template: (*form).clone(), ..each },
        _ => each,
    });
    InterviewBody {
        interviewers: interviewers.collect(),
        note: if note_stays { current.note.clone() } else { new.note },
        feedback_template: if form_stays { form(&current.feedback_template) } else { new.feedback_template },
        feedback_reminder: current.feedback_reminder.clone(),
        ..new
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use fulcrum_domain::{InLever, Meeting, Wanted};
    use jiff::Timestamp;

    use super::*;

    fn appointment(form: Option<&str>) -> Appointment {
        let (user, at) = ("u1".parse::<fulcrum_domain::UserId>().unwrap(), Timestamp::UNIX_EPOCH);
        let meeting = Meeting {
            subject: Some("Phone screen".into()),
            note: None,
            location: None,
            starts_at: at,
            minutes: 30,
            timezone: "UTC".into(),
            interviewers: BTreeSet::from([user.clone()]),
            feedback_template: form.map(str::to_owned),
        };
        let there =
            InLever { interview: "i1".parse().unwrap(), panel: None, meeting: meeting.clone(), as_of: at };
        Appointment {
            id: AppointmentId::new(1),
            opportunity: "o1".parse().unwrap(),
            meeting: Meeting { minutes: 45, ..meeting },
            perform_as: user,
            wanted: Wanted::Stands,
            revision: 2,
            lever: Some(there),
            sending: None,
            blocked: None,
            reminders: None,
            made_by: "ops".into(),
            made_at: at,
        }
    }

    /// An interview as Lever shows it.
    fn shown(id: &str) -> lever::Interview {
        lever::Interview {
            id: id.parse().unwrap(),
            panel: None,
            opportunity: None,
            subject: Some("Phone screen".into()),
            note: None,
            location: None,
            interviewers: Vec::new(),
            timezone: None,
            created_at: None,
            starts_at: Some(Timestamp::UNIX_EPOCH),
            duration_minutes: Some(30),
            user: None,
            stage: None,
            canceled_at: None,
            postings: Vec::new(),
            feedback_template: None,
            feedback_reminder: None,
        }
    }

    fn replaced(form: &str) -> Option<String> {
        let one = appointment(None);
        let current = lever::Interview { feedback_template: Some(form.into()), ..shown("i1") };
        replacement(&one, &current).feedback_template
    }

    #[test]
    fn the_word_for_no_form_that_people_copied_from_lever_is_not_sent_as_an_interviews_form() {
        let wanted = |form: &str| first(&appointment(Some(form))).feedback_template;
        assert_eq!(wanted("form-1").as_deref(), Some("form-1"));
        assert_eq!(wanted("no-feedback"), None);
    }

    /// The answer was lost, and somebody has rewritten the note before it was looked for.
    #[test]
    fn an_interview_without_its_reference_is_known_by_its_time_its_people_and_its_age() {
        let made_at = Timestamp::from_second(1_700_000_000).unwrap();
        let lost = Appointment { lever: None, made_at, ..appointment(None) };
        let lost = Appointment { sending: Some(lost.meeting.clone()), ..lost };
        let interviewer = |id: &str| lever::Interviewer {
            id: id.parse().unwrap(),
            email: String::new(),
            name: String::new(),
            feedback_template: None,
        };
        let ours = lever::Interview {
            note: Some("Rewritten.".into()),
            interviewers: vec![interviewer("u1")],
            created_at: Some(made_at),
            ..shown("i7")
        };
        let found = |all: &[&lever::Interview], others: &[Appointment]| {
            let all = all.iter().map(|shown| (*shown).clone()).collect();
            sent_as(&lost, all, others).map(|found| found.id.to_string())
        };
        assert_eq!(found(&[&ours], &[]).as_deref(), Some("i7"));
        let marked = lever::Interview { note: Some(lost.reference()), starts_at: None, ..shown("i8") };
        assert_eq!(found(&[&ours, &marked], &[]).as_deref(), Some("i8"), "the reference comes first");
        let later = Timestamp::from_second(1_700_000_600).unwrap();
        let day_before = Timestamp::from_second(1_699_913_600).unwrap();
        let strangers = [
            lever::Interview { starts_at: Some(later), ..ours.clone() },
            lever::Interview { interviewers: vec![interviewer("u2")], ..ours.clone() },
            lever::Interview { interviewers: vec![interviewer("u1"), interviewer("u2")], ..ours.clone() },
            lever::Interview { created_at: Some(day_before), ..ours.clone() },
            lever::Interview { canceled_at: Some(later), ..ours.clone() },
        ];
        for stranger in &strangers {
            assert_eq!(found(&[stranger], &[]), None, "{stranger:?}");
        }
        let there = InLever {
            interview: "i7".parse().unwrap(),
            panel: None,
            meeting: lost.meeting.clone(),
            as_of: later,
        };
        let other = Appointment { id: AppointmentId::new(2), lever: Some(there), ..lost.clone() };
        assert_eq!(found(&[&ours], &[other]), None, "it is another one's here");
        let waiting = Appointment { id: AppointmentId::new(2), ..lost.clone() };
        let theirs = lever::Interview { note: Some(waiting.reference()), ..ours.clone() };
        assert_eq!(found(&[&theirs], &[waiting]), None, "it is another one's that waits to be looked for");
    }

    /// Lever shows "no-feedback" and takes an id or nothing (lever-api.md 5.5, 5.6).
    #[test]
    fn the_form_of_an_interview_is_kept_and_the_word_for_none_is_not_sent_back() {
        assert_eq!(replaced("form-1").as_deref(), Some("form-1"));
        assert_eq!(replaced("no-feedback"), None);
    }
}
