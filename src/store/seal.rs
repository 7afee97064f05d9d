//! Values sealed with a key: what stands in the file instead of the plain bytes, and back.
//!
//! ```text
//! 255  key's id (4)  nonce (24)  XChaCha20-Poly1305 of the plain value, with its tag (16)
//! ```
//!
//! Sealed along with each value are the name of its table and the key of its row, so that no value opens
//! anywhere else. A nonce of 24 random bytes is never met twice. What has no content beside its version is
//! left as it is: there is nothing to hide, and many rows are such. Keys of rows stay readable, since
//! the file must find and order them. A plain value begins with a version, which is never 255; so plain and
//! sealed ones can lie side by side while a pass (`sealing`) seals or opens them.

use std::borrow::Cow;
use std::fmt;

use chacha20poly1305::aead::AeadInPlace;
use chacha20poly1305::{KeyInit, Tag, XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};

use super::error::StoreError;

/// What a sealed value begins with.
pub(super) const SEALED: u8 = 255;

const ID: usize = 4;
const NONCE: usize = 24;
const TAG: usize = 16;
const HEAD: usize = 1 + ID + NONCE;

/// By which a key is known: a digest of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(super) [u8; ID]);

impl KeyId {
    fn of(key: &[u8; 32]) -> Self {
        let digest = Sha256::new().chain_update(b"fulcrum store key\0").chain_update(key).finalize();
        let mut id = [0; ID];
        id.copy_from_slice(&digest[..ID]);
        Self(id)
    }

    /// From its hex digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut id = [0; ID];
        hex::decode_to_slice(text, &mut id).ok()?;
        Some(Self(id))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "KeyId({self})")
    }
}

/// The text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key of the store has 64 hex digits")]
pub struct BadSealKey;

struct SealKey {
    id: KeyId,
    cipher: XChaCha20Poly1305,
}

/// The keys that values are sealed with and opened.
#[derive(Default)]
pub struct SealKeys {
    keys: Vec<SealKey>,
    seals: bool,
}

impl fmt::Debug for SealKeys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.ids().collect();
        out.debug_struct("SealKeys").field("ids", &ids).field("seals", &self.seals).finish()
    }
}

/// For stores whose values are plain.
pub(super) static NONE: SealKeys = SealKeys { keys: Vec::new(), seals: false };

impl SealKeys {
    /// Keys as 64 hex digits each. The first one seals what is written, if `seals`; all open what is read.
    ///
    /// # Errors
    /// [`BadSealKey`].
    pub fn new<'k>(keys: impl IntoIterator<Item = &'k str>, seals: bool) -> Result<Self, BadSealKey> {
        let mut found = Vec::new();
        for text in keys {
            let mut key = zeroize::Zeroizing::new([0; 32]);
            hex::decode_to_slice(text, key.as_mut()).map_err(|_| BadSealKey)?;
            let cipher = XChaCha20Poly1305::new_from_slice(key.as_ref()).map_err(|_| BadSealKey)?;
            found.push(SealKey { id: KeyId::of(&key), cipher });
        }
        let seals = seals && !found.is_empty();
        Ok(Self { keys: found, seals })
    }

    /// All of them.
    pub(super) fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.keys.iter().map(|key| key.id)
    }

    /// Which one seals; none, if values are written as they are.
    pub(super) fn target(&self) -> Option<KeyId> {
        self.sealing().map(|key| key.id)
    }

    fn sealing(&self) -> Option<&SealKey> {
        self.keys.first().filter(|_| self.seals)
    }

    /// Whether a value is as it would be written now.
    pub(super) fn is_as_wanted(&self, value: &[u8]) -> bool {
        sealed_with(value) == self.target() || (value.len() <= 1 && sealed_with(value).is_none())
    }

    /// What is written instead of a plain value.
    pub(super) fn seal(
        &self,
        table: &'static str,
        key: &[u8],
        plain: Vec<u8>,
    ) -> Result<Vec<u8>, StoreError> {
        let Some(SealKey { id, cipher }) = self.sealing().filter(|_| plain.len() > 1) else {
            return Ok(plain);
        };
        let nonce: [u8; NONCE] = rand::random();
        let mut sealed = Vec::with_capacity(HEAD + plain.len() + TAG);
        sealed.push(SEALED);
        sealed.extend_from_slice(&id.0);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&plain);
        let tag = cipher
            .encrypt_in_place_detached(XNonce::from_slice(&nonce), &place(table, key), &mut sealed[HEAD..])
            .map_err(|_| StoreError::Sealed { table })?;
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// The plain value of what was read.
    ///
    /// # Errors
    /// [`StoreError::Sealed`]: it is damaged, lies where it was not written, or its key is not here.
    pub(super) fn open<'v>(
        &self,
        table: &'static str,
        key: &[u8],
        value: &'v [u8],
    ) -> Result<Cow<'v, [u8]>, StoreError> {
        let Some(id) = value.first().filter(|first| **first == SEALED).map(|_| sealed_with(value)) else {
            return Ok(Cow::Borrowed(value));
        };
        self.open_sealed(id, table, key, value).map(Cow::Owned).ok_or(StoreError::Sealed { table })
    }

    fn open_sealed(&self, id: Option<KeyId>, table: &str, key: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        let SealKey { cipher, .. } = self.keys.iter().find(|key| Some(key.id) == id)?;
        let (body, tag) = value.get(HEAD..)?.split_last_chunk::<TAG>()?;
        let nonce = XNonce::from_slice(value.get(1 + ID..HEAD)?);
        let mut plain = body.to_vec();
        cipher
            .decrypt_in_place_detached(nonce, &place(table, key), &mut plain, Tag::from_slice(tag))
            .ok()
            .map(|()| plain)
    }
}

