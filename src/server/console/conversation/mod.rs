//! The conversation with one candidate: the same view in the inbox, on a page of its own, and in
//! the extension's panel.
//!
//! It is found by its thread (`/c/ID`, which notes link to) or by an opportunity (`/o/ID`, which
//! Lever's pages lead to); an opportunity without a thread shows an empty one, to begin with.
//! Opening a profile reads it again from Lever where what is known is older than half a minute.

mod facts;
mod forms;
mod interviews;
mod lines;

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use fulcrum_domain::booking::place;
use fulcrum_domain::{ConversationId, OpportunityId, Right, Sight};
use http::StatusCode;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::json;

use super::frame::{self, Frame, page};
use super::texts;
use crate::engine::{ConversationView, Facts, FilingView, Found, Subject, ZoneEvidence};
use crate::server::caller::Caller;
use crate::server::problem::{Kind, Problem};
use crate::server::{Cursor, Shared};
pub(super) use forms::{act, act_on_candidate, cancel, send_in_thread, send_to_candidate};
pub(super) use interviews::{arrange, change as change_interview};
pub(super) use lines::shown;
use lines::{Line, Reader, lines, moment};

/// Messages that are drawn at once; the older ones are a page further.
const SHOWN: usize = 100;

/// Time zones that are offered to choose from, besides those of the number and ours.
const COMMON_ZONES: [&str; 8] = [
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "Pacific/Honolulu",
    "America/Puerto_Rico",
];

/// An opened profile is read again when what is known of it is older.
const FRESH: Duration = Duration::from_secs(30);

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) enum Which {
    /// A thread.
    Thread(ConversationId),
    /// The thread of an opportunity's candidate, or the one that could begin.
    Candidate(OpportunityId),
}

impl Which {
    /// Its page.
    fn path(&self) -> String {
        match self {
            Self::Thread(id) => format!("/c/{id}"),
            Self::Candidate(id) => format!("/o/{id}"),
        }
    }
}

/// A conversation, ready to be drawn.
struct View {
    base: String,
    csrf: String,
    texts: String,
    /// Where this very view is fetched again.
    fragment: String,
    id: Option<String>,
    opportunity: Option<String>,
    /// The number that a text goes to, where no opportunity says it.
    to: Option<String>,
    title: String,
    stage: Option<String>,
    confidential: bool,
    assigned: String,
    actions: Vec<Action>,
    lines: Vec<Line>,
    older: Option<String>,
    notices: Vec<Notice>,
    blocked: Option<String>,
    send_to: String,
    draft: String,
    wrong: String,
    may_override: bool,
    templates: Vec<Choice>,
    /// Meetings that candidates book, by what stands for a link to them in a text.
    event_types: Vec<Choice>,
    /// The same by their ids.
    offers: Vec<Choice>,
    morning: String,
    morning_words: String,
    facts: Vec<facts::Fact>,
    interviews: Vec<interviews::Meet>,
    may_arrange: bool,
    fresh: interviews::Fields,
    /// The zone of the organisation's time.
    clock: String,
    /// What the form of a new interview is drawn with: sent twice, it arranges one.
    once: String,
    as_of: Option<String>,
    transcript: String,
    may_file: bool,
    notes: Vec<facts::Note>,
    doubt: Option<String>,
    /// What a person may record of the candidate's wishes, and where.
    wishes: Option<Wishes>,
    /// Where a person may say in which time zone they are.
    zone: Option<ZoneForm>,
}

/// The form for the time zone of a candidate.
struct ZoneForm {
    /// The page's path, below which the form goes.
    page: String,
    /// The same in the API.
    api: String,
    /// What was set by hand; empty while it goes by the number.
    set: String,
    /// Some to choose from; any other may be typed.
    names: Vec<String>,
}

/// The forms for what a candidate said by other ways than a text.
struct Wishes {
    /// The page's path, below which the forms go.
    page: String,
    /// The same in the API.
    api: String,
    today: String,
    /// What they are asked about: an opt-out, its end, or neither where only the candidate may end it.
    opt_out: Option<bool>,
}

/// A button that does something to the thread.
struct Action {
    call: &'static str,
    name: &'static str,
    key: Option<char>,
    body: String,
}

/// Something to know before writing.
struct Notice {
    mood: &'static str,
    words: String,
}

