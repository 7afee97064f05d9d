//! What people and scripts ask for about interviews: arrange one, change it, call it off.

use fulcrum_domain::{Account, Actor, AppointmentId, Meeting, NewAppointment, OpportunityId, Sight, UserId};

use super::Engine;
use super::changes::{self, AppointmentError};
use crate::store::tables::{APPOINTMENTS, OPPORTUNITIES};
use crate::store::{Read, StoreError};

/// An interview that somebody wants arranged.
#[derive(Clone, Debug)]
pub struct InterviewRequest {
    /// With whom.
    pub opportunity: OpportunityId,
    /// What; its interviewers are those of the request's own list, by their e-mails.
    pub meeting: Meeting,
    /// In whose name Lever takes it: the e-mail of a Lever user; else the caller's own, else
    /// `lever.notes_as`.
    pub on_behalf_of: Option<String>,
    /// Whose account asks, if a person's.
    pub account: Option<Account>,
    /// Who asks, for the activity.
    pub by: Actor,
}

/// Why an interview is not arranged or changed.
#[derive(Debug, thiserror::Error)]
pub enum InterviewRefusal {
    /// It cannot be meant so.
    #[error(transparent)]
    Appointment(#[from] AppointmentError),
    /// Lever wants a user in whose name it is written, and there is none.
    #[error("lever takes an interview in the name of one of its users: name an active one by their e-mail")]
    NoPerformer,
}

impl From<StoreError> for InterviewRefusal {
    fn from(error: StoreError) -> Self {
        Self::Appointment(error.into())
    }
}

impl Engine {
    /// The Lever users that these words mean: ids, or e-mails of active ones. The first word that means
    /// nobody comes back as an error.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lever_users(&self, words: Vec<String>) -> Result<Result<Vec<UserId>, String>, StoreError> {
        self.store
            .read(move |snapshot| {
                let mut users = Vec::with_capacity(words.len());
                for word in words {
                    let found = match word.trim() {
                        email if email.contains('@') => changes::user_by_email(snapshot, email)?,
                        id => id.parse().ok(),
                    };
                    match found {
                        Some(user) => users.push(user),
                        None => return Ok(Err(word)),
                    }
                }
                Ok(Ok(users))
            })
            .await
    }

    /// Arranges an interview.
    ///
    /// # Errors
    /// [`InterviewRefusal`]; then nothing is stored.
    pub async fn arrange_interview(
        &self,
        request: InterviewRequest,
    ) -> Result<AppointmentId, InterviewRefusal> {
        let settings = self.settings.load_full();
        let mut moment = self.clock.moment();
        self.change_once(move |tx| {
            let rules = &settings.rules;
            let own = request.account.as_ref().map(Account::as_str);
            let perform_as = match &request.on_behalf_of {
                Some(email) => changes::user_by_email(tx, email)?,
                None => {
                    let mut found = None;
                    for email in [own, rules.notes_as.as_deref()].into_iter().flatten() {
                        found = found.or(changes::user_by_email(tx, email)?);
                    }
                    found
                }
            };
            let new = NewAppointment {
                opportunity: request.opportunity,
                meeting: request.meeting,
                perform_as: perform_as.ok_or(InterviewRefusal::NoPerformer)?,
                reminders: None,
            };
            Ok(changes::make_appointment(tx, new, request.by, rules, &mut moment)?)
        })
        .await
    }

    /// Changes an interview to what is said.
    ///
    /// # Errors
    /// [`InterviewRefusal`]; then nothing is changed.
    pub async fn change_interview(
        &self,
        id: AppointmentId,
        meeting: Meeting,
        by: Actor,
    ) -> Result<(), InterviewRefusal> {
        let settings = self.settings.load_full();
        let mut moment = self.clock.moment();
        let change = move |tx: &mut crate::store::Tx<'_>| {
            changes::change_appointment(tx, id, meeting, by, &settings.rules, &mut moment)
        };
        Ok(self.store.change(change).await?)
    }

    /// Calls an interview off.
    ///
    /// # Errors
    /// [`InterviewRefusal`]; then nothing is changed.
    pub async fn call_off_interview(&self, id: AppointmentId, by: Actor) -> Result<(), InterviewRefusal> {
        let settings = self.settings.load_full();
        let mut moment = self.clock.moment();
        let change = move |tx: &mut crate::store::Tx<'_>| {
            changes::call_off_appointment(tx, id, by, &settings.rules, &mut moment)
        };
        Ok(self.store.change(change).await?)
    }

    /// With whom an interview is that was arranged here, if these eyes may see it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn interview_with(
        &self,
        id: AppointmentId,
        sight: Sight,
    ) -> Result<Option<OpportunityId>, StoreError> {
        self.store
            .read(move |snapshot| {
                let Some(one) = snapshot.get(APPOINTMENTS, &id)? else { return Ok(None) };
                let row = snapshot.get(OPPORTUNITIES, &one.opportunity)?;
                let seen = row.is_some_and(|row| sight.reaches(row.confidential));
                Ok(seen.then_some(one.opportunity))
            })
            .await
    }
}
