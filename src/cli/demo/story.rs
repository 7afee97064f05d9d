//! The story: someone applies, is moved, texted, answers; someone says STOP; an interview is made
//! and moved; transcripts are filed; someone is deleted. Each step waits until the daemon shows it.

use anyhow::{Context, ensure};
use fulcrum_sandbox::{Entry, Event, Happened};
use jiff::Timestamp;
use serde_json::Value;

use super::office::ours;
use super::stage::Stage;

/// One scripted story, to its end.
pub(super) async fn play(stage: &Stage<'_>) -> anyhow::Result<()> {
    let (recruiter, email) = stage.sandbox.lasting_user();
    team_is_known(stage).await?;

    let dana = applies(stage, "Dana Reyes").await?;
    moves(stage, &dana).await?;
    let thread = is_texted(stage, &dana, "Are you free for a call at 2?", &recruiter, &email).await?;
    ours(stage, &thread, &email).await?;
    answers(stage, &dana, &thread, "Yes! after 2 works 👍").await?;

    let sam = applies(stage, "Sam Okafor").await?;
    let other = is_texted(stage, &sam, "Would Thursday suit you?", &recruiter, &email).await?;
    says_stop(stage, &sam, &other, &email).await?;

    is_interviewed(stage, &dana).await?;
    is_filed(stage, &dana).await?;
    is_filed(stage, &sam).await?;
    stage.saw("each conversation was filed as one note, once it was quiet");
    is_hired(stage, &dana).await?;
    is_deleted(stage, &sam).await
}

/// Small things that keep happening. What does not come, since whoever watches has made the remotes fail, is told,
/// and life goes on.
pub(super) async fn go_on(stage: &Stage<'_>) -> anyhow::Result<()> {
    let (recruiter, email) = stage.sandbox.lasting_user();
    let names = ["Noor Haddad", "Ines Costa", "Tomas Novak", "Aiko Mori", "Lena Fischer", "Omar Diallo"];
    let answers_ = ["Yes, that works", "Could we do Friday instead?", "Thank you!", "Who is this again?"];
    for turn in 0.. {
        let (name, answer) = (names[turn % names.len()], answers_[turn % answers_.len()]);
        if let Err(unmet) = turn_of(stage, name, answer, &recruiter, &email).await {
            stage.narrator.event("fulcrum", format_args!("{unmet:#}; life goes on"))?;
        }
        stage.pause(5).await;
    }
    Ok(())
}

/// One person's turn.
async fn turn_of(
    stage: &Stage<'_>,
    name: &str,
    answer: &str,
    recruiter: &str,
    email: &str,
) -> anyhow::Result<()> {
    let person = applies(stage, name).await?;
    let thread = is_texted(stage, &person, "Do you have ten minutes today?", recruiter, email).await?;
    answers(stage, &person, &thread, answer).await?;
    let moved = stage.happen(&Event::Stage { opportunity: None, to: None, by: None })?;
    stage.narrator.event("Lever", format_args!("{} is in stage {}", moved.name, moved.stage))?;
    is_filed(stage, &person).await
}

/// Before that nobody can be written to in a recruiter's name.
pub(super) async fn team_is_known(stage: &Stage<'_>) -> anyhow::Result<()> {
    stage.until("the recruiting team is known", "/status", |_, body| users_are_read(body)).await.map(drop)
}

fn users_are_read(status: &Value) -> bool {
    let phases = status["backfill"]["phases"].as_array();
    phases.is_some_and(|phases| phases.iter().any(|p| p["name"] == "users" && p["state"] == "complete"))
}

async fn applies(stage: &Stage<'_>, name: &str) -> anyhow::Result<Happened> {
    stage.pause(2).await;
    let event =
        Event::Apply { name: Some(name.into()), phone: None, email: None, contact: None, posting: None };
    let person = stage.happen(&event)?;
    stage.narrator.event("Lever", format_args!("{name} applied: a webhook says so"))?;
    let path = format!("/opportunities/{}", person.opportunity);
    let known = stage.until("the applicant is known", &path, |status, _| status == 200).await?;
    stage.narrator.event(
        "fulcrum",
        format_args!("read {name} from Lever: stage “{}”", known["stage"]["text"].as_str().unwrap_or("?")),
    )?;
    stage.saw("an application arrived by webhook");
    Ok(person)
}

async fn moves(stage: &Stage<'_>, person: &Happened) -> anyhow::Result<()> {
    stage.pause(2).await;
    let event = Event::Stage {
        opportunity: Some(person.opportunity.clone()),
        to: stage.sandbox.stage("Recruiter review"),
        by: None,
    };
    let moved = stage.happen(&event)?;
    let path = format!("/opportunities/{}", person.opportunity);
    let known = stage
        .until("the move is known", &path, |_, body| {
            body["stage"]["id"].as_str() == Some(moved.stage.as_str())
        })
        .await?;
    let text = known["stage"]["text"].as_str().unwrap_or("?").to_owned();
    stage.narrator.event("Lever", format_args!("{} moved to “{text}”: known here too", person.name))?;
    stage.saw("a change of stage arrived by webhook");
    Ok(())
}

