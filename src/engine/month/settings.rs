//! How the daemon of the month is set up: everything that can be on is on.

use std::sync::Arc;

use fulcrum_domain::automation::{Automation, Automations, CancelIf, Flood, Trigger};
use fulcrum_domain::booking::{EventType, Interviewer, Offers};
use fulcrum_domain::quiet::{Hours, Window};
use fulcrum_domain::slots::{Need, Terms, Week};
use fulcrum_domain::states::StateWindows;
use fulcrum_domain::template::{Template, Templates};
use fulcrum_domain::{ConsentLevel, ConsentRules, Number, RemindOf};
use jiff::SignedDuration;
use jiff::tz::TimeZone;

use crate::engine::changes::{CALLED_OFF, InterviewTexts, KeywordAnswers, MOVED, REMINDER, Rules};
use crate::engine::{Confidential, Settings};

/// Those who interview, as Lever knows them.
pub(super) const INTERVIEWERS: [(&str, &str); 3] = [
    ("user-ines", "ines@acme.example"),
    ("user-omar", "omar@acme.example"),
    ("user-wren", "wren@acme.example"),
];

/// The stages, in their order. In the second one candidates are asked to book.
pub(super) const STAGES: [&str; 4] = ["applicant-new", "phone-screen", "on-site", "offer"];

/// When an automation writes to those who enter a stage.
pub(super) const DELAY: SignedDuration = SignedDuration::from_hours(1);

pub(super) fn our_number() -> Number {
    Number::from_e164("+12025550100").unwrap()
}

/// How long before an interview its candidate is reminded.
pub(super) const LEADS: [SignedDuration; 2] = [SignedDuration::from_hours(24), SignedDuration::from_hours(1)];

/// The law lets nothing leave before this hour, an hour after what the settings say; those let nothing leave from
/// this one on, an hour before the law.
pub(super) const OPENS: i8 = 9;
pub(super) const CLOSES: i8 = 19;

/// Why candidates are archived. The second means that they were hired.
pub(super) const REASONS: [&str; 2] = ["no-fit", "hired"];

/// Nobody with this tag gets the text about an offer.
pub(super) const SPARED: &str = "vip";

fn window(opens: i8, closes: i8) -> Option<Window> {
    Some(format!("{opens:02}:00-{closes:02}:00").parse().unwrap())
}

fn rules() -> Rules {
    let (zone, us) = (TimeZone::get("America/New_York").unwrap(), "US".parse().unwrap());
    Rules {
        consent: ConsentRules { level: ConsentLevel::Permissive, question: None },
        booking: offers(),
        quiet_hours: Hours::new([window(OPENS - 1, CLOSES); 7]),
        state_windows: StateWindows::new(Hours::new([window(OPENS, CLOSES + 1); 7]), Default::default()),
        keyword_answers: KeywordAnswers::Fulcrum,
        text_confidential: true,
        max_note_chars: 1500,
        automations: Arc::new(automations()),
        interview_texts: InterviewTexts {
            remind_of: RemindOf::All,
            leads: LEADS.to_vec(),
            templates: Templates::new(
                vec![
                    template(REMINDER, "A reminder of {{ interview.date }}, {{ interview.time }}."),
                    template(MOVED, "It moved to {{ interview.date }}, {{ interview.time }}."),
                    template(CALLED_OFF, "{{ interview.date }}, {{ interview.time }} is off."),
                ],
                Default::default(),
            ),
        },
        ..Rules::delivered("Acme", zone, us, vec![our_number()], "https://text.acme.example")
    }
}

/// So many open days people are invited to at most, each by a bulk text of its own.
pub(super) const OPEN_DAYS: u32 = 40;

/// Which open day a text invites to, and whether it does so again.
pub(super) fn open_day(body: &str) -> Option<(u32, bool)> {
    let (before, after) = body.split_once("open day number ")?;
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    Some((digits.parse().ok()?, before.contains("Will you come")))
}

fn invitations() -> Templates {
    let first = |number| {
        let text = format!("Hi {{{{ profile.first_name }}}}, come to open day number {number}.");
        template(&format!("day-{number}"), &text)
    };
    let again =
        |number| template(&format!("again-{number}"), &format!("Will you come to open day number {number}?"));
    let all = (0..OPEN_DAYS).flat_map(|number| [first(number), again(number)]);
    Templates::new(all.collect(), Default::default())
}

/// All settings: what changes follow, and what bulk texts need besides.
pub(super) fn settings() -> Settings {
    Settings {
        templates: invitations(),
        second_person_above: 12,
        confidential: Confidential::Full,
        ..Settings::delivered(rules())
    }
}

fn template(id: &str, text: &str) -> Template {
    Template::new(id.into(), id.into(), text.into(), &Default::default()).unwrap()
}

fn automations() -> Automations {
    let each = |name: &str, trigger, scope: &[&str], wait: &str| Automation {
        name: name.into(),
        paused: false,
        trigger,
        scope: scope.iter().map(|stage| (*stage).to_owned()).collect(),
        filter: Vec::new(),
        wait: wait.parse().unwrap(),
        wait_words: wait.into(),
        message: name.into(),
        per_visit: false,
        max_age: SignedDuration::from_hours(24),
        cancel_if: CancelIf::WORDS.map(|(_, what)| what).to_vec(),
    };
    let offer = each("offer", Trigger::StageEntered, &["offer"], "2h");
    let spared = format!("tag != {SPARED}").parse().unwrap();
    Automations {
        list: vec![
            each("invite", Trigger::StageEntered, &["phone-screen"], "none"),
            each("thanks", Trigger::ApplicationCreated, &[], "10m"),
            Automation { filter: vec![spared], ..offer },
            each("sorry", Trigger::Archived, &REASONS[..1], "3h"),
            each("welcome", Trigger::Hired, &[], "none"),
        ],
        texts: Templates::new(
            vec![
                template("invite", "Hi {{ profile.first_name }}, choose a time: {{ links.booking }}"),
                template("thanks", "Hi {{ profile.first_name }}, thank you for applying."),
                template("offer", "Hi {{ profile.first_name }}, good news is on its way."),
                template("sorry", "Hi {{ profile.first_name }}, it did not work out this time."),
                template("welcome", "Hi {{ profile.first_name }}, welcome on board."),
            ],
            Default::default(),
        ),
        settle: SignedDuration::from_secs(60),
        flood: Flood { count: 8 },
    }
}

fn offers() -> Offers {
    let week = Week::parse(
        TimeZone::get("America/New_York").unwrap(),
        ["09:00-17:00", "09:00-17:00", "09:00-17:00", "09:00-17:00", "09:00-15:00", "", ""],
    )
    .unwrap();
    let emails = INTERVIEWERS.map(|(_, email)| email.to_owned());
    let interviewer = Interviewer { week, weight: 1, has_calendar: false };
    Offers {
        event_types: vec![EventType {
            id: "phone".into(),
            name: "Phone interview".into(),
            location: "We call you".into(),
            terms: Terms {
                length: SignedDuration::from_mins(30),
                notice: SignedDuration::from_hours(4),
                horizon: SignedDuration::from_hours(7 * 24),
                increment: SignedDuration::from_mins(30),
                buffer: SignedDuration::from_mins(10),
                per_day: 8,
                per_week: 30,
            },
            need: Need::Any,
            interviewers: emails.to_vec(),
            feedback_template: None,
            confirmation: String::new(),
            reminders: None,
        }],
        interviewers: emails.into_iter().map(|email| (email, interviewer.clone())).collect(),
    }
}
