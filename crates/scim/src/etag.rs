//! Entity tags: versions of resources as HTTP compares them.
//!
//! A resource's version is a number that grows with each change; its tag is weak, because one
//! version has many representations (`attributes`, members or not). Conditions come in headers
//! (`If-Match`, `If-None-Match`) and in the `version` of bulk operations; both are read here. RFC
//! 7644 §3.14, RFC 9110 §8.8.3 and §13.1.

/// The tag of a version: `W/"7"`.
pub fn of(version: u64) -> String {
    format!("W/\"{version}\"")
}

/// The entity tags of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityTags(Tags);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Tags {
    /// `*`: any version.
    Any,
    /// The versions that are named; tags that are not ours name none.
    Versions(Vec<u64>),
}

impl EntityTags {
    /// Reads the value of `If-Match` or `If-None-Match`: `*`, or tags with commas between them.
    ///
    /// Weak and strong tags are the same here. Tags without quotes are taken too, because clients
    /// strip them. What is no tag of ours is kept as one that never matches.
    ///
    /// # Source
    /// RFC 9110 §13.1.1 and §13.1.2; §8.8.3 for tags, in whose quotes a comma may stand.
    pub fn parse(header: &str) -> Self {
        if header.trim() == "*" {
            return Self(Tags::Any);
        }
        let mut quoted = false;
        let parts = header.split(|c| {
            quoted ^= c == '"';
            c == ',' && !quoted
        });
        Self(Tags::Versions(parts.filter_map(version).collect()))
    }

    /// Whether a version is one of these, by weak comparison.
    ///
    /// # Source
    /// RFC 9110 §8.8.3.2.
    pub fn matches(&self, version: u64) -> bool {
        match &self.0 {
            Tags::Any => true,
            Tags::Versions(versions) => versions.contains(&version),
        }
    }
}

/// The version that a tag names, if it is written as [`of`] writes it, with or without `W/` and
/// quotes.
fn version(tag: &str) -> Option<u64> {
    let tag = tag.trim();
    let opaque = tag.strip_prefix("W/").or_else(|| tag.strip_prefix("w/")).unwrap_or(tag);
    let bare = opaque.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(opaque);
    let version: u64 = bare.parse().ok()?;
    (version.to_string() == bare).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(header: &str) -> bool {
        EntityTags::parse(header).matches(7)
    }

    #[test]
    fn a_version_is_matched_by_its_tag_weak_or_strong_with_or_without_quotes() {
        assert_eq!(of(7), "W/\"7\"");
        for header in
            ["*", " * ", "W/\"7\"", "\"7\"", "W/7", "w/\"7\"", "7", " W/\"7\" ", &of(7), ",,\"7\","]
        {
            assert!(matches(header), "{header}");
        }
    }

    #[test]
    fn one_of_a_list_is_enough_and_commas_in_quotes_divide_nothing() {
        assert!(matches("W/\"6\", W/\"7\""));
        assert!(matches("\"6\",7"));
        assert!(matches("\"a,b\",\"7\""));
        assert!(!matches("\"6,7\""));
        assert!(!matches("\"6, 7, 8\""));
        assert!(!matches("W/\"6\", W/\"8\""));
    }

    #[test]
    fn what_is_not_ours_never_matches() {
        for header in [
            "",
            "\"\"",
            "\"07\"",
            "\"+7\"",
            "\"7 \"",
            "W/ \"7\"",
            "\"*\"",
            "\"8\", *",
            "-7",
            "7.0",
            "99999999999999999999",
            "\"7",
            "abc",
            "W/",
            "\"W/7\"",
            "٧",
        ] {
            assert!(!matches(header), "{header}");
        }
        assert!(!EntityTags::parse("*,").matches(7));
    }
}
