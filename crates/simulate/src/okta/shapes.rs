//! The bodies that Okta sends.
//!
//! After Okta's SCIM 2.0 reference and captured traffic. An update starts from a copy of what the
//! server returned, with `id`, `meta` and `groups` in it; a password goes with every new user; the
//! `display` of a member may be null.

use serde_json::{Value, json};

use crate::{
    expect::WORK_MAIL,
    people::{Person, Random},
};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// Returns the attributes that Okta maps, by their paths, with what the person has in them.
pub(super) fn attributes(person: &Person) -> Vec<(String, Option<String>)> {
    vec![
        ("displayName".to_owned(), Some(person.display_name())),
        ("name.givenName".to_owned(), Some(person.given_name.clone())),
        ("name.familyName".to_owned(), Some(person.family_name.clone())),
        ("title".to_owned(), person.title.clone()),
        (WORK_MAIL.to_owned(), Some(person.email.clone())),
    ]
}

pub(super) fn user(person: &Person, seed: u64, index: usize) -> Value {
    let mut random = Random::new(seed, u64::MAX - index as u64);
    let mut body = json!({
        "schemas": [USER],
        "userName": person.user_name,
        "name": { "givenName": person.given_name, "familyName": person.family_name },
        "emails": [{ "primary": true, "value": person.email, "type": "work" }],
        "displayName": person.display_name(),
        "locale": "en-US",
        "externalId": person.okta_id,
        "groups": [],
        "password": random.letters(8),
        "active": true,
    });
    if let Some(title) = &person.title {
        body["title"] = json!(title);
    }
    body
}

/// Returns a copy of what the server holds, with the person's attributes put into it.
pub(super) fn merged(copy: &Value, person: &Person) -> Value {
    let mut body = copy.clone();
    body["name"]["givenName"] = json!(person.given_name);
    body["name"]["familyName"] = json!(person.family_name);
    body["displayName"] = json!(person.display_name());
    body["emails"] = json!([{ "primary": true, "value": person.email, "type": "work" }]);
    match &person.title {
        Some(title) => body["title"] = json!(title),
        None => drop(body.as_object_mut().map(|body| body.remove("title"))),
    }
    body
}

/// Returns a copy of what the server holds, active or not.
pub(super) fn activated(copy: &Value, active: bool) -> Value {
    let mut body = copy.clone();
    body["active"] = json!(active);
    body
}

pub(super) fn active(active: bool) -> Value {
    patch([json!({ "op": "replace", "value": { "active": active } })])
}

/// A member of a group: the id on the server, and the name that is shown.
pub(super) type Member = (String, Option<String>);

pub(super) fn group(display_name: &str, members: &[Member]) -> Value {
    json!({
        "schemas": [GROUP], "displayName": display_name, "members": references(members),
    })
}

/// Returns the whole group for a PUT.
pub(super) fn whole_group(id: &str, display_name: &str, members: &[Member]) -> Value {
    let mut body = group(display_name, members);
    body["id"] = json!(id);
    body
}

/// Returns the operation that gives a group its name. The template repeats the id within it.
pub(super) fn rename(id: &str, display_name: &str) -> Value {
    json!({ "op": "replace", "value": { "id": id, "displayName": display_name } })
}

pub(super) fn replace_members(members: &[Member]) -> Value {
    json!({ "op": "replace", "path": "members", "value": references(members) })
}

pub(super) fn add_members(members: &[Member]) -> Value {
    json!({ "op": "add", "path": "members", "value": references(members) })
}

pub(super) fn remove_member(id: &str) -> Value {
    json!({ "op": "remove", "path": format!("members[value eq \"{id}\"]") })
}

pub(super) fn patch(operations: impl IntoIterator<Item = Value>) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": operations.into_iter().collect::<Vec<_>>(),
    })
}

