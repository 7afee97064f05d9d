//! `/inbox`: folders, the conversations in one of them or those that a search finds, and the one
//! that is open.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Query, State};
use axum::response::Response;
use form_urlencoded::byte_serialize;
use fulcrum_domain::{Conversation, ConversationId, Direction, Folder, Message, Number, Shelf};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::conversation::{Draft, Missing, Talk, Which, opened, shown};
use super::frame::{Frame, page};
use super::{texts, words};
use crate::engine::{Hit, InboxQuery, InboxRow, SearchQuery};
use crate::server::caller::Caller;
use crate::server::problem::Problem;
use crate::server::{Cursor, Shared};

/// Conversations of a page.
const ROWS: usize = 40;
/// Hits of a search.
const HITS: usize = 30;
/// Characters of the last message that a row shows.
const WORDS: usize = 90;

/// What the address says.
#[derive(Default, Deserialize)]
pub(super) struct Asked {
    folder: Option<String>,
    q: Option<String>,
    /// The thread that is open.
    c: Option<String>,
    /// The candidate who is open, with a thread or none yet.
    o: Option<String>,
    after: Option<String>,
}

/// The page.
#[derive(Template)]
#[template(path = "inbox.html")]
struct Page {
    frame: Frame,
    shelves: Vec<ShelfLink>,
    /// What nobody here has read, for the tab.
    unread: Option<String>,
    folder: &'static str,
    words: String,
    wrong: Option<String>,
    groups: Vec<Group>,
    empty: &'static str,
    next: Option<String>,
    /// Whether a search found more than is shown.
    more: bool,
    open: Option<Talk>,
}

/// A folder in the side list.
struct ShelfLink {
    key: &'static str,
    name: &'static str,
    count: Option<String>,
    /// What is counted.
    counts: &'static str,
    here: bool,
}

/// Rows under a heading; it is empty where there is one group alone.
struct Group {
    name: &'static str,
    rows: Vec<Row>,
}

/// A conversation or a candidate.
struct Row {
    href: String,
    here: bool,
    name: String,
    /// What stands in their circle, and which of the colours it has.
    initials: String,
    hue: u32,
    unread: bool,
    at: Option<String>,
    time: String,
    /// What tells it from another of the same name.
    posting: Option<String>,
    parts: Vec<Part>,
    badge: Option<Badge>,
}

/// A word at a row, and how bad that is.
struct Badge {
    words: String,
    mood: &'static str,
}

/// Words, some of which were searched for.
struct Part {
    text: String,
    marked: bool,
}

/// The word of a person's own shelf.
const MINE: &str = "mine";

const fn name(folder: Folder) -> &'static str {
    match folder {
        Folder::Team => texts::TEAM,
        Folder::Unanswered => texts::UNANSWERED,
        Folder::Failed => texts::FAILED,
        Folder::Scheduled => texts::SCHEDULED,
        Folder::PossibleOptOut => texts::POSSIBLE_OPT_OUTS,
        Folder::Unmatched => texts::UNMATCHED,
        Folder::Archived => texts::ARCHIVED,
    }
}

const fn empty(shelf: &Shelf) -> &'static str {
    match shelf {
        Shelf::Mine(_) => texts::EMPTY_MINE,
        Shelf::Folder(Folder::Team) => texts::EMPTY_TEAM,
        Shelf::Folder(Folder::Unanswered) => texts::EMPTY_UNANSWERED,
        Shelf::Folder(Folder::Failed) => texts::EMPTY_FAILED,
        Shelf::Folder(Folder::Scheduled) => texts::EMPTY_SCHEDULED,
        Shelf::Folder(Folder::PossibleOptOut) => texts::EMPTY_POSSIBLE,
        Shelf::Folder(Folder::Unmatched) => texts::EMPTY_UNMATCHED,
        Shelf::Folder(Folder::Archived) => texts::EMPTY_ARCHIVED,
    }
}

