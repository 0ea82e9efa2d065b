//! What a report shows of a failure: what was expected, what came, and the exchange itself.

use serde::Serialize;

/// The most bytes of a body that a report shows.
pub(crate) const BODY_BYTES_SHOWN_MAX: usize = 4096;

/// An answer that was not as it should be.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What was expected.
    pub expected: String,
    /// What came instead.
    pub found: String,
    /// The last request of the case before this one that changes something, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Asked>,
    /// The request whose answer this is about.
    pub request: Asked,
    /// The answer.
    pub response: Answered,
}

/// A request as a report shows it. The token is no part of it.
#[derive(Clone, Debug, Serialize)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// The headers besides `Accept`, `Authorization` and `User-Agent`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The body, cut after 4 KiB; empty for none.
    pub body: String,
}

/// An answer as a report shows it.
#[derive(Clone, Debug, Serialize)]
pub struct Answered {
    /// The status code; 0 when no answer came.
    pub status: u16,
    /// Those headers that a case may be about.
    pub headers: Vec<(String, String)>,
    /// The body, cut after 4 KiB.
    pub body: String,
}

/// Cuts a text for a report, at a character.
pub(crate) fn shown(text: &str) -> String {
    if text.len() <= BODY_BYTES_SHOWN_MAX {
        return text.to_owned();
    }
    let end = (0..=BODY_BYTES_SHOWN_MAX).rev().find(|&at| text.is_char_boundary(at));
    format!("{}… ({} bytes)", &text[..end.unwrap_or_default()], text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let text = "é".repeat(BODY_BYTES_SHOWN_MAX);
        let cut = shown(&text);
        assert!(cut.starts_with('é') && cut.ends_with("… (8192 bytes)"));
        assert!(cut.len() < BODY_BYTES_SHOWN_MAX + 20);
        assert_eq!(shown("short"), "short");
    }
}
