//! The index in its folder: opening or making it, changing it, asking it.
//!
//! A change is durable when [`Index::apply`] returns, together with a line of the caller's that says how
//! far they are. Whoever repeats a change after a crash does no harm: a thing is replaced by its id.
//!
//! What is erased must not stay behind. Deleting in tantivy only hides; so the segments that hold a
//! hidden thing are written anew without it, and their files are gone, before `apply` returns.
//! Segments stay below a million things or so, so that this takes a second or two at most.

use std::collections::HashSet;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fulcrum_domain::Searchable;
use tantivy::directory::MmapDirectory;
use tantivy::index::SegmentId;
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy};
use tantivy::query::{BooleanQuery, FuzzyTermQuery, Occur, PhraseQuery, Query as Matcher, TermQuery};
use tantivy::schema::{Field, IndexRecordOption, Value};
use tantivy::{DocSet, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, SegmentReader, TERMINATED};
use tantivy::{TantivyDocument, TantivyError, Term};

use super::error::IndexError;
use super::newest::Newest;
use super::query::{Piece, Query};
use super::schema::{Document, KEY, MAKE, NAME, NUMBER, Owner, WORDS, number_term, schema};

/// What the writer holds in memory before it writes a segment: the least that tantivy takes.
const WRITER_BYTES: usize = 15_000_000;
/// Segments with more things than these are not merged with others.
const MERGED_MAX: usize = 150_000;
/// Files of a search under way, or of a merge, are let go within moments.
const LET_GO: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A change of the index.
pub enum Change {
    /// The thing is so.
    Put(Document),
    /// The thing is gone, or what it was is to be: nothing of it stays in the files.
    Erase(Searchable),
}

/// A part of the index that is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// People by name.
    Names,
    /// People by number.
    PeopleNumbers,
    /// Threads by number.
    ConversationNumbers,
    /// Texts by their words.
    Words,
}

/// The open index.
pub struct Index {
    index: tantivy::Index,
    reader: IndexReader,
    /// Only while there is something to write.
    writer: Mutex<Option<IndexWriter>>,
}

