//! Finding people and conversations. The index says which rows may be meant; what is shown, and
//! whether it may be, is what the file says now.

use std::collections::BTreeSet;

use fulcrum_domain::{
    Conversation, ConversationId, Message, MessageId, Number, OpportunityId, Searchable, Sight,
};
use jiff::Timestamp;

use super::view::Gaze;
use super::{Engine, changes};
use crate::search::{Index, IndexError, Part, Query};
use crate::store::tables::{OPPORTUNITIES, POSTINGS};
use crate::store::{Read, Snapshot, StoreError};

/// The longest query, in characters.
pub const QUERY_CHARS_MAX: usize = 200;
/// The most hits of each sort.
pub const HITS_MAX: usize = 100;

/// Among so many of the newest things that match, those are looked for that may be shown.
const LOOKED_AT_MAX: usize = 4000;
/// Characters of a snippet, and how many of them stand before the first that is marked.
const SNIPPET_CHARS: usize = 160;
const BEFORE_CHARS: usize = 40;

/// What somebody looks for.
#[derive(Clone)]
pub struct SearchQuery {
    /// What they typed, 1 to [`QUERY_CHARS_MAX`] characters: words of a name or of a text, all of
    /// which are meant and the last may be unfinished, or a part of a number.
    pub words: String,
    /// The most people, and the most conversations, 1 to [`HITS_MAX`].
    pub limit: usize,
    /// What they may see.
    pub sight: Sight,
}

/// Something found.
#[derive(Clone)]
pub enum Hit {
    /// A candidate.
    Person {
        /// Which.
        opportunity: OpportunityId,
        /// Their name.
        name: String,
        /// The title of the job, where it is known.
        posting: Option<String>,
    },
    /// A conversation.
    Conversation {
        /// Which.
        id: ConversationId,
        /// The candidate's name, where somebody is known for the number.
        name: Option<String>,
        /// The other end.
        number: Number,
        /// The part of the text in which the words stand; empty when it was found by its number.
        snippet: Vec<SnippetPart>,
        /// When that text came or went, or else the last one.
        at: Timestamp,
        /// That text.
        message: Option<MessageId>,
    },
}

/// A piece of a snippet.
#[derive(Clone, PartialEq, Eq)]
pub struct SnippetPart {
    /// The words, as they were written.
    pub text: String,
    /// Whether these were looked for.
    pub marked: bool,
}

/// Why nothing could be looked for.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// Nothing was typed, or too much.
    #[error("a search has 1 to {QUERY_CHARS_MAX} characters")]
    Length,
    /// The index is not open yet, or cannot be.
    #[error("the search does not work at the moment; `fulcrum status` may say why")]
    NotReady,
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The file failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Engine {
    /// People first, those who began last before others; then conversations, the newest text first.
    ///
    /// # Errors
    /// [`SearchError`].
    pub async fn search(&self, query: SearchQuery) -> Result<Vec<Hit>, SearchError> {
        let typed = query.words.trim();
        if typed.is_empty() || typed.chars().nth(QUERY_CHARS_MAX).is_some() {
            return Err(SearchError::Length);
        }
        let searching = self.searching.as_ref().ok_or(SearchError::NotReady)?;
        let index = searching.index().ok_or(SearchError::NotReady)?;
        let parsed = Query::parse(typed, self.settings.load().rules.region.calling_code());
        let limit = query.limit.clamp(1, HITS_MAX);
        let sight = query.sight;
        let found = self
            .store
            .read(move |snapshot| {
                let gaze = Gaze::new(snapshot, sight);
                let search = Search { read: snapshot, index: &index, query: &parsed, limit, gaze };
                let mut hits = search.people()?;
                hits.extend(search.conversations()?);
                Ok(hits)
            })
            .await;
        if matches!(found, Err(SearchError::Index(IndexError::Damaged(_)))) {
            searching.mistrust();
        }
        found
    }
}

struct Search<'s> {
    read: &'s Snapshot,
    index: &'s Index,
    query: &'s Query,
    limit: usize,
    gaze: Gaze<'s, Snapshot>,
}

