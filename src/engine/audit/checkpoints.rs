//! Signed checkpoints of the audit log: each hour in which it grew, its head is signed, as an entry.
//!
//! A chain alone shows that nothing was changed to whoever kept one of its hashes. A signature shows it to
//! everybody who has the public key: nobody without the other half can write the chain anew from an
//! entry on. As an entry a checkpoint stands in every export and goes to every output by itself.
//!
//! Signed by Ed25519 is `fulcrum audit checkpoint`, the head's number, its hash in hexadecimal and the
//! checkpoint's time as it stands in its line, each with a line feed behind it.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use fulcrum_domain::{Activity, ActivityKind, Actor};
use jiff::{SignedDuration, Timestamp};
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

use super::{AuditError, Checking, ENTRIES, Line, append};
use crate::engine::Engine;
use crate::store::tables::{AUDIT, BOOKMARKS, COUNTERS, SECRETS};
use crate::store::{Read, Seen, Store, StoreError, Tx};

/// The name of the key that is made at the first start, and the bookmark of the last checkpoint.
pub(crate) const KEY: &str = "audit signing";
const MADE: &str = "audit checkpoint";

/// How often the head is signed, and how often it is looked whether it is time.
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const LOOK: Duration = Duration::from_secs(60);

/// What an entry of this kind says, before the four words of it.
const BEGINS: &str = "signed";

/// The key that signs.
pub struct Signer(Ed25519KeyPair);

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.public_key())
    }
}

/// No key of Ed25519.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The secret one.
    #[error("no secret key of Ed25519 in PEM, as `openssl genpkey -algorithm ed25519` makes it")]
    Secret,
    /// The public one.
    #[error("no public key: 64 hexadecimal digits, as `fulcrum audit checkpoints` shows it")]
    Public,
}

impl Signer {
    /// The key in PEM (PKCS #8).
    ///
    /// # Errors
    /// [`KeyError::Secret`].
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyError::Secret)?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der());
        pair.map(Self).map_err(|_| KeyError::Secret)
    }

    /// The key that a store has made for itself; none before its first start.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn stored(read: &impl Read) -> Result<Option<Self>, StoreError> {
        let seed = read.get(SECRETS, &KEY.to_owned())?;
        Ok(seed.and_then(|seed| Ed25519KeyPair::from_seed_unchecked(&seed.0).ok()).map(Self))
    }

    /// The other half, in hexadecimal.
    pub fn public_key(&self) -> String {
        hex::encode(self.0.public_key().as_ref())
    }
}

/// The half that everybody may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl std::str::FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut key = [0; 32];
        hex::decode_to_slice(text.trim(), &mut key).map_err(|_| KeyError::Public)?;
        Ok(Self(key))
    }
}

/// A checkpoint, as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Checkpoint {
    /// Its own place.
    pub number: u64,
    /// When.
    pub at: String,
    /// Up to which entry it signs.
    pub head: u64,
    /// That entry's hash.
    pub hash: String,
    /// By which key, in hexadecimal.
    pub key: String,
    /// Ed25519's, in hexadecimal.
    pub signature: String,
}

impl Checkpoint {
    /// What a line says; none if it is no checkpoint.
    pub fn of(line: &Line) -> Option<Self> {
        if line.kind != ActivityKind::Checkpoint.word() {
            return None;
        }
        let mut words = line.detail.split(' ');
        let mut named = |name: &str| (words.next() == Some(name)).then(|| words.next()).flatten();
        let head = named(BEGINS)?.parse().ok()?;
        let [hash, key, signature] = [named("hash")?, named("key")?, named("signature")?];
        Some(Self {
            number: line.number,
            at: line.at.clone(),
            head,
            hash: hash.to_owned(),
            key: key.to_owned(),
            signature: signature.to_owned(),
        })
    }

    /// Whether one of the keys has signed it.
    fn is_signed_by(&self, keys: &[PublicKey]) -> bool {
        let message = message(self.head, &self.hash, &self.at);
        let Ok(signature) = hex::decode(&self.signature) else { return false };
        let signed = |key: &PublicKey| UnparsedPublicKey::new(&ED25519, key.0).verify(&message, &signature);
        keys.iter().any(|key| signed(key).is_ok())
    }
}

fn message(head: u64, hash: &str, at: &str) -> Vec<u8> {
    format!("fulcrum audit checkpoint\n{head}\n{hash}\n{at}\n").into_bytes()
}

impl Checking {
    /// A line that is the next of the chain, if it is a checkpoint: signed by one of the keys, of the entry
    /// before it.
    pub(super) fn signed_too(&mut self, before: [u8; 32], line: &Line) -> Result<(), AuditError> {
        if self.keys.is_empty() || line.kind != ActivityKind::Checkpoint.word() {
            return Ok(());
        }
        let valid = Checkpoint::of(line).filter(|checkpoint| {
            let of_the_head = checkpoint.head + 1 == line.number && checkpoint.hash == hex::encode(before);
            of_the_head && checkpoint.is_signed_by(&self.keys)
        });
        let valid = valid.ok_or(AuditError::NotSigned { number: line.number })?;
        self.signed = Some(valid.head);
        Ok(())
    }
}

/// Signs the head if that was last done an hour ago, and the log has grown since. False when not.
pub(super) async fn sign_if_due(
    store: &Store,
    signer: Option<Arc<Signer>>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    store.change(move |tx| sign(tx, signer.as_deref(), now)).await
}

