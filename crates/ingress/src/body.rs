//! The body of a request: bounds, media type, JSON, the dialect undone, and then a message.
//!
//! Every bound has a name and an error that tells it. Nothing that a body says is repeated in an
//! error about its syntax, since bodies are about people.

use std::{future::Future, pin::Pin, time::Duration};

use actix_web::{
    FromRequest, HttpRequest, ResponseError,
    dev::Payload,
    error::PayloadError,
    http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName},
    rt::time::timeout,
    web::{self, Data},
};
use app::App;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde_json::Value;

use crate::{
    caller::Caller,
    error::Refused,
    messages::{Message, Reader},
};

/// The largest body, in bytes. A group of 50,000 members in one PUT is about 5 MB.
pub const BODY_BYTES_MAX: usize = 16 << 20;
/// The largest body about a user, in bytes.
pub const USER_BODY_BYTES_MAX: usize = 1 << 20;
/// How long a client may take to send a body, in seconds.
pub const BODY_SECONDS_MAX: u64 = 60;
/// The most levels of lists and objects in a body. SCIM itself needs five.
pub const DEPTH_MAX: usize = 32;
/// The most values in a body, lists and objects included: each costs more memory than it has bytes.
pub const VALUES_MAX: usize = 1_000_000;

/// From how many bytes on a body is parsed on a thread of its own, so that the requests that share
/// a worker with it do not wait.
const ASIDE_BYTES_MIN: usize = 64 << 10;
/// How much room a body is given before it has come.
const CAPACITY_BYTES_MAX: usize = 64 << 10;

/// A message of SCIM, read from a request's body.
pub(crate) struct ScimJson<T>(pub(crate) T);

impl<T: Message> FromRequest for ScimJson<T> {
    type Error = Refused;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Refused>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (caller, app) = (Caller::of(request), request.app_data::<Data<App>>().cloned());
        let length = check_head::<T>(request.headers());
        let payload = payload.take();
        Box::pin(async move {
            let (caller, length) = (caller?, length?);
            let reader = Reader::of(&caller);
            let body =
                timeout(Duration::from_secs(BODY_SECONDS_MAX), collect::<T>(payload, length));
            let body = body.await.map_err(|_elapsed| too_slow())??;
            caller.enter(body.len()).await?;
            app.ok_or_else(Refused::internal)?.still_lets_in(&caller).await?;
            let keeps = caller.keeps_bodies.then(|| caller.trace.clone());
            let is_small = body.len() < ASIDE_BYTES_MIN;
            let read = move || {
                let parsed = parse(&body);
                if let Some(trace) = keeps {
                    trace.keep_body(&body, parsed.as_ref().ok());
                }
                reader.read(parsed?)
            };
            if is_small {
                return Ok(Self(read()?));
            }
            let message = web::block(read).await;
            Ok(Self(message.map_err(|error| Refused::from_status(error.status_code()))??))
        })
    }
}

/// What the head says about the body: whether we can read it, and how long it is.
fn check_head<T: Message>(headers: &HeaderMap) -> Result<Option<usize>, scim::Error> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let media_type =
        text(CONTENT_TYPE).map(|value| value.split(';').next().unwrap_or(value).trim());
    let is_json = |found: &str| {
        ["application/scim+json", "application/json"]
            .iter()
            .any(|it| it.eq_ignore_ascii_case(found))
    };
    if media_type.is_some_and(|found| !found.is_empty() && !is_json(found)) {
        return Err(scim::Error::unsupported_media_type(
            "the Content-Type must be application/scim+json or application/json",
        ));
    }
    if text(CONTENT_ENCODING).is_some_and(|found| !found.eq_ignore_ascii_case("identity")) {
        return Err(scim::Error::unsupported_media_type("the body must not be compressed"));
    }
    let length = text(CONTENT_LENGTH).and_then(|value| value.parse().ok());
    if length.is_some_and(|length| length > T::BYTES_MAX) {
        return Err(T::too_large());
    }
    Ok(length)
}

