//! What happens at the simulated Lever without the API: people apply, are moved, archived, hired, deleted;
//! interviews are made in its pages. Each change is followed by the webhooks that Lever would send.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Lever;
use super::generator::ORIGINS;
use super::hooks::Happening;
use super::ids::Kind;
use super::people::{self, Person};
use super::tenant::{NewApplication, Tenant};
use super::wire::{Interview, Interviewer, Panel, Phone};

/// Something that happens. Where no opportunity is named, a random active one is taken; likewise for the
/// rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields say what they are; each is an id or a value of Lever's")]
pub enum Event {
    /// Somebody applies: a new contact, or one that is known.
    Apply {
        name: Option<String>,
        phone: Option<String>,
        email: Option<String>,
        contact: Option<String>,
        posting: Option<String>,
    },
    /// Somebody is moved to another stage, by a user: the owner, unless one is named.
    Stage {
        opportunity: Option<String>,
        #[serde(alias = "stage")]
        to: Option<String>,
        #[serde(default)]
        by: Option<String>,
    },
    /// Somebody is archived with a reason that is not "hired".
    Archive { opportunity: Option<String>, reason: Option<String> },
    /// Somebody who was archived comes back.
    Unarchive { opportunity: String },
    /// Somebody is archived with a reason whose type is "hired".
    Hire { opportunity: Option<String> },
    /// Somebody is deleted.
    Delete { opportunity: Option<String> },
    /// An interview is scheduled inside Lever.
    InterviewCreated {
        opportunity: Option<String>,
        date: Option<i64>,
        duration: Option<i64>,
        subject: Option<String>,
        /// Through the API's kind of panel, so that the API may change it.
        #[serde(default)]
        external: bool,
    },
    /// The named interview, or the first one, is moved.
    InterviewMoved { opportunity: String, interview: Option<String>, date: Option<i64> },
    /// The named interview, or the first one, is cancelled; it stays readable.
    InterviewCanceled { opportunity: String, interview: Option<String> },
    /// The named interview, or the first one, is deleted.
    InterviewDeleted { opportunity: String, interview: Option<String> },
    /// A record becomes confidential, or stops being so.
    Confidential {
        opportunity: Option<String>,
        #[serde(default = "yes")]
        on: bool,
    },
    /// A person asks to be forgotten: the contact's fields are emptied.
    Anonymise { opportunity: Option<String> },
    /// A contact is edited.
    Contact { opportunity: String, name: Option<String>, phone: Option<String> },
}

fn yes() -> bool {
    true
}

/// Whom it happened to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Happened {
    /// The opportunity's id.
    pub opportunity: String,
    /// The contact's id.
    pub contact: String,
    /// The application's id, if there is one.
    pub application: Option<String>,
    /// The interview that was touched.
    pub interview: Option<String>,
    /// The contact's name.
    pub name: String,
    /// The contact's last phone as it stands in Lever.
    pub phone: Option<String>,
    /// The same in E.164, where it is a North American number.
    pub number: Option<String>,
    /// The present stage's id.
    pub stage: String,
}

/// It cannot happen.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// An id that names nothing.
    #[error("there is no {0} with that id")]
    Unknown(&'static str),
    /// A tenant in which nobody is left.
    #[error("nobody fits")]
    Nobody,
    /// Somebody who is known applies, and is described as somebody else.
    #[error("a known contact has a name, phones and e-mail addresses: change them by the event `contact`")]
    Described,
}

impl Lever {
    /// Makes it happen, and sends the webhooks.
    pub(crate) fn happen(&self, event: &Event) -> Result<Happened, EventError> {
        let now = self.now();
        let mut tenant = self.tenant();
        let (index, interview, happenings) = act(&mut tenant, event, now)?;
        let happened = tenant.happened(index, interview);
        drop(tenant);
        self.ledger().record(now, "happened", json!({"event": event, "to": happened}));
        self.emit(&happenings);
        Ok(happened)
    }
}