/// A template or a kind of meeting to choose.
struct Choice {
    id: String,
    name: String,
}

/// What could not be shown.
pub(super) enum Missing {
    /// There is none, or it may not be seen.
    Nothing,
    /// It was deleted in Lever.
    Deleted,
    /// The store.
    Failed(Problem),
}

impl<E: Into<Problem>> From<E> for Missing {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Missing {
    fn into_page(self, shared: &Shared) -> Result<Response, Problem> {
        match self {
            Self::Nothing => Ok(frame::not_found(shared)),
            Self::Deleted => Ok(frame::say(shared, StatusCode::GONE, texts::GONE, texts::GONE_WORDS)),
            Self::Failed(problem) => Err(problem),
        }
    }

    fn into_problem(self) -> Problem {
        match self {
            Self::Nothing => {
                Problem::not_found("no candidate is known here by this id, or you may not see them")
            }
            Self::Deleted => Problem::new(Kind::Deleted, texts::GONE_WORDS),
            Self::Failed(problem) => problem,
        }
    }
}

/// What was typed and why it was not taken, to be shown again.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) words: String,
    pub(super) wrong: String,
    /// The same of the form of an interview.
    meeting: Option<interviews::Typed>,
}

/// Where an older page begins.
#[derive(Default, Deserialize)]
pub(super) struct Older {
    before: Option<String>,
}

/// A page with one conversation.
#[derive(Template)]
#[template(path = "open.html")]
struct Open {
    frame: Frame,
    talk: Talk,
}

/// A conversation as it is drawn, on whatever page.
#[derive(Template)]
#[template(path = "conversation.html")]
pub(super) struct Talk {
    view: View,
}

/// `GET /c/{id}`.
pub(super) async fn by_thread(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(older): Query<Older>,
) -> Result<Response, Problem> {
    let Ok(id) = id.parse() else { return Ok(frame::not_found(&shared)) };
    whole(&shared, &caller, Which::Thread(id), older, Draft::default()).await
}

/// `GET /o/{id}`.
pub(super) async fn by_opportunity(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(older): Query<Older>,
) -> Result<Response, Problem> {
    let Ok(id) = id.parse() else { return Ok(frame::not_found(&shared)) };
    whole(&shared, &caller, Which::Candidate(id), older, Draft::default()).await
}

/// `GET /fragments/c/{id}`.
pub(super) async fn thread_fragment(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(older): Query<Older>,
) -> Result<Response, Problem> {
    let id = id.parse().map_err(|_| Missing::Nothing.into_problem())?;
    fragment(&shared, &caller, Which::Thread(id), older).await
}

/// `GET /fragments/o/{id}`.
pub(super) async fn opportunity_fragment(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(older): Query<Older>,
) -> Result<Response, Problem> {
    let id = id.parse().map_err(|_| Missing::Nothing.into_problem())?;
    fragment(&shared, &caller, Which::Candidate(id), older).await
}

async fn whole(
    shared: &Shared,
    caller: &Caller,
    which: Which,
    older: Older,
    draft: Draft,
) -> Result<Response, Problem> {
    let frame = Frame::new(shared, caller, "");
    match talk(shared, caller, which, older.before.as_deref(), draft).await {
        Ok(talk) => Ok(page(&Open { frame, talk })),
        Err(missing) => missing.into_page(shared),
    }
}

async fn fragment(shared: &Shared, caller: &Caller, which: Which, older: Older) -> Result<Response, Problem> {
    let talk = talk(shared, caller, which, older.before.as_deref(), Draft::default()).await;
    Ok(page(&talk.map_err(Missing::into_problem)?))
}

