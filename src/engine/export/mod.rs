//! Everything that is stored, or all of one person, as lines of JSON for other programs (docs/export.md).
//!
//! Rows are written as they are read, so the memory needed is that of one row. The shapes are those of the
//! API where it has them; times are RFC 3339, what is not known is null. Secrets are not exported, and of
//! opt-outs only the keyed hash is known, unless the number is.

mod lines;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::ops::ControlFlow;

use fulcrum_domain::file::FileState;
use fulcrum_domain::{ConversationId, Message, Number, OpportunityId, Whom};
use jiff::Timestamp;
use serde_json::{Value, json};

use lines::FOLDER;

use super::changes::{events_of, file, files_of, opportunities_of, suppression_of, thread_of};
use crate::store::tables::{
    ACTIVITY, ACTIVITY_OF, APPOINTMENTS, APPOINTMENTS_OF, ARCHIVE_REASONS, AUTOMATIONS, BOOKINGS,
    BOOKINGS_OF, BULKS, CARDS, CONSENTS, CONVERSATIONS, DESKS, ENROLMENTS, ENROLMENTS_OF, ERASURES, EVENTS,
    FILINGS, FILINGS_OF, HOLDS, INTERVIEWS, KNOWN_ZONES, LIFTED, MADE_FROM, MESSAGES, OPPORTUNITIES,
    POSTINGS, RECIPIENTS, REMINDERS, REMINDERS_OF, RUN_LOG, SPOKEN_OF, STAGES, SUPPRESSIONS, TEMPLATE_WORDS,
    Table, USERS, VANISHED_NUMBERS,
};
use crate::store::{Key, Keys, Read, StoreError, Stored, Subject};

/// The version of the shapes: it grows when one changes so that a reader must know.
const VERSION: u32 = 1;