type Outcome = Result<(u32, Option<String>, Vec<Happening>), EventError>;

fn act(tenant: &mut Tenant, event: &Event, now: i64) -> Outcome {
    match event {
        Event::Apply { name, phone, email, contact, posting } => {
            let posting = match posting {
                Some(id) => tenant.reference.posting_index(id).ok_or(EventError::Unknown("posting"))?,
                None => tenant.random(tenant.reference.postings.len() as u64) as u16,
            };
            if contact.is_some() && (name.is_some() || phone.is_some() || email.is_some()) {
                return Err(EventError::Described);
            }
            let contact = match contact {
                Some(id) => Some(tenant.find_contact(id).ok_or(EventError::Unknown("contact"))?),
                None => None,
            };
            let owner = tenant.random(5) as u8;
            let describe = |person: &mut Person| {
                person.name = name.clone().unwrap_or_else(|| person.name.clone());
                person.phones =
                    phone.clone().map_or_else(|| person.phones.clone(), |value| vec![typed(value)]);
                person.emails = email.clone().map_or_else(|| person.emails.clone(), |value| vec![value]);
            };
            let index = tenant.apply(NewApplication { contact, posting, owner, origin: 0 }, now, describe);
            let new = contact.is_none().then(|| tenant.contact_event("contactCreated", index));
            let happenings = new.into_iter().chain([tenant.application_created(index)]).collect();
            Ok((index, None, happenings))
        }
        Event::Stage { opportunity, to, by } => {
            let index = tenant.pick(opportunity.as_deref())?;
            let to = match to {
                Some(id) => tenant.reference.stage_index(id).ok_or(EventError::Unknown("stage"))?,
                None => tenant.random_stage(index),
            };
            Ok((index, None, tenant.move_to(index, to, by.clone(), now).into_iter().collect()))
        }
        Event::Archive { opportunity, reason } => {
            let index = tenant.pick(opportunity.as_deref())?;
            let reason = match reason {
                Some(id) => tenant.reference.reason_index(id).ok_or(EventError::Unknown("archive reason"))?,
                None => 2 + tenant.random(9) as u8,
            };
            Ok((index, None, tenant.archive(index, Some(reason), now)))
        }
        Event::Unarchive { opportunity } => {
            let index = tenant.pick(Some(opportunity))?;
            Ok((index, None, tenant.archive(index, None, now)))
        }
        Event::Hire { opportunity } => {
            let index = tenant.pick(opportunity.as_deref())?;
            Ok((index, None, tenant.archive(index, Some(0), now)))
        }
        Event::Delete { opportunity } => {
            let index = tenant.pick(opportunity.as_deref())?;
            let by = tenant.reference.users[0].id.clone();
            let mut data = tenant.ids_of(index);
            data["deletedBy"] = json!(by);
            let happening = tenant.happening("candidateDeleted", index, data);
            tenant.delete(index, now, by);
            Ok((index, None, vec![happening]))
        }
        Event::InterviewCreated { opportunity, date, duration, subject, external } => {
            let index = tenant.pick(opportunity.as_deref())?;
            let date = date.unwrap_or(now + 2 * 86_400_000);
            let id =
                tenant.schedule_inside(index, date, duration.unwrap_or(45), subject.clone(), *external, now);
            tenant.touch_interview(index, now);
            let happening = tenant.interview_event("interviewCreated", index, &id);
            Ok((index, Some(id), happening.into_iter().collect()))
        }
        Event::InterviewMoved { opportunity, interview, date } => {
            change_interview(tenant, opportunity, interview.as_deref(), now, |interview| {
                interview.date = date.unwrap_or(interview.date + 86_400_000);
            })
        }
        Event::InterviewCanceled { opportunity, interview } => {
            change_interview(tenant, opportunity, interview.as_deref(), now, |interview| {
                interview.canceled_at = Some(now);
            })
        }
        Event::InterviewDeleted { opportunity, interview } => {
            let (index, id) = tenant.pick_interview(opportunity, interview.as_deref())?;
            let happening = tenant.interview_event("interviewDeleted", index, &id);
            tenant.schedule_mut(index).remove_interview(&id);
            tenant.touch_interview(index, now);
            Ok((index, Some(id), happening.into_iter().collect()))
        }
        Event::Confidential { opportunity, on } => {
            let index = tenant.pick(opportunity.as_deref())?;
            tenant.set_confidential(index, *on, now);
            Ok((index, None, Vec::new()))
        }
        Event::Anonymise { opportunity } => {
            let index = tenant.pick(opportunity.as_deref())?;
            let contact = tenant.facts(index).contact;
            tenant.set_person(contact, Person { anonymized: true, ..Person::default() }, now);
            Ok((index, None, vec![tenant.contact_event("contactUpdated", index)]))
        }
        Event::Contact { opportunity, name, phone } => {
            let index = tenant.pick(Some(opportunity))?;
            let contact = tenant.facts(index).contact;
            let mut person = tenant.person(contact);
            person.name = name.clone().unwrap_or(person.name);
            person.phones = phone.clone().map_or(person.phones, |value| vec![typed(value)]);
            tenant.set_person(contact, person, now);
            Ok((index, None, vec![tenant.contact_event("contactUpdated", index)]))
        }
    }
}

