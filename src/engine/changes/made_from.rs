//! Which words a text was made from, whatever has become of its template since.

use fulcrum_domain::MessageId;
use fulcrum_domain::template::{Template, Version};
use sha2::{Digest as _, Sha256};

use crate::store::tables::{Digest, MADE_FROM, TEMPLATE_WORDS};
use crate::store::{Read, StoreError, Tx};

/// Keeps the words of a template, and names them.
pub fn keep_words(tx: &mut Tx<'_>, template: &Template) -> Result<Version, StoreError> {
    let mut hash: Digest = [0; 16];
    hash.copy_from_slice(&Sha256::digest(template.text())[..16]);
    if !tx.has(TEMPLATE_WORDS, &hash)? {
        tx.put(TEMPLATE_WORDS, &hash, &template.text().to_owned())?;
    }
    Ok(Version { id: template.id().to_owned(), hash })
}

/// Writes down that a text was made from these words.
pub fn made_from(tx: &mut Tx<'_>, message: MessageId, version: &Version) -> Result<(), StoreError> {
    tx.put(MADE_FROM, &message, version).map(drop)
}

/// The same for the words that a template has now; none: the config has it no more.
pub fn made_from_present(
    tx: &mut Tx<'_>,
    message: MessageId,
    template: Option<&Template>,
) -> Result<(), StoreError> {
    let Some(template) = template else { return Ok(()) };
    let version = keep_words(tx, template)?;
    made_from(tx, message, &version)
}
