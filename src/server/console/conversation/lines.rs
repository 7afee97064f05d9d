//! The lines of a conversation as people read them: days, messages, and where transcripts ended.
//!
//! Who wrote and what became of it is said in words and by shape; colour only repeats it.

use fulcrum_domain::file::{FileState, size_in_words};
use fulcrum_domain::{
    Account, Attachment, Author, Delivery, Direction, FilingId, FilingState, Message, SendFailure, UserId,
};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::engine::{Facts, MessageView};
use crate::server::console::texts;
use crate::server::console::words::{Piece, linked, local};

/// A line of the thread.
pub(in crate::server::console) enum Line {
    /// A day begins.
    Day(String),
    /// A message.
    Message(Box<MessageLine>),
    /// The messages above are one transcript: how far that is.
    Filed(String),
}

/// A message, as it is drawn.
pub(in crate::server::console) struct MessageLine {
    pub(in crate::server::console) id: String,
    pub(in crate::server::console) conversation: String,
    /// Classes: the side that it stands on, and whether it was sent by itself.
    pub(in crate::server::console) kind: &'static str,
    /// The shape that says who wrote it.
    pub(in crate::server::console) icon: &'static str,
    pub(in crate::server::console) by: String,
    /// Whether the message before it is by the same and of the same minutes: who wrote it stands there.
    pub(in crate::server::console) follows: bool,
    /// Whether its time and that all went well are said by the one that follows.
    pub(in crate::server::console) is_quiet: bool,
    /// The template that it was made from, in words.
    pub(in crate::server::console) made_from: Option<String>,
    pub(in crate::server::console) body: String,
    pub(in crate::server::console) files: Vec<FileLine>,
    pub(in crate::server::console) at: String,
    pub(in crate::server::console) time: String,
    pub(in crate::server::console) state: String,
    pub(in crate::server::console) mood: &'static str,
    /// Whether it did not arrive, so that its words may be wanted again.
    pub(in crate::server::console) is_lost: bool,
    /// Until when it can be called off.
    pub(in crate::server::console) until: Option<String>,
    pub(in crate::server::console) undo: &'static str,
}

impl MessageLine {
    /// Its words, with what is a link in them.
    pub(in crate::server::console) fn pieces(&self) -> Vec<Piece<'_>> {
        linked(&self.body)
    }
}

/// A file that came with a message, as it is drawn.
pub(in crate::server::console) struct FileLine {
    /// What it is, or why it is not here.
    pub(in crate::server::console) words: String,
    /// Where it is, if it is here.
    pub(in crate::server::console) href: Option<String>,
    /// Whether it is shown, and not only named.
    pub(in crate::server::console) is_picture: bool,
}

/// Who is looking, and at what time.
pub(in crate::server::console) struct Reader<'a> {
    pub(in crate::server::console) user: Option<&'a UserId>,
    pub(in crate::server::console) account: Option<&'a Account>,
    pub(in crate::server::console) name: &'a str,
    pub(in crate::server::console) candidate: &'a str,
    /// What tells the candidate's own time.
    pub(in crate::server::console) facts: Option<&'a Facts>,
    pub(in crate::server::console) zone: &'a TimeZone,
    pub(in crate::server::console) now: Timestamp,
}

const PERSON: &str = "<circle cx=\"8\" cy=\"5\" r=\"3\"/><path d=\"M2 14c0-3.3 2.7-5 6-5s6 1.7 6 5z\"/>";
const COLLEAGUES: &str = "<circle cx=\"5.5\" cy=\"5\" r=\"2.5\"/><circle cx=\"11\" cy=\"6\" r=\"2\"/><path d=\"M1 14c0-3 2-4.5 4.5-4.5S10 11 10 14z\"/><path d=\"M11 14c0-1.5-.3-2.7-.9-3.7C13 9.7 15 11 15 14z\"/>";
const SELF: &str = "<path d=\"M2 8l12-6-3 12-3.5-4z\"/>";
const CLOCKWORK: &str = "<path d=\"M8 1.5A6.5 6.5 0 1 0 8 14.5 6.5 6.5 0 0 0 8 1.5zm0 1.8a4.7 4.7 0 1 1 0 9.4 4.7 4.7 0 0 1 0-9.4zm-.8 1.5v3.7l2.9 1.7.8-1.3-2.2-1.3V4.8z\"/>";
const PROGRAM: &str = "<path d=\"M1 2.5h14v11H1zm1.5 2v7.5h11V4.5zm1.2 1.3l2.8 2.2-2.8 2.2-.9-1.1L4.2 8 2.8 6.9zM7.5 9.5h4V11h-4z\"/>";