impl Index {
    /// Opens the index in this folder. One that is missing, damaged or of another make is made anew,
    /// empty. All its files are read once: what is damaged is known here, and not in a search.
    ///
    /// # Errors
    /// [`IndexError`] when the folder cannot be used.
    pub fn open(folder: &Path) -> Result<Self, IndexError> {
        if folder.exists() {
            match Self::existing(folder) {
                Ok(index) => return Ok(index),
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the search index is of no use and is made anew"
                ),
            }
        }
        Self::anew(folder)
    }

    /// Throws away what is in this folder and makes an empty index.
    ///
    /// # Errors
    /// [`IndexError`] when the folder cannot be used.
    pub fn anew(folder: &Path) -> Result<Self, IndexError> {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(IndexError::Folder(error)),
            _ => {}
        }
        DirBuilder::new().mode(0o700).create(folder).map_err(IndexError::Folder)?;
        let directory = MmapDirectory::open(folder).map_err(TantivyError::from)?;
        let settings =
            IndexSettings { docstore_compress_dedicated_thread: false, ..IndexSettings::default() };
        Self::of(tantivy::Index::create(directory, schema(), settings)?)
    }

    fn existing(folder: &Path) -> Result<Self, IndexError> {
        let index = tantivy::Index::open(MmapDirectory::open(folder).map_err(TantivyError::from)?)?;
        let damaged = |what: &str| Err(IndexError::Damaged(TantivyError::SchemaError(what.into())));
        if index.schema() != schema() {
            return damaged("other fields");
        }
        let metas = index.load_metas()?;
        if !metas.segments.is_empty() && metas.payload.as_deref().and_then(progress_of).is_none() {
            return damaged("another make");
        }
        if !index.validate_checksum()?.is_empty() {
            return damaged("a file is not as it was written");
        }
        Self::of(index)
    }

    fn of(index: tantivy::Index) -> Result<Self, IndexError> {
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual);
        let reader = reader.doc_store_cache_num_blocks(8).try_into()?;
        Ok(Self { index, reader, writer: Mutex::new(None) })
    }

    /// What the last [`Self::apply`] said; none for a new index.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn progress(&self) -> Result<Option<String>, IndexError> {
        Ok(self.index.load_metas()?.payload.as_deref().and_then(progress_of).map(str::to_owned))
    }

    /// Makes all of these changes, and keeps `progress` with them. Each thing stands in them once, or
    /// is erased before it is put. Blocks, for seconds when something is erased.
    ///
    /// # Errors
    /// [`IndexError`]; it is then not known how many of them were made, and all are to be made again.
    pub fn apply(&self, changes: Vec<Change>, progress: &str) -> Result<(), IndexError> {
        let mut open = self.writer();
        let mut writer = match open.take() {
            Some(writer) => writer,
            None => self.new_writer()?,
        };
        let searcher = self.reader.searcher();
        let mut erased = Vec::new();
        for change in changes {
            let what = match &change {
                Change::Put(document) => &document.what,
                Change::Erase(what) => what,
            };
            let key = Term::from_field_bytes(KEY, &what.to_key());
            // What is not there need not be looked for in each segment a second time.
            if searcher.doc_freq(&key)? > 0 {
                writer.delete_term(key.clone());
            }
            match change {
                Change::Put(document) => drop(writer.add_document(document.fields)?),
                Change::Erase(_) => erased.push(key),
            }
        }
        drop(searcher);
        let mut commit = writer.prepare_commit()?;
        commit.set_payload(&payload(progress));
        commit.commit()?;
        self.reader.reload()?;
        if !erased.is_empty() {
            self.expunge(&mut writer, &erased)?;
        }
        *open = Some(writer);
        Ok(())
    }

    /// Gives up what is only needed to write, once the merges are done. Blocks.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn rest(&self) -> Result<(), IndexError> {
        let writer = self.writer().take();
        writer.map_or(Ok(()), IndexWriter::wait_merging_threads)?;
        Ok(self.reader.reload()?)
    }

    fn writer(&self) -> MutexGuard<'_, Option<IndexWriter>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_writer(&self) -> Result<IndexWriter, IndexError> {
        let options = IndexWriterOptions::builder().num_worker_threads(1).num_merge_threads(1);
        let writer =
            self.index.writer_with_options(options.memory_budget_per_thread(WRITER_BYTES).build())?;
        let mut policy = LogMergePolicy::default();
        policy.set_max_docs_before_merge(MERGED_MAX);
        writer.set_merge_policy(Box::new(policy));
        Ok(writer)
    }

    /// Writes the segments anew in which one of these is hidden, and waits until the old files are gone.
    fn expunge(&self, writer: &mut IndexWriter, erased: &[Term]) -> Result<(), IndexError> {
        let began = std::time::Instant::now();
        loop {
            self.reader.reload()?;
            let mut segments = Vec::new();
            for segment in self.reader.searcher().segment_readers() {
                if hides(segment, erased)? {
                    segments.push(segment.segment_id());
                }
            }
            if segments.is_empty() {
                break;
            }
            for segment in segments {
                // It fails when a merge of tantivy's own was quicker: then that one's is looked at.
                let merged = writer.merge(&[segment]).wait();
                if began.elapsed() > LET_GO {
                    merged?;
                }
            }
        }
        let began = std::time::Instant::now();
        let mut old = self.files_besides(&self.index.directory().list_managed_files())?;
        while !old.is_empty() {
            if began.elapsed() > LET_GO {
                return Err(IndexError::Held);
            }
            writer.garbage_collect_files().wait()?;
            let left = self.index.directory().list_managed_files();
            old.retain(|file| left.contains(file));
            old = self.files_besides(&old)?;
            if !old.is_empty() {
                std::thread::sleep(LOOK_AGAIN);
            }
        }
        Ok(())
    }

    /// Those of these files that belong to no segment of the index as it is now.
    fn files_besides(&self, files: &HashSet<PathBuf>) -> Result<HashSet<PathBuf>, IndexError> {
        let segments: HashSet<String> =
            self.index.searchable_segment_ids()?.iter().map(SegmentId::uuid_string).collect();
        let of_a_segment = |file: &&PathBuf| {
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let uuid = name.split('.').next().unwrap_or_default();
            name.ends_with(".json") || segments.contains(uuid)
        };
        Ok(files.iter().filter(|file| !of_a_segment(file)).cloned().collect())
    }

    /// What matches in this part, the newest first, at most so many. Blocks.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn find(&self, query: &Query, part: Part, most: usize) -> Result<Vec<Searchable>, IndexError> {
        let Some(matcher) = matcher(query, part) else { return Ok(Vec::new()) };
        let searcher = self.reader.searcher();
        let mut found = Vec::new();
        for member in searcher.search(&matcher, &Newest(most))? {
            let document: TantivyDocument = searcher.doc(member.address)?;
            let key = document.get_first(KEY).and_then(|value| value.as_value().as_bytes());
            found.extend(key.and_then(Searchable::from_key));
        }
        Ok(found)
    }
}