fn change_interview(
    tenant: &mut Tenant,
    opportunity: &str,
    interview: Option<&str>,
    now: i64,
    change: impl FnOnce(&mut Interview),
) -> Outcome {
    let (index, id) = tenant.pick_interview(opportunity, interview)?;
    if let Some(found) = tenant.schedule_mut(index).interviews.iter_mut().find(|interview| interview.id == id)
    {
        change(found);
    }
    tenant.touch_interview(index, now);
    let happening = tenant.interview_event("interviewUpdated", index, &id);
    Ok((index, Some(id), happening.into_iter().collect()))
}

fn typed(value: String) -> Phone {
    Phone { kind: Some("mobile".to_owned()), value }
}

impl Tenant {
    fn pick(&mut self, id: Option<&str>) -> Result<u32, EventError> {
        match id {
            Some(id) => self.find(id).ok_or(EventError::Unknown("opportunity")),
            None => self.random_active(|_, _| true).ok_or(EventError::Nobody),
        }
    }

    fn pick_interview(&mut self, opportunity: &str, id: Option<&str>) -> Result<(u32, String), EventError> {
        let index = self.pick(Some(opportunity))?;
        let interviews = self.schedule(index).interviews;
        let found = interviews.into_iter().find(|interview| id.is_none_or(|id| interview.id == id));
        found.map(|interview| (index, interview.id)).ok_or(EventError::Unknown("interview"))
    }

    /// Whom something happened to.
    pub(super) fn happened(&self, index: u32, interview: Option<String>) -> Happened {
        let facts = self.facts(index);
        let person = self.person(facts.contact);
        let phone = person.phones.last().map(|phone| phone.value.clone());
        Happened {
            opportunity: self.opportunity_id(index),
            contact: self.ids.id(Kind::Contact, facts.contact),
            application: facts.posting.map(|_| self.ids.id(Kind::Application, index)),
            interview,
            name: person.name,
            number: phone.as_deref().and_then(people::north_american_number),
            phone,
            stage: self.reference.stages[usize::from(self.row(index).stage)].stage.id.clone(),
        }
    }

    /// The ids that every event's data carries (lever-api.md 6.5).
    fn ids_of(&self, index: u32) -> Value {
        let id = self.opportunity_id(index);
        json!({"contactId": self.ids.id(Kind::Contact, self.facts(index).contact), "candidateId": id, "opportunityId": id})
    }

    fn happening(&self, event: &'static str, index: u32, data: Value) -> Happening {
        Happening { event, origin: ORIGINS[usize::from(self.facts(index).origin)], data }
    }