/// Messages of one sender are a run while no more time than this lies between two of them.
const RUN: SignedDuration = SignedDuration::from_mins(5);

/// The lines of messages that stand in order, oldest first.
pub(in crate::server::console) fn lines(messages: Vec<MessageView>, reader: &Reader<'_>) -> Vec<Line> {
    let mut lines = Vec::with_capacity(messages.len() + 4);
    let mut day = None;
    let mut filing: Option<(FilingId, &'static str)> = None;
    let mut before = None;
    for view in messages {
        let (message, send_at) = (&view.message, view.send_at);
        if let Some((id, words)) = filing
            && message.filing != Some(id)
        {
            lines.push(Line::Filed(words.to_owned()));
        }
        filing = message.filing.map(|id| (id, filed(view.filing.as_ref())));
        let at = local(send_at.unwrap_or(message.at), reader.zone);
        if day != Some(at.date()) {
            day = Some(at.date());
            lines.push(Line::Day(at.strftime("%A, %-d %B %Y").to_string()));
        }
        let mut line = line(&view, reader);
        if let (Some(Line::Message(last)), Some(before)) = (lines.last_mut(), before)
            && message.at.duration_since(before) <= RUN
            && (last.kind, &last.by, &last.made_from) == (line.kind, &line.by, &line.made_from)
        {
            line.follows = true;
            last.is_quiet = last.until.is_none() && matches!(last.mood, "" | "good");
        }
        before = Some(message.at);
        lines.push(Line::Message(Box::new(line)));
    }
    if let Some((_, words)) = filing {
        lines.push(Line::Filed(words.to_owned()));
    }
    lines
}

/// How far a transcript is. Why it is held stands beside the thread; what is known no more was filed once.
const fn filed(state: Option<&FilingState>) -> &'static str {
    match state {
        Some(FilingState::Filed) | None => texts::FILED_ABOVE,
        Some(FilingState::Due | FilingState::Posting) => texts::ON_ITS_WAY_ABOVE,
        Some(FilingState::Held(_)) => texts::NOT_FILED_ABOVE,
    }
}

fn line(view: &MessageView, reader: &Reader<'_>) -> MessageLine {
    let MessageView { message, send_at, made_from, files, .. } = view;
    let (icon, by) = author(&message.author, reader);
    let automatic = matches!(message.author, Author::Automatic(_));
    let until = (*send_at).filter(|_| waits(message.delivery));
    let (state, mood) = match until {
        Some(at) => (leaves(at, reader), ""),
        None => state(message),
    };
    MessageLine {
        id: message.id.to_string(),
        conversation: message.conversation.to_string(),
        kind: match (message.direction, automatic) {
            (Direction::In, _) => "in",
            (Direction::Out, false) => "out",
            (Direction::Out, true) => "out auto",
        },
        icon,
        by,
        follows: false,
        is_quiet: false,
        made_from: made_from.as_ref().map(|version| texts::MADE_FROM.replace("{}", &version.id)),
        body: shown(message.body.reveal()),
        files: files_of(message, files),
        at: message.at.to_string(),
        time: local(message.at, reader.zone).strftime("%H:%M").to_string(),
        state,
        mood,
        is_lost: matches!(message.delivery, Delivery::Undelivered | Delivery::Failed),
        undo: if until.is_some_and(|at| at.duration_since(reader.now).as_secs() <= 60) {
            texts::UNDO
        } else {
            texts::CANCEL
        },
        until: until.map(|at| at.to_string()),
    }
}