/// Everything that is shown of a conversation. Whoever is shown the newest messages has read them.
pub(super) async fn talk(
    shared: &Shared,
    caller: &Caller,
    which: Which,
    before: Option<&str>,
    draft: Draft,
) -> Result<Talk, Missing> {
    let engine = &shared.engine;
    let (sight, now) = (caller.sight, engine.now());
    let (thread, mut opportunity) = match which {
        Which::Thread(id) => {
            let view = engine.conversation(id, sight).await?.ok_or(Missing::Nothing)?;
            let opportunity = view.conversation.opportunity.clone();
            (Some(view), opportunity)
        }
        Which::Candidate(id) => (thread_with(shared, &id, sight).await?, Some(id)),
    };
    let subject = match (&opportunity, &thread) {
        (Some(id), _) => Subject::Opportunity(id.clone()),
        (None, Some(view)) => Subject::Conversation(view.conversation.id),
        (None, None) => return Err(Missing::Nothing),
    };
    let reader = crate::engine::Reader { sight, user: caller.user.clone(), name: caller.name.clone() };
    let mut facts = engine.facts(subject, reader.clone()).await?;
    // Lever shows its opportunity no more: whoever may see the thread sees the thread alone.
    if let (None, Some(view)) = (&facts, &thread) {
        facts = engine.facts(Subject::Conversation(view.conversation.id), reader).await?;
        opportunity = None;
    }
    let facts = facts.ok_or(Missing::Nothing)?;
    let mut view = drawn(shared, caller, thread, opportunity, facts, before, now).await?;
    view.draft = draft.words;
    view.wrong = draft.wrong;
    if let Some(typed) = draft.meeting {
        typed.put_back(&mut view);
    }
    Ok(Talk { view })
}

/// The newest thread with an opportunity's candidate, if anything was ever said. A candidate who is
/// not synced yet is read first; one who is, again, while what is known is shown already.
async fn thread_with(
    shared: &Shared,
    id: &OpportunityId,
    sight: Sight,
) -> Result<Option<ConversationView>, Missing> {
    let engine = &shared.engine;
    let mut found = engine.opportunity(id, sight).await?;
    if let Found::Unknown = found {
        engine.refresh_if_older(id, FRESH).await;
        found = engine.opportunity(id, sight).await?;
    } else {
        refresh(shared, id.clone());
    }
    let found = match found {
        Found::Known(found) => found,
        Found::Deleted => return Err(Missing::Deleted),
        Found::Unknown => return Err(Missing::Nothing),
    };
    let mut newest: Option<ConversationView> = None;
    for id in found.conversations {
        let Some(other) = engine.conversation(id, sight).await? else { continue };
        let last = |view: &ConversationView| view.conversation.last_message_at;
        if newest.as_ref().is_none_or(|known| last(known) < last(&other)) {
            newest = Some(other);
        }
    }
    Ok(newest)
}

/// Reads an opened profile again beside the page, and tells the page when there is something new.
fn refresh(shared: &Shared, id: OpportunityId) {
    let engine = shared.engine.clone();
    shared.engine.tasks().run(async move {
        engine.refresh_shown(&id, FRESH).await;
    });
}