fn sign(tx: &mut Tx<'_>, signer: Option<&Signer>, now: Timestamp) -> Result<bool, StoreError> {
    let bookmark = MADE.to_owned();
    let Some(Seen(last)) = tx.get(BOOKMARKS, &bookmark)? else {
        // The first hour begins.
        tx.put(BOOKMARKS, &bookmark, &Seen(now))?;
        return Ok(false);
    };
    let head = tx.get(COUNTERS, &ENTRIES.to_owned())?.unwrap_or(0);
    let entry = tx.get(AUDIT, &head)?.filter(|entry| entry.activity.kind != ActivityKind::Checkpoint);
    let Some(entry) = entry.filter(|_| now.duration_since(last) >= HOUR) else { return Ok(false) };
    let stored = if signer.is_none() { Signer::stored(tx)? } else { None };
    let Some(signer) = signer.or(stored.as_ref()) else { return Ok(false) };
    let (hash, at) = (hex::encode(entry.hash), format!("{now:.3}"));
    let signature = hex::encode(signer.0.sign(&message(head, &hash, &at)));
    let what = format!("{BEGINS} {head} hash {hash} key {} signature {signature}", signer.public_key());
    append(tx, &Activity::new(now, Actor::fulcrum(), ActivityKind::Checkpoint, what))?;
    tx.put(BOOKMARKS, &bookmark, &Seen(now))?;
    Ok(true)
}

impl Engine {
    /// Signs the head of the log each hour.
    pub(crate) async fn run_audit_checkpoints(self) -> Result<(), StoreError> {
        loop {
            let signer = self.settings.load().audit_key.clone();
            sign_if_due(&self.store, signer, self.clock.now()).await?;
            tokio::time::sleep(LOOK).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::audit::outputs::tests::{happen, store};
    use crate::engine::audit::{Verified, checkpoints, export, verify_lines};

    /// `openssl genpkey -algorithm ed25519`; its other half is in `openssl pkey -pubout`.
    const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
                       MC4CAQAwBQYDK2VwBCIEIGlLq+4abfAXrmqPXx+jdQFQC7edKqUqyvVrHiAXNswl\n\
                       -----END PRIVATE KEY-----\n";
    const PUBLIC: &str = "f31200d35dbe0e870c04cdf6629976bafcd42b1ae23bff6967ea81a97eacfa21";

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + 60 * minutes).unwrap()
    }

    fn exported(store: &Store) -> String {
        let mut exported = Vec::new();
        store.read_here(|read| export(read, &mut exported)).unwrap();
        String::from_utf8(exported).unwrap()
    }

    fn check(text: &str, key: &str) -> Result<Verified, AuditError> {
        verify_lines(text.as_bytes(), &[key.parse().unwrap()], |_| Ok(()))
    }

    #[tokio::test]
    async fn the_head_is_signed_each_hour_in_which_the_log_grew() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let signer = Arc::new(Signer::from_pem(PEM).unwrap());
        assert_eq!(signer.public_key(), PUBLIC);
        let due = async |minutes| sign_if_due(&store, Some(signer.clone()), at(minutes)).await.unwrap();
        assert!(!due(0).await);
        assert!(!due(61).await, "nothing is there");
        happen(&store, 3).await;
        assert!(due(62).await);
        assert!(!due(200).await, "a checkpoint is no growth");
        happen(&store, 1).await;
        assert!(due(201).await);
        happen(&store, 1).await;
        assert!(!due(260).await);
        let text = exported(&store);
        let verified = check(&text, PUBLIC).unwrap();
        assert_eq!((verified.entries, verified.signed), (7, Some(5)));
        let listed = store.read_here(checkpoints).unwrap();
        let heads: Vec<_> = listed.iter().map(|checkpoint| (checkpoint.head, &*checkpoint.key)).collect();
        assert_eq!(heads, [(3, PUBLIC), (5, PUBLIC)]);
    }

    #[tokio::test]
    async fn a_chain_that_was_written_anew_is_found_out_by_the_key_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        store.change(|tx| tx.put(SECRETS, &KEY.to_owned(), &crate::store::SecretKey([7; 32]))).await.unwrap();
        sign_if_due(&store, None, at(0)).await.unwrap();
        happen(&store, 2).await;
        assert!(matches!(check(&exported(&store), PUBLIC), Err(AuditError::NoCheckpoint)));
        assert!(sign_if_due(&store, None, at(60)).await.unwrap());
        let text = exported(&store);
        let key = store.read_here(Signer::stored).unwrap().unwrap().public_key();
        assert_eq!(check(&text, &key).unwrap().signed, Some(2));
        assert!(matches!(check(&text, PUBLIC), Err(AuditError::NotSigned { number: 3 })));
        // Somebody changes an entry and makes all the hashes fit.
        let mut last = [0; 32];
        let lines = text.replace("signed in", "signed out");
        let forged = lines.lines().map(|line| {
            let line: Line = serde_json::from_str(line).unwrap();
            last = line.chained_to(last);
            serde_json::to_string(&Line { hash: hex::encode(last), ..line }).unwrap() + "\n"
        });
        let forged: String = forged.collect();
        verify_lines(forged.as_bytes(), &[], |_| Ok(())).unwrap();
        assert!(matches!(check(&forged, &key), Err(AuditError::NotSigned { number: 3 })));
        assert_eq!(Signer::from_pem("-----BEGIN").unwrap_err(), KeyError::Secret);
        assert_eq!("6b".parse::<PublicKey>(), Err(KeyError::Public));
    }
}
