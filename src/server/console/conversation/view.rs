//! What a conversation's view is made of: everything that the template draws, worked out beforehand.

use std::collections::BTreeMap;

use askama::Template;
use fulcrum_domain::booking::place;
use fulcrum_domain::{Account, MAX_BODY_CHARS, Right};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::json;

use super::forms::{Typed, Unsent};
use super::lines::{self, Line, Reader, moment};
use super::{Missing, Which, facts, interviews};
use crate::engine::{ConversationView, Facts, FilingView, ZoneEvidence};
use crate::server::booking::ZONES;
use crate::server::caller::Caller;
use crate::server::console::{texts, words};
use crate::server::{Cursor, Shared};

/// Messages that are drawn at once; the older ones are a page further.
const SHOWN: usize = 100;

/// Users of Lever to choose a colleague from; where there are more, those of the config alone are offered.
const MOST_COLLEAGUES: usize = 300;

/// A conversation as it is drawn, on whatever page.
#[derive(Template)]
#[template(path = "conversation.html")]
pub(in crate::server::console) struct Talk {
    pub(super) view: View,
}

/// What was found, and is to be drawn.
pub(super) struct Shown {
    /// As it was opened.
    pub(super) which: Which,
    /// None: it could begin.
    pub(super) thread: Option<ConversationView>,
    pub(super) facts: Facts,
}

/// A conversation, ready to be drawn.
pub(super) struct View {
    base: String,
    csrf: String,
    texts: String,
    /// Whose page it is: what they have begun to write is theirs alone.
    reader: String,
    /// The name that is put before the next text, with how to opt out behind it, where that is the first.
    introduces: Option<String>,
    /// Where this very view is fetched again.
    fragment: String,
    id: Option<String>,
    opportunity: Option<String>,
    /// The number that a text goes to, where one is known.
    to: Option<String>,
    pub(super) title: String,
    stage: Option<String>,
    confidential: bool,
    assigned: String,
    actions: Vec<Action>,
    /// Whom it can be given to; none where they may not say so.
    colleagues: Vec<Colleague>,
    lines: Vec<Line>,
    older: Option<String>,
    /// Back to the newest messages, where older ones are shown.
    newest: Option<String>,
    notices: Vec<Notice>,
    blocked: Option<String>,
    send_to: String,
    /// The most characters of a text.
    most: usize,
    pub(super) draft: Unsent,
    may_override: bool,
    templates: Vec<Choice>,
    /// Meetings that candidates book, by what stands for a link to them in a text.
    event_types: Vec<Choice>,
    /// The same by their ids.
    offers: Vec<Choice>,
    morning: String,
    morning_words: String,
    facts: Vec<facts::Fact>,
    /// The two of them that matter before one writes: their time, and whether they may be texted.
    brief: String,
    pub(super) interviews: Vec<interviews::Meet>,
    pub(super) may_arrange: bool,
    pub(super) fresh: interviews::Fields,
    /// The zone of the organisation's time.
    clock: String,
    /// What the form of a new interview is drawn with: sent twice, it arranges one.
    once: String,
    as_of: Option<String>,
    transcript: String,
    may_file: bool,
    /// Whether a person may say whose number it is.
    may_attach: bool,
    notes: Vec<facts::Note>,
    doubt: Option<String>,
    /// What a person may record of the candidate's wishes, and where.
    pub(super) wishes: Option<Wishes>,
    /// Where a person may say in which time zone they are.
    pub(super) zone: Option<ZoneForm>,
}

/// The form for the time zone of a candidate.
pub(super) struct ZoneForm {
    /// The page's path, below which the form goes.
    page: String,
    /// The same in the API.
    api: String,
    /// What was set by hand; empty while it goes by the number.
    set: String,
    pub(super) typed: Typed,
    /// Some to choose from; any other may be typed.
    names: Vec<String>,
}

/// The forms for what a candidate said by other ways than a text.
pub(super) struct Wishes {
    /// The page's path, below which the forms go.
    page: String,
    /// The same in the API.
    api: String,
    today: String,
    pub(super) consent: Typed,
    pub(super) opting: Typed,
    /// What they are asked about: an opt-out, its end, or neither where only the candidate may end it.
    pub(super) opt_out: Option<bool>,
}

/// A button that does something to the thread.
struct Action {
    call: &'static str,
    name: &'static str,
    key: Option<char>,
    body: String,
}