/// Whether a deleted document with one of these keys is still in the segment.
fn hides(segment: &SegmentReader, keys: &[Term]) -> Result<bool, IndexError> {
    let Some(alive) = segment.alive_bitset() else { return Ok(false) };
    let inverted = segment.inverted_index(KEY)?;
    for key in keys {
        let Some(mut postings) =
            inverted.read_postings(key, IndexRecordOption::Basic).map_err(TantivyError::from)?
        else {
            continue;
        };
        while postings.doc() != TERMINATED {
            if alive.is_deleted(postings.doc()) {
                return Ok(true);
            }
            postings.advance();
        }
    }
    Ok(false)
}

fn payload(progress: &str) -> String {
    format!("{MAKE} {progress}")
}

fn progress_of(payload: &str) -> Option<&str> {
    payload.split_once(' ').filter(|(make, _)| *make == MAKE.to_string()).map(|(_, progress)| progress)
}

fn matcher(query: &Query, part: Part) -> Option<Box<dyn Matcher>> {
    match part {
        Part::Names => words_of(query, NAME, 1),
        Part::Words => words_of(query, WORDS, 2),
        Part::PeopleNumbers => numbers_of(query, Owner::Person),
        Part::ConversationNumbers => numbers_of(query, Owner::Conversation),
    }
}

/// All pieces of a query. A beginning that is shorter than `least` would match nearly everything and
/// stands for itself.
fn words_of(query: &Query, field: Field, least: usize) -> Option<Box<dyn Matcher>> {
    let word = |word: &str| Term::from_field_text(field, word);
    let mut all: Vec<Box<dyn Matcher>> = Vec::new();
    for piece in &query.pieces {
        match piece {
            Piece::Beginning(start) if start.chars().count() >= least => all.push(beginning(word(start))),
            Piece::Word(text) | Piece::Beginning(text) => all.push(exactly(word(text))),
            // Names have no positions: people have few of them.
            Piece::Phrase(phrase) if field == NAME => {
                all.extend(phrase.iter().map(|text| exactly(word(text))));
            }
            Piece::Phrase(phrase) => {
                all.push(Box::new(PhraseQuery::new(phrase.iter().map(|text| word(text)).collect())));
            }
        }
    }
    combine(Occur::Must, all)
}

fn numbers_of(query: &Query, owner: Owner) -> Option<Box<dyn Matcher>> {
    let term = |backwards, digits: &String| {
        beginning(Term::from_field_text(NUMBER, &number_term(owner, backwards, digits)))
    };
    let any = query.beginnings.iter().map(|digits| term(false, digits));
    combine(Occur::Should, any.chain(query.ending.iter().map(|digits| term(true, digits))).collect())
}

fn combine(occur: Occur, mut queries: Vec<Box<dyn Matcher>>) -> Option<Box<dyn Matcher>> {
    match queries.len() {
        0 => None,
        1 => queries.pop(),
        _ => Some(Box::new(BooleanQuery::new(queries.into_iter().map(|query| (occur, query)).collect()))),
    }
}

fn exactly(term: Term) -> Box<dyn Matcher> {
    Box::new(TermQuery::new(term, IndexRecordOption::Basic))
}

