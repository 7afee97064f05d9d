//! What lies on the desk: beside the story, each folder of the console's inbox gets a conversation,
//! so that whoever looks around finds more than empty lists.

use anyhow::{Context, ensure};
use fulcrum_sandbox::{Event, Happened};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::stage::Stage;
use super::story::team_is_known;
use crate::engine::clock::Clock;

/// Ends as the simulated carrier's landlines do.
const LANDLINE: &str = "+14155550006";
/// Whose number is in no profile.
const STRANGER: &str = "+14155552671";

/// The folders of the inbox that must not be empty in the end.
const FOLDERS: [&str; 8] =
    ["mine", "team", "unanswered", "failed", "scheduled", "possible-opt-out", "unmatched", "archived"];

/// Gives each folder something to show.
pub(super) async fn fill(stage: &Stage<'_>) -> anyhow::Result<()> {
    team_is_known(stage).await?;
    let (_, email) = stage.sandbox.lasting_user();
    let text = |to: Happened, words: &'static str| texted(stage, to, words, &email);

    let (priya, thread) = text(applied(stage, "Priya Nair", None).await?, "Could you start in June?").await?;
    says(stage, &priya, "June works. What should I bring on my first day?")?;
    ours(stage, &thread, &email).await?;
    let (_, thread) =
        text(applied(stage, "Gus Lindqvist", Some(LANDLINE)).await?, "Are you free on Friday?").await?;
    ours(stage, &thread, &email).await?;
    let (kofi, thread) =
        text(applied(stage, "Kofi Mensah", None).await?, "Is the role still of interest?").await?;
    may_want_no_texts(stage, &kofi, &thread).await?;
    let (_, thread) = text(applied(stage, "Yuki Tanaka", None).await?, "Thank you for your time!").await?;
    call(stage, &format!("/conversations/{thread}/archive"), &json!({ "archived": true })).await?;
    stage.sandbox.inbound(STRANGER, "Hi, I saw your sign at the station. Are you still hiring?")?;

    let maya = applied(stage, "Maya Cohen", None).await?;
    let tomorrow = Clock::System.now().checked_add(SignedDuration::from_hours(24))?;
    let later = json!({
        "opportunity": maya.opportunity, "as": email, "send_at": tomorrow,
        "body": "Good luck with the interview today, Maya!",
    });
    call(stage, "/messages", &later).await?;

    for folder in FOLDERS {
        let path = format!("/inbox?folder={folder}&account={email}");
        let has_some = |_, page: &Value| page["data"].as_array().is_some_and(|rows| !rows.is_empty());
        stage.until(&format!("the folder {folder} has something in it"), &path, has_some).await?;
    }
    stage.narrator.event("console", "each folder of the inbox has something to see")?;
    stage.saw("each folder of the inbox had something in it");
    Ok(())
}

/// Words that may be an opt-out: nobody decides but a person, and until then nothing leaves by itself.
async fn may_want_no_texts(stage: &Stage<'_>, person: &Happened, thread: &str) -> anyhow::Result<()> {
    let words = "No thanks, please take me off your list";
    says(stage, person, words)?;
    let path = format!("/conversations/{thread}");
    stage.until("the doubt is seen", &path, |_, body| !body["possible_opt_out"].is_null()).await?;
    stage.narrator.event("text ←", format_args!("{}: {words}", person.name))?;
    let what = "that may be an opt-out: a person decides, and nothing leaves by itself until then";
    stage.narrator.event("fulcrum", what)?;
    stage.saw("a vague opt-out waits for a person");
    Ok(())
}

pub(super) async fn applied(stage: &Stage<'_>, name: &str, phone: Option<&str>) -> anyhow::Result<Happened> {
    let phone = phone.map(str::to_owned);
    let event = Event::Apply { name: Some(name.into()), phone, email: None, contact: None, posting: None };
    let person = stage.happen(&event)?;
    let path = format!("/opportunities/{}", person.opportunity);
    stage.until("the applicant is known", &path, |status, _| status == 200).await?;
    Ok(person)
}

/// Gives the person and their conversation.
async fn texted(
    stage: &Stage<'_>,
    to: Happened,
    words: &str,
    email: &str,
) -> anyhow::Result<(Happened, String)> {
    let (status, message) = stage.text(&to.opportunity, words, email).await?;
    ensure!(status == 202, "the text to {} was answered with {status}: {message}", to.name);
    let thread = message["conversation"].as_str().context("a text has a conversation")?.to_owned();
    let id = message["id"].as_str().context("a text has an id")?.to_owned();
    // An answer comes after what it answers.
    stage
        .ledger("the carrier has the text", |entry| {
            entry.kind == "message_created" && entry.detail["mid"].as_str() == Some(&id)
        })
        .await?;
    Ok((to, thread))
}

pub(super) fn says(stage: &Stage<'_>, person: &Happened, words: &str) -> anyhow::Result<()> {
    let number = person.number.as_deref().context("the person has a number")?;
    stage.sandbox.inbound(number, words)?;
    Ok(())
}

/// A conversation is for the demo's user to answer.
pub(super) async fn ours(stage: &Stage<'_>, thread: &str, email: &str) -> anyhow::Result<()> {
    call(stage, &format!("/conversations/{thread}/assign"), &json!({ "account": email })).await
}

async fn call(stage: &Stage<'_>, path: &str, body: &Value) -> anyhow::Result<()> {
    let (status, answer) = stage.post(path, body).await?;
    ensure!((200..300).contains(&status), "{path} was answered with {status}: {answer}");
    Ok(())
}
