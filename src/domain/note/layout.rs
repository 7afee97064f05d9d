//! The lines of a note, and which part each goes to.

use jiff::Timestamp;

use super::clean::{media, name, readable, without_links};
use super::{Author, Line, Transcript, Trouble};
use crate::ids::FilingId;

/// The least length of a part; a smaller wish is taken for this one, which any header fits.
const MIN_CHARS: usize = 1_500;

/// The least room for messages in a part, whatever its header takes.
const MIN_ROOM: usize = 100;

/// Later lines of a text stand under its first, behind the column of the times.
const INDENT: &str = "       ";

/// What comes before a reference, at the very start of a line.
const REFERENCE: &str = "ref ";

/// The parts of the note, to be posted in this order: none when there is nothing to tell.
///
/// No part is longer than `max_chars` characters (at least 1,500). They are split between
/// messages; only a message that is longer than a part by itself is split inside.
pub fn render(transcript: &Transcript, max_chars: usize) -> Vec<String> {
    let frame = Frame::around(transcript);
    let room = max_chars.max(MIN_CHARS).saturating_sub(frame.chars()).max(MIN_ROOM);
    let pages = pack(blocks(transcript), room);
    let of = pages.len();
    (1..).zip(&pages).map(|(part, page)| frame.write(page, part, of)).collect()
}

/// The reference at the end of a part.
pub fn reference(filing: FilingId, part: usize, of: usize) -> String {
    format!("fulcrum:{filing}:{part}/{of}")
}

/// The reference in the text of a note, if it is one of ours: compare it with [`reference`].
pub fn find_reference(note: &str) -> Option<&str> {
    let found = note.lines().rev().find_map(|line| line.strip_prefix(REFERENCE))?.trim_end();
    found.starts_with("fulcrum:").then_some(found)
}

/// What stands around the messages in each part.
struct Frame<'a> {
    title: String,
    summary: String,
    zones: String,
    link: Option<&'a str>,
    filing: FilingId,
}

impl<'a> Frame<'a> {
    fn around(transcript: &'a Transcript) -> Self {
        let zones = zones(transcript);
        let title = format!(
            "Text conversation with {} (number ending {})",
            name(&transcript.candidate_name),
            transcript.candidate_number.last4()
        );
        let count = match transcript.messages.len() {
            1 => "1 message".to_owned(),
            count => format!("{count} messages"),
        };
        let summary = format!(
            "{}{count}, sent from {} (ending {})",
            span(transcript).map(|span| format!("{span} {zones}, ")).unwrap_or_default(),
            name(&transcript.organisation),
            transcript.our_number.last4()
        );
        Self { title, summary, zones, link: transcript.public_link.as_deref(), filing: transcript.filing }
    }

    /// The most that it takes of a part.
    fn chars(&self) -> usize {
        let page = Page { day: "Wed 30 Sep 12345".to_owned(), text: String::new(), chars: 0 };
        chars(&self.write(&page, 1, 9_999)).max(chars(&self.write(&page, 9_999, 9_999)))
    }

    fn write(&self, page: &Page, part: usize, of: usize) -> String {
        let Self { title, summary, zones, .. } = self;
        let head = match part {
            1 => format!("{title}\n{summary}"),
            _ => format!("{title}, continued\n{}, {zones}", page.day),
        };
        let open = self.link.map(|link| format!("Open: {link}\n")).unwrap_or_default();
        let reference = reference(self.filing, part, of);
        format!("{head}\n\n{}\n\n{open}{REFERENCE}{reference}", page.text)
    }
}

/// From when to when, e.g. `Tue 4 Mar 2025, 09:12-09:31`.
fn span(transcript: &Transcript) -> Option<String> {
    let (first, last) = (transcript.messages.first()?.at, transcript.messages.last()?.at);
    let [from, to] = [first, last].map(|at| format!("{}, {}", day(transcript, at), time(transcript, at)));
    Some(if from == to {
        from
    } else if day(transcript, first) == day(transcript, last) {
        format!("{from}-{}", time(transcript, last))
    } else {
        format!("{from} - {to}")
    })
}

