//! The body of a request: JSON, whatever its media type says.

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::StatusCode, web::Bytes};
use app::admin::devices::Set;
use futures_util::future::LocalBoxFuture;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use crate::{BODY_BYTES_MAX, problem::Refused};

/// A body that is an object. One that is empty means an object without fields, so that what needs
/// none needs no body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest for Body<T> {
    type Error = Refused;
    type Future = LocalBoxFuture<'static, Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = Bytes::from_request(request, payload);
        Box::pin(async move {
            let bytes =
                bytes.await.map_err(|error| match error.as_response_error().status_code() {
                    StatusCode::PAYLOAD_TOO_LARGE => {
                        let detail = format!("the body may have {BODY_BYTES_MAX} bytes at most");
                        Refused::from_status(StatusCode::PAYLOAD_TOO_LARGE, detail)
                    }
                    _ => Refused::from_status(StatusCode::BAD_REQUEST, "the body did not arrive"),
                })?;
            parse(if bytes.trim_ascii().is_empty() { b"{}" } else { &bytes }).map(Self)
        })
    }
}

/// Reads an object; an error says which field is wrong, and where it stands.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refused> {
    // Serde would take the fields from an array, in their order.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        let detail = "the body must be an object, not an array".to_owned();
        return Err(Refused::unreadable(detail, None, (1, 1)));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let refused = |field: Option<String>, error: &serde_json::Error| {
        let detail = match &field {
            Some(field) => format!("{field}: {error}"),
            None => error.to_string(),
        };
        Refused::unreadable(detail, field, (error.line(), error.column()))
    };
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        // `.` is the whole body, and `?` what the body breaks off in.
        let path = Some(error.path().to_string()).filter(|path| path != "." && !path.contains('?'));
        refused(path, error.inner())
    })?;
    reader.end().map_err(|error| refused(None, &error))?;
    Ok(value)
}

/// For a field where null means something else than its absence.
pub(crate) fn set<'de, D, T>(deserializer: D) -> Result<Set<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Set::To)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsed")]
    struct Thing {
        name: String,
        #[serde(default, deserialize_with = "set")]
        user: Set<u32>,
    }

    #[test]
    fn what_is_wrong_and_where_is_said() {
        for (body, said) in [
            ("{", "EOF while parsing an object at line 1 column 1"),
            ("{}", "missing field `name` at line 1 column 2"),
            (
                r#"{"name":1}"#,
                "name: invalid type: integer `1`, expected a string at line 1 column 9",
            ),
            (
                "{\n\"nam\":\"a\"}",
                "nam: unknown field `nam`, expected `name` or `user` at line 2 column 5",
            ),
            (r#"{"name":"a"} x"#, "trailing characters at line 1 column 14"),
            (
                r#"{"name":"a","user":"b"}"#,
                "user: invalid type: string \"b\", expected u32 at line 1 column 22",
            ),
            ("[]", "the body must be an object, not an array"),
        ] {
            assert_eq!(parse::<Thing>(body.as_bytes()).unwrap_err().to_string(), said, "{body}");
        }
    }

    #[test]
    fn null_and_absence_are_told_apart() {
        let user = |body: &str| parse::<Thing>(body.as_bytes()).unwrap().user;
        assert_eq!(user(r#"{"name":"a"}"#), Set::Keep);
        assert_eq!(user(r#"{"name":"a","user":null}"#), Set::To(None));
        assert_eq!(user(r#"{"name":"a","user":1}"#), Set::To(Some(1)));
    }
}
