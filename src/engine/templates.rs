//! Templates filled in for a candidate.

use fulcrum_domain::booking::place;
use fulcrum_domain::template::{Field, Fields, RenderError, Template};
use fulcrum_domain::{Interview, OpportunityId, Sight, UserId};
use jiff::Timestamp;

use super::changes::{Rules, zones_of};
use super::facts::{NextInterview, candidate};
use super::{Engine, changes};
use crate::store::tables::{Digest, OPPORTUNITIES, TEMPLATE_WORDS, USERS};
use crate::store::{Read, StoreError};

/// In whose name a text is written.
#[derive(Clone, Debug)]
pub enum Sender {
    /// A Lever user.
    User(UserId),
    /// The same, by their e-mail.
    Email(String),
    /// Somebody whom Lever does not know, by their full name.
    Name(String),
}

/// Why a template gives no text.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// It cannot be filled in.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// No such opportunity is known, or none for these eyes.
    #[error("no such opportunity is known")]
    UnknownOpportunity,
    /// No active Lever user has that e-mail.
    #[error("no active Lever user has that e-mail")]
    UnknownSender,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Engine {
    /// The templates to choose from, as (id, name), in the order of the config.
    pub fn templates(&self) -> Vec<(String, String)> {
        let settings = self.settings.load();
        settings.templates.iter().map(|t| (t.id().to_owned(), t.name().to_owned())).collect()
    }

    /// The same with their words, as (id, name, words).
    pub fn template_texts(&self) -> Vec<(String, String, String)> {
        let text = |t: &Template| (t.id().to_owned(), t.name().to_owned(), t.text().to_owned());
        self.settings.load().templates.iter().map(text).collect()
    }

    /// The words that a text was made from, by their hash.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn template_words(&self, hash: Digest) -> Result<Option<String>, StoreError> {
        self.store.read(move |snapshot| snapshot.get(TEMPLATE_WORDS, &hash)).await
    }

    /// The text of a template for a candidate. Without a sender, one that signs is held.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub async fn render_template(
        &self,
        id: &str,
        opportunity: OpportunityId,
        sender: Option<Sender>,
        sight: Sight,
    ) -> Result<String, TemplateError> {
        let settings = self.settings.load_full();
        let now = self.clock.now();
        let id = id.to_owned();
        self.store
            .read(move |snapshot| {
                let fields = fields(snapshot, opportunity, sender, None, sight, &settings.rules, now)?;
                Ok(settings.templates.render(&id, &fields)?)
            })
            .await
    }
}

/// The values for a candidate; those of an interview are of the next one, or of the one that is given, if
/// anything is known of it.
pub(super) fn fields(
    read: &impl Read,
    id: OpportunityId,
    sender: Option<Sender>,
    interview: Option<Option<Interview>>,
    sight: Sight,
    rules: &Rules,
    now: Timestamp,
) -> Result<Fields, TemplateError> {
    let opportunity = read.get(OPPORTUNITIES, &id)?.filter(|row| sight.reaches(row.confidential));
    let opportunity = opportunity.ok_or(TemplateError::UnknownOpportunity)?;
    let known = zones_of(read, opportunity.number())?;
    let candidate = candidate(read, id, opportunity, &known, sight, &rules.zone, now)?;
    let interview = match interview {
        Some(row) => row.map(|row| NextInterview::of(row, &known, &rules.zone)),
        None => candidate.interview,
    };
    let mut fields = Fields::default();
    fields.set_names(Field::PROFILE, &candidate.opportunity.name);
    fields.set_names(Field::OWNER, candidate.owner.as_deref().unwrap_or_default());
    if let Some(name) = sender_name(read, sender)? {
        fields.set_names(Field::SENDER, &name);
    }
    if let Some((title, location)) = &candidate.posting {
        fields.set(Field::JobName, Some(title));
        fields.set(Field::JobLocation, location.as_deref());
    }
    fields.set(Field::StageName, candidate.stage.as_deref());
    if let Some(interview) = &interview {
        fields.set(Field::InterviewDate, Some(&interview.date()));
        fields.set(Field::InterviewTime, Some(&interview.time()));
        fields.set(Field::InterviewLocation, interview.location.as_deref());
    }
    fields.set(Field::OrgName, Some(&rules.organisation));
    let books = candidate.opportunity.is_active() && !rules.booking.event_types.is_empty();
    fields.set(Field::LinksBooking, books.then(|| place(None)).as_deref());
    Ok(fields)
}

fn sender_name(read: &impl Read, sender: Option<Sender>) -> Result<Option<String>, TemplateError> {
    let user = match sender {
        None => return Ok(None),
        Some(Sender::Name(name)) => return Ok(Some(name)),
        Some(Sender::User(user)) => user,
        Some(Sender::Email(email)) => {
            changes::user_by_email(read, &email)?.ok_or(TemplateError::UnknownSender)?
        }
    };
    Ok(read.get(USERS, &user)?.map(|user| user.name))
}
