//! Bodies as they are read: what is kept of them, what is passed over, and where one is wrong.

use expect_test::{Expect, expect};
use serde_json::json;

use super::*;
use crate::elements::VALUES_MAX;

const ENTERPRISE: &str = urn::ENTERPRISE_USER;

/// One line for each attribute, what was ignored, or the error.
#[expect(clippy::needless_pass_by_value, reason = "an `expect![]` is written where it is used")]
fn check(result: Result<Parsed, Error>, expected: Expect) {
    expected.assert_eq(&show(result));
}

fn show(result: Result<Parsed, Error>) -> String {
    match result {
        Ok(Parsed { resource: Resource(attributes), ignored, .. }) => {
            let mut lines: Vec<_> =
                attributes.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            lines.extend(ignored.iter().map(|name| format!("- {name}")));
            lines.join("\n")
        }
        Err(error) => {
            format!("{} {error}", error.scim_type.map_or("-", crate::ErrorType::as_str))
        }
    }
}

fn user(body: Value) -> Result<Parsed, Error> {
    Resource::parse(Kind::User, body, Catalogue::standard())
}

fn strict(body: Value) -> Result<Parsed, Error> {
    Resource::parse_with(Kind::User, body, Catalogue::standard(), Leniency::Strict)
}

#[test]
fn a_new_user_with_everything_empty_that_can_be() {
    check(
        user(json!({
            "schemas": [urn::CORE_USER, ENTERPRISE],
            "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
            "userName": "Test_User_ab6490ee", "active": true,
            "addresses": null, "manager": null, "title": "", "ims": [], "name": {"formatted": null},
            "emails": [{"primary": true, "type": "work", "value": "a@testuser.com"}],
            "phoneNumbers": [{"type": "work", "value": ""}],
            "meta": {"resourceType": "User"}, "roles": [],
            ENTERPRISE: {"department": null, "manager": {"value": ""}}
        })),
        expect![[r#"
            active: true
            emails: [{"primary":true,"type":"work","value":"a@testuser.com"}]
            externalId: "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef"
            userName: "Test_User_ab6490ee""#]],
    );
}

#[test]
fn a_copy_of_what_was_read_gives_what_was_written() {
    check(
        user(json!({
            "schemas": [urn::CORE_USER], "id": "1", "userName": "ada", "password": "secret",
            "groups": [{"value": "g"}], "meta": {"created": "x", "version": "W/\"1\""},
            ENTERPRISE: {"manager": {"value": "2", "displayName": "Bob", "$ref": "../Users/2"}}
        })),
        expect![[r#"
            urn:ietf:params:scim:schemas:extension:enterprise:2.0:User: {"manager":{"$ref":"../Users/2","value":"2"}}
            userName: "ada""#]],
    );
}

#[test]
fn types_are_what_the_schema_says() {
    check(
        user(json!({
            "userName": 17, "active": "True", "title": 7, "locale": "de",
            "emails": {"value": "a@x", "primary": "FALSE"}, "phoneNumbers": "123",
            "roles": [{"primary": "True", "value": "a"}, "b", {"value": "c", "primary": true}],
            ENTERPRISE: {"employeeNumber": 701, "manager": [{"value": 5}]}
        })),
        expect![[r#"
            active: true
            emails: [{"primary":false,"value":"a@x"}]
            locale: "de"
            phoneNumbers: [{"value":"123"}]
            roles: [{"primary":true,"value":"a"},{"value":"b"},{"primary":false,"value":"c"}]
            title: "7"
            urn:ietf:params:scim:schemas:extension:enterprise:2.0:User: {"employeeNumber":"701","manager":{"value":"5"}}
            userName: "17""#]],
    );
}

#[test]
fn names_are_in_the_catalogues_spelling() {
    check(
        user(json!({
            "USERNAME": "ada", "Name": {"GIVENNAME": "Ada"}, "EMAILS": [{"VALUE": "a@x"}],
            ENTERPRISE.to_uppercase(): {"DEPARTMENT": "d"}
        })),
        expect![[r#"
            emails: [{"value":"a@x"}]
            name: {"givenName":"Ada"}
            urn:ietf:params:scim:schemas:extension:enterprise:2.0:User: {"department":"d"}
            userName: "ada""#]],
    );
}

#[test]
fn extensions_of_any_urn_declared_in_schemas_or_not() {
    check(
        user(json!({
            "userName": "ada",
            "urn:company:2.0:User": {"costCode": 7, "a": null, "b": [], "c": {"d": ""}, "E": "2"},
            "urn:ietf:params:scim:schemas:extension:appspace:2.0:User": {"x": true},
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0User": {"department": "typo"},
            "urn:empty:User": {}, "urn:null:User": null,
            format!("{ENTERPRISE}:division"): "d", format!("{ENTERPRISE}:free"): ["x"],
            "urn:company:2.0:User:badge": 1, "urn:ietf:params:scim:schemas:core:2.0:User:title": "Ms",
            "urn:ietf:params:scim:schemas:core:2.0:Group": {"displayName": "g"},
            "manager": {"value": "9"}
        })),
        expect![[r#"
            title: "Ms"
            urn:company:2.0:User: {"E":"2","badge":1,"costCode":7}
            urn:ietf:params:scim:schemas:extension:appspace:2.0:User: {"x":true}
            urn:ietf:params:scim:schemas:extension:enterprise:2.0:User: {"division":"d","free":["x"],"manager":{"value":"9"}}
            urn:ietf:params:scim:schemas:extension:enterprise:2.0User: {"department":"typo"}
            userName: "ada"
            - urn:ietf:params:scim:schemas:core:2.0:Group"#]],
    );
}

/// PATCH takes them for what they are too.
#[test]
fn a_full_name_is_an_attribute_also_where_its_value_is_an_object() {
    let core = |name: &str| format!("{}:{name}", urn::CORE_USER);
    check(
        user(json!({
            "userName": "ada",
            core("name"): {"givenName": "Ada"}, core("emails"): {"value": "a@x"},
            core("meta"): {"version": "1"}, core("nope"): {"x": 1},
            format!("{ENTERPRISE}:manager"): {"value": "9"},
            format!("{ENTERPRISE}:free"): {"x": 1},
        })),
        expect![[r#"
            emails: [{"value":"a@x"}]
            name: {"givenName":"Ada"}
            urn:ietf:params:scim:schemas:core:2.0:User:nope: {"x":1}
            urn:ietf:params:scim:schemas:extension:enterprise:2.0:User: {"manager":{"value":"9"}}
            urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:free: {"x":1}
            userName: "ada""#]],
    );
}

/// PATCH takes them without a path.
#[test]
fn dotted_names_are_the_sub_attributes_that_they_name() {
    check(
        user(json!({
            "userName": "ada", "name.givenName": "Ada", "NAME.familyName": "Lovelace",
            "emails.value": "a@x", "emails.type": "work", "meta.version": "1", "name.nick": "x",
            format!("{}:addresses.country", urn::CORE_USER): "GB",
            format!("{ENTERPRISE}:manager.value"): "9", format!("{ENTERPRISE}:department"): "d",
            "manager.$ref": "../Users/9", ENTERPRISE: {"division": "v"},
            "urn:company:2.0:User:desk.floor": 3, "urn:company:hr:v1.beta": {"x": 1}
        })),
        expect![[r#"
            addresses: [{"country":"GB"}]
            emails: [{"type":"work","value":"a@x"}]
            name: {"familyName":"Lovelace","givenName":"Ada"}
            urn:company:2.0:User: {"desk":{"floor":3}}
            urn:company:hr:v1.beta: {"x":1}
            urn:ietf:params:scim:schemas:extension:enterprise:2.0:User: {"department":"d","division":"v","manager":{"$ref":"../Users/9","value":"9"}}
            userName: "ada"
            - name.nick"#]],
    );
    check(
        user(json!({
            "userName": "ada", "name": {"givenName": "Ada"}, "name.givenName": "Eve",
            "name.familyName": "L", "title.x": 1, "emails": [{"value": "a@x"}], "emails.type": "home",
            "phoneNumbers": [], "phoneNumbers.value": "7",
            ENTERPRISE: {"manager": {"value": "9"}, "manager.$ref": "../Users/9", "cost.code": 1}
        })),
        expect![[r#"
            emails: [{"value":"a@x"}]
            name: {"familyName":"L","givenName":"Ada"}
            phoneNumbers: [{"value":"7"}]
            urn:ietf:params:scim:schemas:extension:enterprise:2.0:User: {"cost.code":1,"manager":{"$ref":"../Users/9","value":"9"}}
            userName: "ada"
            - emails.type
            - title.x"#]],
    );
    check(
        strict(json!({"schemas": [urn::CORE_USER], "userName": "ada", "name.givenName": "Ada"})),
        expect![[r#"
            userName: "ada"
            - name.givenName"#]],
    );
}

#[test]
fn core_attributes_under_the_core_urn_are_lifted_and_do_not_win() {
    check(
        user(json!({
            urn::CORE_USER: {"userName": "nested", "TITLE": "Ms", "shoeSize": 1, "id": "x"},
            "userName": "top"
        })),
        expect![[r#"
            title: "Ms"
            userName: "top"
            - shoeSize"#]],
    );
}

#[test]
fn what_no_schema_has_is_named_and_left_out() {
    check(
        user(json!({
            "userName": "ada", "shoeSize": 38, "name": {"nick": "x"}, "emails": [{"size": 1, "value": "a"}],
            ENTERPRISE: {"manager": {"managerId": "5"}}
        })),
        expect![[r#"
            emails: [{"value":"a"}]
            userName: "ada"
            - shoeSize
            - emails.size
            - name.nick
            - manager.managerId"#]],
    );
}

#[test]
fn repeated_values_count_once() {
    check(
        user(json!({"userName": "ada", "emails": [
            {"value": "a", "type": "work"}, {"value": "a", "type": "home"},
            {"value": "a", "type": "work", "primary": true}, null, {}
        ]})),
        expect![[r#"
            emails: [{"primary":true,"type":"work","value":"a"},{"type":"home","value":"a"}]
            userName: "ada""#]],
    );
}

#[test]
fn errors_name_the_attribute() {
    let bodies = [
        json!([]),
        json!({"displayName": "x"}),
        json!({"userName": ""}),
        json!({"userName": "  "}),
        json!({"userName": {"a": 1}}),
        json!({"userName": "a", "active": "maybe"}),
        json!({"userName": "a", "name": "Ada"}),
        json!({"userName": "a", "emails": [{"primary": "x"}]}),
        json!({"userName": "a", "emails": [["a", "b"]]}),
        json!({"userName": true}),
        json!({"userName": ["a"]}),
        json!({"userName": "a", "name": {"givenName": [true]}}),
        json!({"userName": "a", "emails": [{"value": ["a@x"]}]}),
        json!({"userName": "a", "urn:company:2.0:User": "x"}),
        json!({"userName": "a", "roles": vec!["x"; VALUES_MAX + 1]}),
    ];
    expect![[r#"
        invalidSyntax a User must be a JSON object
        invalidValue 'userName' is required and must not be empty
        invalidValue 'userName' is required and must not be empty
        invalidValue 'userName' is required and must not be empty
        invalidValue 'userName' must be a string, not an object
        invalidValue 'active' must be a boolean, not a string
        invalidValue 'name' must be an object, not a string
        invalidValue 'emails': 'primary' must be a boolean, not a string
        invalidValue 'emails' must be an object, not a list
        invalidValue 'userName' must be a string, not a boolean
        invalidValue 'userName' must be a string, not a list
        invalidValue 'name': 'givenName' must be a string, not a list
        invalidValue 'emails': 'value' must be a string, not a list
        invalidValue 'urn:company:2.0:User' must be an object
        invalidValue 'roles' has 1001 values, more than 1000"#]]
    .assert_eq(&bodies.map(|body| show(user(body))).join("\n"));
    let group = Resource::parse(Kind::Group, json!({"externalId": "x"}), Catalogue::standard());
    check(group, expect!["invalidValue 'displayName' is required and must not be empty"]);
}

#[test]
fn strict_takes_no_other_types_and_wants_the_schema() {
    let core = [urn::CORE_USER];
    let bodies = [
        json!({"userName": "a"}),
        json!({"schemas": ["urn:x"], "userName": "a"}),
        json!({"schemas": core, "userName": 7}),
        json!({"schemas": core, "userName": "a", "active": "true"}),
        json!({"schemas": core, "userName": "a", "emails": {"value": "x"}}),
        json!({"schemas": core, "userName": "a", "manager": {"value": "x"}, "title": ""}),
        json!({"schemas": core, "userName": "a", "password": {"secret": "x"}}),
        json!({"schemas": core, "userName": "a", "password": "x"}),
        json!({
            "schemas": core, "userName": "a", format!("{ENTERPRISE}:badge"): "7",
            ENTERPRISE: {"department": "math", "shoeSize": 38}, "urn:free:User:x": 1
        }),
    ];
    expect![[r#"
        invalidValue 'schemas' must contain 'urn:ietf:params:scim:schemas:core:2.0:User'
        invalidValue 'schemas' must contain 'urn:ietf:params:scim:schemas:core:2.0:User'
        invalidValue 'userName' must be a string, not a number
        invalidValue 'active' must be a boolean, not a string
        invalidValue 'emails' must be a list, not an object
        userName: "a"
        - manager
        invalidValue 'password' must be a string, not an object
        userName: "a"
        urn:free:User: {"x":1}
        urn:ietf:params:scim:schemas:extension:enterprise:2.0:User: {"department":"math"}
        userName: "a"
        - urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:shoeSize
        - urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:badge"#]]
    .assert_eq(&bodies.map(|body| show(strict(body))).join("\n"));
}

#[test]
fn declared_extensions_are_typed() {
    let schema =
        serde_json::from_value(json!({"id": "urn:company:2.0:User", "name": "C", "attributes": [
            {"name": "age", "type": "integer"}, {"name": "weight", "type": "decimal"},
            {"name": "since", "type": "dateTime"}, {"name": "tags", "multiValued": true},
            {"name": "computed", "mutability": "readOnly"}, {"name": "code", "required": true}
        ]}))
        .unwrap();
    let catalogue = Catalogue::standard().with_extension(Kind::User, schema);
    let parse = |attributes: Value, leniency| {
        let body = json!({"schemas": [urn::CORE_USER], "userName": "a", "urn:COMPANY:2.0:User": attributes});
        Resource::parse_with(Kind::User, body, &catalogue, leniency)
    };
    check(
        parse(
            json!({"AGE": "42", "code": 7, "weight": "1.5", "since": "yesterday", "tags": "a", "computed": 1, "free": "x"}),
            Leniency::Lenient,
        ),
        expect![[r#"
            urn:company:2.0:User: {"age":42,"code":"7","free":"x","since":"yesterday","tags":["a"],"weight":1.5}
            userName: "a""#]],
    );
    let others = [
        parse(json!({"age": 4.5}), Leniency::Lenient),
        parse(json!({"weight": "heavy"}), Leniency::Lenient),
        parse(json!({"since": "yesterday"}), Leniency::Strict),
        parse(json!({"since": "2020-01-01T00:00:00Z", "code": "7"}), Leniency::Strict),
        parse(json!({"since": "2020-01-01T00:00:00Z"}), Leniency::Strict),
    ];
    expect![[r#"
        invalidValue 'age' must be an integer, not a number
        invalidValue 'weight' must be a number, not a string
        invalidValue 'since' must be a dateTime, not a string
        urn:company:2.0:User: {"code":"7","since":"2020-01-01T00:00:00Z"}
        userName: "a"
        invalidValue 'urn:company:2.0:User:code' is required"#]]
    .assert_eq(&others.map(show).join("\n"));
}
