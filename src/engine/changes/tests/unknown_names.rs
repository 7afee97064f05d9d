//! Names in the config that Lever does not have.

use std::sync::Arc;

use fulcrum_domain::automation::{Automations, Trigger};
use fulcrum_domain::{Stage, TranscriptMode, User};

use super::held_up::with_automation;
use super::*;
use crate::engine::{BackfillScope, unknown_names};
use crate::store::tables::{BACKFILL, STAGES};
use crate::store::{BackfillState, Phase, PhaseName, PhaseState, Scope};

fn listed(life: &Life, state: PhaseState) {
    let now = life.now;
    let phase = move |name| Phase { name, state, done: 1, requests: 1, cursor: None };
    life.change(move |tx, _| {
        tx.put(STAGES, &"phone".parse().unwrap(), &Stage { text: "Phone screen".into(), position: 0 })?;
        let user = User { name: "Ana".into(), email: "Ana@acme.example".into(), active: true };
        put_user(tx, &"ana".parse().unwrap(), &user)?;
        let scope = Scope { confidential: false, interviews: BackfillScope::Active, since: None };
        let phases = [PhaseName::Users, PhaseName::Stages, PhaseName::Postings].map(phase).to_vec();
        tx.put(BACKFILL, &(), &BackfillState { began_at: now, complete_at: None, scope, phases })
    });
}

fn for_stages(scope: &[&str]) -> Rules {
    let rules = with_automation(Trigger::StageEntered, "none", rules());
    let mut automations = Automations::clone(&rules.automations);
    automations.list[0].scope = scope.iter().map(|&name| name.to_owned()).collect();
    Rules { automations: Arc::new(automations), ..rules }
}

/// Each was silent for ever.
#[test]
fn what_lever_does_not_have_is_told_once_its_lists_are_read() {
    let found = |life: &Life, rules: &Rules| -> Vec<_> {
        let found = life.store.read_here(|read| unknown_names(read, rules)).unwrap();
        found.into_iter().map(|one| (one.of, one.kind, one.name)).collect()
    };
    let life = Life::new();
    let wrong = Rules {
        notes_as: Some("gone@acme.example".into()),
        mode_of: BTreeMap::from([("no-such-job".parse().unwrap(), TranscriptMode::Off)]),
        ..for_stages(&["fone screen", "phone screen"])
    };
    listed(&life, PhaseState::Running);
    assert!(found(&life, &wrong).is_empty());
    listed(&life, PhaseState::Complete);
    let named = |of: &str, kind, name: &str| (of.to_owned(), kind, name.to_owned());
    assert_eq!(
        found(&life, &wrong),
        [
            named("automation hello", "stage", "fone screen"),
            named("transcript.postings", "posting", "no-such-job"),
            named("lever.notes_as", "active user", "gone@acme.example"),
        ]
    );
    let right = Rules { notes_as: Some("ana@acme.example".into()), ..for_stages(&["phone", "phone screen"]) };
    assert!(found(&life, &right).is_empty());
}