/// When a text leaves, on both clocks.
fn leaves(at: Timestamp, reader: &Reader<'_>) -> String {
    let here = texts::LEAVES_AT.replace("{}", &moment(at, reader));
    let there = reader.facts.map(|facts| texts::FOR_THEM.replace("{}", &facts.in_their_time(at)));
    [Some(here), there].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Whether it can still be called off.
const fn waits(delivery: Delivery) -> bool {
    matches!(delivery, Delivery::Scheduled)
}

fn author(author: &Author, reader: &Reader<'_>) -> (&'static str, String) {
    match author {
        Author::Candidate => (PERSON, reader.candidate.to_owned()),
        Author::Staff { user: Some(user), .. } if reader.user == Some(user) => (SELF, texts::YOU.to_owned()),
        Author::Staff { user: None, name } if name == reader.name && reader.account.is_some() => {
            (SELF, texts::YOU.to_owned())
        }
        Author::Staff { user: Some(_), name } => (COLLEAGUES, format!("{name} ({})", texts::COLLEAGUE)),
        // No Lever user: a program with a token, or an account that Lever does not know.
        Author::Staff { user: None, name } if name.contains('@') => {
            (COLLEAGUES, format!("{name} ({})", texts::COLLEAGUE))
        }
        Author::Staff { user: None, name } => (PROGRAM, format!("{name} ({})", texts::PROGRAM)),
        Author::Automatic(reason) => (CLOCKWORK, format!("{}: {reason}", texts::AUTOMATIC)),
    }
}

/// What became of a message, and how good that is.
fn state(message: &Message) -> (String, &'static str) {
    let words = match message.delivery {
        Delivery::Received => return (String::new(), ""),
        Delivery::Canceled => {
            let why = message.failure.map(|failure| format!("{}: {}", texts::NOT_SENT, failure.reason()));
            return (why.unwrap_or_else(|| texts::NOT_SENT.to_owned()), "warn");
        }
        Delivery::Scheduled | Delivery::Queued | Delivery::Submitting => {
            return (texts::QUEUED.to_owned(), "");
        }
        Delivery::Accepted | Delivery::Sending => return (texts::SENDING.to_owned(), ""),
        Delivery::Sent => return (texts::SENT.to_owned(), ""),
        Delivery::Delivered => return (texts::DELIVERED.to_owned(), "good"),
        Delivery::Unconfirmed => message.failure_words().unwrap_or(texts::NOT_DELIVERED).to_owned(),
        Delivery::Undelivered | Delivery::Failed => {
            let why = message.failure_words().unwrap_or(texts::NOT_DELIVERED);
            format!("{}: {why}", texts::NOT_DELIVERED)
        }
    };
    let mood = if message.delivery == Delivery::Unconfirmed { "warn" } else { "bad" };
    match message.failure.and_then(advice) {
        Some(advice) => (format!("{words}. {advice}"), mood),
        None => (words, mood),
    }
}

/// What a person can do about a text that did not arrive.
const fn advice(failure: SendFailure) -> Option<&'static str> {
    Some(match failure {
        SendFailure::Landline | SendFailure::BadNumber => texts::TRY_MAIL,
        SendFailure::Unreachable | SendFailure::Expired => texts::TRY_LATER,
        SendFailure::Filtered => texts::TRY_OTHER_WORDS,
        SendFailure::Blocked | SendFailure::OptedOut | SendFailure::SaidNo => texts::TRY_NOT,
        SendFailure::Config | SendFailure::Sender | SendFailure::NotPermitted => texts::TRY_OPERATOR,
        SendFailure::TooLong => texts::TRY_SHORTER,
        _ => return None,
    })
}

