//! Appointments: one candidate enters a stage, is sent a link by an automation, books with it and moves
//! the time; another one is offered times by text and answers with a number. In the end the clocks are
//! put forward to an hour before, and a reminder leaves.

use anyhow::{Context, ensure};
use fulcrum_sandbox::{Event, Happened};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::office::{applied, says};
use super::stage::Stage;
use super::story::team_is_known;

/// How long before an interview its reminder leaves, by the demo's config.
const LEAD: SignedDuration = SignedDuration::from_hours(1);

/// Who is to be reminded, and when they are interviewed.
pub(super) struct Met {
    person: Happened,
    starts_at: Timestamp,
}

/// Both book.
pub(super) async fn make(stage: &Stage<'_>) -> anyhow::Result<Met> {
    team_is_known(stage).await?;
    by_text(stage, &applied(stage, "Ines Costa", None).await?).await?;
    by_link(stage, applied(stage, "Noor Haddad", None).await?).await
}

/// Times are offered by text, and a number is the answer.
async fn by_text(stage: &Stage<'_>, person: &Happened) -> anyhow::Result<()> {
    let path = format!("/opportunities/{}/offer-times", person.opportunity);
    let (status, answer) = stage.post(&path, &json!({ "event_type": "phone" })).await?;
    ensure!(status == 202, "{path} was answered with {status}: {answer}");
    let offer = texted(stage, person, "Reply 1, 2 or 3").await?;
    stage.narrator.quote(&format!("text to {}", person.name), &offer)?;
    says(stage, person, "the second one please")?;
    stage.narrator.event("text ←", format_args!("{}: the second one please", person.name))?;
    let words = texted(stage, person, "is booked for").await?;
    stage.narrator.event("text →", format_args!("to {}: {words}", person.name))?;
    in_lever(stage, person, None).await?;
    stage.saw("an interview was booked by text alone");
    Ok(())
}

/// A stage is entered, a link is sent, a time is taken and another one instead.
async fn by_link(stage: &Stage<'_>, person: Happened) -> anyhow::Result<Met> {
    let to = stage.sandbox.stage("Phone screen");
    stage.happen(&Event::Stage { opportunity: Some(person.opportunity.clone()), to, by: None })?;
    stage.narrator.event("Lever", format_args!("{} is in “Phone screen”", person.name))?;
    let words = texted(stage, &person, "Choose a time: ").await?;
    stage.narrator.event("text →", format_args!("to {}, by an automation: {words}", person.name))?;
    stage.saw("an automation texted who entered a stage");
    let link = words.split(' ').find(|word| word.starts_with("http")).context("the text has a link")?;
    let link = link.trim_end_matches('.').to_owned();

    let page = Page::read(&stage.page(&link).await?)?;
    let last = page.times.last().context("there is a time")?;
    stage.submit(&link, &page.taking(last)).await?;
    let first_at = in_lever(stage, &person, None).await?;
    stage.narrator.event("booking", format_args!("{} chose a time: Lever has the interview", person.name))?;
    stage.saw("an interview was booked by a link");

    let page = Page::read(&stage.page(&format!("{link}?move=1")).await?)?;
    // Not the very first, which may be too soon by now.
    let sooner = page.times.get(1).context("there is another time")?;
    stage.submit(&link, &page.taking(sooner)).await?;
    let starts_at = in_lever(stage, &person, Some(first_at)).await?;
    let words = texted(stage, &person, "is moved to").await?;
    stage.narrator.event("text →", format_args!("to {}: {words}", person.name))?;
    stage.saw("the candidate moved it, and Lever followed");
    Ok(Met { person, starts_at })
}

/// An hour before, they are reminded.
pub(super) async fn remind(stage: &Stage<'_>, met: &Met) -> anyhow::Result<()> {
    stage.narrator.event("clock", format_args!("an hour before the interview with {}", met.person.name))?;
    stage.put_forward(met.starts_at.checked_sub(LEAD)?);
    let words = texted(stage, &met.person, "a reminder of your interview").await?;
    stage.narrator.event("text →", format_args!("to {}: {words}", met.person.name))?;
    stage.saw("a reminder was sent before an interview");
    Ok(())
}

/// Waits until the carrier has such a text to the person, and gives it whole.
async fn texted(stage: &Stage<'_>, person: &Happened, words: &str) -> anyhow::Result<String> {
    let number = person.number.as_deref().context("the person has a number")?;
    let what = format!("{} is texted “{words}”", person.name);
    let sent = stage
        .ledger(&what, |entry| {
            entry.kind == "message_created"
                && entry.detail["to"].as_str() == Some(number)
                && entry.detail["body"].as_str().is_some_and(|body| body.contains(words))
        })
        .await?;
    Ok(sent.detail["body"].as_str().unwrap_or_default().to_owned())
}

/// Waits until Lever has the interview, at another time than `before`. Gives when it is.
async fn in_lever(
    stage: &Stage<'_>,
    person: &Happened,
    before: Option<Timestamp>,
) -> anyhow::Result<Timestamp> {
    let path = format!("/opportunities/{}/interviews", person.opportunity);
    let starts_at = |body: &Value| {
        let row = body["data"].as_array()?.iter().find(|row| row["state"] == "in-lever")?;
        row["starts_at"].as_str()?.parse().ok().filter(|at| Some(*at) != before)
    };
    let what = format!("Lever has the interview with {}", person.name);
    let body = stage.until(&what, &path, |_, body| starts_at(body).is_some()).await?;
    starts_at(&body).context("an interview has a start")
}

/// What a candidate can do on the page.
struct Page {
    form: String,
    times: Vec<String>,
}

impl Page {
    fn read(html: &str) -> anyhow::Result<Self> {
        let values = |name: &str| {
            let begin = format!("name=\"{name}\" value=\"");
            let rest = html.split(&begin).skip(1).filter_map(|rest| rest.split('"').next());
            rest.map(str::to_owned).collect::<Vec<_>>()
        };
        let form = values("form").into_iter().next().context("the page has a form")?;
        Ok(Self { form, times: values("start") })
    }

    fn taking<'a>(&'a self, time: &'a str) -> [(&'a str, &'a str); 3] {
        [("form", &self.form), ("do", "take"), ("start", time)]
    }
}
