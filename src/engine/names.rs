//! Names in the config that Lever does not have: a stage with a slip of the pen, a colleague who has left.
//! Nothing fails for one; an automation is silent, a note has no author. So whoever asks is told.

use std::ops::ControlFlow;

use fulcrum_domain::automation::Trigger;

use super::changes::{Rules, user_by_email};
use crate::store::tables::{ARCHIVE_REASONS, BACKFILL, POSTINGS, STAGES, USERS};
use crate::store::{Keys, PhaseName, PhaseState, Read, StoreError};

/// A name that nobody and nothing has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    /// What the config says it of: `automation NAME`, `lever.notes_as`.
    pub of: String,
    /// What Lever has none of: `stage`, `archive reason`, `active user`, `posting`.
    pub kind: &'static str,
    /// The name, as the config has it or in lower case.
    pub name: String,
}

/// Those of the settings in force, as far as the lists that they would stand in were read to their end.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn unknown_names(read: &impl Read, rules: &Rules) -> Result<Vec<UnknownName>, StoreError> {
    let phases = read.get(BACKFILL, &())?.map(|state| state.phases).unwrap_or_default();
    let is_read = |name| {
        phases.iter().any(|phase| phase.name == name && phase.state == PhaseState::Complete && phase.done > 0)
    };
    let mut found = Vec::new();
    let mut miss = |of: String, kind, name: &str| found.push(UnknownName { of, kind, name: name.to_owned() });

    let mut stages = Vec::new();
    read.scan(STAGES, &Keys::all(), |id, row| {
        stages.extend([id.to_string().to_lowercase(), row.text.to_lowercase()]);
        Ok(ControlFlow::Continue(()))
    })?;
    let mut reasons = Vec::new();
    read.scan(ARCHIVE_REASONS, &Keys::all(), |id, row| {
        reasons.extend([id.to_string().to_lowercase(), row.text.to_lowercase()]);
        Ok(ControlFlow::Continue(()))
    })?;
    for automation in &rules.automations.list {
        let (kind, known, list) = match automation.trigger {
            Trigger::StageEntered => ("stage", &stages, PhaseName::Stages),
            Trigger::Archived => ("archive reason", &reasons, PhaseName::ArchiveReasons),
            _ => continue,
        };
        for name in automation.scope.iter().filter(|name| is_read(list) && !known.contains(name)) {
            miss(format!("automation {}", automation.name), kind, name);
        }
    }

    if is_read(PhaseName::Postings) {
        for id in rules.mode_of.keys() {
            if !read.has(POSTINGS, id)? {
                miss("transcript.postings".to_owned(), "posting", &id.to_string());
            }
        }
    }

    if is_read(PhaseName::Users) && read.len(USERS)? > 0 {
        let notes = rules.notes_as.iter().map(|email| ("lever.notes_as".to_owned(), email.as_str()));
        let calendars =
            rules.booking.interviewers.keys().map(|email| ("calendars".to_owned(), email.as_str()));
        let interviewers = rules.booking.event_types.iter().flat_map(|event| {
            let of = format!("event type {}", event.id);
            event.interviewers.iter().map(move |email| (of.clone(), email.as_str()))
        });
        for (of, email) in notes.chain(calendars).chain(interviewers) {
            if user_by_email(read, email)?.is_none() {
                miss(of, "active user", email);
            }
        }
    }
    Ok(found)
}