async fn drawn(
    shared: &Shared,
    caller: &Caller,
    thread: Option<ConversationView>,
    opportunity: Option<OpportunityId>,
    facts: Facts,
    before: Option<&str>,
    now: Timestamp,
) -> Result<View, Missing> {
    let engine = &shared.engine;
    let zone = engine.zone();
    let base = shared.site.base().to_owned();
    let number = thread.as_ref().map(|view| view.conversation.number).or(facts.number);
    let name = facts.candidate.as_ref().map(|candidate| &candidate.opportunity.name);
    let title = match (name.filter(|name| !name.is_empty()), number) {
        (Some(name), _) => shown(name),
        (None, Some(number)) => number.to_string(),
        (None, None) => texts::UNKNOWN_NAME.to_owned(),
    };
    let reader = Reader {
        user: caller.user.as_ref(),
        account: caller.account.as_ref(),
        name: &caller.name,
        candidate: &title,
        facts: Some(&facts),
        zone: &zone,
        now,
    };
    let own = match (&thread, &opportunity) {
        (_, Some(id)) => format!("/o/{id}"),
        (Some(view), None) => format!("/c/{}", view.conversation.id),
        (None, None) => String::new(),
    };
    let mut view = View {
        csrf: caller.csrf().to_owned(),
        texts: js_texts(),
        fragment: format!("/fragments{own}"),
        id: thread.as_ref().map(|view| view.conversation.id.to_string()),
        opportunity: opportunity.as_ref().map(ToString::to_string),
        to: number.filter(|_| thread.is_some() || opportunity.is_none()).map(|number| number.to_string()),
        stage: facts.candidate.as_ref().and_then(|candidate| candidate.stage.as_deref().map(shown)),
        confidential: facts.candidate.as_ref().is_some_and(|candidate| candidate.opportunity.confidential),
        assigned: texts::NOBODY.to_owned(),
        actions: Vec::new(),
        lines: Vec::new(),
        older: None,
        notices: notices(&facts),
        blocked: blocked(caller, &facts),
        send_to: format!("{own}/texts"),
        draft: String::new(),
        wrong: String::new(),
        may_override: facts.must_wait()
            && caller.may_override(&shared.engine.settings.load().rules.quiet_overrides),
        templates: engine.templates().into_iter().map(|(id, name)| Choice { id, name }).collect(),
        event_types: match opportunity {
            Some(_) => engine
                .event_types()
                .into_iter()
                .map(|(id, name)| Choice { id: place(Some(&id)), name })
                .collect(),
            None => Vec::new(),
        },
        offers: engine.event_types().into_iter().map(|(id, name)| Choice { id, name }).collect(),
        morning: facts.next_morning.map(|at| at.to_string()).unwrap_or_default(),
        morning_words: facts.next_morning.map(|at| moment(at, &reader)).unwrap_or_default(),
        facts: facts::lines(&facts, &base, &shared.setup.lever_web, &reader),
        as_of: facts.candidate.as_ref().map(|candidate| {
            texts::FROM_LEVER.replace("{}", &super::words::ago(candidate.opportunity.as_of, now))
        }),
        interviews: match facts.candidate.as_ref() {
            Some(candidate) => interviews::meets(engine.interviews_of(&candidate.id).await?, &reader),
            None => Vec::new(),
        },
        may_arrange: caller.may(Right::Text) && !facts.only_read,
        fresh: interviews::Fields::fresh(caller),
        clock: zone.iana_name().unwrap_or("UTC").to_owned(),
        once: hex::encode(rand::random::<[u8; 16]>()),
        transcript: String::new(),
        may_file: false,
        notes: Vec::new(),
        doubt: None,
        wishes: wishes(caller, &facts, &own, zone.to_datetime(now).date()),
        zone: zone_form(caller, &facts, &own, &zone),
        base,
        title: title.clone(),
    };
    if let Some(thread) = thread {
        fill_thread(&mut view, shared, caller, &thread, before, &own, &reader).await?;
    }
    Ok(view)
}

/// What only a thread has: messages, an office side, transcripts.
async fn fill_thread(
    view: &mut View,
    shared: &Shared,
    caller: &Caller,
    thread: &ConversationView,
    before: Option<&str>,
    own: &str,
    reader: &Reader<'_>,
) -> Result<(), Missing> {
    let engine = &shared.engine;
    let conversation = &thread.conversation;
    let before = before.and_then(Cursor::from_text);
    let newest = engine.messages_before(conversation.id, before, SHOWN, caller.sight).await?;
    let desk = engine.desk(conversation.id).await?;
    if let Some(place) = before {
        // Read anew, it is the same page still, and nothing newer was seen.
        view.fragment = format!("{}?before={}", view.fragment, place.to_text());
    } else if let (Some(account), Some(last)) = (&caller.account, conversation.last_message_at) {
        engine.mark_read(conversation.id, account.clone(), last).await?;
    }
    view.older = newest.next.map(|place| format!("{own}?before={}", place.to_text()));
    view.lines = lines(newest.rows, reader);
    view.assigned = match &desk.assigned {
        Some(account) if Some(account) == caller.account.as_ref() => texts::YOU.to_owned(),
        Some(account) => account.to_string(),
        None => texts::NOBODY.to_owned(),
    };
    if caller.may(Right::Text) {
        view.actions = actions(caller, &desk);
        view.may_file = conversation.session.is_some() && conversation.opportunity.is_some();
    }
    view.transcript = match (conversation.deadline, &conversation.session, &conversation.opportunity) {
        (Some(at), _, _) => format!("{}: {}", texts::FILES_AT, moment(at, reader)),
        (None, Some(_), None) => texts::WAITS_UNMATCHED.to_owned(),
        _ => texts::NOTHING_OPEN.to_owned(),
    };
    let filings: Vec<FilingView> = engine.filings(conversation.id, caller.sight).await?;
    view.notes = facts::notes(&filings, &shared.setup.lever_web, reader);
    view.doubt =
        conversation.possible_opt_out.filter(|_| caller.may(Right::Text)).map(|_| texts::POSSIBLE.to_owned());
    if conversation.opportunity.is_none() {
        view.notices.push(Notice { mood: "", words: texts::MATCH_HINT.to_owned() });
    }
    Ok(())
}

