//! Wrapping what lies in `keys.db`, and signing keys, with the master key: AES-256-GCM-SIV (RFC 8452).
//!
//! What is wrapped has a name, and a key is never replaced under its name; the nonce is the name's
//! hash, so that nothing needs to be stored beside it. A secret that is replaced repeats its
//! nonce: this cipher then tells only whether it is the same as before.

use std::fmt;

use aes_gcm_siv::aead::AeadInOut;
use aes_gcm_siv::{Aes256GcmSiv, KeyInit, Nonce};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::seal::TAG_BYTES;

/// The key that wraps keys and secrets.
pub struct MasterKey(Aes256GcmSiv);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey")
    }
}

impl MasterKey {
    /// A key of these bytes.
    pub fn new(master_key: &[u8; 32]) -> Self {
        Self(Aes256GcmSiv::new(&(*master_key).into()))
    }

    /// Wraps something under a name. The name must be new, unless what it names is replaced.
    pub fn wrap(&self, name: &str, bytes: &[u8]) -> Vec<u8> {
        let mut buffer = Vec::with_capacity(bytes.len() + TAG_BYTES);
        buffer.extend_from_slice(bytes);
        match self.0.encrypt_in_place(&nonce(name), name.as_bytes(), &mut buffer) {
            Ok(()) => buffer,
            Err(_) => unreachable!("a key or a small secret is shorter than 64 GiB"),
        }
    }

    /// `None` when it was not wrapped with this key under this name.
    pub fn unwrap(&self, name: &str, bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut buffer = Zeroizing::new(bytes.to_vec());
        self.0.decrypt_in_place(&nonce(name), name.as_bytes(), &mut *buffer).ok()?;
        Some(buffer)
    }
}

fn nonce(name: &str) -> Nonce {
    let hash = Sha256::digest(name);
    let mut nonce = Nonce::default();
    nonce.copy_from_slice(&hash[..12]);
    nonce
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_under_its_name_and_key_only() {
        let master = MasterKey::new(&[1; 32]);
        let wrapped = master.wrap("key|acme|1", b"secret");
        assert_eq!(**master.unwrap("key|acme|1", &wrapped).unwrap(), *b"secret");
        assert_eq!(master.unwrap("key|acme|2", &wrapped), None);
        assert_eq!(MasterKey::new(&[2; 32]).unwrap("key|acme|1", &wrapped), None);
    }
}
