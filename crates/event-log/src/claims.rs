//! Claims as they are stored: keyed hashes.
//!
//! A claim's key is somebody's name or address. The log keeps HMAC-SHA256 of it under a key of the
//! installation, so that uniqueness can be decided while the table gives nothing away.
//!
//! The scope is not hashed but stands beside the hash: the claims of one name in several scopes
//! then lie on one page of the table, and a new user writes one random page instead of two. It
//! shows whoever has the file that two claims are of one name, as the stream that holds both of
//! them mostly does already; what the name is, it does not show.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{Claim, Hash, WorkspaceId};

/// Hashes claims under the key of the installation.
#[derive(Clone)]
pub(crate) struct ClaimHasher(Hmac<Sha256>);

impl ClaimHasher {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        // A key shorter than a block is filled up with zeros (RFC 2104 §2).
        let mut block = [0; 64];
        block[..32].copy_from_slice(key);
        Self(Hmac::new(&block.into()))
    }

    /// Tells one key from another without giving it away.
    pub(crate) fn fingerprint(&self) -> Hash {
        self.0.clone().finalize().into_bytes().into()
    }

    /// The hash over workspace and key, with the workspace's length before it.
    pub(crate) fn hash(&self, workspace: &WorkspaceId, claim: &Claim) -> Hash {
        let mut mac = self.0.clone();
        mac.update(&(workspace.as_str().len() as u64).to_be_bytes());
        mac.update(workspace.as_str().as_bytes());
        mac.update(claim.key.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    fn claim(scope: &str, key: &str) -> Claim {
        Claim { scope: scope.into(), key: key.to_owned() }
    }

    /// The stored format: this test is never to be changed.
    #[test]
    fn a_claim_is_stored_as_this_hash() {
        let acme = WorkspaceId::parse("acme").unwrap();
        let hash = ClaimHasher::new(&[7; 32]).hash(&acme, &claim("entry:okta", "ada@acme.example"));
        assert_eq!(
            HEXLOWER.encode(&hash),
            "f0ce7f0c5d71eb8d995f218ae1792145defc5e71298fcdd7c592eb82c1f4f13c"
        );
    }

    #[test]
    fn where_one_part_ends_and_the_next_begins_matters() {
        let hasher = ClaimHasher::new(&[7; 32]);
        let acme = WorkspaceId::parse("acme").unwrap();
        let acm = WorkspaceId::parse("acm").unwrap();
        assert_ne!(hasher.hash(&acme, &claim("a", "bc")), hasher.hash(&acme, &claim("ab", "c")));
        assert_ne!(hasher.hash(&acme, &claim("x", "y")), hasher.hash(&acm, &claim("ex", "y")));
        assert_ne!(
            hasher.hash(&acme, &claim("x", "y")),
            ClaimHasher::new(&[8; 32]).hash(&acme, &claim("x", "y"))
        );
    }
}
