//! The order of a list: `sortBy` and `sortOrder`.
//!
//! A [`Sort`] is parsed once per request, a [`Sorter`] binds it to the schema of one kind, as a
//! matcher does with a filter, and makes of each document a [`SortKey`], which is compared with
//! others and nothing else. Keys say ascending order; descending is its reverse. RFC 7644 §3.4.2.3.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use crate::datetime;
use crate::elements;
use crate::error::{Echo, Error};
use crate::fold;
use crate::object;
use crate::path::AttributePath;
use crate::project;
use crate::schema::known::BadName;
use crate::schema::{Attribute, Catalogue, Kind, Type};

/// By what a list is ordered, and in which direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The attribute.
    pub by: AttributePath,
    /// Whether the last one comes first.
    pub descending: bool,
}

impl Sort {
    /// Parses the two parameters. Without `sortBy`, or with an empty one, there is no order, and
    /// `sortOrder` is not looked at.
    ///
    /// A value filter in `sortBy` is dropped: `emails[type eq "work"].value` means `emails.value`.
    ///
    /// # Errors
    /// `invalidValue` if `sortBy` is no attribute path or `sortOrder` neither `ascending` nor
    /// `descending`, in any case.
    ///
    /// # Source
    /// RFC 7644 §3.4.2.3.
    pub fn parse(by: Option<&str>, order: Option<&str>) -> Result<Option<Self>, Error> {
        let Some(by) = by.map(str::trim).filter(|by| !by.is_empty()) else { return Ok(None) };
        let by = project::path("sortBy", by)?;
        let order = order.map_or("", str::trim);
        let descending = match () {
            () if order.is_empty() || order.eq_ignore_ascii_case("ascending") => false,
            () if order.eq_ignore_ascii_case("descending") => true,
            () => {
                let order = Echo(order);
                let detail =
                    format!("'sortOrder' must be 'ascending' or 'descending', not '{order}'");
                return Err(Error::invalid_value(detail));
            }
        };
        Ok(Some(Self { by, descending }))
    }

    /// Checks that at least one of these kinds can be ordered so. What is an attribute of another
    /// kind only has no value; of several kinds, neither has a name that no schema has, as in
    /// filters ([`crate::filter::Filter::check_kinds`]): a client that asks for both by one name
    /// gets an answer for both.
    ///
    /// # Errors
    /// `invalidValue` for a name that no schema has if there is one kind, for a complex attribute
    /// without `value`, for one that any of the kinds never returns: its order would tell what it
    /// is.
    pub fn check(&self, kinds: &[Kind], catalogue: &Catalogue) -> Result<(), Error> {
        let refused = |detail| Error::invalid_value(format!("'sortBy': {detail}"));
        let mut first = None;
        let mut fits = false;
        for kind in kinds {
            match catalogue.check_comparable(*kind, &self.by) {
                Err(BadName::Unknown(_)) if kinds.len() > 1 => fits = true,
                Err(bad) => return Err(refused(bad.into_text())),
                Ok(()) => match self.check_shape(*kind, catalogue) {
                    Ok(()) => fits = true,
                    Err(detail) => first = first.or(Some(detail)),
                },
            }
        }
        first.filter(|_| !fits).map_or(Ok(()), |detail| Err(refused(detail)))
    }

    fn check_shape(&self, kind: Kind, catalogue: &Catalogue) -> Result<(), String> {
        let Some(place) = catalogue.locate(kind, &self.by) else { return Ok(()) };
        if place.attribute.is_none() {
            return Err(format!("'{}' is a schema, not an attribute", Echo(&self.by)));
        }
        match place.definition() {
            Some(attribute) if attribute.is_complex() && attribute.sub("value").is_none() => {
                let name = &attribute.name;
                let subs = attribute.sub_names();
                Err(format!("'{name}' is complex: name one of its sub-attributes ({subs})"))
            }
            _ => Ok(()),
        }
    }
}

