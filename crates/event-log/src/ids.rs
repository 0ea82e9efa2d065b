//! The names of workspaces and streams.

use std::fmt;

use smol_str::SmolStr;
use uuid::Uuid;

/// The length of a workspace's slug, at most, in bytes.
const WORKSPACE_BYTES_MAX: usize = 63;

/// A workspace's slug: 1 to 63 of `[a-z0-9-]`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct WorkspaceId(SmolStr);

/// Text that is not a workspace's slug.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a workspace is named by 1 to 63 of a-z, 0-9 and -, not by {0:?}")]
pub struct InvalidWorkspaceId(pub String);

impl WorkspaceId {
    /// Checks a slug.
    ///
    /// # Errors
    /// [`InvalidWorkspaceId`] when it is empty, too long or has any other character.
    pub fn parse(text: &str) -> Result<Self, InvalidWorkspaceId> {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if (1..=WORKSPACE_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(SmolStr::new(text)))
        } else {
            Err(InvalidWorkspaceId(text.to_owned()))
        }
    }

    /// What stands for the installation where a workspace is named: no slug is empty.
    pub(crate) const fn installation() -> Self {
        Self(SmolStr::new_static(""))
    }

    /// The slug.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkspaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One aggregate's events: its kind (`user`, `group`, `device`, `workspace`) and its id.
///
/// Ids should be `UUIDv7`: random ones make the log touch more pages.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct StreamId {
    /// What kind of aggregate it is, in lower case.
    pub kind: SmolStr,
    /// Which one.
    pub id: Uuid,
}

impl StreamId {
    /// The stream of one aggregate.
    pub fn new(kind: impl Into<SmolStr>, id: Uuid) -> Self {
        Self { kind: kind.into(), id }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_short_and_lower_case() {
        for good in ["a", "acme", "acme-2", &"x".repeat(63)] {
            assert_eq!(WorkspaceId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "Acme", "a_b", "a b", "ä", "a/b", &"x".repeat(64)] {
            assert_eq!(WorkspaceId::parse(bad), Err(InvalidWorkspaceId(bad.to_owned())));
        }
    }

    #[test]
    fn a_stream_is_written_as_kind_and_id() {
        assert_eq!(
            StreamId::new("user", Uuid::from_u128(1)).to_string(),
            "user/00000000-0000-0000-0000-000000000001"
        );
    }
}
