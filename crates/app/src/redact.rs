//! The text of an error, without what the client wrote.
//!
//! An error says which attribute is wrong and how, and often repeats what was sent, which may be
//! anybody's name. Whatever is repeated stands between quotes, brackets or parentheses of ours. What is
//! kept of it are words of the connector's schemas, words of SCIM's messages, and what stands where only
//! the name of an attribute can: names are remembered anyway (rule 19), values are not.

use scim::{Catalogue, Kind, path::AttributePath};

/// Words of SCIM's messages that errors speak of.
const WORDS: &[&str] = &[
    "Operations",
    "schemas",
    "path",
    "value",
    "op",
    "add",
    "remove",
    "replace",
    "method",
    "bulkId",
    "data",
    "version",
    "failOnErrors",
    "filter",
    "sortBy",
    "sortOrder",
    "ascending",
    "descending",
    "attributes",
    "excludedAttributes",
    "startIndex",
    "count",
    "cursor",
    "type",
    "primary",
    "display",
    "$ref",
];
/// What opens something, and what closes it.
const PAIRS: [(char, char); 4] = [('\'', '\''), ('"', '"'), ('[', ']'), ('(', ')')];
/// The longest name that is kept, in bytes.
const NAME_BYTES_MAX: usize = 100;

/// The text without what is the client's own.
///
/// What the client wrote may have quotes in it. So the first thing that is not kept takes everything
/// with it, up to the last place where it could end.
pub(crate) fn redact(text: &str, catalogue: &Catalogue) -> String {
    let mut done = 0;
    while let Some((before, open, inside)) = opened(text, done) {
        let close = PAIRS.iter().find(|it| it.0 == open).map_or(open, |it| it.1);
        let end = text.get(inside..).and_then(|rest| rest.find(close)).map(|at| inside + at);
        let said = end.and_then(|end| text.get(inside..end));
        let after = end.and_then(|end| text.get(end + 1..)).unwrap_or_default();
        match (said, end) {
            (Some(said), Some(end)) if is_kept(open, before, said, after, catalogue) => {
                done = end + 1;
            }
            _ => {
                let last = text.rfind(['\'', '"', ']', ')']).filter(|last| *last >= inside);
                let rest = last.and_then(|last| text.get(last..)).unwrap_or_default();
                let before = text.get(..inside).unwrap_or_default();
                return format!("{before}…{rest}");
            }
        }
    }
    text.to_owned()
}

/// The next thing that is opened: what is before it, with what, and where it begins.
fn opened(text: &str, from: usize) -> Option<(&str, char, usize)> {
    let at = from + text.get(from..)?.find(PAIRS.map(|it| it.0))?;
    Some((text.get(..at)?, text.get(at..)?.chars().next()?, at + 1))
}

fn is_kept(open: char, before: &str, said: &str, after: &str, catalogue: &Catalogue) -> bool {
    match open {
        // `operation 2 (replace name.givenName)`, `(byte 7)`.
        '(' => match said.split_once(' ') {
            Some(("byte", number)) => number.bytes().all(|it| it.is_ascii_digit()),
            Some((op, path)) => WORDS.contains(&op) && is_name(path),
            None => WORDS.contains(&said),
        },
        '\'' => {
            let is_of_an_attribute = after.starts_with(" is not an attribute of ")
                || before.ends_with("has no sub-attribute ");
            is_known(said, catalogue) || (is_of_an_attribute && is_name(said))
        }
        _ => is_known(said, catalogue),
    }
}

fn is_known(said: &str, catalogue: &Catalogue) -> bool {
    let known = |path: &AttributePath| {
        Kind::ALL.iter().any(|kind| catalogue.resolve(*kind, path).is_some())
    };
    WORDS.contains(&said)
        || catalogue.schemas().any(|schema| schema.id == said)
        || AttributePath::parse(said).is_ok_and(|path| known(&path))
}

fn is_name(said: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:$".contains(&byte);
    said.len() <= NAME_BYTES_MAX && said.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_attributes_stay_and_everything_else_of_the_client_goes() {
        for text in [
            "'userName' is required and must not be empty",
            "operation 2 (replace name.givenName): 'name.givenName' must be a string, not a list",
            "'nickname' is not an attribute of User; did you mean 'nickName'?",
            "'name' has no sub-attribute 'first'",
            "filter: expected an operator (byte 9)",
            "the body is not JSON: expected value at line 2 column 14",
            "userName: this connector has a user with that userName already",
            "'sortOrder' must be 'ascending' or 'descending'",
        ] {
            assert_eq!(redact(text, Catalogue::standard()), text);
        }
        for (text, expected) in [
            ("filter: 'ada' is not a value (byte 12)", "filter: '…)"),
            ("the operator 'ada' is not supported", "the operator '…' is not supported"),
            ("'id', 'ada lovelace': no", "'id', '…': no"),
            (
                "operation 1 (replace emails[value eq \"ada@x\"].type): 'type' is wrong",
                "operation 1 (…' is wrong",
            ),
            ("'it's 'ada' here' is not an attribute of User", "'…' is not an attribute of User"),
            ("a lone 'ada", "a lone '…"),
            ("[ada]", "[…]"),
            ("(ada@x)", "(…)"),
            ("'ü' is not an attribute of User", "'…' is not an attribute of User"),
        ] {
            assert_eq!(redact(text, Catalogue::standard()), expected);
        }
    }
}
