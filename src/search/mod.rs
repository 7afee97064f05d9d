//! Finding people by name and number, and texts by their words: an index of tantivy's beside the file.
//!
//! The index is a cache of the file. It says which rows may be meant, in the order of their time, and
//! whoever asks looks each of them up; nothing is shown from here. So it holds no text to give back,
//! only words and ids, and it may be damaged, of an older make or gone: it is made anew then.
//!
//! Not redb: an index of words as rows would multiply the file, whose pages are written twice and
//! synced with each text. Not a scan: five million texts take seconds.

mod error;
mod index;
mod newest;
mod query;
mod schema;
mod words;

pub use error::IndexError;
pub use index::{Change, Index, Part};
pub use query::Query;
pub use schema::Document;