/// Somebody who can be the one to answer.
struct Colleague {
    account: String,
    name: String,
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

impl View {
    /// Whoever is shown the newest messages has read them.
    pub(super) async fn of(
        shared: &Shared,
        caller: &Caller,
        shown: Shown,
        before: Option<&str>,
    ) -> Result<Self, Missing> {
        let Shown { which, thread, facts } = shown;
        let engine = &shared.engine;
        let (now, zone) = (facts.now, engine.zone());
        let base = shared.site.base().to_owned();
        let number = thread.as_ref().map(|view| view.conversation.number).or(facts.number);
        let name = facts.candidate.as_ref().map(|candidate| &candidate.opportunity.name);
        let title = match (name.filter(|name| !name.is_empty()), number) {
            (Some(name), _) => lines::shown(name),
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
        let own = which.path();
        let opportunity = facts.candidate.as_ref().map(|candidate| &candidate.id);
        // What is recorded of a number is recorded of the one that is shown.
        let recorded = thread.as_ref().map_or(which, |view| Which::Thread(view.conversation.id));
        let mut view = View {
            csrf: caller.csrf().to_owned(),
            texts: js_texts(),
            reader: caller.account.as_ref().map(ToString::to_string).unwrap_or_default(),
            introduces: facts.first_text.then(|| engine.organisation()),
            fragment: format!("/fragments{own}"),
            id: thread.as_ref().map(|view| view.conversation.id.to_string()),
            opportunity: opportunity.map(ToString::to_string),
            to: number.map(|number| number.to_string()),
            stage: facts
                .candidate
                .as_ref()
                .and_then(|candidate| candidate.stage.as_deref().map(lines::shown)),
            confidential: facts
                .candidate
                .as_ref()
                .is_some_and(|candidate| candidate.opportunity.confidential),
            assigned: texts::NOBODY.to_owned(),
            actions: Vec::new(),
            colleagues: Vec::new(),
            lines: Vec::new(),
            older: None,
            newest: None,
            notices: notices(&facts),
            blocked: blocked(caller, &facts),
            send_to: format!("{own}/texts"),
            most: MAX_BODY_CHARS,
            draft: Unsent::default(),
            may_override: facts.must_wait()
                && caller.may_override(&shared.engine.settings.load().rules.quiet_overrides),
            // A template is filled in for a candidate.
            templates: match facts.candidate {
                Some(_) => engine.templates().into_iter().map(|(id, name)| Choice { id, name }).collect(),
                None => Vec::new(),
            },
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
            brief: facts::brief(&facts),
            as_of: facts.candidate.as_ref().map(|candidate| {
                let read = texts::FROM_LEVER.replace("{}", &words::ago(candidate.opportunity.as_of, now));
                match engine.outdated(&candidate.id) {
                    Some(why) => format!("{read}; {why}"),
                    None => read,
                }
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
            may_attach: false,
            notes: Vec::new(),
            doubt: None,
            wishes: wishes(caller, &facts, &recorded, zone.to_datetime(now).date()),
            zone: zone_form(caller, &facts, &recorded, &zone),
            base,
            title: title.clone(),
        };
        if let Some(thread) = thread {
            view.fill(shared, caller, &thread, before, &own, &reader).await?;
        }
        Ok(view)
    }

    /// Whether a form beside the texts was not taken, and is to be seen.
    fn is_refused(&self) -> bool {
        let zone = self.zone.iter().map(|zone| &zone.typed.wrong);
        let wishes = self.wishes.iter().flat_map(|wishes| [&wishes.consent.wrong, &wishes.opting.wrong]);
        let meetings = self.interviews.iter().map(|one| &one.form.wrong).chain([&self.fresh.wrong]);
        zone.chain(wishes).chain(meetings).any(|wrong| !wrong.is_empty())
    }

    /// What only a thread has: messages, an office side, transcripts.
    async fn fill(
        &mut self,
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
            self.fragment = format!("{}?before={}", self.fragment, place.to_text());
            self.newest = Some(own.to_owned());
        } else if let (Some(account), Some(last)) = (&caller.account, conversation.last_message_at) {
            engine.mark_read(conversation.id, account.clone(), last).await?;
        }
        self.older = newest.next.map(|place| format!("{own}?before={}", place.to_text()));
        self.lines = lines::lines(newest.rows, reader);
        self.assigned = match &desk.assigned {
            Some(account) if Some(account) == caller.account.as_ref() => texts::YOU.to_owned(),
            Some(account) => name_of(shared, account).await?,
            None => texts::NOBODY.to_owned(),
        };
        if caller.may(Right::Text) {
            self.actions = actions(caller, &desk);
            self.colleagues = colleagues(shared, caller, &desk).await?;
            self.may_file = conversation.session.is_some() && conversation.opportunity.is_some();
        }
        self.transcript = match (conversation.deadline, &conversation.session, &conversation.opportunity) {
            (Some(at), _, _) => format!("{}: {}", texts::FILES_AT, moment(at, reader)),
            (None, Some(_), None) => texts::WAITS_UNMATCHED.to_owned(),
            _ => texts::NOTHING_OPEN.to_owned(),
        };
        let filings: Vec<FilingView> = engine.filings(conversation.id, caller.sight).await?;
        self.notes = facts::notes(&filings, &shared.setup.lever_web, reader, caller.may(Right::Administer));
        self.doubt = conversation
            .possible_opt_out
            .filter(|_| caller.may(Right::Text))
            .map(|_| texts::POSSIBLE.to_owned());
        if conversation.opportunity.is_none() {
            self.may_attach = caller.may(Right::Text);
            self.notices.push(Notice { mood: "", words: texts::MATCH_HINT.to_owned() });
        }
        Ok(())
    }
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

/// Whom an account belongs to: by Lever, else by the config.
async fn name_of(shared: &Shared, account: &Account) -> Result<String, Missing> {
    if let Some(name) = shared.engine.name_of(account).await? {
        return Ok(lines::shown(&name));
    }
    let keys = shared.keys.load();
    let here = keys.people().texting().find(|(other, name)| *other == account && !name.is_empty());
    Ok(here.map_or_else(|| account.to_string(), |(_, name)| lines::shown(name)))
}

/// Who may text and can sign in: people of the config, and where people sign in elsewhere the users of Lever.
async fn colleagues(
    shared: &Shared,
    caller: &Caller,
    desk: &fulcrum_domain::Desk,
) -> Result<Vec<Colleague>, Missing> {
    let keys = shared.keys.load();
    let mut known = BTreeMap::new();
    if keys.people().oidc().is_some() {
        known.extend(shared.engine.lever_accounts(MOST_COLLEAGUES).await?);
    }
    known.extend(keys.people().texting().map(|(account, name)| (account.clone(), name.to_owned())));
    let others = known
        .into_iter()
        .filter(|(account, _)| Some(account) != caller.account.as_ref())
        .filter(|(account, _)| Some(account) != desk.assigned.as_ref());
    let mut colleagues: Vec<Colleague> = others
        .map(|(account, name)| Colleague {
            name: if name.is_empty() { account.to_string() } else { lines::shown(&name) },
            account: account.to_string(),
        })
        .collect();
    colleagues.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(colleagues)
}

fn wishes(caller: &Caller, facts: &Facts, which: &Which, today: Date) -> Option<Wishes> {
    facts.number.filter(|_| caller.may(Right::Text))?;
    let opt_out = match &facts.consent.opt_out {
        None => Some(true),
        Some(opt_out) => (!opt_out.lifted_by_start() && caller.may(Right::Administer)).then_some(false),
    };
    let today = today.to_string();
    let (consent, opting) = (Typed::default(), Typed::fresh(today.clone()));
    Some(Wishes { page: which.path(), api: which.api(), today, consent, opting, opt_out })
}

fn zone_form(caller: &Caller, facts: &Facts, which: &Which, ours: &TimeZone) -> Option<ZoneForm> {
    facts.number.filter(|_| caller.may(Right::Text))?;
    let theirs: Vec<&str> = facts.zones.iter().filter_map(TimeZone::iana_name).collect();
    let set = theirs.first().filter(|_| facts.evidence == ZoneEvidence::Person).copied();
    let mut names: Vec<String> = Vec::new();
    for name in theirs.iter().copied().chain(ours.iana_name()).chain(ZONES) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    let set = set.unwrap_or_default().to_owned();
    let typed = Typed::fresh(set.clone());
    Some(ZoneForm { page: which.path(), api: which.api(), set, typed, names })
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
        "with_introduction": texts::JS_WITH_INTRODUCTION,
        "too_long": texts::JS_TOO_LONG,
        "forced_by": texts::JS_FORCED_BY,
        "empty": texts::JS_EMPTY,
        "no_time": texts::JS_NO_TIME,
        "taken": texts::JS_TAKEN,
        "cancelled": texts::JS_CANCELLED,
        "done": texts::JS_DONE,
        "failed": texts::JS_FAILED,
        "sending": texts::JS_SENDING,
        "no_answer": texts::JS_NO_ANSWER,
        "signed_out": texts::JS_SIGNED_OUT,
        "now_to": texts::JS_NOW_TO,
        "now_about": texts::JS_NOW_ABOUT,
        "unreachable": texts::JS_UNREACHABLE,
    })
    .to_string()
}