/// Why an export ends before its end.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Where it goes.
    #[error("the export cannot be written")]
    Write(#[from] io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where lines go.
struct Lines<W> {
    out: W,
    written: u64,
    failed: Option<io::Error>,
}

impl<W: Write> Lines<W> {
    fn new(out: W) -> Self {
        Self { out, written: 0, failed: None }
    }

    /// Writes a line; breaks when that is not possible any more.
    fn put(&mut self, line: &Value) -> ControlFlow<()> {
        let written = serde_json::to_writer(&mut self.out, line).map_err(io::Error::from);
        match written.and_then(|()| self.out.write_all(b"\n")) {
            Ok(()) => {
                self.written += 1;
                ControlFlow::Continue(())
            }
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    /// Writes a line for each row of `keys`.
    fn table<K: Key, V: Stored>(
        &mut self,
        read: &impl Read,
        table: Table<K, V>,
        keys: &Keys,
        line: impl Fn(&K, &V) -> Value,
    ) -> Result<(), ExportError> {
        read.scan(table, keys, |key, row| Ok(self.put(&line(&key, &row))))?;
        self.failed.take().map_or(Ok(()), |error| Err(error.into()))
    }

    /// How many lines were written, if all were.
    fn end(mut self) -> Result<u64, ExportError> {
        self.failed.map_or(Ok(()), Err)?;
        self.out.flush()?;
        Ok(self.written)
    }
}

fn head(of: &str, now: Timestamp) -> Value {
    json!({
        "type": "export", "version": VERSION, "of": of, "at": now, "fulcrum": env!("CARGO_PKG_VERSION"),
    })
}

/// Writes everything. How many lines. `with_files` where [`export_all_files`] writes those beside it.
///
/// # Errors
/// [`ExportError`].
pub fn export_all(
    read: &impl Read,
    now: Timestamp,
    with_files: bool,
    out: impl Write,
) -> Result<u64, ExportError> {
    let folder = with_files.then_some("");
    let mut to = Lines::new(out);
    let all = Keys::all();
    if to.put(&head("all", now)).is_continue() {
        to.table(read, USERS, &all, lines::user)?;
        to.table(read, STAGES, &all, lines::stage)?;
        to.table(read, ARCHIVE_REASONS, &all, lines::archive_reason)?;
        to.table(read, POSTINGS, &all, lines::posting)?;
        to.table(read, OPPORTUNITIES, &all, lines::opportunity)?;
        to.table(read, INTERVIEWS, &all, lines::interview)?;
        to.table(read, CONVERSATIONS, &all, lines::conversation)?;
        to.table(read, DESKS, &all, lines::desk)?;
        read.scan(MESSAGES, &all, |_, row| Ok::<_, StoreError>(to.put(&message_line(read, &row, folder)?)))?;
        to.failed.take().map_or(Ok(()), Err)?;
        to.table(read, TEMPLATE_WORDS, &all, |hash, text| lines::template_version(hash, text))?;
        to.table(read, FILINGS, &all, lines::transcript)?;
        to.table(read, APPOINTMENTS, &all, |_, row| lines::appointment(row))?;
        to.table(read, REMINDERS, &all, |_, row| lines::reminder(row))?;
        to.table(read, BOOKINGS, &all, lines::booking)?;
        to.table(read, EVENTS, &all, |_, row| lines::event(row))?;
        to.table(read, AUTOMATIONS, &all, |name, row| lines::automation(name, row))?;
        to.table(read, CARDS, &all, lines::card)?;
        to.table(read, ENROLMENTS, &all, lines::enrolment)?;
        to.table(read, RUN_LOG, &all, lines::decision)?;
        to.table(read, BULKS, &all, lines::bulk)?;
        to.table(read, RECIPIENTS, &all, lines::recipient)?;
        to.table(read, CONSENTS, &all, lines::consent)?;
        to.table(read, KNOWN_ZONES, &all, lines::timezone)?;
        to.table(read, LIFTED, &all, lines::lifted)?;
        to.table(read, HOLDS, &all, lines::hold)?;
        to.table(read, SUPPRESSIONS, &all, lines::opt_out)?;
        to.table(read, ACTIVITY, &all, |_, row| lines::activity(row))?;
        to.table(read, ERASURES, &all, lines::erasure)?;
    }
    to.end()
}

/// What belongs to a person.
struct Belongings {
    opportunities: BTreeSet<OpportunityId>,
    conversations: BTreeSet<ConversationId>,
    numbers: BTreeSet<Number>,
    /// Whether a whole thread is meant, whomever it was about.
    whole_threads: bool,
}

impl Belongings {
    fn of(read: &impl Read, whom: &Whom) -> Result<Self, StoreError> {
        let opportunities = opportunities_of(read, whom)?;
        let mut numbers = BTreeSet::new();
        let mut conversations = BTreeSet::new();
        for id in &opportunities {
            numbers.extend(
                read.get(OPPORTUNITIES, id)?.iter().flat_map(|row| row.numbers().collect::<Vec<_>>()),
            );
            let vanished = read.list(VANISHED_NUMBERS, &Keys::beginning(id), usize::MAX)?;
            numbers.extend(vanished.into_iter().map(|((_, number), ())| number));
            let spoken = read.list(SPOKEN_OF, &Keys::beginning(id), usize::MAX)?;
            conversations.extend(spoken.into_iter().map(|((_, conversation), ())| conversation));
        }
        if let Whom::Number(number) = whom {
            numbers.insert(*number);
        }
        for number in &numbers {
            conversations.extend(thread_of(read, *number)?.map(|conversation| conversation.id));
        }
        Ok(Self { opportunities, conversations, numbers, whole_threads: matches!(whom, Whom::Number(_)) })
    }

    /// Whether something about this opportunity, or about nobody, is theirs.
    fn has(&self, about: Option<&OpportunityId>) -> bool {
        self.whole_threads || about.is_none_or(|id| self.opportunities.contains(id))
    }
}

/// Writes all of one person. How many lines; the first alone when nothing is known of them.
///
/// # Errors
/// [`ExportError`].
pub fn export_person(
    read: &impl Read,
    whom: &Whom,
    now: Timestamp,
    out: impl Write,
) -> Result<u64, ExportError> {
    let theirs = Belongings::of(read, whom)?;
    let mut to = Lines::new(out);
    let mut rows = vec![head("person", now)];
    for id in &theirs.opportunities {
        rows.extend(read.get(OPPORTUNITIES, id)?.map(|row| lines::opportunity(id, &row)));
        let interviews = read.list(INTERVIEWS, &Keys::beginning(id), usize::MAX)?;
        rows.extend(interviews.into_iter().map(|(key, row)| lines::interview(&key, &row)));
        for ((_, id), ()) in read.list(APPOINTMENTS_OF, &Keys::beginning(id), usize::MAX)? {
            rows.extend(read.get(APPOINTMENTS, &id)?.map(|row| lines::appointment(&row)));
        }
        for ((_, number), ()) in read.list(REMINDERS_OF, &Keys::beginning(id), usize::MAX)? {
            rows.extend(read.get(REMINDERS, &number)?.map(|row| lines::reminder(&row)));
        }
        for ((_, id), ()) in read.list(BOOKINGS_OF, &Keys::beginning(id), usize::MAX)? {
            rows.extend(read.get(BOOKINGS, &id)?.map(|row| lines::booking(&id, &row)));
        }
        rows.extend(events_of(read, id, usize::MAX)?.iter().map(lines::event));
        for ((_, id), ()) in read.list(ENROLMENTS_OF, &Keys::beginning(id), usize::MAX)? {
            rows.extend(read.get(ENROLMENTS, &id)?.map(|row| lines::enrolment(&id, &row)));
        }
        let decisions = read.list(RUN_LOG, &Keys::beginning(id), usize::MAX)?;
        rows.extend(decisions.into_iter().map(|(key, row)| lines::decision(&key, &row)));
        rows.extend(read.get(HOLDS, id)?.map(|row| lines::hold(id, &row)));
    }
    for number in &theirs.numbers {
        let consents = read.list(CONSENTS, &Keys::beginning(number), usize::MAX)?;
        rows.extend(consents.into_iter().map(|(key, row)| lines::consent(&key, &row)));
        rows.extend(read.get(KNOWN_ZONES, number)?.map(|row| lines::timezone(number, &row)));
        let lifted = read.list(LIFTED, &Keys::beginning(number), usize::MAX)?;
        rows.extend(lifted.into_iter().map(|(key, row)| lines::lifted(&key, &row)));
        let opt_out = suppression_of(read, *number)?;
        rows.extend(opt_out.map(|row| lines::opt_out_of(Some(*number), None, &row)));
    }
    // Recipients stand by their bulk text: those of a person are found by looking through all.
    read.scan(RECIPIENTS, &Keys::all(), |key, row| {
        if theirs.opportunities.contains(&row.opportunity) {
            rows.push(lines::recipient(&key, &row));
        }
        Ok::<_, StoreError>(ControlFlow::Continue(()))
    })?;
    // What happened in a thread, to an opportunity, is found by both.
    let mut happened = BTreeSet::new();
    let subjects = theirs.opportunities.iter().cloned().map(Subject::Opportunity);
    for subject in subjects.chain(theirs.conversations.iter().copied().map(Subject::Conversation)) {
        let keys = read.list(ACTIVITY_OF, &Keys::beginning(&subject), usize::MAX)?;
        happened.extend(keys.into_iter().map(|((_, key), ())| key));
    }
    for key in happened {
        let row = read.get(ACTIVITY, &key)?.filter(|row| theirs.has(row.opportunity.as_ref()));
        rows.extend(row.map(|row| lines::activity(&row)));
    }
    for row in rows {
        if to.put(&row).is_break() {
            break;
        }
    }
    for id in &theirs.conversations {
        if let Some(row) = read.get(CONVERSATIONS, id)?
            && to.put(&lines::conversation(id, &row)).is_break()
        {
            break;
        }
        if let Some(row) = read.get(DESKS, id)?
            && to.put(&lines::desk(id, &row)).is_break()
        {
            break;
        }
        for ((_, filing), ()) in read.list(FILINGS_OF, &Keys::beginning(id), usize::MAX)? {
            let row = read.get(FILINGS, &filing)?.filter(|row| theirs.has(Some(&row.opportunity)));
            if row.is_some_and(|row| to.put(&lines::transcript(&filing, &row)).is_break()) {
                break;
            }
        }
        each_message(read, *id, &theirs, |message| Ok(to.put(&message_line(read, message, Some(FOLDER))?)))?;
    }
    to.end()
}

/// A text, and in which folder the files that came with it are exported, if they are.
fn message_line(read: &impl Read, message: &Message, folder: Option<&str>) -> Result<Value, StoreError> {
    let made_from = read.get(MADE_FROM, &message.id)?;
    Ok(lines::message(message, &files_of(read, message)?, folder, made_from.as_ref()))
}

/// Gives the files that came with a text to `put`; breaks with what that says, if it fails.
fn put_files(
    read: &impl Read,
    message: &Message,
    folder: &str,
    put: &mut impl FnMut(&str, &[u8]) -> io::Result<()>,
) -> Result<ControlFlow<io::Error>, StoreError> {
    for (place, state) in (0..=u8::MAX).zip(files_of(read, message)?) {
        let Some(FileState::Here { kind, .. }) = state else { continue };
        let Some((_, bytes)) = file(read, message.id, place)? else { continue };
        if let Err(error) = put(&lines::file_name(folder, message, place.into(), kind), &bytes) {
            return Ok(ControlFlow::Break(error));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Gives all files that came with texts to `put`, each with the name that its text has for it.
///
/// # Errors
/// [`ExportError`], and what `put` says.
pub fn export_all_files(
    read: &impl Read,
    mut put: impl FnMut(&str, &[u8]) -> io::Result<()>,
) -> Result<(), ExportError> {
    let mut failed = None;
    read.scan(MESSAGES, &Keys::all(), |_, message| {
        Ok::<_, StoreError>(put_files(read, &message, "", &mut put)?.map_break(|error| failed = Some(error)))
    })?;
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// Gives the files that came with a person's texts to `put`, each with the name that its text has for it.
///
/// # Errors
/// [`ExportError`], and what `put` says.
pub fn export_files(
    read: &impl Read,
    whom: &Whom,
    mut put: impl FnMut(&str, &[u8]) -> io::Result<()>,
) -> Result<(), ExportError> {
    let theirs = Belongings::of(read, whom)?;
    for id in &theirs.conversations {
        let mut failed = None;
        each_message(read, *id, &theirs, |message| {
            Ok(put_files(read, message, FOLDER, &mut put)?.map_break(|error| failed = Some(error)))
        })?;
        failed.map_or(Ok(()), Err)?;
    }
    Ok(())
}

fn each_message(
    read: &impl Read,
    thread: ConversationId,
    theirs: &Belongings,
    mut f: impl FnMut(&Message) -> Result<ControlFlow<()>, StoreError>,
) -> Result<(), StoreError> {
    read.scan(MESSAGES, &Keys::beginning(&thread), |_, message| {
        if theirs.has(message.opportunity.as_ref()) { f(&message) } else { Ok(ControlFlow::Continue(())) }
    })
}

/// Writes what was said with a person, for people to read.
///
/// # Errors
/// [`ExportError`].
pub fn export_talk(read: &impl Read, whom: &Whom, mut out: impl Write) -> Result<(), ExportError> {
    let theirs = Belongings::of(read, whom)?;
    for id in &theirs.conversations {
        let Some(conversation) = read.get(CONVERSATIONS, id)? else { continue };
        writeln!(out, "{}", conversation.number)?;
        let mut failed = None;
        each_message(read, *id, &theirs, |message| {
            let written = writeln!(out, "{}", lines::said(message, &files_of(read, message)?));
            failed = written.err();
            Ok(if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        failed.map_or(Ok(()), Err)?;
        writeln!(out)?;
    }
    Ok(out.flush()?)
}