fn files_of(message: &Message, states: &[Option<FileState>]) -> Vec<FileLine> {
    let states = states.iter().copied().chain(std::iter::repeat(None));
    let file = |(place, (attachment, state)): (usize, (&Attachment, _))| {
        file(attachment, state, || format!("/api/v1/messages/{}/files/{place}", message.id))
    };
    message.attachments.iter().zip(states).enumerate().map(file).collect()
}

fn file(attachment: &Attachment, state: Option<FileState>, href: impl Fn() -> String) -> FileLine {
    let named = |media_type: &str| match media_type.split('/').next().unwrap_or_default() {
        "image" => texts::PICTURE,
        "video" => texts::VIDEO,
        "audio" => texts::AUDIO,
        _ => texts::FILE,
    };
    // The sender's word, of one that is not here.
    let told = shown(&attachment.media_type);
    let absent = |why: &str| {
        let words = format!("[{}, {told}{why}]", named(&told));
        FileLine { words, href: None, is_picture: false }
    };
    match state {
        None => absent(""),
        Some(FileState::Waiting) => absent(&format!(": {}", texts::FILE_WAITS)),
        Some(FileState::Missing(trouble)) => absent(&format!(": {}", trouble.reason())),
        Some(FileState::Here { kind, size }) => {
            let media_type = kind.media_type();
            let words = format!("{}, {media_type}, {}", named(media_type), size_in_words(size));
            FileLine { words, href: Some(href()), is_picture: kind.is_picture() }
        }
    }
}

/// A moment to come, with its day if that is not today.
pub(in crate::server::console) fn moment(at: Timestamp, reader: &Reader<'_>) -> String {
    let (at, now) = (local(at, reader.zone), local(reader.now, reader.zone));
    let form = if at.date() == now.date() { "%H:%M %Z" } else { "%a %-d %b, %H:%M %Z" };
    at.strftime(form).to_string()
}

/// Text of strangers: characters that turn the direction of what follows, or that are no characters
/// at all, are taken out, so that nothing outside a message is changed by one.
pub(in crate::server::console) fn shown(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().filter(|c| !turns(*c) && (!c.is_control() || matches!(c, '\n' | '\t'))).collect()
}

