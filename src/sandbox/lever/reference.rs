//! The tenant's tables of reference: stages, users, postings and archive reasons, made from the seed.
//!
//! They do not change while the simulator runs, so they are held ready. They carry the traps that matter:
//! stage ids that are slugs beside ones that are UUIDs, fractional ranks, users who have left but are still
//! referenced.

use serde_json::{Value, json};

use super::ids::{Ids, Kind};
use super::people::{FIRST_NAMES, LAST_NAMES};
use super::wire::{ArchiveReason, Stage, User};
use crate::dice::Dice;

const DAY_MS: i64 = 86_400_000;
const USERS: u32 = 60;
const POSTINGS: u32 = 300;

/// Name, id unless it is a UUID, pipeline, rank, whether interviews happen there.
const STAGES: [(&str, &str, &str, f64, bool); 12] = [
    ("New lead", "lead-new", "lead", 1.0, false),
    ("Reached out", "lead-reached-out", "lead", 3.0, false),
    ("Responded", "lead-responded", "lead", 5.0, false),
    ("New applicant", "applicant-new", "applicant", 101.0, false),
    ("Recruiter review", "", "applicant", 105.5, false),
    ("Phone screen", "", "screen", 201.0, true),
    ("Hiring manager screen", "", "screen", 205.0, true),
    ("Take-home", "", "onsite", 230.5, false),
    ("On-site interview", "", "onsite", 231.0, true),
    ("Reference check", "", "onsite", 231.5, false),
    ("Offer", "offer", "offer", 261.0, false),
    ("Offer accepted", "", "offer", 265.5, false),
];

const REASONS: [(&str, bool, bool); 12] = [
    ("Hired", true, true),
    ("Hired as contractor", true, true),
    ("Underqualified", false, true),
    ("Position closed", false, true),
    ("Withdrew", false, true),
    ("Unresponsive", false, true),
    ("Timing", false, true),
    ("Culture fit", false, false),
    ("Offer declined", false, true),
    ("Salary", false, true),
    ("Duplicate", false, true),
    ("Spam", false, false),
];

const TEAMS: [&str; 8] =
    ["Engineering", "Sales", "Support", "Warehouse", "Nursing", "Finance", "People", "Field operations"];
const TITLES: [&str; 10] = [
    "Account executive",
    "Software engineer",
    "Registered nurse",
    "Forklift operator",
    "Support specialist",
    "Recruiter",
    "Data analyst",
    "Route driver",
    "Office manager",
    "Site supervisor",
];
pub(super) const LOCATIONS: [&str; 8] =
    ["New York", "Austin", "Chicago", "Seattle", "Washington, DC", "Denver", "London", "Remote"];

/// A stage with what only `/disposition_stages` shows.
#[derive(Debug)]
pub(super) struct StageRow {
    pub(super) stage: Stage,
    pub(super) pipeline: &'static str,
    pub(super) rank: f64,
    pub(super) has_interview: bool,
}

/// A posting with what filters need of it.
#[derive(Debug)]
pub(super) struct Posting {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) team: &'static str,
    pub(super) location: &'static str,
    pub(super) state: &'static str,
    pub(super) confidential: bool,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
    pub(super) owner: String,
    pub(super) hiring_manager: Option<String>,
    pub(super) wire: Value,
}

/// All tables of reference.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) stages: Vec<StageRow>,
    pub(super) users: Vec<User>,
    pub(super) postings: Vec<Posting>,
    pub(super) reasons: Vec<ArchiveReason>,
}

impl Reference {
    /// What the seed gives, for an account that is five years old at `now_ms`.
    pub(super) fn generate(ids: Ids, seed: u64, now_ms: i64) -> Self {
        let users: Vec<_> = (0..USERS).map(|index| user(ids, seed, index, now_ms)).collect();
        Self {
            stages: (0..).zip(STAGES).map(|(index, row)| stage(ids, index, row)).collect(),
            postings: (0..POSTINGS).map(|index| posting(ids, seed, index, now_ms, &users)).collect(),
            reasons: (0..).zip(REASONS).map(|(index, row)| reason(ids, index, row)).collect(),
            users,
        }
    }

    /// Ranks in pipeline order.
    pub(super) fn ranks(&self) -> Vec<f64> {
        self.stages.iter().map(|row| row.rank).collect()
    }

    pub(super) fn stage_index(&self, id: &str) -> Option<u8> {
        self.stages.iter().position(|row| row.stage.id == id).map(|index| index as u8)
    }

    pub(super) fn reason_index(&self, id: &str) -> Option<u8> {
        self.reasons.iter().position(|reason| reason.id == id).map(|index| index as u8)
    }

