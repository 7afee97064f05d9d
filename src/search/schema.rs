//! What the index holds of each thing: its id, its time, and terms. Only ids are stored to be given back.

use fulcrum_domain::{ConversationId, MessageId, Number, OpportunityId, Searchable};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tantivy::TantivyDocument;
use tantivy::schema::{BytesOptions, FAST, Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};

use super::words::words;

/// The make of the index. Whatever changes what is in it, a rule of `words` too, takes the next number,
/// and older ones are made anew.
pub(super) const MAKE: u32 = 1;

/// Which thing: [`Searchable::to_key`].
pub(super) const KEY: Field = Field::from_field_id(0);
/// Milliseconds since the epoch: the newest comes first.
pub(super) const AT: Field = Field::from_field_id(1);
/// Things of which only the newest is a hit of its own; see [`Document`].
pub(super) const GROUP: Field = Field::from_field_id(2);
/// Words of a person's name.
pub(super) const NAME: Field = Field::from_field_id(3);
/// Numbers, forwards and backwards; see [`number_term`].
pub(super) const NUMBER: Field = Field::from_field_id(4);
/// Words of a text.
pub(super) const WORDS: Field = Field::from_field_id(5);

pub(super) fn schema() -> Schema {
    let terms = |record| {
        let indexing = TextFieldIndexing::default().set_tokenizer("whitespace").set_fieldnorms(false);
        TextOptions::default().set_indexing_options(indexing.set_index_option(record))
    };
    let mut schema = Schema::builder();
    schema.add_bytes_field("key", BytesOptions::default().set_indexed().set_stored());
    schema.add_u64_field("at", FAST);
    schema.add_u64_field("group", FAST);
    schema.add_text_field("name", terms(IndexRecordOption::Basic));
    schema.add_text_field("number", terms(IndexRecordOption::Basic));
    // With positions, for phrases.
    schema.add_text_field("words", terms(IndexRecordOption::WithFreqsAndPositions));
    schema.build()
}

/// Whose number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Person,
    Conversation,
}

/// A number's digits, or the first of them, as a term: whose, in which direction, and the digits.
pub(super) fn number_term(owner: Owner, backwards: bool, digits: &str) -> String {
    let owner = if owner == Owner::Person { 'p' } else { 'c' };
    if backwards {
        format!("{owner}<{}", digits.chars().rev().collect::<String>())
    } else {
        format!("{owner}>{digits}")
    }
}

/// A thing, as it is indexed.
///
/// Each belongs to a group, of which a search shows the newest. For texts these are those of one
/// thread about one opportunity, since whether they may be shown depends on both.
pub struct Document {
    pub(super) what: Searchable,
    pub(super) fields: TantivyDocument,
}

impl Document {
    fn new(what: Searchable, at: Timestamp, group: &[&[u8]]) -> Self {
        let mut fields = TantivyDocument::new();
        fields.add_bytes(KEY, &what.to_key());
        fields.add_u64(AT, u64::try_from(at.as_millisecond()).unwrap_or(0));
        fields.add_u64(GROUP, digest(group));
        Self { what, fields }
    }

    /// A candidate, who counts as of when the opportunity began.
    pub fn person(
        id: OpportunityId,
        name: &str,
        numbers: impl Iterator<Item = Number>,
        began: Timestamp,
    ) -> Self {
        let key = id.to_key();
        let mut this = Self::new(Searchable::Person(id), began, &[&key]);
        this.add(NAME, words(name).into_iter().map(|word| word.text));
        this.add(NUMBER, numbers.flat_map(|number| number_terms(Owner::Person, number)));
        this
    }

    /// A thread.
    pub fn conversation(id: ConversationId, number: Number) -> Self {
        let group = id.number().to_be_bytes();
        let mut this = Self::new(Searchable::Conversation(id), Timestamp::UNIX_EPOCH, &[&group]);
        this.add(NUMBER, number_terms(Owner::Conversation, number).into_iter());
        this
    }

    /// A text of a thread, about an opportunity if one is known.
    pub fn message(
        id: MessageId,
        conversation: ConversationId,
        about: Option<&OpportunityId>,
        at: Timestamp,
        body: &str,
    ) -> Self {
        let about = about.map(OpportunityId::to_key).unwrap_or_default();
        let group: [&[u8]; 2] = [&conversation.number().to_be_bytes(), &about];
        let mut this = Self::new(Searchable::Message(id), at, &group);
        this.add(WORDS, words(body).into_iter().map(|word| word.text));
        this
    }

    /// Terms that are split already. None of them has a blank.
    fn add(&mut self, field: Field, terms: impl Iterator<Item = String>) {
        self.fields.add_text(field, terms.collect::<Vec<_>>().join(" "));
    }
}

fn number_terms(owner: Owner, number: Number) -> [String; 2] {
    let digits = number.as_u64().to_string();
    [false, true].map(|backwards| number_term(owner, backwards, &digits))
}

fn digest(parts: &[&[u8]]) -> u64 {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().first_chunk().map_or(0, |first: &[u8; 8]| u64::from_be_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_where_the_schema_has_them() {
        let schema = schema();
        for (name, field) in
            [("key", KEY), ("at", AT), ("group", GROUP), ("name", NAME), ("number", NUMBER), ("words", WORDS)]
        {
            assert_eq!(schema.get_field(name).unwrap(), field);
        }
    }
}