fn actions(caller: &Caller, desk: &fulcrum_domain::Desk) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut add = |call, name, key, body: serde_json::Value| {
        actions.push(Action { call, name, key, body: body.to_string() });
    };
    if let Some(account) = &caller.account {
        let mine = desk.assigned.as_ref() == Some(account);
        let follows = desk.followers.contains(account);
        if mine {
            add("assign", texts::UNASSIGN, None, json!({ "account": null }));
        } else {
            add("assign", texts::ASSIGN_ME, None, json!({ "account": account.as_str() }));
        }
        let name = if follows { texts::UNFOLLOW } else { texts::FOLLOW };
        add("follow", name, None, json!({ "following": !follows }));
        add("unread", texts::MARK_UNREAD, Some('u'), json!({}));
    }
    let archived = desk.archived_at.is_some();
    let name = if archived { texts::UNARCHIVE } else { texts::ARCHIVE };
    add("archive", name, Some('e'), json!({ "archived": !archived }));
    actions
}

fn wishes(caller: &Caller, facts: &Facts, own: &str, today: Date) -> Option<Wishes> {
    facts.number.filter(|_| caller.may(Right::Text))?;
    let opt_out = match &facts.consent.opt_out {
        None => Some(true),
        Some(opt_out) => (!opt_out.lifted_by_start() && caller.may(Right::Administer)).then_some(false),
    };
    Some(Wishes { page: own.to_owned(), api: in_api(own), today: today.to_string(), opt_out })
}

/// What the API calls what a page is about.
fn in_api(page: &str) -> String {
    match page.strip_prefix("/o/") {
        Some(id) => format!("/api/v1/opportunities/{id}"),
        None => page.replace("/c/", "/api/v1/conversations/"),
    }
}

fn zone_form(caller: &Caller, facts: &Facts, own: &str, ours: &TimeZone) -> Option<ZoneForm> {
    facts.number.filter(|_| caller.may(Right::Text))?;
    let theirs: Vec<&str> = facts.zones.iter().filter_map(TimeZone::iana_name).collect();
    let set = theirs.first().filter(|_| facts.evidence == ZoneEvidence::Person).copied();
    let mut names: Vec<String> = Vec::new();
    for name in theirs.iter().copied().chain(ours.iana_name()).chain(COMMON_ZONES) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    let set = set.unwrap_or_default().to_owned();
    Some(ZoneForm { page: own.to_owned(), api: in_api(own), set, names })
}

fn blocked(caller: &Caller, facts: &Facts) -> Option<String> {
    if !caller.may(Right::Text) {
        return Some(texts::READ_ONLY.to_owned());
    }
    facts.may_text().err()
}

fn notices(facts: &Facts) -> Vec<Notice> {
    let mut notices = Vec::new();
    let mut warn = |words: String| notices.push(Notice { mood: "warn", words });
    if let Some(colleague) = &facts.colleague {
        let seconds = colleague.seconds.to_string();
        warn(texts::COLLEAGUE_JUST_SENT.replacen("{}", &colleague.name, 1).replacen("{}", &seconds, 1));
    }
    if let Some(words) = facts.quiet_words() {
        warn(words);
    }
    notices
}

/// What the module that makes it live says.
fn js_texts() -> String {
    json!({
        "arrived": texts::JS_ARRIVED,
        "sends_in": texts::JS_SENDS_IN,
        "one_segment": texts::JS_ONE_SEGMENT,
        "segments": texts::JS_SEGMENTS,
        "forced_by": texts::JS_FORCED_BY,
        "empty": texts::JS_EMPTY,
        "no_time": texts::JS_NO_TIME,
        "taken": texts::JS_TAKEN,
        "cancelled": texts::JS_CANCELLED,
        "done": texts::JS_DONE,
        "failed": texts::JS_FAILED,
        "unreachable": texts::JS_UNREACHABLE,
    })
    .to_string()
}