fn beginning(term: Term) -> Box<dyn Matcher> {
    Box::new(FuzzyTermQuery::new_prefix(term, 0, true))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use fulcrum_domain::{ConversationId, MessageId, Number};
    use jiff::Timestamp;

    use super::*;

    fn number(e164: &str) -> Number {
        Number::from_e164(e164).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn person(id: &str, name: &str, phone: &str) -> Change {
        let document =
            Document::person(id.parse().unwrap(), name, std::iter::once(number(phone)), at(1_700_000_000));
        Change::Put(document)
    }

    fn message_id(n: u8) -> MessageId {
        MessageId::new(at(n.into()), &[n; 10])
    }

    fn message(n: u8, conversation: u64, body: &str) -> Change {
        let conversation = ConversationId::new(conversation);
        Change::Put(Document::message(message_id(n), conversation, None, at(n.into()), body))
    }

    fn people(index: &Index, typed: &str) -> Vec<String> {
        let query = Query::parse(typed, Some(1));
        let mut found: Vec<String> = [Part::Names, Part::PeopleNumbers]
            .into_iter()
            .flat_map(|part| index.find(&query, part, 10).unwrap())
            .map(|what| match what {
                Searchable::Person(id) => id.to_string(),
                other => panic!("{other:?}"),
            })
            .collect();
        found.sort();
        found
    }

    fn messages(index: &Index, typed: &str) -> Vec<Searchable> {
        index.find(&Query::parse(typed, Some(1)), Part::Words, 10).unwrap()
    }

    fn is(numbers: &[u8]) -> Vec<Searchable> {
        numbers.iter().map(|&n| Searchable::Message(message_id(n))).collect()
    }

    fn new() -> (tempfile::TempDir, Index) {
        let folder = tempfile::tempdir().unwrap();
        let index = Index::open(&folder.path().join("index")).unwrap();
        (folder, index)
    }

    /// Every term of every segment, whether or not what it belongs to is deleted.
    fn terms(index: &Index) -> Vec<String> {
        let mut terms = Vec::new();
        for segment in index.reader.searcher().segment_readers() {
            for field in [NAME, NUMBER, WORDS] {
                let inverted = segment.inverted_index(field).unwrap();
                let mut stream = inverted.terms().stream().unwrap();
                while stream.advance() {
                    terms.push(String::from_utf8(stream.key().to_vec()).unwrap());
                }
            }
        }
        terms
    }

    #[test]
    fn people_are_found_by_words_of_their_name_and_parts_of_their_number() {
        let (_folder, index) = new();
        let all = vec![
            person("a", "José García", "+12025550142"),
            person("b", "Josephine O'Brien", "+14155550143"),
            person("c", "Garcia Lorca", "+491711234567"),
        ];
        index.apply(all, "").unwrap();
        for (typed, found) in [
            ("jose", ["a", "b"].as_slice()),
            ("JOSÉ g", &["a"]),
            ("garcia", &["a", "c"]),
            ("obrien", &["b"]),
            ("jos*", &["a", "b"]),
            ("jos e", &[]),
            ("+1 202", &["a"]),
            ("(202) 555-01", &["a"]),
            ("5550143", &["b"]),
            ("0142", &["a"]),
            ("555", &[]),
            ("0049171", &[]),
            ("+49 171 123", &["c"]),
        ] {
            assert_eq!(people(&index, typed), found, "{typed}");
        }
    }

    #[test]
    fn of_each_conversation_the_newest_text_is_found_first() {
        let (_folder, index) = new();
        let all = vec![
            message(1, 7, "See you tomorrow at nine"),
            message(2, 8, "tomorrow you see"),
            message(3, 7, "Tomorrow, then"),
        ];
        index.apply(all, "").unwrap();
        assert_eq!(messages(&index, "tomorr"), is(&[3, 2]));
        assert_eq!(messages(&index, "\"see you\""), is(&[1]));
        assert_eq!(messages(&index, "you see"), is(&[2, 1]));
        assert_eq!(messages(&index, "t"), is(&[]), "one letter stands for itself");
        assert_eq!(messages(&index, "!?"), is(&[]));
    }

    #[test]
    fn a_thing_that_is_put_again_is_there_once_as_it_is_now() {
        let (_folder, index) = new();
        index.apply(vec![person("a", "Ann Before", "+12025550142")], "").unwrap();
        index.apply(vec![person("a", "Ann After", "+12025550143")], "").unwrap();
        assert_eq!(people(&index, "ann"), ["a"]);
        assert_eq!(people(&index, "before"), Vec::<String>::new());
        assert_eq!(people(&index, "0142"), Vec::<String>::new());
    }

    #[test]
    fn nothing_of_what_was_erased_stays_in_the_files() {
        let (folder, index) = new();
        let private =
            || vec![message(1, 7, "xylophone quartz"), person("a", "Zebedee Unique", "+12025550142")];
        let others = || vec![message(2, 8, "hello there"), person("b", "Bea", "+14155550143")];
        index.apply(private(), "").unwrap();
        index.apply(others(), "").unwrap();
        // As it was before stands in another segment.
        index.apply(vec![message(1, 7, "marzipan")], "").unwrap();
        let before = terms(&index);
        for word in ["xylophone", "marzipan", "zebedee", "p>12025550142"] {
            assert!(before.iter().any(|term| term == word), "{word} in {before:?}");
        }
        let gone = vec![Searchable::Message(message_id(1)), Searchable::Person("a".parse().unwrap())];
        index.apply(gone.into_iter().map(Change::Erase).collect(), "after").unwrap();
        let mut left = terms(&index);
        left.sort();
        assert_eq!(left, ["bea", "hello", "p<34105555141", "p>14155550143", "there"]);
        let segments = index.index.searchable_segment_ids().unwrap();
        for file in fs::read_dir(folder.path().join("index")).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            let known = segments.iter().any(|id| name.starts_with(&id.uuid_string()));
            assert!(known || name.ends_with(".json") || name.ends_with(".lock"), "{name} is left");
        }
        assert_eq!(index.progress().unwrap().as_deref(), Some("after"));
        assert_eq!(messages(&index, "hello"), is(&[2]));
    }

    #[test]
    fn what_is_erased_and_put_again_is_there_as_it_is_now() {
        let (_folder, index) = new();
        index.apply(vec![person("a", "Zebedee", "+12025550142")], "").unwrap();
        let what = Searchable::Person("a".parse().unwrap());
        index.apply(vec![Change::Erase(what), person("a", "Anonymous", "+12025550142")], "").unwrap();
        assert!(!terms(&index).contains(&"zebedee".to_owned()));
        assert_eq!(people(&index, "anonymous"), ["a"]);
    }

    #[test]
    fn an_index_is_opened_again_as_it_was() {
        let (folder, index) = new();
        assert_eq!(index.progress().unwrap(), None);
        index.apply(vec![person("a", "Ann", "+12025550142")], "half").unwrap();
        drop(index);
        let path = folder.path().join("index");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let index = Index::open(&path).unwrap();
        assert_eq!(
            (people(&index, "ann"), index.progress().unwrap().as_deref()),
            (vec!["a".into()], Some("half"))
        );
        index.rest().unwrap();
    }

    /// Whatever is done to its files, an index that can be used comes of opening it.
    #[test]
    fn a_damaged_index_is_made_anew() {
        type Damage = fn(&Path);
        let damages: [Damage; 5] = [
            |file| fs::write(file, "").unwrap(),
            |file| fs::remove_file(file).unwrap(),
            |file| {
                let mut bytes = fs::read(file).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 0x55;
                fs::write(file, bytes).unwrap();
            },
            |file| fs::write(file, [fs::read(file).unwrap(), vec![0; 20]].concat()).unwrap(),
            |file| fs::write(file, &fs::read(file).unwrap()[1..]).unwrap(),
        ];
        let ends = [".term", ".idx", ".pos", ".store", ".fast", "meta.json"];
        for (ending, damage) in
            ends.iter().flat_map(|ending| damages.iter().map(move |damage| (ending, damage)))
        {
            let (folder, index) = new();
            index.apply(vec![person("a", "Ann", "+12025550142"), message(1, 7, "hello")], "all").unwrap();
            drop(index);
            let path = folder.path().join("index");
            let mut files = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
            let file = files
                .find(|file| file.to_str().unwrap().ends_with(ending) && !file.ends_with(".managed.json"));
            damage(&file.unwrap());
            let index = Index::open(&path).unwrap();
            assert_eq!(index.progress().unwrap(), None, "{ending}");
            index.apply(vec![person("a", "Ann", "+12025550142")], "all").unwrap();
            assert_eq!(people(&index, "ann"), ["a"]);
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        fs::write(&path, "a file").unwrap();
        assert!(matches!(Index::open(&path), Err(IndexError::Folder(_))));
    }
}