/// Gives the conversation.
async fn is_texted(
    stage: &Stage<'_>,
    person: &Happened,
    words: &str,
    recruiter: &str,
    email: &str,
) -> anyhow::Result<String> {
    stage.pause(2).await;
    let (status, message) = stage.text(&person.opportunity, words, email).await?;
    ensure!(status == 202, "the text to {} was answered with {status}: {message}", person.name);
    let id = message["id"].as_str().context("a text has an id")?.to_owned();
    let conversation = message["conversation"].as_str().context("a text has a conversation")?.to_owned();
    let sent = stage
        .ledger("the carrier has the text", |entry| {
            entry.kind == "message_created" && entry.detail["mid"].as_str() == Some(id.as_str())
        })
        .await?;
    let said = sent.detail["body"].as_str().unwrap_or_default();
    stage.narrator.event("text →", format_args!("{recruiter} to {}: {said}", person.name))?;
    let path = format!("/conversations/{conversation}/messages");
    stage
        .until("the text is delivered", &path, |_, body| {
            let messages = body["data"].as_array();
            messages.is_some_and(|all| all.iter().any(|m| m["id"] == *id && m["status"] == "delivered"))
        })
        .await?;
    stage.narrator.event("carrier", "delivered")?;
    stage.saw("a text was sent and its delivery reported");
    Ok(conversation)
}

async fn answers(
    stage: &Stage<'_>,
    person: &Happened,
    conversation: &str,
    words: &str,
) -> anyhow::Result<()> {
    stage.pause(2).await;
    let number = person.number.as_deref().context("the person has a number")?;
    stage.sandbox.inbound(number, words)?;
    let path = format!("/conversations/{conversation}/messages");
    stage
        .until("the answer is here", &path, |_, body| {
            let messages = body["data"].as_array();
            messages.is_some_and(|all| all.iter().any(|m| m["direction"] == "in" && m["body"] == *words))
        })
        .await?;
    stage.narrator.event("text ←", format_args!("{}: {words}", person.name))?;
    stage.saw("an answer was received");
    Ok(())
}

async fn says_stop(
    stage: &Stage<'_>,
    person: &Happened,
    conversation: &str,
    email: &str,
) -> anyhow::Result<()> {
    answers(stage, person, conversation, "STOP").await?;
    let path = format!("/conversations/{conversation}");
    stage.until("the opt-out holds", &path, |_, body| body["opted_out"] == true).await?;
    let (status, _) = stage.text(&person.opportunity, "One more thing", email).await?;
    ensure!(status == 409, "a text after STOP was answered with {status}, not refused");
    stage
        .narrator
        .event("fulcrum", format_args!("{} opted out: the next text is refused (409)", person.name))?;
    stage.saw("STOP was honoured: the next text was refused");
    Ok(())
}

async fn is_interviewed(stage: &Stage<'_>, person: &Happened) -> anyhow::Result<()> {
    stage.pause(2).await;
    let id = &person.opportunity;
    let path = format!("/opportunities/{id}");
    let starts = |body: &Value| body["interviews"][0]["starts_at"].as_str().and_then(|at| at.parse().ok());
    stage.happen(&Event::InterviewCreated {
        opportunity: Some(id.clone()),
        date: None,
        duration: Some(45),
        subject: Some("Phone screen".into()),
        external: false,
    })?;
    let known = stage.until("the interview is known", &path, |_, body| starts(body).is_some()).await?;
    let first: Option<Timestamp> = starts(&known);
    stage.narrator.event(
        "Lever",
        format_args!("an interview with {} on {}: known here too", person.name, day_and_time(first)),
    )?;
    stage.happen(&Event::InterviewMoved { opportunity: id.clone(), interview: None, date: None })?;
    let moved = stage
        .until("the interview has moved", &path, |_, body| starts(body).is_some_and(|at| Some(at) != first))
        .await?;
    stage.narrator.event("Lever", format_args!("the interview moved to {}", day_and_time(starts(&moved))))?;
    stage.saw("an interview was made and moved, by webhook");
    Ok(())
}

fn day_and_time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "?".into(), |at| at.strftime("%a %-d %b, %H:%M UTC").to_string())
}

async fn is_filed(stage: &Stage<'_>, person: &Happened) -> anyhow::Result<()> {
    let about = |entry: &Entry| {
        entry.kind == "note_created"
            && entry.detail["opportunity"].as_str() == Some(person.opportunity.as_str())
    };
    stage
        .narrator
        .event("fulcrum", format_args!("the transcript with {} is filed once it is quiet", person.name))?;
    let note = stage.ledger("the note stands in Lever", about).await?;
    let text = note_text(&note.detail).unwrap_or_default();
    stage.narrator.quote(&format!("note on {} in Lever", person.name), text)?;
    let twice = stage.sandbox.ledger().entries().iter().filter(|entry| about(entry)).count();
    ensure!(twice == 1, "the transcript with {} was filed {twice} times", person.name);
    Ok(())
}

/// The note's words, wherever the ledger's entry keeps them.
fn note_text(detail: &Value) -> Option<&str> {
    detail["body"]["value"].as_str().or_else(|| detail["value"].as_str()).or_else(|| detail["text"].as_str())
}

async fn is_hired(stage: &Stage<'_>, person: &Happened) -> anyhow::Result<()> {
    stage.pause(2).await;
    stage.happen(&Event::Hire { opportunity: Some(person.opportunity.clone()) })?;
    let path = format!("/opportunities/{}", person.opportunity);
    stage.until("the hire is known", &path, |_, body| !body["archived"].is_null()).await?;
    stage.narrator.event("Lever", format_args!("{} is hired: known here too", person.name))?;
    stage.saw("a hire arrived by webhook");
    Ok(())
}

async fn is_deleted(stage: &Stage<'_>, person: &Happened) -> anyhow::Result<()> {
    stage.pause(2).await;
    stage.happen(&Event::Delete { opportunity: Some(person.opportunity.clone()) })?;
    let path = format!("/opportunities/{}", person.opportunity);
    stage.until("the deletion is done", &path, |status, _| status == 410).await?;
    stage
        .narrator
        .event("fulcrum", format_args!("{} was deleted in Lever: erased here (410)", person.name))?;
    stage.saw("a deletion in Lever erased the person here");
    Ok(())
}
