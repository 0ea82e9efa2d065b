//! Size and root of a workspace's tree as the text of a signed note: C2SP's checkpoint.
//!
//! The origin is the installation's name, a slash and the workspace's slug. It is also the name
//! that the key signs under, as the specification advises, so that a workspace has a verifier key
//! of its own though an installation has one key.
//!
//! The last checkpoint of a key that is replaced has one more line, which names the next key, and
//! the signatures of both: whoever trusts the old key learns from it which one to trust.
//!
//! # Source
//! <https://c2sp.org/tlog-checkpoint>, read 2026-11.

use data_encoding::BASE64;
use event_log::TreeHead;

use crate::{Note, Verifier};

/// What the line that names the next key begins with.
const NEXT_KEY: &str = "next-key ";

/// A workspace's tree, at a time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// Whose tree it is: `<installation>/<workspace>`.
    pub origin: String,
    /// Size and root.
    pub head: TreeHead,
    /// The key that signs from then on, where this was the last checkpoint of the one before.
    pub next_key: Option<Verifier>,
}

/// Why a text is no checkpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("this is not a checkpoint: {0}")]
pub struct NoCheckpoint(&'static str);

impl Checkpoint {
    /// The text to sign.
    pub fn to_text(&self) -> String {
        let Self { origin, head: TreeHead { size, root }, next_key } = self;
        let next = next_key.as_ref().map(|key| format!("{NEXT_KEY}{key}\n")).unwrap_or_default();
        format!("{origin}\n{size}\n{}\n{next}", BASE64.encode(root))
    }

    /// Reads a text. Lines that others may have added are passed over.
    ///
    /// # Errors
    /// [`NoCheckpoint`].
    pub fn parse(text: &str) -> Result<Self, NoCheckpoint> {
        let mut lines = text.strip_suffix('\n').ok_or(NoCheckpoint("it is cut off"))?.split('\n');
        let mut line = |what| lines.next().filter(|it| !it.is_empty()).ok_or(NoCheckpoint(what));
        let origin = line("it has no origin")?.to_owned();
        let size = line("it has no size")?;
        let wrong = NoCheckpoint("its size is not a number");
        let number: u64 = size.parse().map_err(|_| wrong)?;
        if number.to_string() != size {
            return Err(wrong);
        }
        let root = BASE64.decode(line("it has no root hash")?.as_bytes()).ok();
        let root = root.and_then(|it| it.try_into().ok());
        let root = root.ok_or(NoCheckpoint("its root hash is not 32 bytes in base64"))?;
        let next_key = lines.find_map(|it| it.strip_prefix(NEXT_KEY)).map(Verifier::parse);
        let next_key = next_key.transpose().map_err(|_| NoCheckpoint("its next key is none"))?;
        Ok(Self { origin, head: TreeHead { size: number, root }, next_key })
    }

    /// The workspace's slug, as the origin names it.
    pub fn workspace(&self) -> &str {
        self.origin.rsplit_once('/').map_or(self.origin.as_str(), |(_, slug)| slug)
    }
}

/// Several notes in one text, one after the other.
///
/// # Errors
/// When one of them is no note.
pub fn notes(text: &str) -> Result<Vec<Note>, crate::note::NoNote> {
    let mut notes = Vec::new();
    let mut one = String::new();
    let mut signed = false;
    for line in text.split_inclusive('\n') {
        let is_signature = line.starts_with('\u{2014}');
        if signed && !is_signature {
            notes.push(Note::parse(&std::mem::take(&mut one))?);
            signed = false;
            // An empty line may divide notes.
            if line == "\n" {
                continue;
            }
        }
        signed |= is_signature;
        one.push_str(line);
    }
    if !one.trim().is_empty() || notes.is_empty() {
        notes.push(Note::parse(&one)?);
    }
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    const TEXT: &str =
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    #[test]
    fn a_checkpoint_reads_back() {
        let checkpoint = Checkpoint::parse(TEXT).unwrap();
        assert_eq!((checkpoint.head.size, checkpoint.head.root[0]), (20_852_163, 0x0a));
        assert_eq!(
            (checkpoint.workspace(), checkpoint.to_text().as_str()),
            ("behind-the-sofa", TEXT)
        );
        let key = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
        let last = Checkpoint { next_key: Some(Verifier::parse(key).unwrap()), ..checkpoint };
        assert_eq!(Checkpoint::parse(&last.to_text()).unwrap(), last);
        assert!(Checkpoint::parse(&format!("{TEXT}somebody's line\n")).unwrap().next_key.is_none());
    }

    #[test]
    fn what_is_no_checkpoint_is_refused() {
        let size = |size: &str| TEXT.replace("20852163", size);
        for bad in
            ["", "a\n", "a\n1\n", "a\n1\nAAAA\n", &size("01"), &size("-1"), &size("+1"), &size("")]
        {
            assert!(Checkpoint::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn notes_stand_one_after_the_other() {
        let note = "a\n\n\u{2014} x AAAAAAA=\n";
        for between in ["", "\n"] {
            let all = notes(&[note, note, note].join(between)).unwrap();
            assert_eq!(all, vec![Note::parse(note).unwrap(); 3]);
        }
        assert!(notes("").is_err() && notes("a\n").is_err());
    }
}