/// An order that is bound to the schema of a kind.
#[derive(Clone, Debug)]
pub struct Sorter<'a>(Option<Place<'a>>);

/// Where the value is, with canonical names.
#[derive(Clone, Debug)]
struct Place<'a> {
    extension: Option<Cow<'a, str>>,
    name: &'a str,
    sub: Option<&'a str>,
    /// `None` for free-form attributes.
    definition: Option<&'a Attribute>,
}

impl<'a> Sorter<'a> {
    /// Binds an order to the schema of a kind. One that [`Sort::check`] refuses for this kind finds
    /// no value in any document.
    pub fn new(sort: &'a Sort, kind: Kind, catalogue: &'a Catalogue) -> Self {
        if catalogue.check_comparable(kind, &sort.by).is_err() {
            return Self(None);
        }
        let place = catalogue.locate(kind, &sort.by);
        Self(place.and_then(|place| {
            let definition = place.definition();
            let (name, mut sub) = (place.attribute?.name, place.sub.map(|sub| sub.name));
            let mut of = definition;
            if let Some(attribute) = definition.filter(|attribute| attribute.is_complex()) {
                let value = attribute.sub("value")?;
                (sub, of) = (Some(value.name.as_str()), Some(value));
            }
            Some(Place { extension: place.extension, name, sub, definition: of })
        }))
    }

    /// The key of a document of this kind.
    pub fn key(&self, document: &Value) -> SortKey {
        let key = self.0.as_ref().and_then(|place| place.key(document.as_object()?));
        key.unwrap_or(SortKey::Missing)
    }
}

impl Place<'_> {
    fn key(&self, document: &Map<String, Value>) -> Option<SortKey> {
        let object = match &self.extension {
            None => document,
            Some(urn) => object::get(document, urn)?.as_object()?,
        };
        let value = match object::get(object, self.name)? {
            Value::Array(items) => {
                let primary = items.iter().filter(|item| elements::is_primary(item));
                primary.chain(items).find_map(|item| self.value(item))?
            }
            value => self.value(value)?,
        };
        self.scalar(value)
    }

    /// What an element, or a single value, is ordered by.
    fn value<'v>(&self, element: &'v Value) -> Option<&'v Value> {
        let value = match (element, self.sub) {
            (Value::Object(object), sub) => object::get(object, sub.unwrap_or("value"))?,
            (_, Some(_)) => return None,
            (value, None) => value,
        };
        let value = match value {
            Value::Array(items) => items.first()?,
            value => value,
        };
        (!object::is_empty(value)).then_some(value)
    }

    fn scalar(&self, value: &Value) -> Option<SortKey> {
        Some(match value {
            Value::Bool(flag) => SortKey::Boolean(*flag),
            Value::Number(number) => SortKey::Number(NumberKey::of(number)),
            Value::String(text) => self.text(text),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        })
    }

    fn text(&self, text: &str) -> SortKey {
        let is_time = self.definition.is_none_or(|attribute| attribute.data_type == Type::DateTime);
        if is_time && let Some(time) = datetime::parse(text) {
            return SortKey::Time(time);
        }
        let is_exact =
            |attribute: &Attribute| attribute.case_exact || attribute.data_type == Type::Binary;
        SortKey::Text(match self.definition {
            Some(attribute) if is_exact(attribute) => text.to_owned(),
            Some(attribute) if attribute.name == "userName" => fold::user_name(text),
            _ => fold::text(text),
        })
    }
}

/// What a document is ordered by. `Ord` is ascending order; two documents with the same key stand
/// in no order.
///
/// Values of one attribute have one type, except free-form ones and text that was taken for a time
/// and is none: those are ordered by type first.
///
/// # Source
/// RFC 7644 §3.4.2.3: missing values "are ordered last if ascending and first if descending".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SortKey {
    /// False before true.
    Boolean(bool),
    /// Numerically.
    Number(NumberKey),
    /// Chronologically: nanoseconds since 1970-01-01T00:00:00Z.
    Time(i128),
    /// By code points, folded unless the attribute is `caseExact`.
    Text(String),
    /// There is no value.
    Missing,
}