    /// What Lever would say of the contact of an opportunity.
    pub(super) fn contact_event(&self, event: &'static str, index: u32) -> Happening {
        self.happening(event, index, self.ids_of(index))
    }

    fn application_created(&self, index: u32) -> Happening {
        let mut data = self.ids_of(index);
        data["applicationId"] = json!(self.ids.id(Kind::Application, index));
        self.happening("applicationCreated", index, data)
    }

    /// Moves somebody; returns what Lever would say. Who is there already is not moved.
    pub(super) fn move_to(
        &mut self,
        index: u32,
        stage: u8,
        by: Option<String>,
        now: i64,
    ) -> Option<Happening> {
        if self.row(index).stage == stage {
            return None;
        }
        let id = |stage: u8| self.reference.stages[usize::from(stage)].stage.id.clone();
        let mut data = self.ids_of(index);
        data["fromStageId"] = json!(id(self.row(index).stage));
        data["toStageId"] = json!(id(stage));
        let by = by.unwrap_or_else(|| self.owner(&self.facts(index)).id.clone());
        self.advance(index, stage, now, Some(by));
        Some(self.happening("candidateStageChange", index, data))
    }

    /// Archives or brings back; hiring is an archive, and says so twice. Who is active is not brought back.
    pub(super) fn archive(&mut self, index: u32, reason: Option<u8>, now: i64) -> Vec<Happening> {
        if reason.is_none() && self.row(index).active() {
            return Vec::new();
        }
        let mut data = self.ids_of(index);
        data["fromArchived"] = json!(self.archived(index));
        self.set_archived(index, reason, now);
        data["toArchived"] = json!(self.archived(index));
        let mut happenings = vec![self.happening("candidateArchiveChange", index, data)];
        if reason.is_some_and(|reason| self.reference.reasons[usize::from(reason)].kind == "hired") {
            happenings.push(self.happening("candidateHired", index, self.ids_of(index)));
        }
        happenings
    }

    /// What Lever would say of an interview that exists.
    pub(super) fn interview_event(&self, event: &'static str, index: u32, id: &str) -> Option<Happening> {
        let schedule = self.schedule(index);
        let interview = schedule.interviews.iter().find(|interview| interview.id == id)?;
        let mut data = self.ids_of(index);
        data["interviewId"] = json!(id);
        data["panelId"] = json!(interview.panel);
        Some(self.happening(event, index, data))
    }

    fn schedule_inside(
        &mut self,
        index: u32,
        date: i64,
        duration: i64,
        subject: Option<String>,
        external: bool,
        now: i64,
    ) -> String {
        let user = self.owner(&self.facts(index)).clone();
        let fresh = self.new_panel(index, uuid::Uuid::new_v4().to_string(), &user.id, now);
        let panel = Panel { externally_managed: external, ..fresh };
        let interview = Interview {
            id: uuid::Uuid::new_v4().to_string(),
            panel: panel.id.clone(),
            subject: subject.or_else(|| Some("Interview".to_owned())),
            note: None,
            interviewers: vec![Interviewer {
                id: user.id.clone(),
                name: Some(user.name),
                email: Some(user.email),
                feedback_template: "no-feedback".to_owned(),
            }],
            timezone: panel.timezone.clone(),
            created_at: now,
            date,
            duration,
            location: None,
            feedback_template: None,
            feedback_forms: Vec::new(),
            feedback_reminder: panel.feedback_reminder.clone(),
            user: Some(user.id),
            stage: panel.stage.clone(),
            canceled_at: None,
            postings: self.posting_ids(index),
            gcal_event_url: None,
            opportunity_id: self.opportunity_id(index),
        };
        let id = interview.id.clone();
        let schedule = self.schedule_mut(index);
        schedule.panels.push(panel);
        schedule.interviews.push(interview);
        id
    }
}