    pub(super) fn posting_index(&self, id: &str) -> Option<u16> {
        self.postings.iter().position(|posting| posting.id == id).map(|index| index as u16)
    }

    /// A user who has not left.
    pub(super) fn active_user(&self, id: &str) -> Option<&User> {
        self.users.iter().find(|user| user.id == id && user.deactivated_at.is_none())
    }
}

fn stage(
    ids: Ids,
    index: u32,
    (text, slug, pipeline, rank, has_interview): (&str, &str, &'static str, f64, bool),
) -> StageRow {
    let id = if slug.is_empty() { ids.id(Kind::Stage, index) } else { slug.to_owned() };
    StageRow { stage: Stage { id, text: text.to_owned() }, pipeline, rank, has_interview }
}

fn reason(ids: Ids, index: u32, (text, hired, active): (&str, bool, bool)) -> ArchiveReason {
    ArchiveReason {
        id: ids.id(Kind::Reason, index),
        text: text.to_owned(),
        status: if active { "active" } else { "inactive" },
        kind: if hired { "hired" } else { "non-hired" },
    }
}

/// One in six has left; the first never has, so there is always somebody.
fn user(ids: Ids, seed: u64, index: u32, now_ms: i64) -> User {
    let mut dice = Dice::new(seed, Kind::User as u64, index.into());
    let (first, last) = (dice.pick(FIRST_NAMES), dice.pick(LAST_NAMES));
    let created_at = now_ms - i64::from(USERS - index) * 30 * DAY_MS - dice.below(DAY_MS as u64) as i64;
    let left = index % 6 == 5;
    let role = match index {
        0 => "super admin",
        1..5 => "admin",
        _ => dice.pick(&["team member", "team member", "limited team member", "interviewer"]),
    };
    let username = format!("{}.{}{index}", first.to_lowercase(), last.to_lowercase());
    User {
        id: ids.id(Kind::User, index),
        name: format!("{first} {last}"),
        email: format!("{username}@acme.example"),
        username,
        access_role: role.to_owned(),
        photo: None,
        created_at,
        deactivated_at: left.then(|| created_at + (now_ms - created_at) / 2),
        external_directory_id: None,
        linked_contact_ids: None,
        job_title: dice.chance(0.5).then(|| "Recruiter".to_owned()),
        manager_id: None,
    }
}

fn posting(ids: Ids, seed: u64, index: u32, now_ms: i64, users: &[User]) -> Posting {
    let mut dice = Dice::new(seed, Kind::Posting as u64, index.into());
    let id = ids.id(Kind::Posting, index);
    let (team, location) = (dice.pick(&TEAMS), dice.pick(&LOCATIONS));
    let title = format!("{} {}", dice.pick(&TITLES), index + 1);
    let created_at = now_ms - i64::from(POSTINGS - index) * 6 * DAY_MS - dice.below(DAY_MS as u64) as i64;
    let updated_at = created_at + dice.below((now_ms - created_at) as u64) as i64;
    let state = dice.pick(&["published", "published", "published", "internal", "closed", "closed", "draft"]);
    let confidential = dice.chance(0.02);
    let mut somebody = || users[dice.below(users.len() as u64) as usize].id.clone();
    let (user, owner, manager) = (somebody(), somebody(), somebody());
    let hiring_manager = (!index.is_multiple_of(4)).then_some(manager);
    let urls = (state != "draft").then(|| {
        let show = format!("https://jobs.lever.co/acme/{id}");
        json!({"list": "https://jobs.lever.co/acme", "apply": format!("{show}/apply"), "show": show})
    });
    let wire = json!({
        "id": id, "text": title, "state": state,
        "distributionChannels": (state == "published").then_some(["public", "internal"]),
        "user": user, "owner": owner, "hiringManager": hiring_manager,
        "categories": {"commitment": "Full-time", "department": null, "level": null, "location": location, "team": team,
                       "allLocations": [location]},
        "tags": [],
        "content": {"description": "Come and work with us.", "descriptionHtml": "<div>Come and work with us.</div>",
                    "lists": [], "closing": "", "closingHtml": ""},
        "country": "US", "followers": [owner], "reqCode": null, "requisitionCodes": [], "urls": urls,
        "confidentiality": if confidential { "confidential" } else { "non-confidential" },
        "createdAt": created_at, "updatedAt": updated_at, "workplaceType": "unspecified",
        "transcribeInterviews": false, "screening": {"enabled": false},
    });
    Posting {
        id,
        title,
        team,
        location,
        state,
        confidential,
        created_at,
        updated_at,
        owner,
        hiring_manager,
        wire,
    }
}
