//! What the page about exports says, held to what they hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use fulcrum_domain::automation::{
    AutomationState, Card, CardState, Enrolment, EnrolmentId, EnrolmentState, EventKind, RunLine,
};
use fulcrum_domain::zones::KnownZone;
use fulcrum_domain::{Answer, Consent, ConsentSource, Interview, Number, OpportunityId};
use jiff::Timestamp;
use serde_json::Value;

use super::{export_all, lines};
use crate::store::{Hold, Lifted, Options, SealKeys, Store, restore};

/// The types of the page's table in its order, each with its fields: what stands between backticks, but not
/// in brackets, where values and parts stand.
fn told() -> Vec<(String, BTreeSet<String>)> {
    let page = fs::read_to_string("docs/export.md").unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let fields = |cell: &str| {
        let mut depth = 0;
        let bare = cell.chars().filter(|c| {
            depth += i32::from(*c == '(') - i32::from(*c == ')');
            depth == 0
        });
        let bare: String = bare.collect();
        bare.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let rows = rows.filter(|(kind, _)| *kind != "type");
    rows.map(|(kind, cell)| (kind.to_owned(), fields(cell))).collect()
}

/// A store that an older program filled with what there is, as lines.
fn filled() -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let (path, now) = (folder.path().join("fulcrum.redb"), Timestamp::UNIX_EPOCH);
    let backup = "tests/fixtures/schema-7.backup".as_ref();
    restore(backup, None, &path, false, now, &SealKeys::default()).unwrap();
    let store = Store::open(Options::file(&path), Box::new(|_| {})).unwrap();
    let mut out = Vec::new();
    store.read_here(|read| export_all(read, now, false, &mut out)).unwrap();
    out.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

#[test]
fn the_page_names_each_field_of_each_line() {
    let number = Number::from_e164("+12025550142").unwrap();
    let opportunity: OpportunityId = "o".parse().unwrap();
    let (at, by) = (Timestamp::UNIX_EPOCH, || "ana".into());
    let interview = Interview {
        id: "i".parse().unwrap(),
        subject: None,
        location: None,
        starts_at: at,
        minutes: 30,
        timezone: None,
        interviewers: Vec::new(),
        cancelled_at: None,
        as_of: at,
    };
    let automation = || "invite".to_owned();
    let enrolment = Enrolment {
        automation: automation(),
        opportunity: opportunity.clone(),
        event: EventKind::Hired,
        happened_at: at,
        enrolled_at: at,
        due: None,
        state: EnrolmentState::Waiting,
        card: None,
        was: None,
    };
    let decided =
        RunLine { at, automation: automation(), enrolment: None, what: "sent".into(), message: None };
    let consent = Consent { answer: Answer::Yes, source: ConsentSource::Text, at, by: by() };
    // What is not in that store.
    let others = [
        lines::interview(&(opportunity.clone(), interview.id.clone()), &interview),
        lines::enrolment(&EnrolmentId::new(1), &enrolment),
        lines::decision(&(opportunity.clone(), 1), &decided),
        lines::consent(&(number, at), &consent),
        lines::automation("invite", &AutomationState::default()),
        lines::card(&1, &Card { by: by(), opened_at: at, state: CardState::Waiting, count: 1 }),
        lines::template_version(&[1; 16], "Hi"),
        lines::lifted(&(number, at), &Lifted { by: by(), reason: "said so".into(), opt_out: None }),
        lines::hold(&opportunity, &Hold { since: at, by: by(), reason: "a case".into(), wanted_gone: false }),
        lines::timezone(&number, &KnownZone { name: "America/Chicago".into(), at, by: by() }),
    ];
    let written = filled();
    let mut found = BTreeMap::new();
    for line in written.iter().skip(1).chain(&others) {
        let mut fields: BTreeSet<String> = line.as_object().unwrap().keys().cloned().collect();
        fields.remove("type");
        let kind = line["type"].as_str().unwrap().to_owned();
        let before = found.entry(kind).or_insert_with(|| fields.clone());
        assert_eq!(*before, fields, "lines of one type differ: {line}");
    }
    let told = told();
    for (kind, fields) in &told {
        assert_eq!(found.remove(kind).as_ref(), Some(fields), "{kind}");
    }
    assert!(found.is_empty(), "docs/export.md does not tell of {found:?}");

    // And they come in the page's order.
    let place = |line: &Value| told.iter().position(|(kind, _)| line["type"] == **kind);
    assert!(written.iter().skip(1).map(place).is_sorted());
}
