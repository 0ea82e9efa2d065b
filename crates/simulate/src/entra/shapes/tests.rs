//! The bodies that Entra sends, as they are on the wire.

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

fn ids() -> Vec<String> {
    vec!["u1".into(), "u2".into()]
}

#[test]
fn a_user_is_created_with_this() {
    check(
        &user(&ada()),
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
          "externalId": "d5c64f04-0b9e-4582-80f8-65006841eece",
          "meta": {
            "resourceType": "User"
          },
          "name": {
            "familyName": "Bauer",
            "formatted": "Ada Bauer",
            "givenName": "Ada"
          },
          "roles": [],
          "schemas": [
            "urn:ietf:params:scim:schemas:core:2.0:User",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
          ],
          "title": "Engineer",
          "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
            "department": "Operations",
            "employeeNumber": "100000"
          },
          "userName": "kenji.ferreira.0@tenant1.example"
        }"#]],
    );
}

#[test]
fn a_group_is_created_without_members() {
    check(
        &group(&Directory::new(1, 1, 1).groups[0]),
        &expect![[r#"
        {
          "displayName": "Engineering Madrid",
          "externalId": "4f984408-03bb-46ca-8763-05746e09cc43",
          "meta": {
            "resourceType": "Group"
          },
          "schemas": [
            "urn:ietf:params:scim:schemas:core:2.0:Group",
            "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
          ]
        }"#]],
    );
}

#[test]
fn changed_attributes_are_one_operation_each_by_default() {
    let now = Person { family_name: "Rossi".into(), title: None, email: "r@x".into(), ..ada() };
    check(
        &Dialect::Default.attributes(&changes(&ada(), &now)),
        &expect![[r#"
        {
          "Operations": [
            {
              "op": "Replace",
              "path": "displayName",
              "value": "Ada Rossi"
            },
            {
              "op": "Replace",
              "path": "name.familyName",
              "value": "Rossi"
            },
            {
              "op": "Replace",
              "path": "name.formatted",
              "value": "Ada Rossi"
            },
            {
              "op": "Remove",
              "path": "title"
            },
            {
              "op": "Replace",
              "path": "emails[type eq \"work\"].value",
              "value": "r@x"
            }
          ],
          "schemas": [
            "urn:ietf:params:scim:api:messages:2.0:PatchOp"
          ]
        }"#]],
    );
}

#[test]
fn changed_attributes_are_keys_of_one_operation_with_the_flag() {
    let now = Person {
        family_name: "Rossi".into(),
        department: "Legal".into(),
        title: None,
        email: "r@x".into(),
        ..ada()
    };
    check(
        &Dialect::Flag.attributes(&changes(&ada(), &now)),
        &expect![[r#"
        {
          "Operations": [
            {
              "op": "replace",
              "value": {
                "displayName": "Ada Rossi",
                "name.familyName": "Rossi",
                "name.formatted": "Ada Rossi",
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department": "Legal"
              }
            },
            {
              "op": "replace",
              "path": "emails[type eq \"work\"].value",
              "value": "r@x"
            },
            {
              "op": "replace",
              "path": "title",
              "value": ""
            }
          ],
          "schemas": [
            "urn:ietf:params:scim:api:messages:2.0:PatchOp"
          ]
        }"#]],
    );
    let mail = Person { email: "r@x".into(), ..ada() };
    check(
        &Dialect::Flag.attributes(&changes(&ada(), &mail)),
        &expect![[r#"
        {
          "Operations": [
            {
              "op": "replace",
              "path": "emails[type eq \"work\"].value",
              "value": "r@x"
            }
          ],
          "schemas": [
            "urn:ietf:params:scim:api:messages:2.0:PatchOp"
          ]
        }"#]],
    );
}

#[test]
fn a_user_is_deactivated_with_text_by_default_and_a_boolean_with_the_flag() {
    check(
        &Dialect::Default.active(false),
        &expect![[r#"
        {
          "Operations": [
            {
              "op": "Replace",
              "path": "active",
              "value": "False"
            }
          ],
          "schemas": [
            "urn:ietf:params:scim:api:messages:2.0:PatchOp"
          ]
        }"#]],
    );
    check(
        &Dialect::Flag.active(false),
        &expect![[r#"
        {
          "Operations": [
            {
              "op": "replace",
              "path": "active",
              "value": false
            }
          ],
          "schemas": [
            "urn:ietf:params:scim:api:messages:2.0:PatchOp"
          ]
        }"#]],
    );
}

#[test]
fn a_manager_is_a_list_by_default_and_an_id_with_the_flag() {
    check(
        &Dialect::Default.manager("http://x/scim/", "u1"),
        &expect![[r#"
        {
          "Operations": [
            {
              "op": "Add",
              "path": "manager",
              "value": [
                {
                  "$ref": "http://x/scim/Users/u1",
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
        &Dialect::Flag.manager("http://x/scim/", "u1"),
        &expect![[r#"
        {
          "Operations": [
            {
              "op": "add",
              "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
              "value": "u1"
            }
          ],
          "schemas": [
            "urn:ietf:params:scim:api:messages:2.0:PatchOp"
          ]
        }"#]],
    );
}

#[test]
fn members_are_added_with_an_empty_reference() {
    check(
        &Dialect::Default.add_members(&ids()),
        &expect![[r#"
        {
          "Operations": [
            {
              "op": "Add",
              "path": "members",
              "value": [
                {
                  "$ref": null,
                  "value": "u1"
                },
                {
                  "$ref": null,
                  "value": "u2"
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
        &Dialect::Flag.add_members(&ids()[..1]),
        &expect![[r#"
        {
          "Operations": [
            {
              "op": "add",
              "path": "members",
              "value": [
                {
                  "$ref": null,
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

#[test]
fn members_are_removed_by_values_by_default_and_by_filters_with_the_flag() {
    check(
        &Dialect::Default.remove_members(&ids()),
        &expect![[r#"
        {
          "Operations": [
            {
              "op": "Remove",
              "path": "members",
              "value": [
                {
                  "$ref": null,
                  "value": "u1"
                },
                {
                  "$ref": null,
                  "value": "u2"
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
        &Dialect::Flag.remove_members(&ids()),
        &expect![[r#"
        {
          "Operations": [
            {
              "op": "remove",
              "path": "members[value eq \"u1\"]"
            },
            {
              "op": "remove",
              "path": "members[value eq \"u2\"]"
            }
          ],
          "schemas": [
            "urn:ietf:params:scim:api:messages:2.0:PatchOp"
          ]
        }"#]],
    );
}

#[test]
fn a_group_is_renamed_by_path() {
    check(
        &Dialect::Default.rename("Sales"),
        &expect![[r#"
        {
          "Operations": [
            {
              "op": "Replace",
              "path": "displayName",
              "value": "Sales"
            }
          ],
          "schemas": [
            "urn:ietf:params:scim:api:messages:2.0:PatchOp"
          ]
        }"#]],
    );
    check(
        &Dialect::Flag.rename("Sales"),
        &expect![[r#"
        {
          "Operations": [
            {
              "op": "replace",
              "path": "displayName",
              "value": "Sales"
            }
          ],
          "schemas": [
            "urn:ietf:params:scim:api:messages:2.0:PatchOp"
          ]
        }"#]],
    );
}