/// The zone's names in force, e.g. `EST`, or `EST/EDT` where the clocks change in between.
fn zones(transcript: &Transcript) -> String {
    let mut names: Vec<String> = Vec::new();
    for line in &transcript.messages {
        let name = show(transcript, line.at, "%Z");
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join("/")
}

fn day(transcript: &Transcript, at: Timestamp) -> String {
    show(transcript, at, "%a %-d %b %Y")
}

fn time(transcript: &Transcript, at: Timestamp) -> String {
    show(transcript, at, "%H:%M")
}

fn show(transcript: &Transcript, at: Timestamp, format: &str) -> String {
    at.to_zoned_datetime(transcript.zone.clone()).strftime(format).to_string()
}

/// Lines that stay together in one part.
struct Block {
    day: String,
    /// What parts it from the block before it; left out at the top of a part.
    lead: String,
    text: String,
}

fn blocks(transcript: &Transcript) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for line in &transcript.messages {
        let day = day(transcript, line.at);
        let lead = match blocks.last() {
            Some(last) if last.day != day => format!("\n\n{day}\n"),
            _ => "\n".to_owned(),
        };
        blocks.push(Block { day, lead, text: message(transcript, line) });
    }
    let failures = transcript.late_failures.iter().enumerate().map(|(n, failure)| {
        let day = day(transcript, failure.at);
        let (time, reason) = (time(transcript, failure.at), name(&failure.reason));
        let text = format!("Not delivered after all: the text of {day}, {time} ({reason})");
        Block { day, lead: if n == 0 { "\n\n" } else { "\n" }.to_owned(), text }
    });
    blocks.extend(failures);
    blocks
}

fn message(transcript: &Transcript, line: &Line) -> String {
    let author = match &line.author {
        Author::Staff { name: staff } => format!("{}:", name(staff)),
        Author::Candidate => format!("{}:", first_name(transcript)),
        Author::Automatic { label, sender: None } => format!("[automatic: {}]", name(label)),
        Author::Automatic { label, sender: Some(sender) } => {
            format!("[automatic: {}, for {}]", name(label), name(sender))
        }
    };
    let body = without_links(readable(&line.body).trim(), &transcript.links);
    let trouble = line.trouble.as_ref().map(|trouble| match trouble {
        Trouble::NotDelivered { reason } => format!("(not delivered: {})", name(reason)),
        Trouble::Unconfirmed => "(unconfirmed: it may not have arrived)".to_owned(),
    });
    let said = Some(body).filter(|body| !body.is_empty());
    let words: Vec<String> =
        [author].into_iter().chain(said).chain(line.media.iter().map(media)).chain(trouble).collect();
    let text = words.join(" ").replace('\n', &format!("\n{INDENT}"));
    format!("{}  {text}", time(transcript, line.at))
}

fn first_name(transcript: &Transcript) -> String {
    let name = name(&transcript.candidate_name);
    name.split(' ').next().filter(|first| !first.is_empty()).unwrap_or("Candidate").to_owned()
}

/// The messages of one part.
struct Page {
    /// The day of its first message.
    day: String,
    text: String,
    chars: usize,
}

fn pack(blocks: Vec<Block>, room: usize) -> Vec<Page> {
    let mut pages: Vec<Page> = Vec::new();
    for block in blocks.into_iter().flat_map(|block| cut(block, room)) {
        let Block { day, lead, text } = block;
        let more = chars(&lead) + chars(&text);
        match pages.last_mut() {
            Some(page) if page.chars + more <= room => {
                page.text.push_str(&lead);
                page.text.push_str(&text);
                page.chars += more;
            }
            _ => pages.push(Page { day, chars: chars(&text), text }),
        }
    }
    pages
}

/// A block that fits no part, in pieces that do.
fn cut(block: Block, room: usize) -> Vec<Block> {
    if chars(&block.text) <= room {
        return vec![block];
    }
    let text: Vec<char> = block.text.chars().collect();
    let pieces = text.chunks(room - INDENT.len()).map(String::from_iter).enumerate();
    pieces
        .map(|(n, piece)| match n {
            0 => Block { day: block.day.clone(), lead: block.lead.clone(), text: piece },
            _ => Block { day: block.day.clone(), lead: "\n".to_owned(), text: format!("{INDENT}{piece}") },
        })
        .collect()
}

fn chars(text: &str) -> usize {
    text.chars().count()
}
