//! A text with signatures under it: C2SP's signed note, with Ed25519 (RFC 8032) and nothing else.
//!
//! # Source
//! <https://c2sp.org/signed-note>, read 2026-11.

use std::fmt;

use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

/// What every line of a signature begins with: an em dash and a space.
const MARK: &str = "\u{2014} ";
/// The type of Ed25519 signatures and keys.
const ED25519: u8 = 1;
/// How many signatures are looked at, at most.
const SIGNATURES_MAX: usize = 16;

/// A text, and who has signed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// With the newline at its end.
    text: String,
    signatures: Vec<Signed>,
}

/// A line of a signature.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Signed {
    name: String,
    key_id: [u8; 4],
    /// Of any type; those of others are passed over.
    bytes: Vec<u8>,
}

/// Why something is no note.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("this is not a signed note: {0}")]
pub struct NoNote(&'static str);

/// Why a note is not believed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unbelieved {
    /// None of the keys that are trusted has signed it.
    #[error("no key that is trusted has signed it; it is signed by {0}")]
    Unsigned(String),
    /// A key that is trusted is named, and the signature is not its own.
    #[error("the signature of {0} does not fit: the text or the signature was changed")]
    Forged(String),
}

/// A key that verifies notes, with the name it signs under.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    key: VerifyingKey,
}

