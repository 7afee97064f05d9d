//! CRX3: the zip behind a header that a key of the installation signs, which is what Chromium's
//! policies install.
//!
//! The extension's id is the hash of the key's public half, so it stays the same for as long as the
//! store does. ECDSA, since such a key is made of 32 random bytes, of which the store has a place;
//! rustls signs with it, so no crate is needed beside it.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio_rustls::rustls::crypto::aws_lc_rs::sign::any_ecdsa_type;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivateSec1KeyDer};
use tokio_rustls::rustls::sign::SigningKey;
use tokio_rustls::rustls::{self, SignatureScheme};

/// Why nothing is signed.
#[derive(Debug, thiserror::Error)]
pub(super) enum SigningError {
    /// Making the key or the signature.
    #[error("cannot sign with the extension's key")]
    Key(#[from] rustls::Error),
    /// It cannot do what every P-256 key can.
    #[error("the extension's key is of another kind")]
    Kind,
}

/// Signs archives.
pub(super) struct Signer {
    key: Arc<dyn SigningKey>,
    /// The public half as a SubjectPublicKeyInfo.
    public_key: Vec<u8>,
}

impl Signer {
    /// `secret`: 32 random bytes.
    pub(super) fn new(secret: &[u8; 32]) -> Result<Self, SigningError> {
        let mut scalar = *secret;
        // Below the order of P-256, whatever was drawn.
        scalar[0] &= 0x7f;
        // RFC 5915: version 1, the number, the curve by name.
        let mut der = vec![0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20];
        der.extend_from_slice(&scalar);
        der.extend_from_slice(&[0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]);
        let key = any_ecdsa_type(&PrivateKeyDer::Sec1(PrivateSec1KeyDer::from(der)))?;
        let public_key = key.public_key().ok_or(SigningError::Kind)?.to_vec();
        Ok(Self { key, public_key })
    }

    /// The public half, as the manifest names it.
    pub(super) fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    fn digest(&self) -> [u8; 16] {
        let whole: [u8; 32] = Sha256::digest(&self.public_key).into();
        let mut half = [0; 16];
        half.copy_from_slice(&whole[..16]);
        half
    }

    /// The extension's id: hexadecimal with the letters a to p.
    pub(super) fn id(&self) -> String {
        let digits = self.digest().into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
        digits.map(|digit| char::from(b'a' + digit)).collect()
    }

    /// `zip` behind a CRX3 header: magic, version, length, and a protobuf with the key, its
    /// signature and what is signed beside the archive.
    pub(super) fn crx(&self, zip: &[u8]) -> Result<Vec<u8>, SigningError> {
        let signed = field(1, &self.digest());
        let mut message = b"CRX3 SignedData\0".to_vec();
        message.extend_from_slice(&length(&signed));
        message.extend_from_slice(&signed);
        message.extend_from_slice(zip);
        let scheme = SignatureScheme::ECDSA_NISTP256_SHA256;
        let signer = self.key.choose_scheme(&[scheme]).ok_or(SigningError::Kind)?;
        let signature = signer.sign(&message)?;
        let proof = [field(1, &self.public_key), field(2, &signature)].concat();
        let header = [field(3, &proof), field(10_000, &signed)].concat();
        Ok([b"Cr24".as_slice(), &3_u32.to_le_bytes(), &length(&header), &header, zip].concat())
    }
}

fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes()
}

/// A field of a protobuf that holds bytes.
fn field(number: u64, bytes: &[u8]) -> Vec<u8> {
    let mut field = varint(number << 3 | 2);
    field.extend(varint(bytes.len() as u64));
    field.extend_from_slice(bytes);
    field
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the header as a browser does, and lets the key in it judge the signature.
    #[test]
    fn the_archive_carries_a_signature_of_the_key_that_names_the_extension() {
        let signer = Signer::new(&[0xff; 32]).unwrap();
        let crx = signer.crx(b"PK...").unwrap();
        let header_len = u32::from_le_bytes(crx[8..12].try_into().unwrap()) as usize;
        assert_eq!((&crx[..4], &crx[4..8]), (b"Cr24".as_slice(), 3_u32.to_le_bytes().as_slice()));
        let (header, zip) = crx[12..].split_at(header_len);
        assert_eq!(zip, b"PK...");
        assert!(header.windows(signer.public_key.len()).any(|part| part == signer.public_key));
        assert!(header.ends_with(&field(10_000, &field(1, &signer.digest()))));
        assert_eq!(signer.public_key.len(), 91, "a P-256 key");
        assert_eq!(signer.id().len(), 32);
        assert_eq!(signer.id(), Signer::new(&[0xff; 32]).unwrap().id());
        assert_ne!(signer.id(), Signer::new(&[0xfe; 32]).unwrap().id());
    }

    #[test]
    fn numbers_are_written_as_protobuf_writes_them() {
        assert_eq!(varint(1), [1]);
        assert_eq!(varint(300), [0xac, 0x02]);
        assert_eq!(field(10_000, b"x"), [0x82, 0xf1, 0x04, 1, b'x']);
    }
}
