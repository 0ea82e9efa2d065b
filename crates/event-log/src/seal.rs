//! Payloads sealed with a data key: AES-256-GCM-SIV (RFC 8452).
//!
//! The nonce is the event's version in its stream, which no stored event shares; where an append
//! was refused and decided again, the same nonce may have been used before, and this cipher then
//! tells only whether the payloads were equal. What is sealed is bound to its place: moved to
//! another workspace, stream, version or event type, it does not open.

use aes_gcm_siv::aead::AeadInOut;
use aes_gcm_siv::{Aes256GcmSiv, KeyInit, Nonce};
use zeroize::Zeroizing;

use crate::{StreamId, WorkspaceId};

/// A data key. It is wiped from memory when it is dropped.
pub(crate) type Key = Zeroizing<[u8; 32]>;

/// What is added to a payload when it is sealed, in bytes.
pub(crate) const TAG_BYTES: usize = 16;

/// The place that a payload is bound to.
pub(crate) struct Place<'a> {
    pub(crate) workspace: &'a WorkspaceId,
    pub(crate) stream: &'a StreamId,
    pub(crate) version: u64,
    pub(crate) name: &'a str,
}

impl Place<'_> {
    /// `workspace|kind/id|version|name`: a bar is in none of the first three.
    fn associated_data(&self) -> String {
        format!("{}|{}|{}|{}", self.workspace, self.stream, self.version, self.name)
    }

    fn nonce(&self) -> Nonce {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.version.to_be_bytes());
        nonce.into()
    }

    /// Seals in place.
    pub(crate) fn seal(&self, key: &Key, mut payload: Vec<u8>) -> Vec<u8> {
        payload.reserve_exact(TAG_BYTES);
        let data = self.associated_data();
        match cipher(key).encrypt_in_place(&self.nonce(), data.as_bytes(), &mut payload) {
            Ok(()) => payload,
            Err(_) => unreachable!("SQLite refuses a payload long before the cipher's 64 GiB"),
        }
    }

    /// Opens in place. `None` when it was not sealed with this key for this place.
    pub(crate) fn open(&self, key: &Key, mut sealed: Vec<u8>) -> Option<Vec<u8>> {
        cipher(key)
            .decrypt_in_place(&self.nonce(), self.associated_data().as_bytes(), &mut sealed)
            .ok()?;
        Some(sealed)
    }
}

fn cipher(key: &Key) -> Aes256GcmSiv {
    Aes256GcmSiv::new(&(**key).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn it_opens_at_its_place_only() {
        let acme = WorkspaceId::parse("acme").unwrap();
        let other = WorkspaceId::parse("other").unwrap();
        let ada = StreamId::new("user", Uuid::from_u128(1));
        let bob = StreamId::new("user", Uuid::from_u128(2));
        let place = |workspace, stream, version, name| Place { workspace, stream, version, name };
        let key = Key::new([1; 32]);

        let here = place(&acme, &ada, 1, "user.renamed");
        let sealed = here.seal(&key, b"Ada".to_vec());
        assert_eq!(sealed.len(), 3 + TAG_BYTES);
        assert_eq!(here.open(&key, sealed.clone()).unwrap(), b"Ada");

        assert_eq!(here.open(&Key::new([2; 32]), sealed.clone()), None);
        for elsewhere in [
            place(&other, &ada, 1, "user.renamed"),
            place(&acme, &bob, 1, "user.renamed"),
            place(&acme, &ada, 2, "user.renamed"),
            place(&acme, &ada, 1, "user.removed"),
        ] {
            assert_eq!(elsewhere.open(&key, sealed.clone()), None);
        }
    }
}