/// Which key sealed a value; none, if it is plain, or too short to be sealed.
pub(super) fn sealed_with(value: &[u8]) -> Option<KeyId> {
    let (first, rest) = value.split_first()?;
    let (id, _) = rest.split_first_chunk::<ID>().filter(|_| *first == SEALED)?;
    Some(KeyId(*id))
}

/// Where a value lies. No name of a table has a zero byte in it.
fn place(table: &str, key: &[u8]) -> Vec<u8> {
    let mut place = Vec::with_capacity(table.len() + 1 + key.len());
    place.extend_from_slice(table.as_bytes());
    place.push(0);
    place.extend_from_slice(key);
    place
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ONE: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    const OTHER: &str = "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn keys(keys: &[&str]) -> SealKeys {
        SealKeys::new(keys.iter().copied(), true).unwrap()
    }

    fn plain() -> impl Strategy<Value = Vec<u8>> {
        (1..100u8, prop::collection::vec(any::<u8>(), 1..200)).prop_map(|(version, mut rest)| {
            rest.insert(0, version);
            rest
        })
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_in_its_place_alone(
            plain in plain(),
            key in prop::collection::vec(any::<u8>(), 0..40),
            other in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let old = keys(&[ONE]);
            let sealed = old.seal("messages-1", &key, plain.clone()).unwrap();
            prop_assert_eq!(sealed.len(), plain.len() + HEAD + TAG);
            prop_assert_eq!(&*old.open("messages-1", &key, &sealed).unwrap(), &plain[..]);
            prop_assert!(!sealed.windows(plain.len()).any(|window| window == plain) || plain.len() < 4);
            // With another first key it still opens; with that key alone it does not.
            prop_assert_eq!(&*keys(&[OTHER, ONE]).open("messages-1", &key, &sealed).unwrap(), &plain[..]);
            prop_assert!(keys(&[OTHER]).open("messages-1", &key, &sealed).is_err());
            prop_assert!(NONE.open("messages-1", &key, &sealed).is_err());
            prop_assert!(old.open("messages-2", &key, &sealed).is_err());
            if key != other {
                prop_assert!(old.open("messages-1", &other, &sealed).is_err());
            }
        }

        #[test]
        fn no_flipped_bit_and_no_cut_passes(plain in plain(), at in any::<prop::sample::Index>(), bit in 0..8u8) {
            let keys = keys(&[ONE]);
            let mut sealed = keys.seal("messages-1", b"key", plain).unwrap();
            let at = at.index(sealed.len());
            prop_assert!(keys.open("messages-1", b"key", &sealed[..at]).is_err() || at == 0);
            sealed[at] ^= 1 << bit;
            // Without its first byte it is a plain value, of a version that there is not.
            let version = keys.open("messages-1", b"key", &sealed).map(|plain| plain[0]);
            prop_assert!(version.is_err() || (at == 0 && version.unwrap() >= 127));
        }
    }

    #[test]
    fn what_has_no_content_stays_as_it_is_and_nothing_is_sealed_twice_alike() {
        let keys = keys(&[ONE]);
        assert_eq!(keys.seal("threads-1", b"key", vec![1]).unwrap(), [1]);
        assert!(keys.is_as_wanted(&[1]) && !keys.is_as_wanted(&[1, 2]));
        let seal = || keys.seal("threads-1", b"key", vec![1, 2]).unwrap();
        assert_ne!(seal(), seal());
        assert!(keys.is_as_wanted(&seal()) && !NONE.is_as_wanted(&seal()));
    }

    #[test]
    fn keys_are_read_and_never_shown() {
        assert_eq!(SealKeys::new(["00"], true).unwrap_err(), BadSealKey);
        assert_eq!(SealKeys::new([&ONE[2..], ONE], true).unwrap_err(), BadSealKey);
        let printed = format!("{:?}", keys(&[ONE, OTHER]));
        assert!(printed.contains("KeyId(") && !printed.contains(ONE), "{printed}");
        assert_eq!(SealKeys::new([], true).unwrap().target(), None);
        assert_eq!(SealKeys::new([ONE], false).unwrap().target(), None);
    }
}
