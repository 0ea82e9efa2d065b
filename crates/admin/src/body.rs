//! The body of a request: JSON, whatever its media type says.

use std::{fmt, marker::PhantomData};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::StatusCode, web::Bytes};
use app::admin::devices::Set;
use futures_util::future::LocalBoxFuture;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, MapAccess, Visitor, value::MapAccessDeserializer},
};
use utoipa::ToSchema;

use crate::{BODY_BYTES_MAX, params, problem::Refused};

/// A body that is an object. One that is empty means an object without fields, so that what needs
/// none needs no body. Where there has to be one it is none: a setting that is replaced as a whole
/// would else go back to its defaults over a body that was lost on the way.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest for Body<T> {
    type Error = Refused;
    type Future = LocalBoxFuture<'static, Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let needed = params::needs_body(request);
        let bytes = bytes(request, payload);
        Box::pin(async move {
            let bytes = bytes.await?;
            let is_empty = bytes.trim_ascii().is_empty();
            // A field that is missing says more.
            let read = parse(if is_empty { b"{}" } else { &bytes })?;
            if is_empty && needed {
                let detail = "the body is missing: {} is an object without fields".to_owned();
                return Err(Refused::unreadable(detail, None, (1, 1)));
            }
            Ok(Self(read))
        })
    }
}

/// What is told where there is nothing to tell. A field that somebody sends in the belief that it means
/// something is refused.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// A body that is an array of objects.
pub(crate) struct List<T>(pub(crate) Vec<T>);

impl<T: DeserializeOwned> FromRequest for List<T> {
    type Error = Refused;
    type Future = LocalBoxFuture<'static, Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = bytes(request, payload);
        Box::pin(async move { parse_list(&bytes.await?).map(Self) })
    }
}

/// What is read from an object alone. Serde would take the fields from an array too, in their order.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(Fields(PhantomData))
    }
}

/// The bytes of a body.
fn bytes(
    request: &HttpRequest,
    payload: &mut Payload,
) -> impl Future<Output = Result<Bytes, Refused>> + use<> {
    let bytes = Bytes::from_request(request, payload);
    async move {
        bytes.await.map_err(|error| match error.as_response_error().status_code() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                let detail = format!("the body may have {BODY_BYTES_MAX} bytes at most");
                Refused::from_status(StatusCode::PAYLOAD_TOO_LARGE, detail)
            }
            _ => Refused::from_status(StatusCode::BAD_REQUEST, "the body did not arrive"),
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
    read(bytes)
}

/// Reads an array of objects, with errors like those of an object.
fn parse_list<T: DeserializeOwned>(bytes: &[u8]) -> Result<Vec<T>, Refused> {
    if bytes.trim_ascii_start().first() != Some(&b'[') {
        let detail = "the body must be an array of objects".to_owned();
        return Err(Refused::unreadable(detail, None, (1, 1)));
    }
    let items: Vec<Object<T>> = read(bytes)?;
    Ok(items.into_iter().map(|Object(item)| item).collect())
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refused> {
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
    fn a_list_holds_objects_only() {
        let read = |body: &str| {
            let read = parse_list::<Thing>(body.as_bytes()).map(|things| things.len());
            read.map_err(|refused| refused.to_string())
        };
        assert_eq!(read(r#" [{"name":"a"},{"name":"b"}]"#), Ok(2));
        assert_eq!(read("[]"), Ok(0));
        for (body, said) in [
            ("", "the body must be an array of objects"),
            (r#"{"name":"a"}"#, "the body must be an array of objects"),
            (r#"[{"name":"a"},{}]"#, "[1]: missing field `name` at line 1 column 16"),
            (r#"[["a"]]"#, "[0]: invalid type: sequence, expected an object at line 1 column 1"),
            (
                r#"[{"name":"a","user":"b"}]"#,
                "[0].user: invalid type: string \"b\", expected u32 at line 1 column 23",
            ),
        ] {
            assert_eq!(read(body), Err(said.to_owned()), "{body}");
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