/// `GET /inbox`.
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let shelf = shelf(&caller, asked.folder.as_deref());
    let folder = match &shelf {
        Shelf::Mine(_) => MINE,
        Shelf::Folder(folder) => folder.word(),
    };
    let frame = Frame::new(&shared, &caller, "/inbox").await?;
    let wanted = asked.c.map(Opened::Thread).or(asked.o.map(Opened::Candidate));
    let open = open(&shared, &caller, wanted.as_ref()).await?;
    let sought = asked.q.as_deref().map(str::trim).unwrap_or_default().to_owned();
    let mut page_of = Page {
        frame,
        // A search is through all of them.
        shelves: shelves(&shared, &caller, if sought.is_empty() { folder } else { "" }).await?,
        unread: None,
        folder,
        wrong: None,
        groups: Vec::new(),
        empty: if sought.is_empty() { empty(&shelf) } else { texts::EMPTY_SEARCH },
        next: None,
        more: false,
        open,
        words: sought,
    };
    let team = page_of.shelves.iter().find(|shelf| shelf.key == Folder::Team.word());
    page_of.unread = team.and_then(|shelf| shelf.count.clone());
    let now = shared.engine.now();
    let sought = (!page_of.words.is_empty()).then(|| byte_serialize(page_of.words.as_bytes()).collect());
    let drawing = Drawing { zone: shared.engine.zone(), now, folder, sought, open: wanted };
    if page_of.words.is_empty() {
        let query = InboxQuery {
            shelf,
            after: asked.after.as_deref().and_then(Cursor::from_text),
            limit: ROWS,
            sight: caller.sight,
            reader: caller.account.clone(),
        };
        let found = shared.engine.inbox(query).await?;
        page_of.next = found.next.map(|place| format!("/inbox?folder={folder}&after={}", place.to_text()));
        let rows: Vec<Row> = found.rows.iter().map(|row| drawing.row(row)).collect();
        if !rows.is_empty() {
            page_of.groups.push(Group { name: "", rows });
        }
    } else {
        let query = SearchQuery { words: page_of.words.clone(), limit: HITS, sight: caller.sight };
        match shared.engine.search(query).await {
            Ok(hits) => {
                let people = hits.iter().filter(|hit| matches!(hit, Hit::Person { .. })).count();
                page_of.more = people.max(hits.len() - people) >= HITS;
                page_of.groups = drawing.hits(hits);
            }
            Err(error) => page_of.wrong = Some(error.to_string()),
        }
    }
    Ok(page(&page_of))
}

/// The shelf that a word names: one's own unless another is asked for.
fn shelf(caller: &Caller, word: Option<&str>) -> Shelf {
    match (word.and_then(Folder::from_word), &caller.account, word) {
        (Some(folder), _, _) => Shelf::Folder(folder),
        (None, Some(account), Some(MINE)) => Shelf::Mine(account.clone()),
        _ => Shelf::Folder(Folder::Team),
    }
}

async fn open(shared: &Shared, caller: &Caller, wanted: Option<&Opened>) -> Result<Option<Talk>, Problem> {
    let which = match wanted {
        Some(Opened::Thread(id)) => id.parse().map(Which::Thread).ok(),
        Some(Opened::Candidate(id)) => id.parse().map(Which::Candidate).ok(),
        None => None,
    };
    let Some(which) = which else { return Ok(None) };
    match opened(shared, caller, which, None, Draft::default()).await {
        Ok(talk) => Ok(Some(talk)),
        Err(Missing::Failed(problem)) => Err(problem),
        Err(_) => Ok(None),
    }
}

async fn shelves(shared: &Shared, caller: &Caller, here: &str) -> Result<Vec<ShelfLink>, Problem> {
    let counts = shared.engine.shelves(caller.account.clone(), caller.sight).await?;
    let link = |key, name, count: crate::engine::ShelfCount, all: bool| ShelfLink {
        key,
        name,
        count: counted(if all { count.all } else { count.unread }),
        counts: if all { texts::COUNTS_ALL } else { texts::COUNTS_UNREAD },
        here: key == here,
    };
    let mine = counts.mine.map(|count| link(MINE, texts::MINE, count, false));
    // What waits for somebody is counted whole; of the others, what the reader has not read.
    let waits = |folder| !matches!(folder, Folder::Team | Folder::Archived);
    let folders = counts
        .folders
        .into_iter()
        .map(|(folder, count)| link(folder.word(), name(folder), count, waits(folder)));
    Ok(mine.into_iter().chain(folders).collect())
}

fn counted(count: usize) -> Option<String> {
    match count {
        0 => None,
        crate::engine::COUNTED.. => Some(format!("{}+", crate::engine::COUNTED)),
        count => Some(count.to_string()),
    }
}

/// What rows are drawn by.
struct Drawing {
    zone: TimeZone,
    now: Timestamp,
    folder: &'static str,
    /// What is searched for, as an address says it.
    sought: Option<String>,
    open: Option<Opened>,
}

/// What is open beside the list, as the address names it.
#[derive(PartialEq, Eq)]
enum Opened {
    Thread(String),
    Candidate(String),
}

impl Drawing {
    /// Where a row leads: it opens beside the list, and the list stays what it is.
    fn href(&self, what: &str, id: &str) -> String {
        let sought = self.sought.iter().map(|words| format!("&q={words}")).collect::<String>();
        format!("/inbox?folder={}{sought}&{what}={id}", self.folder)
    }

