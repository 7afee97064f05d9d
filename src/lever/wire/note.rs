//! Notes (lever-api.md 5.4): those that are read back, and the answer to one that was made.

use std::fmt;

use fulcrum_domain::{NoteId, UserId};
use jiff::Timestamp;

use super::{Fields, Read, debug_by_id};

/// A note on an opportunity, with the comments below it.
#[derive(Clone, PartialEq)]
pub struct Note {
    /// Its id.
    pub id: NoteId,
    /// The note itself first, then the comments.
    pub fields: Vec<NoteField>,
    /// Who wrote it; absent for a program.
    pub user: Option<UserId>,
    /// Whether only some may see it.
    pub secret: bool,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// Set when it was deleted.
    pub deleted_at: Option<Timestamp>,
}

impl Read for Note {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            id: fields.id("id")?,
            fields: fields.objects("fields"),
            user: fields.id("user"),
            secret: fields.take("secret").unwrap_or(false),
            created_at: fields.time("createdAt"),
            deleted_at: fields.time("deletedAt"),
        })
    }
}

/// One entry in the thread of a note.
#[derive(Clone, PartialEq)]
pub struct NoteField {
    /// What was written.
    pub value: String,
    /// By whom.
    pub user: Option<UserId>,
    /// When.
    pub created_at: Option<Timestamp>,
}

impl Read for NoteField {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            value: fields.take("value")?,
            user: fields.id("user"),
            created_at: fields.time("createdAt"),
        })
    }
}

/// The answer to a note that was made: `noteId`, or a whole note.
pub(crate) struct MadeNote(pub(crate) NoteId);

impl Read for MadeNote {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        fields.id("noteId").or_else(|| fields.id("id")).map(Self)
    }
}

debug_by_id!(Note);

impl fmt::Debug for NoteField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NoteField")
    }
}

#[cfg(test)]
mod tests {
    use super::super::single;
    use super::*;

    #[test]
    fn the_id_of_a_made_note_is_found_in_both_shapes() {
        let id = |body| single::<MadeNote>(body).map(|(made, _)| made.0.to_string());
        assert_eq!(id(r#"{"data":{"noteId":"n1"}}"#).as_deref(), Ok("n1"));
        assert_eq!(id(r#"{"data":{"id":"n2","text":"Note"}}"#).as_deref(), Ok("n2"));
        assert_eq!(id(r#"{"data":{"id":"n3","noteId":"n3"}}"#).as_deref(), Ok("n3"));
        assert!(id(r#"{"data":{}}"#).is_err());
    }

    #[test]
    fn a_note_reads_back_but_its_text_does_not_reach_debug() {
        let body = r#"{"data":{"id":"n1","text":"Note","fields":[{"type":"note","text":"Comment","value":"hello",
            "createdAt":1782974189118,"user":"u1","score":null}],"user":null,"secret":true,"deletedAt":null}}"#;
        let (note, _) = single::<Note>(body).unwrap();
        assert_eq!(note.fields[0].value, "hello");
        assert!(note.secret);
        assert!(!format!("{note:?} {:?}", note.fields).contains("hello"));
    }
}
