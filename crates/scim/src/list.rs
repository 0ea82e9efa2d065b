//! The envelope of lists.

use serde_json::{Map, Value, json};

use crate::urn;

/// A page of a list, RFC 7644 §3.4.2 and RFC 9865 §2.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListResponse {
    /// The number of all results; `None` if it is not known (only with cursors).
    pub total_results: Option<u64>,
    /// The 1-based index of the first result of this page; `None` with cursors.
    pub start_index: Option<u64>,
    /// The documents of this page.
    pub resources: Vec<Value>,
    /// The cursor of the page after this one.
    pub next_cursor: Option<String>,
    /// The cursor of the page before this one.
    pub previous_cursor: Option<String>,
}

impl ListResponse {
    /// A page by index.
    pub fn new(total_results: u64, start_index: u64, resources: Vec<Value>) -> Self {
        Self {
            total_results: Some(total_results),
            start_index: Some(start_index),
            resources,
            ..Self::default()
        }
    }

    /// Everything there is, in one page.
    pub fn all(resources: Vec<Value>) -> Self {
        Self::new(resources.len() as u64, 1, resources)
    }

    /// The body of the response. `Resources` is always there: some clients read it without asking.
    pub fn into_json(self) -> Value {
        let mut body = Map::new();
        body.insert("schemas".to_owned(), json!([urn::LIST_RESPONSE]));
        body.insert("itemsPerPage".to_owned(), Value::from(self.resources.len()));
        body.insert("Resources".to_owned(), Value::Array(self.resources));
        let numbers = [("totalResults", self.total_results), ("startIndex", self.start_index)];
        for (name, number) in numbers {
            body.extend(number.map(|number| (name.to_owned(), Value::from(number))));
        }
        let cursors = [("nextCursor", self.next_cursor), ("previousCursor", self.previous_cursor)];
        for (name, cursor) in cursors {
            body.extend(cursor.map(|cursor| (name.to_owned(), Value::String(cursor))));
        }
        Value::Object(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_has_all_its_numbers_and_its_resources() {
        assert_eq!(
            ListResponse::all(Vec::new()).into_json(),
            json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
                "totalResults": 0, "itemsPerPage": 0, "startIndex": 1, "Resources": []
            })
        );
    }

    #[test]
    fn a_page_by_cursor_has_no_index() {
        let page = ListResponse {
            resources: vec![json!({"id": "1"})],
            next_cursor: Some("abc".to_owned()),
            ..ListResponse::default()
        };
        assert_eq!(
            page.into_json(),
            json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
                "itemsPerPage": 1, "Resources": [{"id": "1"}], "nextCursor": "abc"
            })
        );
    }
}