/// Why something is no verifier key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("this is not a verifier key (<name>+<id in hex>+<key in base64>): {0}")]
pub struct NoVerifier(&'static str);

impl Note {
    /// A text without signatures. It must end with a newline and hold no other control character.
    pub(crate) fn unsigned(text: String) -> Self {
        Self { text, signatures: Vec::new() }
    }

    /// Adds a signature under a name.
    pub(crate) fn sign(&mut self, name: &str, key: &SigningKey) {
        let verifier = Verifier { name: name.to_owned(), key: key.verifying_key() };
        let bytes = key.sign(self.text.as_bytes()).to_bytes().to_vec();
        let (name, key_id) = (name.to_owned(), verifier.id());
        self.signatures.push(Signed { name, key_id, bytes });
    }

    /// Reads a note. Nothing in it is to be believed before [`Note::verify`].
    ///
    /// # Errors
    /// [`NoNote`].
    pub fn parse(note: &str) -> Result<Self, NoNote> {
        if note.chars().any(|c| c < ' ' && c != '\n') {
            return Err(NoNote("it holds control characters"));
        }
        let (text, signatures) =
            note.rsplit_once("\n\n").ok_or(NoNote("no empty line divides text and signatures"))?;
        let lines = signatures.strip_suffix('\n').ok_or(NoNote("its last line is cut off"))?;
        let signatures: Vec<_> = lines.split('\n').map(Signed::parse).collect::<Result<_, _>>()?;
        if signatures.len() > SIGNATURES_MAX {
            return Err(NoNote("it has more than 16 signatures"));
        }
        Ok(Self { text: format!("{text}\n"), signatures })
    }

    /// The text, when at least one of these keys has signed it.
    ///
    /// # Errors
    /// [`Unbelieved`].
    pub fn verify(&self, trusted: &[Verifier]) -> Result<&str, Unbelieved> {
        let mut believed = false;
        for signed in &self.signatures {
            let is = |key: &&Verifier| key.name == signed.name && key.id() == signed.key_id;
            let Some(key) = trusted.iter().find(is) else { continue };
            let signature = Signature::from_slice(&signed.bytes);
            let fits =
                signature.is_ok_and(|it| key.key.verify_strict(self.text.as_bytes(), &it).is_ok());
            if !fits {
                return Err(Unbelieved::Forged(key.to_string()));
            }
            believed = true;
        }
        if believed { Ok(&self.text) } else { Err(Unbelieved::Unsigned(self.signers())) }
    }

    /// The text, whoever has signed it: for a note that was kept by whoever reads it.
    pub fn text_as_kept(&self) -> &str {
        &self.text
    }

    fn signers(&self) -> String {
        let names = self
            .signatures
            .iter()
            .map(|it| format!("{} (key {})", it.name, HEXLOWER.encode(&it.key_id)));
        names.collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Note {
    /// As it is written to a file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for Signed { name, key_id, bytes } in &self.signatures {
            let signature = BASE64.encode(&[key_id.as_slice(), bytes].concat());
            writeln!(f, "{MARK}{name} {signature}")?;
        }
        Ok(())
    }
}

impl Signed {
    fn parse(line: &str) -> Result<Self, NoNote> {
        let wrong = NoNote("a line of a signature is not a dash, a name and base64");
        let (name, signature) =
            line.strip_prefix(MARK).and_then(|it| it.split_once(' ')).ok_or(wrong)?;
        let bytes = BASE64.decode(signature.as_bytes()).map_err(|_| wrong)?;
        let (key_id, bytes) = bytes.split_first_chunk().ok_or(wrong)?;
        if !is_name(name) || bytes.is_empty() {
            return Err(wrong);
        }
        Ok(Self { name: name.to_owned(), key_id: *key_id, bytes: bytes.to_vec() })
    }
}

impl Verifier {
    /// A key under a name: not empty, without spaces and pluses.
    pub(crate) fn new(name: String, key: VerifyingKey) -> Self {
        Self { name, key }
    }

    /// Reads `<name>+<id in hex>+<type and key in base64>`.
    ///
    /// # Errors
    /// [`NoVerifier`].
    pub fn parse(text: &str) -> Result<Self, NoVerifier> {
        // Base64 may hold a plus itself.
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoVerifier("it does not have three parts"));
        };
        let key = BASE64.decode(key.as_bytes()).map_err(|_| NoVerifier("its key is not base64"))?;
        let key: [u8; 33] =
            key.try_into().map_err(|_| NoVerifier("its key is too short or long"))?;
        let [ED25519, key @ ..] = key else { return Err(NoVerifier("its key is not Ed25519")) };
        let key = VerifyingKey::from_bytes(&key).map_err(|_| NoVerifier("its key is no point"))?;
        let verifier = Self::new(name.to_owned(), key);
        if !is_name(name) || HEXLOWER.encode(&verifier.id()) != id {
            return Err(NoVerifier("its id is not that of its name and key"));
        }
        Ok(verifier)
    }

    /// The same key under another name.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        Self { name: name.to_owned(), key: self.key }
    }

    /// The name it signs under.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn id(&self) -> [u8; 4] {
        let mut hasher = Sha256::new();
        hasher.update(self.name.as_bytes());
        hasher.update([b'\n', ED25519]);
        hasher.update(self.key.as_bytes());
        let hash: [u8; 32] = hasher.finalize().into();
        [hash[0], hash[1], hash[2], hash[3]]
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = BASE64.encode(&[&[ED25519], self.key.as_bytes().as_slice()].concat());
        write!(f, "{}+{}+{key}", self.name, HEXLOWER.encode(&self.id()))
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    const KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    const NOTE: &str = "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

    #[test]
    fn the_example_of_the_specification_verifies() {
        let key = Verifier::parse(KEY).unwrap();
        assert_eq!((key.name(), key.to_string().as_str()), ("example.com/foo", KEY));
        let note = Note::parse(NOTE).unwrap();
        assert_eq!(note.verify(&[key]).unwrap(), "This is an example message.\n");
        assert_eq!(note.to_string(), NOTE);
    }

    #[test]
    fn a_note_that_was_changed_or_signed_by_others_is_not_believed() {
        let key = Verifier::parse(KEY).unwrap();
        for (from, to) in [("example m", "Example m"), ("Uw2QOkn8s", "Uw2QOkn8t")] {
            let note = Note::parse(&NOTE.replace(from, to)).unwrap();
            let said = note.verify(std::slice::from_ref(&key));
            assert_eq!(said, Err(Unbelieved::Forged(KEY.to_owned())));
        }
        let note = Note::parse(NOTE).unwrap();
        for other in [vec![], vec![key.named("example.com/bar")]] {
            let said = note.verify(&other).unwrap_err().to_string();
            assert!(said.contains("example.com/foo (key 530d903a)"), "{said}");
        }
    }

    #[test]
    fn what_is_signed_by_several_is_believed_for_one_of_them() {
        let keys = [[1; 32], [2; 32]].map(|seed| SigningKey::from_bytes(&seed));
        let mut note = Note::unsigned("a\n\nb\n".to_owned());
        keys.iter().for_each(|key| note.sign("x/y", key));
        let note = Note::parse(&note.to_string()).unwrap();
        for key in &keys {
            let verifier = Verifier::new("x/y".to_owned(), key.verifying_key());
            assert_eq!(note.verify(&[verifier]).unwrap(), "a\n\nb\n");
        }
    }

    #[test]
    fn what_is_no_note_or_key_is_refused() {
        for bad in
            ["", "text\n", "a\n\nb\n", "a\n\n\u{2014} x AAAA", "a\tb\n\n\u{2014} x AAAAAAA=\n"]
        {
            assert!(Note::parse(bad).is_err(), "{bad:?}");
        }
        for bad in
            ["", "a+b+c", &KEY.replace("530d903a", "530d903b"), &KEY.replace("+Aeky", "+Beky")]
        {
            assert!(Verifier::parse(bad).is_err(), "{bad:?}");
        }
    }
}