    fn row(&self, row: &InboxRow) -> Row {
        let conversation = &row.view.conversation;
        let badge = badge(conversation, row.view.suppression.is_some(), row.desk.failed_since().is_some());
        let name = row.view.name.as_deref();
        let mut drawn = self.thread(conversation.id, conversation.number, name, conversation.last_message_at);
        drawn.unread = row.unread;
        drawn.badge = badge.map(|(words, mood)| Badge { words: words.to_owned(), mood });
        drawn.posting = row.posting.as_deref().map(shown);
        drawn.parts = row.last.as_ref().map(last_words).into_iter().collect();
        if let Some((text, at)) = &row.next {
            let at = words::local(*at, &self.zone).strftime("%a %-d %b, %H:%M").to_string();
            drawn.badge = Some(Badge { words: texts::LEAVES_AT.replace("{}", &at), mood: "" });
            drawn.parts = vec![last_words(text)];
        }
        drawn
    }

    fn thread(&self, id: ConversationId, number: Number, name: Option<&str>, at: Option<Timestamp>) -> Row {
        let id = id.to_string();
        let name = match name.filter(|name| !name.is_empty()) {
            Some(name) => shown(name),
            None => number.to_string(),
        };
        Row {
            here: self.open == Some(Opened::Thread(id.clone())),
            href: self.href("c", &id),
            initials: initials(&name),
            hue: hue(&name),
            name,
            unread: false,
            at: at.map(|at| at.to_string()),
            time: at.map(|at| self.time(at)).unwrap_or_default(),
            posting: None,
            parts: Vec::new(),
            badge: None,
        }
    }

    /// The hour today, the day before that.
    fn time(&self, at: Timestamp) -> String {
        let (at, now) = (words::local(at, &self.zone), words::local(self.now, &self.zone));
        let form = match at.date() {
            day if day == now.date() => "%H:%M",
            day if day.year() == now.date().year() => "%-d %b",
            _ => "%-d %b %Y",
        };
        at.strftime(form).to_string()
    }

    fn hits(&self, hits: Vec<Hit>) -> Vec<Group> {
        let (mut people, mut threads) = (Vec::new(), Vec::new());
        for hit in hits {
            match hit {
                Hit::Person { opportunity, name, posting } => people.push(Row {
                    href: self.href("o", &opportunity.to_string()),
                    here: self.open == Some(Opened::Candidate(opportunity.to_string())),
                    initials: initials(&shown(&name)),
                    hue: hue(&shown(&name)),
                    name: shown(&name),
                    unread: false,
                    at: None,
                    time: String::new(),
                    posting: None,
                    parts: posting
                        .into_iter()
                        .map(|text| Part { text: shown(&text), marked: false })
                        .collect(),
                    badge: None,
                }),
                Hit::Conversation { id, name, number, snippet, at, .. } => {
                    let parts = snippet.into_iter();
                    let parts = parts.map(|part| Part { text: shown(&part.text), marked: part.marked });
                    threads.push(Row {
                        parts: parts.collect(),
                        ..self.thread(id, number, name.as_deref(), Some(at))
                    });
                }
            }
        }
        let groups = [(texts::PEOPLE, people), (texts::IN_TEXTS, threads)];
        let filled = groups.into_iter().filter(|(_, rows)| !rows.is_empty());
        filled.map(|(name, rows)| Group { name, rows }).collect()
    }
}

const fn badge(
    conversation: &Conversation,
    opted_out: bool,
    failed: bool,
) -> Option<(&'static str, &'static str)> {
    match (opted_out, conversation.possible_opt_out.is_some(), failed, conversation.opportunity.is_none()) {
        (true, ..) => Some((texts::BADGE_OPTED_OUT, "bad")),
        (_, true, ..) => Some((texts::BADGE_POSSIBLE, "warn")),
        (_, _, true, _) => Some((texts::FAILED, "bad")),
        (.., true) => Some((texts::UNMATCHED, "")),
        _ => None,
    }
}

/// The first letters of the first and the last name; a sign for a number.
fn initials(name: &str) -> String {
    let mut letters = name.split_whitespace().filter_map(|word| word.chars().find(|c| c.is_alphabetic()));
    let (first, last) = (letters.next(), letters.next_back());
    let both: String = first.into_iter().chain(last).flat_map(char::to_uppercase).collect();
    if both.is_empty() { "#".to_owned() } else { both }
}

/// One of six colours: the same for a name wherever it stands.
fn hue(name: &str) -> u32 {
    name.chars().fold(7, |hash: u32, c| hash.wrapping_mul(31).wrapping_add(u32::from(c))) / 7 % 6
}

fn last_words(message: &Message) -> Part {
    let mut text =
        if message.direction == Direction::Out { format!("{}: ", texts::US) } else { String::new() };
    let whole = shown(message.body.reveal());
    let line = whole.split_whitespace().collect::<Vec<_>>().join(" ");
    text.extend(line.chars().take(WORDS));
    if line.chars().count() > WORDS {
        text.push('\u{2026}');
    }
    if line.is_empty() && !message.attachments.is_empty() {
        text.push_str(texts::PICTURE);
    }
    Part { text, marked: false }
}