impl Search<'_> {
    fn people(&self) -> Result<Vec<Hit>, SearchError> {
        let mut seen = BTreeSet::new();
        let mut hits = Vec::new();
        for part in [Part::PeopleNumbers, Part::Names] {
            self.each(part, |what| {
                if let Searchable::Person(id) = what
                    && seen.insert(id.clone())
                {
                    hits.extend(self.person(id)?);
                }
                Ok(hits.len() >= self.limit)
            })?;
        }
        Ok(hits)
    }

    fn person(&self, id: OpportunityId) -> Result<Option<Hit>, StoreError> {
        let Some(row) = self.read.get(OPPORTUNITIES, &id)? else { return Ok(None) };
        if !self.gaze.reaches(Some(&id))? {
            return Ok(None);
        }
        let posting = match &row.posting {
            Some(id) => self.read.get(POSTINGS, id)?.map(|posting| posting.title),
            None => None,
        };
        Ok(Some(Hit::Person { opportunity: id, name: row.name, posting }))
    }

    fn conversations(&self) -> Result<Vec<Hit>, SearchError> {
        let mut seen = BTreeSet::new();
        let mut found: Vec<(Timestamp, Hit)> = Vec::new();
        for part in [Part::ConversationNumbers, Part::Words] {
            let already = found.len();
            self.each(part, |what| {
                let (conversation, message) = match what {
                    Searchable::Conversation(id) => (self.gaze.conversation(id)?, None),
                    Searchable::Message(id) => match changes::message(self.read, id)? {
                        Some(message) if self.gaze.reaches(message.opportunity.as_ref())? => {
                            (self.gaze.conversation(message.conversation)?, Some(message))
                        }
                        _ => (None, None),
                    },
                    Searchable::Person(_) => (None, None),
                };
                if let Some(conversation) = conversation.filter(|c| !seen.contains(&c.id)) {
                    let id = conversation.id;
                    if let Some(hit) = self.conversation(&conversation, message)? {
                        seen.insert(id);
                        found.push(hit);
                    }
                }
                Ok(found.len() - already >= self.limit)
            })?;
        }
        found.sort_by(|(a, _), (b, _)| b.cmp(a));
        found.truncate(self.limit);
        Ok(found.into_iter().map(|(_, hit)| hit).collect())
    }

    fn conversation(
        &self,
        conversation: &Conversation,
        message: Option<Message>,
    ) -> Result<Option<(Timestamp, Hit)>, StoreError> {
        let snippet =
            message.as_ref().map(|message| snippet(self.query, message.body.reveal())).unwrap_or_default();
        // The text says something else by now.
        if message.is_some() && !snippet.iter().any(|part| part.marked) {
            return Ok(None);
        }
        let name = match &conversation.opportunity {
            Some(id) => self.read.get(OPPORTUNITIES, id)?.map(|row| row.name),
            None => None,
        };
        let last = conversation.last_message_at.unwrap_or(Timestamp::UNIX_EPOCH);
        let at = message.as_ref().map_or(last, |message| message.at);
        let message = message.map(|message| message.id);
        let hit = Hit::Conversation {
            id: conversation.id,
            name,
            number: conversation.number,
            snippet,
            at,
            message,
        };
        Ok(Some((at, hit)))
    }

    /// Shows what matches to `take`, the newest first, until it has enough.
    fn each(
        &self,
        part: Part,
        mut take: impl FnMut(Searchable) -> Result<bool, StoreError>,
    ) -> Result<(), SearchError> {
        let (mut most, mut taken) = (2 * self.limit, 0);
        loop {
            let found = self.index.find(self.query, part, most)?;
            let all = found.len() < most;
            // The list only gets longer: its beginning was seen.
            for what in found.into_iter().skip(taken) {
                if take(what)? {
                    return Ok(());
                }
            }
            if all || most >= LOOKED_AT_MAX {
                return Ok(());
            }
            taken = most;
            most = (most * 8).min(LOOKED_AT_MAX);
        }
    }
}

/// The part of a text around the first word that was looked for.
fn snippet(query: &Query, body: &str) -> Vec<SnippetPart> {
    let marks = query.marks(body);
    let first = marks.first().map_or(0, |mark| mark.start);
    let before = body[..first].char_indices().rev().nth(BEFORE_CHARS - 1).map_or(0, |(at, _)| at);
    // From the beginning of a word, if there is one.
    let start = match body[before..first].find(char::is_whitespace) {
        Some(space) if before > 0 => before + space,
        _ => before,
    };
    let end = body[start..].char_indices().nth(SNIPPET_CHARS).map_or(body.len(), |(at, _)| start + at);
    let mut parts = Vec::new();
    let mut put = |text: &str, marked| {
        if !text.is_empty() {
            parts.push(SnippetPart { text: text.to_owned(), marked });
        }
    };
    let mut at = start;
    for mark in marks.into_iter().filter(|mark| mark.end <= end || mark.start == first) {
        put(&body[at..mark.start], false);
        put(&body[mark.clone()], true);
        at = mark.end;
    }
    put(body.get(at..end).unwrap_or_default(), false);
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(typed: &str, body: &str) -> String {
        let show =
            |part: &SnippetPart| if part.marked { format!("[{}]", part.text) } else { part.text.clone() };
        snippet(&Query::parse(typed, None), body).iter().map(show).collect()
    }

    #[test]
    fn what_was_looked_for_is_marked_in_its_place() {
        assert_eq!(shown("jose", "Hi José, jose again"), "Hi [José], [jose] again");
        assert_eq!(shown("\"see you\"", "ok, see you"), "ok, [see] [you]");
    }

    #[test]
    fn a_long_text_is_cut_around_it() {
        let body = format!("{}needle {}", "straw ".repeat(50), "hay ".repeat(100));
        let shown = shown("needle", &body);
        assert!(shown.starts_with(" straw") && shown.contains("[needle]"), "{shown}");
        assert!(shown.chars().count() <= SNIPPET_CHARS + 2);
    }

    proptest! {
        #[test]
        fn a_snippet_is_a_part_of_its_text(typed in "\\PC{1,20}", body in any::<String>()) {
            let whole: String = snippet(&Query::parse(&typed, None), &body).into_iter().map(|p| p.text).collect();
            prop_assert!(body.contains(&whole));
        }

        #[test]
        fn what_is_in_a_text_is_marked(body in "[a-zé ]{0,300}needle[ü 王]{0,300}") {
            let parts = snippet(&Query::parse("needle", None), &(body + " needle"));
            prop_assert!(parts.iter().any(|part| part.marked));
        }
    }
}
