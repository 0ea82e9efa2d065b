//! Comparison forms of text: what makes two spellings the same value.
//!
//! SCIM compares `userName` and every attribute that is not `caseExact` without regard to case.
//! The folded form is only ever compared (or hashed); what a client wrote is stored and returned
//! as it was. One function per kind of text, so that a claim, an index and a filter agree.

use std::borrow::Cow;

use precis_profiles::precis_core::profile::PrecisFastInvocation;
use precis_profiles::{Nickname, OpaqueString, UsernameCaseMapped};

/// Folds a userName for comparison and for claims.
///
/// PRECIS `UsernameCaseMapped`. That profile refuses strings that IdPs send all the same (spaces,
/// symbols, compatibility characters, mixed directions); those take the `Nickname` profile (RFC
/// 8266: spaces at the ends dropped, runs of them joined, NFKC) in lower case, and what that refuses
/// too (control characters) is lower-cased only. Folding the result again changes nothing.
///
/// # Source
/// RFC 7644 §5 asks for `UsernameCaseMapped` of RFC 7613, now RFC 8265 §3.3.
pub fn user_name(name: &str) -> String {
    if name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return name.to_ascii_lowercase(); // What the profile does to printable ASCII.
    }
    UsernameCaseMapped::enforce(name)
        .map_or_else(|_| lower_case(name, |name| Nickname::enforce(name).ok()), Cow::into_owned)
}

/// Folds any other text whose attribute is not `caseExact`.
///
/// Lower case after NFC and after mapping other spaces to U+0020 (PRECIS `OpaqueString`, RFC 8265
/// §4.2); text which that profile refuses (control characters, the empty string) is lower-cased
/// only. Spaces stay where they are, so that `co`, `sw` and `ew` see them.
pub fn text(value: &str) -> String {
    if value.is_ascii() {
        return value.to_ascii_lowercase();
    }
    lower_case(value, |value| OpaqueString::enforce(value).ok())
}

/// Lower case in a normal form. Some capital letters appear only by normalization and some
/// lower-case ones decompose, so each step may give work to the other; names that people have
/// settle in the first round.
fn lower_case(text: &str, normal: impl Fn(&str) -> Option<Cow<'_, str>>) -> String {
    const ROUNDS_MAX: usize = 4;
    let mut folded = text.to_lowercase();
    for _ in 0..ROUNDS_MAX {
        let Some(next) = normal(&folded).map(|next| next.to_lowercase()) else { break };
        if next == folded {
            break;
        }
        folded = next;
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_are_compared_by_the_precis_profile() {
        for (left, right) in [
            ("Ada@Contoso.com", "ada@contoso.com"),
            ("ÅSA@x.se", "åsa@x.se"),
            ("a\u{30a}sa", "åsa"), // Decomposed and composed.
            ("ａｄａ", "ada"),     // Full width.
            ("O'Malley+x", "o'malley+X"),
        ] {
            assert_eq!(user_name(left), user_name(right), "{left} and {right}");
        }
        assert_ne!(user_name("ada"), user_name("ida"));
        assert_ne!(user_name("strasse"), user_name("straße"));
    }

    #[test]
    fn user_names_that_precis_refuses_have_a_form_too() {
        assert_eq!(user_name("Ada  Lovelace "), "ada lovelace");
        assert_eq!(user_name("\u{1d608}da Lovelace"), "ada lovelace");
        assert_eq!(user_name("ADA\u{7}"), "ada\u{7}");
        assert_eq!(user_name(""), "");
    }

    #[test]
    fn the_short_cut_for_ascii_is_what_the_profile_does() {
        for byte in b'!'..=b'~' {
            let name = format!("a{}Z", char::from(byte));
            assert_eq!(user_name(&name), UsernameCaseMapped::enforce(name.as_str()).unwrap());
        }
    }

    #[test]
    fn text_keeps_its_spaces() {
        assert_eq!(text("  Ada  "), "  ada  ");
        assert_eq!(text("  ÅSA  "), "  åsa  ");
        assert_eq!(text("A\u{30a}"), "å");
    }
}
