//! Bearer tokens: `mst_<id>_<secret>`.
//!
//! The id stands readable in the token, so that checking one is a look-up and a single comparison,
//! never a scan. The secret is 256 random bits; only the SHA-256 of the whole token is kept, which
//! is enough for random secrets and costs a microsecond (slow hashes are for passwords).

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use domain::ids::TokenId;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// What every token begins with, so that secret scanners can know it.
const PREFIX: &str = "mst_";

/// A token's digest.
pub type TokenDigest = [u8; 32];

/// Makes a token.
///
/// # Errors
/// When the operating system has no randomness to give.
pub(crate) fn make(id: TokenId) -> Result<String, getrandom::Error> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)?;
    let id = HEXLOWER.encode(id.0.as_bytes());
    Ok(format!("{PREFIX}{id}_{}", BASE64URL_NOPAD.encode(&secret)))
}

/// The id in a token; `None` when it is not of our making.
pub(crate) fn id_of(token: &str) -> Option<TokenId> {
    let (id, secret) = token.strip_prefix(PREFIX)?.split_once('_')?;
    let id: [u8; 16] = HEXLOWER.decode(id.as_bytes()).ok()?.try_into().ok()?;
    (!secret.is_empty()).then(|| TokenId(Uuid::from_bytes(id)))
}

/// What is kept of a token.
pub(crate) fn digest(token: &str) -> TokenDigest {
    Sha256::digest(token.as_bytes()).into()
}

/// Whether a token is the one that a digest was made of, in time that does not depend on it.
pub(crate) fn matches(token: &str, known: &TokenDigest) -> bool {
    digest(token).ct_eq(known).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_tells_its_id_and_matches_its_digest() {
        let id = TokenId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));
        let token = make(id).unwrap();
        assert_eq!(id_of(&token), Some(id));
        assert!(matches(&token, &digest(&token)));
        assert!(!matches(&format!("{token}x"), &digest(&token)));
    }

    #[test]
    fn other_texts_are_no_tokens() {
        for text in ["", "mst_", "mst_12_x", "Bearer mst_", "mst_zz_secret"] {
            assert_eq!(id_of(text), None, "{text}");
        }
    }
}