fn references(members: &[Member]) -> Value {
    members.iter().map(|(id, display)| json!({ "value": id, "display": display })).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::people::Directory;

    fn check(body: &Value, snapshot: &Expect) {
        snapshot.assert_eq(&serde_json::to_string_pretty(body).unwrap());
    }

    fn ada() -> Person {
        Person {
            given_name: "Ada".into(),
            family_name: "Bauer".into(),
            ..Directory::new(1, 1, 0).people[0].clone()
        }
    }

    fn members() -> Vec<Member> {
        vec![("u2".into(), None), ("u1".into(), Some("ada@x".into()))]
    }

    fn copy() -> Value {
        json!({
            "schemas": [USER], "id": "u1", "userName": "ada@x", "title": "Analyst", "active": true,
            "groups": [{ "value": "g1" }], "meta": { "version": "W/\"1\"" },
            "name": { "givenName": "A", "honorificPrefix": "Dr" },
        })
    }

    #[test]
    fn a_user_is_created_with_a_password_and_no_groups() {
        check(
            &user(&ada(), 1, 0),
            &expect![[r#"
            {
              "active": true,
              "displayName": "Ada Bauer",
              "emails": [
                {
                  "primary": true,
                  "type": "work",
                  "value": "kenji.ferreira.0@tenant1.example"
                }
              ],
              "externalId": "00uuQAcFefKGCxLF58p8",
              "groups": [],
              "locale": "en-US",
              "name": {
                "familyName": "Bauer",
                "givenName": "Ada"
              },
              "password": "uBpZPllF",
              "schemas": [
                "urn:ietf:params:scim:schemas:core:2.0:User"
              ],
              "title": "Engineer",
              "userName": "kenji.ferreira.0@tenant1.example"
            }"#]],
        );
    }

    #[test]
    fn a_password_is_the_same_for_the_same_person() {
        assert_eq!(user(&ada(), 1, 0), user(&ada(), 1, 0));
        assert_ne!(user(&ada(), 1, 0)["password"], user(&ada(), 1, 1)["password"]);
    }

    #[test]
    fn an_update_is_a_copy_with_the_attributes_of_the_person() {
        let person = Person { title: None, ..ada() };
        check(
            &merged(&copy(), &person),
            &expect![[r#"
            {
              "active": true,
              "displayName": "Ada Bauer",
              "emails": [
                {
                  "primary": true,
                  "type": "work",
                  "value": "kenji.ferreira.0@tenant1.example"
                }
              ],
              "groups": [
                {
                  "value": "g1"
                }
              ],
              "id": "u1",
              "meta": {
                "version": "W/\"1\""
              },
              "name": {
                "familyName": "Bauer",
                "givenName": "Ada",
                "honorificPrefix": "Dr"
              },
              "schemas": [
                "urn:ietf:params:scim:schemas:core:2.0:User"
              ],
              "userName": "ada@x"
            }"#]],
        );
    }

    #[test]
    fn the_native_way_deactivates_with_a_copy() {
        check(
            &activated(&copy(), false),
            &expect![[r#"
            {
              "active": false,
              "groups": [
                {
                  "value": "g1"
                }
              ],
              "id": "u1",
              "meta": {
                "version": "W/\"1\""
              },
              "name": {
                "givenName": "A",
                "honorificPrefix": "Dr"
              },
              "schemas": [
                "urn:ietf:params:scim:schemas:core:2.0:User"
              ],
              "title": "Analyst",
              "userName": "ada@x"
            }"#]],
        );
    }

    #[test]
    fn the_template_deactivates_without_a_path() {
        check(
            &active(false),
            &expect![[r#"
            {
              "Operations": [
                {
                  "op": "replace",
                  "value": {
                    "active": false
                  }
                }
              ],
              "schemas": [
                "urn:ietf:params:scim:api:messages:2.0:PatchOp"
              ]
            }"#]],
        );
    }

    #[test]
    fn a_group_is_pushed_with_its_members() {
        check(
            &group("Sales", &members()),
            &expect![[r#"
            {
              "displayName": "Sales",
              "members": [
                {
                  "display": null,
                  "value": "u2"
                },
                {
                  "display": "ada@x",
                  "value": "u1"
                }
              ],
              "schemas": [
                "urn:ietf:params:scim:schemas:core:2.0:Group"
              ]
            }"#]],
        );
    }

    #[test]
    fn the_native_way_puts_the_whole_group() {
        check(
            &whole_group("g1", "Sales", &members()),
            &expect![[r#"
            {
              "displayName": "Sales",
              "id": "g1",
              "members": [
                {
                  "display": null,
                  "value": "u2"
                },
                {
                  "display": "ada@x",
                  "value": "u1"
                }
              ],
              "schemas": [
                "urn:ietf:params:scim:schemas:core:2.0:Group"
              ]
            }"#]],
        );
    }

    #[test]
    fn the_template_renames_before_it_touches_members() {
        let operations = [rename("g1", "Sales"), remove_member("u3"), add_members(&members()[1..])];
        check(
            &patch(operations),
            &expect![[r#"
            {
              "Operations": [
                {
                  "op": "replace",
                  "value": {
                    "displayName": "Sales",
                    "id": "g1"
                  }
                },
                {
                  "op": "remove",
                  "path": "members[value eq \"u3\"]"
                },
                {
                  "op": "add",
                  "path": "members",
                  "value": [
                    {
                      "display": "ada@x",
                      "value": "u1"
                    }
                  ]
                }
              ],
              "schemas": [
                "urn:ietf:params:scim:api:messages:2.0:PatchOp"
              ]
            }"#]],
        );
        check(
            &patch([replace_members(&members())]),
            &expect![[r#"
            {
              "Operations": [
                {
                  "op": "replace",
                  "path": "members",
                  "value": [
                    {
                      "display": null,
                      "value": "u2"
                    },
                    {
                      "display": "ada@x",
                      "value": "u1"
                    }
                  ]
                }
              ],
              "schemas": [
                "urn:ietf:params:scim:api:messages:2.0:PatchOp"
              ]
            }"#]],
        );
    }
}