async fn collect<T: Message>(
    mut payload: Payload,
    length: Option<usize>,
) -> Result<Bytes, scim::Error> {
    let mut body = BytesMut::with_capacity(length.unwrap_or(0).min(CAPACITY_BYTES_MAX));
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| broken::<T>(&error))?;
        if body.len() + chunk.len() > T::BYTES_MAX {
            return Err(T::too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn parse(body: &[u8]) -> Result<Value, scim::Error> {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    if body.trim_ascii().is_empty() {
        return Err(scim::Error::invalid_syntax("the body is empty"));
    }
    check_size(body)?;
    // What is wrong with any JSON says where and what, and no word of it.
    serde_json::from_slice(body)
        .map_err(|error| scim::Error::invalid_syntax(format!("the body is not JSON: {error}")))
}

/// Refuses bodies that are nested too deep or hold too much, before anything is made of them.
fn check_size(body: &[u8]) -> Result<(), scim::Error> {
    let (mut depth, mut values, mut in_text, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => {
                (depth, values) = (depth + 1, values + 1);
                if depth > DEPTH_MAX {
                    let detail = format!("the body is nested deeper than {DEPTH_MAX} levels");
                    return Err(scim::Error::invalid_syntax(detail));
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
    }
    if values > VALUES_MAX {
        let detail = format!("the body has more than {VALUES_MAX} values");
        return Err(scim::Error::payload_too_large(detail));
    }
    Ok(())
}

fn too_slow() -> scim::Error {
    scim::Error::new(408, format!("the body did not come within {BODY_SECONDS_MAX} seconds"))
}

fn broken<T: Message>(error: &PayloadError) -> scim::Error {
    match error {
        PayloadError::Overflow => T::too_large(),
        _ => scim::Error::invalid_syntax("the body could not be received"),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;
    use crate::messages::GroupBody;

    fn detail(body: impl AsRef<[u8]>) -> String {
        parse(body.as_ref()).unwrap_err().detail
    }

    fn head(name: HeaderName, value: &'static str) -> Result<Option<usize>, u16> {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        check_head::<GroupBody>(&headers).map_err(|error| error.status)
    }

    #[test]
    fn an_error_of_syntax_says_where_and_repeats_nothing() {
        for (body, said) in [
            (&b"{\n \"userName\": ada}"[..], "expected value at line 2 column 14"),
            (b"{\"ada\": \"b\"", "EOF while parsing an object at line 1 column 11"),
            (b"{\"ada\": \"b\",}", "trailing comma at line 1 column 13"),
            (b"{\"a\": \"\xff\"}", "invalid unicode code point at line 1 column 8"),
            (b"{\"a\": 1e400}", "number out of range at line 1 column 11"),
            (b"{\"a\": \"\\ud800\"}", "unexpected end of hex escape at line 1 column 14"),
            (b"{} {\"ada\": 1}", "trailing characters at line 1 column 4"),
        ] {
            assert_eq!(detail(body), format!("the body is not JSON: {said}"));
        }
        assert_eq!(detail(" \n"), "the body is empty");
        assert_eq!(detail(""), "the body is empty");
    }

    #[test]
    fn a_byte_order_mark_and_repeated_names_are_fine() {
        assert_eq!(parse("\u{feff}{\"a\": 1, \"a\": 2}".as_bytes()).unwrap()["a"], 2);
    }

    #[test]
    fn depth_is_counted_outside_texts() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(parse(nested(DEPTH_MAX).as_bytes()).is_ok());
        assert_eq!(detail(nested(DEPTH_MAX + 1)), "the body is nested deeper than 32 levels");
        assert!(parse(format!("[{:?}]", "[\\\"[".repeat(40)).as_bytes()).is_ok());
        assert!(parse(format!("[{}{{}}]", "[],".repeat(DEPTH_MAX)).as_bytes()).is_ok());
    }

    #[test]
    fn values_are_counted_outside_texts() {
        let many = |values: usize| format!("[{}0]", "0,".repeat(values - 2));
        assert!(check_size(many(VALUES_MAX).as_bytes()).is_ok());
        assert_eq!(check_size(many(VALUES_MAX + 2).as_bytes()).unwrap_err().status, 413);
        assert!(check_size(format!("[{:?}]", ",".repeat(VALUES_MAX + 1)).as_bytes()).is_ok());
    }

    #[test]
    fn two_media_types_and_none_are_taken() {
        for good in ["application/scim+json", "application/json; charset=utf-8", "Application/JSON"]
        {
            assert_eq!(head(CONTENT_TYPE, good), Ok(None), "{good}");
        }
        for bad in ["text/plain", "application/xml", "json", "application/scim+jsonx"] {
            assert_eq!(head(CONTENT_TYPE, bad), Err(415), "{bad}");
        }
        assert_eq!(check_head::<GroupBody>(&HeaderMap::new()).unwrap(), None);
        assert_eq!(head(CONTENT_ENCODING, "gzip"), Err(415));
        assert_eq!(head(CONTENT_ENCODING, "identity"), Ok(None));
    }

    #[test]
    fn a_length_that_is_too_large_is_refused_before_the_body_comes() {
        assert_eq!(head(CONTENT_LENGTH, "16777216"), Ok(Some(BODY_BYTES_MAX)));
        assert_eq!(head(CONTENT_LENGTH, "16777217"), Err(413));
    }
}