/// A JSON number in numerical order, whole or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NumberKey {
    /// The bits of the closest `f64`, arranged to be in its order.
    closest: i64,
    /// The whole part, which tells numbers apart that are too large for an `f64` to do so.
    whole: i128,
}

impl NumberKey {
    fn of(number: &Number) -> Self {
        // Adding zero makes -0.0 the same as 0.0.
        let float = number.as_f64().unwrap_or(f64::NAN) + 0.0;
        let bits = float.to_bits().cast_signed();
        // Negative numbers have the larger magnitude first, as `f64::total_cmp` has it.
        let closest = if bits < 0 { bits ^ i64::MAX } else { bits };
        #[expect(clippy::cast_possible_truncation, reason = "it saturates; `closest` comes first")]
        let whole = number.as_i128().unwrap_or(float as i128);
        Self { closest, whole }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const URN: &str = "urn:company:2.0:User";

    fn sort(by: &str) -> Sort {
        Sort::parse(Some(by), None).unwrap().unwrap()
    }

    fn key(by: &str, document: &Value) -> SortKey {
        Sorter::new(&sort(by), Kind::User, Catalogue::standard()).key(document)
    }

    /// The values of an attribute in ascending order; `null` is none.
    fn sorted(by: &str, mut values: Vec<Value>) -> Vec<Value> {
        let (urn, name) = by.rsplit_once(':').map_or((None, by), |(urn, name)| (Some(urn), name));
        let (name, sub) =
            name.split_once('.').map_or((name, None), |(name, sub)| (name, Some(sub)));
        let key = |value: &Value| {
            let mut object = json!({name: value});
            if let Some(sub) = sub {
                object[name] = json!({sub: value});
            }
            key(by, &urn.map_or(object.clone(), |urn| json!({urn: object})))
        };
        values.sort_by_cached_key(key);
        values
    }

    #[test]
    fn section_3_4_2_3_the_order_is_that_of_the_type() {
        let values = vec![json!("b"), json!("C"), json!("A"), json!("Ä"), json!(null)];
        assert_eq!(
            sorted("title", values),
            [json!("A"), json!("b"), json!("C"), json!("Ä"), json!(null)]
        );
        let values = vec![json!("b"), json!("C"), json!("a")];
        assert_eq!(sorted("externalId", values), [json!("C"), json!("a"), json!("b")]);
        let values = vec![json!(true), json!(null), json!(false)];
        assert_eq!(sorted("active", values), [json!(false), json!(true), json!(null)]);
        let times = ["2020-01-01T01:00:00+02:00", "2020-01-01T00:00:00Z", "2020-01-01T00:00:00.1Z"];
        let values = times.iter().rev().map(|time| json!(time)).collect();
        assert_eq!(sorted("meta.created", values), times);
    }

    #[test]
    fn numbers_are_ordered_as_numbers_however_large() {
        let values = vec![
            json!(-1e300),
            json!(-10),
            json!(-9.5),
            json!(0),
            json!(0.5),
            json!(2),
            json!(10),
            json!(9_007_199_254_740_992_u64),
            json!(9_007_199_254_740_993_u64),
            json!(u64::MAX),
            json!(1e300),
            json!("2020-01-01"),
            json!("1"),
            json!("a"),
            json!(null),
        ];
        let by = format!("{URN}:costCode");
        assert_eq!(sorted(&by, values.iter().rev().cloned().collect()), values);
        let zeros = [json!({URN: {"n": 0}}), json!({URN: {"n": -0.0}}), json!({URN: {"n": 0.0}})];
        let keys = zeros.map(|zero| key(&format!("{URN}:n"), &zero));
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    }

    #[test]
    fn section_3_4_2_3_a_list_is_ordered_by_its_primary_value_or_else_its_first() {
        let of = |emails: Value| key("emails", &json!({"emails": emails}));
        let text = |text: &str| SortKey::Text(text.to_owned());
        assert_eq!(of(json!([{"value": "B"}, {"value": "a", "primary": true}])), text("a"));
        assert_eq!(of(json!([{"value": "B"}, {"value": "a"}])), text("b"));
        assert_eq!(of(json!([{"type": "work"}, {"value": "a"}])), text("a"));
        assert_eq!(of(json!([{"type": "work", "primary": true}])), SortKey::Missing);
        assert_eq!(of(json!([])), SortKey::Missing);
        let document =
            json!({"emails": [{"type": "Work", "value": "x"}], URN: {"tags": ["C", "b"]}});
        assert_eq!(key(r#"emails[type eq "work"].type"#, &document), text("work"));
        assert_eq!(key(&format!("{URN}:tags"), &document), text("c"));
        assert_eq!(key("userName", &json!({"userName": "Ada  X"})), text("ada x"));
        assert_eq!(
            key("manager", &json!({crate::urn::ENTERPRISE_USER: {"manager": {"value": "M"}}})),
            text("M")
        );
    }

    #[test]
    fn what_has_no_value_comes_last_and_descending_first() {
        let ada =
            json!({"userName": "ada", "title": "", "password": "x", "name": {"givenName": "a"}});
        for by in
            ["title", "nickName", "members", "password", "shoeSize", "name", URN, "urn:x:User:y"]
        {
            assert_eq!(key(by, &ada), SortKey::Missing, "{by}");
        }
        assert!(SortKey::Missing > SortKey::Text("\u{10ffff}".to_owned()));
        assert_eq!(key("userName", &json!("no object")), SortKey::Missing);
    }

    #[test]
    fn the_parameters_are_read_in_any_case() {
        let parse = |by, order| Sort::parse(by, order).map(|sort| sort.map(|sort| sort.descending));
        assert_eq!(parse(None, Some("up")), Ok(None));
        assert_eq!(parse(Some(" "), None), Ok(None));
        assert_eq!(parse(Some("title"), None), Ok(Some(false)));
        assert_eq!(parse(Some("title"), Some("")), Ok(Some(false)));
        assert_eq!(parse(Some("title"), Some("Ascending")), Ok(Some(false)));
        assert_eq!(parse(Some("title"), Some("DESCENDING")), Ok(Some(true)));
        let said = "'sortOrder' must be 'ascending' or 'descending', not 'up'";
        assert_eq!(parse(Some("title"), Some("up")), Err(Error::invalid_value(said)));
        let said = "'sortBy', 'a b': 'a b' is not an attribute name (byte 0)";
        assert_eq!(parse(Some("a b"), None), Err(Error::invalid_value(said)));
    }

    #[test]
    fn what_cannot_be_sorted_by_is_refused() {
        let check = |by: &str, kinds: &[Kind]| {
            sort(by).check(kinds, Catalogue::standard()).map_err(|error| error.detail)
        };
        let user = &[Kind::User][..];
        for by in [
            "userName",
            "emails",
            "members",
            "manager",
            "urn:x:User:y",
            "meta.created",
            "NAME.givenname",
        ] {
            assert_eq!(check(by, user), Ok(()), "{by}");
        }
        assert_eq!(check("password", &[Kind::Group]), Ok(())); // Of a group it has no value.
        for (by, said) in [
            ("password", "'password' is never returned"),
            ("titel", "'titel' is not an attribute of User; did you mean 'title'?"),
            ("name.given", "'name' has no sub-attribute 'given'"),
            (
                "name",
                "'name' is complex: name one of its sub-attributes (formatted, familyName, givenName, \
                 middleName, honorificPrefix, honorificSuffix)",
            ),
            (
                crate::urn::CORE_USER,
                "'urn:ietf:params:scim:schemas:core:2.0:User' is a schema, not an attribute",
            ),
        ] {
            assert_eq!(check(by, user), Err(format!("'sortBy': {said}")), "{by}");
        }
    }
}