#[cfg(test)]
mod tests {
    use fulcrum_domain::{Body, ConversationId, MessageId, Number, WhyHeld};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_741_100_000 + second).unwrap()
    }

    fn message(second: i64, author: Author, delivery: Delivery) -> Message {
        let (id, at, thread) = (MessageId::new(at(second), &[0; 10]), at(second), ConversationId::new(1));
        let (words, ours) = (Body::new("Hello"), Number::from_e164("+12025550100").unwrap());
        let message = match author {
            Author::Candidate => Message::incoming(id, thread, at, words, ours),
            author => Message::outgoing(id, thread, at, author, words, ours),
        };
        Message { delivery, ..message }
    }

    fn staff(name: &str, user: Option<&str>) -> Author {
        Author::Staff { user: user.map(|id| id.parse().unwrap()), name: name.to_owned() }
    }

    fn priya() -> Reader<'static> {
        static ZONE: TimeZone = TimeZone::UTC;
        Reader {
            facts: None,
            user: None,
            account: None,
            name: "Priya Shah",
            candidate: "Dana Reyes",
            zone: &ZONE,
            now: at(0),
        }
    }

    fn drawn(message: &Message, send_at: Option<Timestamp>) -> MessageLine {
        let me = "u1".parse().unwrap();
        let reader = Reader { user: Some(&me), ..priya() };
        let files = Vec::new();
        line(
            &MessageView { message: message.clone(), send_at, made_from: None, files, filing: None },
            &reader,
        )
    }

    #[test]
    fn who_wrote_is_said_in_words_and_by_shape() {
        let by = |author| {
            let line = drawn(&message(0, author, Delivery::Delivered), None);
            (line.by, line.icon)
        };
        assert_eq!(by(Author::Candidate), ("Dana Reyes".to_owned(), PERSON));
        assert_eq!(by(staff("Priya Shah", Some("u1"))), ("You".to_owned(), SELF));
        assert_eq!(by(staff("Tom", Some("u2"))), ("Tom (Colleague)".to_owned(), COLLEAGUES));
        assert_eq!(by(staff("hr-scripts", None)), ("hr-scripts (Program)".to_owned(), PROGRAM));
        assert_eq!(by(Author::Automatic("Help".into())), ("Automatic: Help".to_owned(), CLOCKWORK));
    }

    #[test]
    fn a_transcript_is_called_filed_when_it_is() {
        let view = |second, filing: Option<(u8, FilingState)>| {
            let mut message = message(second, Author::Candidate, Delivery::Received);
            message.filing = filing.as_ref().map(|(id, _)| FilingId::new(at(0), &[*id; 10]));
            let filing = filing.map(|(_, state)| state);
            MessageView { message, send_at: None, made_from: None, files: Vec::new(), filing }
        };
        let held = FilingState::Held(WhyHeld::Other("Lever refused it (400)".into()));
        let views = vec![
            view(0, Some((1, FilingState::Filed))),
            view(1, Some((2, held.clone()))),
            view(2, Some((2, held))),
            view(3, Some((3, FilingState::Posting))),
            view(4, None),
        ];
        let reader = priya();
        let told = lines(views, &reader).into_iter().filter_map(|line| match line {
            Line::Filed(words) => Some(words),
            _ => None,
        });
        let expected = [texts::FILED_ABOVE, texts::NOT_FILED_ABOVE, texts::ON_ITS_WAY_ABOVE];
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn who_wrote_and_when_is_said_once_for_a_run() {
        let reader = priya();
        let view = |second, author: &str, delivery| {
            let author = match author {
                "" => Author::Candidate,
                name => staff(name, None),
            };
            let (send_at, made_from, files, filing) = (None, None, Vec::new(), None);
            MessageView { message: message(second, author, delivery), send_at, made_from, files, filing }
        };
        let views = vec![
            view(0, "", Delivery::Received),
            view(60, "", Delivery::Received),
            view(70, "Tom", Delivery::Delivered),
            view(80, "Tom", Delivery::Failed),
            view(90, "Tom", Delivery::Delivered),
            view(95, "Ann", Delivery::Delivered),
            view(500, "Ann", Delivery::Delivered),
        ];
        let told = lines(views, &reader).into_iter().filter_map(|line| match line {
            Line::Message(line) => Some((line.follows, line.is_quiet)),
            _ => None,
        });
        let expected = [
            (false, true),
            (true, false),
            (false, true),
            // What failed says so, wherever it stands.
            (true, false),
            (true, false),
            (false, false),
            (false, false),
        ];
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_failed_text_says_why_and_what_to_do() {
        let failed = Message {
            failure: Some(SendFailure::Landline),
            ..message(0, staff("Tom", None), Delivery::Undelivered)
        };
        let line = drawn(&failed, None);
        assert_eq!(line.state, "not delivered: landline or unreachable. Try e-mail or a call.");
        assert_eq!((line.mood, line.is_lost), ("bad", true));
    }

    #[test]
    fn what_waits_can_be_called_off_until_it_leaves() {
        let waiting = message(0, staff("Tom", None), Delivery::Scheduled);
        let soon = drawn(&waiting, Some(at(10)));
        assert_eq!((soon.undo, soon.until.is_some()), (texts::UNDO, true));
        let later = drawn(&waiting, Some(at(90_000)));
        assert_eq!(later.undo, texts::CANCEL);
        assert!(drawn(&message(0, staff("Tom", None), Delivery::Sent), None).until.is_none());
    }

    #[test]
    fn nothing_in_a_message_changes_what_stands_beside_it() {
        assert_eq!(shown("a\u{202e}b\u{0}c\u{2066}d\ne\u{7f}"), "abcd\ne");
    }
}
