//! The shapes of PATCH: the examples of RFC 7644 §3.5.2 verbatim, and what IdPs send.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn parse(kind: Kind, operations: &Value) -> Result<Request, Error> {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations
    });
    Request::parse(body, kind, Catalogue::standard())
}

fn patched(
    kind: Kind,
    before: &Value,
    operations: &Value,
    options: Options,
) -> Result<Resource, Error> {
    let mut resource: Resource = serde_json::from_value(before.clone()).unwrap();
    let body = json!({"schemas": [urn::PATCH_OP], "Operations": operations});
    let request = Request::parse_with(body, kind, Catalogue::standard(), options.leniency)?;
    request.apply(&mut resource, kind, Catalogue::standard(), &options)?;
    Ok(resource)
}

/// One line for each attribute afterwards, or the error.
fn show(result: Result<Resource, Error>) -> String {
    match result {
        Ok(resource) => {
            let lines =
                resource.attributes().iter().map(|(name, value)| format!("{name}: {value}"));
            lines.collect::<Vec<_>>().join("\n")
        }
        Err(Error { status, scim_type, detail }) => {
            format!("{status} {} {detail}", scim_type.map_or("-", crate::ErrorType::as_str))
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "an `expect![]` is written where it is used")]
fn check(before: Value, operations: Value, expected: Expect) {
    expected.assert_eq(&show(patched(Kind::User, &before, &operations, Options::LENIENT)));
}

#[expect(clippy::needless_pass_by_value, reason = "an `expect![]` is written where it is used")]
fn check_strict(before: Value, operations: Value, expected: Expect) {
    expected.assert_eq(&show(patched(Kind::User, &before, &operations, Options::STRICT)));
}

/// One line for each operation alone, after one that succeeds.
#[expect(clippy::needless_pass_by_value, reason = "an `expect![]` is written where it is used")]
fn check_each(options: Options, operations: Value, expected: Expect) {
    let operations = operations.as_array().unwrap().iter();
    let lines: Vec<_> = operations
        .map(|operation| {
            let first = json!({"op": "add", "path": "active", "value": true});
            show(patched(Kind::User, &ada(), &json!([first, operation]), options))
        })
        .collect();
    expected.assert_eq(&lines.join("\n"));
}

fn ada() -> Value {
    json!({"userName": "ada"})
}

fn babs() -> Value {
    json!({
        "userName": "babs",
        "name": {"givenName": "Barbara", "familyName": "Jensen"},
        "emails": [
            {"value": "babs@example.com", "type": "work", "primary": true},
            {"value": "babs@jensen.org", "type": "home"}
        ],
        "addresses": [
            {"type": "work", "streetAddress": "100 Universal City Plaza", "country": "US"},
            {"type": "home", "streetAddress": "456 Hollywood Blvd", "primary": true}
        ]
    })
}

mod section_3_5_2_1 {
    use super::*;

    #[test]
    fn add_without_a_path() {
        check(
            babs(),
            json!([{
                "op": "add",
                "value": {
                    "emails": [{"value": "babs@jensen.org", "type": "home"}],
                    "nickname": "Babs"
                }
            }]),
            expect![[r#"
                addresses: [{"country":"US","streetAddress":"100 Universal City Plaza","type":"work"},{"primary":true,"streetAddress":"456 Hollywood Blvd","type":"home"}]
                emails: [{"primary":true,"type":"work","value":"babs@example.com"},{"type":"home","value":"babs@jensen.org"}]
                name: {"familyName":"Jensen","givenName":"Barbara"}
                nickName: "Babs"
                userName: "babs""#]],
        );
    }

    #[test]
    fn a_single_value_is_replaced_and_an_absent_one_added() {
        check(
            json!({"userName": "ada", "title": "Ms"}),
            json!([
                {"op": "add", "path": "title", "value": "Countess"},
                {"op": "add", "path": "nickName", "value": "Al"}
            ]),
            expect![[r#"
                nickName: "Al"
                title: "Countess"
                userName: "ada""#]],
        );
    }

    #[test]
    fn sub_attributes_are_added_to_a_complex_attribute() {
        check(
            babs(),
            json!([{"op": "add", "path": "name", "value": {"middleName": "J", "givenName": "Babs"}}]),
            expect![[r#"
                addresses: [{"country":"US","streetAddress":"100 Universal City Plaza","type":"work"},{"primary":true,"streetAddress":"456 Hollywood Blvd","type":"home"}]
                emails: [{"primary":true,"type":"work","value":"babs@example.com"},{"type":"home","value":"babs@jensen.org"}]
                name: {"familyName":"Jensen","givenName":"Babs","middleName":"J"}
                userName: "babs""#]],
        );
    }

    #[test]
    fn a_new_primary_value_takes_it_from_the_old_one() {
        check(
            babs(),
            json!([{"op": "add", "path": "emails", "value": [{"value": "new@x", "primary": true}]}]),
            expect![[r#"
                addresses: [{"country":"US","streetAddress":"100 Universal City Plaza","type":"work"},{"primary":true,"streetAddress":"456 Hollywood Blvd","type":"home"}]
                emails: [{"primary":false,"type":"work","value":"babs@example.com"},{"type":"home","value":"babs@jensen.org"},{"primary":true,"value":"new@x"}]
                name: {"familyName":"Jensen","givenName":"Barbara"}
                userName: "babs""#]],
        );
    }

    #[test]
    fn a_value_that_is_there_changes_nothing() {
        for operations in [
            json!([{"op": "add", "path": "emails", "value": {"value": "babs@jensen.org", "type": "home"}}]),
            json!([{"op": "add", "path": "userName", "value": "babs"}]),
            json!([{"op": "add", "path": "emails", "value": []}]),
            json!([{"op": "add", "value": {"name": {"givenName": "Barbara"}}}]),
        ] {
            let after = patched(
                Kind::User,
                &babs(),
                &operations,
                Options { create_missing: false, ..Options::LENIENT },
            );
            assert_eq!(serde_json::to_value(after.unwrap()).unwrap(), babs());
        }
    }
}

mod section_3_5_2_2 {
    use super::*;

    #[test]
    fn a_single_value_is_unassigned() {
        check(
            babs(),
            json!([
                {"op": "remove", "path": "name.givenName"},
                {"op": "remove", "path": "addresses"},
                {"op": "remove", "path": "title"}
            ]),
            expect![[r#"
                emails: [{"primary":true,"type":"work","value":"babs@example.com"},{"type":"home","value":"babs@jensen.org"}]
                name: {"familyName":"Jensen"}
                userName: "babs""#]],
        );
    }

    #[test]
    fn values_are_removed_by_a_filter() {
        check(
            babs(),
            json!([{"op": "remove", "path": "emails[type eq \"work\" and value ew \"example.com\"]"}]),
            expect![[r#"
                addresses: [{"country":"US","streetAddress":"100 Universal City Plaza","type":"work"},{"primary":true,"streetAddress":"456 Hollywood Blvd","type":"home"}]
                emails: [{"type":"home","value":"babs@jensen.org"}]
                name: {"familyName":"Jensen","givenName":"Barbara"}
                userName: "babs""#]],
        );
    }

    #[test]
    fn the_attribute_goes_with_its_last_value() {
        check(
            babs(),
            json!([
                {"op": "remove", "path": "emails[value pr]"},
                {"op": "remove", "path": "name.givenName"},
                {"op": "remove", "path": "name.familyName"},
                {"op": "remove", "path": "addresses[type eq \"home\"].streetAddress"},
                {"op": "remove", "path": "addresses[type eq \"work\"].streetAddress"}
            ]),
            expect![[r#"
                addresses: [{"country":"US","type":"work"},{"primary":true,"type":"home"}]
                userName: "babs""#]],
        );
    }

    #[test]
    fn what_is_required_or_read_only_stays() {
        check_each(
            Options::LENIENT,
            json!([
                {"op": "remove", "path": "userName"},
                {"op": "remove", "path": "id"},
                {"op": "remove", "path": "schemas"},
                {"op": "remove", "path": "meta.created"},
                {"op": "remove", "path": "groups"},
                {"op": "remove", "path": "manager.displayName"}
            ]),
            expect![[r#"
                400 mutability operation 2 (remove userName): 'userName' is required
                400 mutability operation 2 (remove id): 'id' is readOnly
                400 mutability operation 2 (remove schemas): 'schemas' is readOnly
                400 mutability operation 2 (remove meta.created): 'meta' is readOnly
                400 mutability operation 2 (remove groups): 'groups' is readOnly
                400 mutability operation 2 (remove manager.displayName): 'displayName' is readOnly"#]],
        );
    }

    #[test]
    fn without_a_path_there_is_no_target() {
        check(
            ada(),
            json!([{"op": "remove", "value": {"title": "x"}}]),
            expect!["400 noTarget operation 1: 'remove' needs a 'path'"],
        );
    }

    #[test]
    fn a_filter_that_matches_nothing_has_no_target() {
        let other = json!([{"op": "remove", "path": "emails[value eq \"nobody@x\"]"}]);
        check(
            babs(),
            other.clone(),
            expect![[
                r#"400 noTarget operation 1 (remove emails[value eq "nobody@x"]): no value matches the filter"#
            ]],
        );
        check_strict(
            babs(),
            other,
            expect![[
                r#"400 noTarget operation 1 (remove emails[value eq "nobody@x"]): no value matches the filter"#
            ]],
        );
        let by_type = json!([{"op": "remove", "path": "emails[type eq \"other\"]"}]);
        check(ada(), by_type.clone(), expect![[r#"userName: "ada""#]]);
        check_strict(
            ada(),
            by_type,
            expect![[
                r#"400 noTarget operation 1 (remove emails[type eq "other"]): no value matches the filter"#
            ]],
        );
    }
}

mod section_3_5_2_3 {
    use super::*;

    #[test]
    fn the_work_address_is_replaced_and_becomes_primary() {
        check(
            babs(),
            json!([{
                "op": "replace",
                "path": "addresses[type eq \"work\"]",
                "value": {
                    "type": "work",
                    "streetAddress": "911 Universal City Plaza",
                    "locality": "Hollywood",
                    "region": "CA",
                    "postalCode": "91608",
                    "country": "US",
                    "formatted": "911 Universal City Plaza\nHollywood, CA 91608 US",
                    "primary": true
                }
            }]),
            expect![[r#"
                addresses: [{"country":"US","formatted":"911 Universal City Plaza\nHollywood, CA 91608 US","locality":"Hollywood","postalCode":"91608","primary":true,"region":"CA","streetAddress":"911 Universal City Plaza","type":"work"},{"primary":false,"streetAddress":"456 Hollywood Blvd","type":"home"}]
                emails: [{"primary":true,"type":"work","value":"babs@example.com"},{"type":"home","value":"babs@jensen.org"}]
                name: {"familyName":"Jensen","givenName":"Barbara"}
                userName: "babs""#]],
        );
    }

    #[test]
    fn a_selected_value_is_replaced_by_one_object_to_the_letter_too() {
        check_strict(
            json!({"userName": "ada", "emails": [{"type": "work", "value": "a"}]}),
            json!([{"op": "replace", "path": "emails[type eq \"work\"]", "value": {"value": "b"}}]),
            expect![[r#"
                emails: [{"type":"work","value":"b"}]
                userName: "ada""#]],
        );
        check(
            json!({"userName": "ada", "emails": [{"type": "work", "value": "a"}]}),
            json!([{"op": "replace", "path": "emails[type eq \"work\"]", "value": [{"value": "b"}, {"value": "c"}]}]),
            expect![[
                r#"400 invalidValue operation 1 (replace emails[type eq "work"]): 'emails' must be an object, not a list"#
            ]],
        );
    }

    #[test]
    fn one_sub_attribute_of_the_matching_records() {
        check(
            babs(),
            json!([{
                "op": "replace",
                "path": "addresses[type eq \"work\"].streetAddress",
                "value": "1010 Broadway Ave"
            }]),
            expect![[r#"
                addresses: [{"country":"US","streetAddress":"1010 Broadway Ave","type":"work"},{"primary":true,"streetAddress":"456 Hollywood Blvd","type":"home"}]
                emails: [{"primary":true,"type":"work","value":"babs@example.com"},{"type":"home","value":"babs@jensen.org"}]
                name: {"familyName":"Jensen","givenName":"Barbara"}
                userName: "babs""#]],
        );
    }

    #[test]
    fn without_a_path_only_the_given_attributes() {
        check(
            babs(),
            json!([{"op": "replace", "value": {
                "emails": [{"value": "babs@example.com"}], "name": {"familyName": "Smith"}
            }}]),
            expect![[r#"
                addresses: [{"country":"US","streetAddress":"100 Universal City Plaza","type":"work"},{"primary":true,"streetAddress":"456 Hollywood Blvd","type":"home"}]
                emails: [{"value":"babs@example.com"}]
                name: {"familyName":"Smith","givenName":"Barbara"}
                userName: "babs""#]],
        );
    }

    #[test]
    fn all_values_without_a_filter() {
        check(
            babs(),
            json!([{"op": "replace", "path": "emails", "value": [{"value": "x@y"}, {"value": "x@y"}]}]),
            expect![[r#"
                addresses: [{"country":"US","streetAddress":"100 Universal City Plaza","type":"work"},{"primary":true,"streetAddress":"456 Hollywood Blvd","type":"home"}]
                emails: [{"value":"x@y"}]
                name: {"familyName":"Jensen","givenName":"Barbara"}
                userName: "babs""#]],
        );
    }

    #[test]
    fn a_replaced_record_keeps_what_it_was_selected_by() {
        check(
            babs(),
            json!([{"op": "replace", "path": "emails[type eq \"work\"]", "value": {"value": "new@x"}}]),
            expect![[r#"
                addresses: [{"country":"US","streetAddress":"100 Universal City Plaza","type":"work"},{"primary":true,"streetAddress":"456 Hollywood Blvd","type":"home"}]
                emails: [{"type":"work","value":"new@x"},{"type":"home","value":"babs@jensen.org"}]
                name: {"familyName":"Jensen","givenName":"Barbara"}
                userName: "babs""#]],
        );
    }

    #[test]
    fn a_replaced_record_stands_for_another_with_its_value() {
        check(
            json!({"userName": "ada", "emails": [
                {"value": "old", "primary": true}, {"value": "new", "display": "x"}
            ]}),
            json!([{"op": "replace", "path": "emails[primary eq true]", "value": {"value": "new"}}]),
            expect![[r#"
                emails: [{"primary":true,"value":"new"}]
                userName: "ada""#]],
        );
    }

    #[test]
    fn an_absent_attribute_is_added() {
        check(
            ada(),
            json!([{"op": "replace", "path": "title", "value": "Countess"}]),
            expect![[r#"
                title: "Countess"
                userName: "ada""#]],
        );
    }

    #[test]
    fn a_filter_that_matches_nothing_is_no_target() {
        let operations = json!([{"op": "replace", "path": "emails[type eq \"other\"]", "value": {"value": "x"}}]);
        check_strict(
            babs(),
            operations,
            expect![[
                r#"400 noTarget operation 1 (replace emails[type eq "other"]): no value matches the filter"#
            ]],
        );
        let operations =
            json!([{"op": "replace", "path": "emails[value eq \"o\"].value", "value": "x"}]);
        check(
            babs(),
            operations,
            expect![[
                r#"400 noTarget operation 1 (replace emails[value eq "o"].value): no value matches the filter"#
            ]],
        );
    }

    #[test]
    fn sub_attributes_of_all_values_where_there_is_no_filter() {
        check(
            babs(),
            json!([{"op": "replace", "path": "emails.display", "value": "Babs"}]),
            expect![[r#"
                addresses: [{"country":"US","streetAddress":"100 Universal City Plaza","type":"work"},{"primary":true,"streetAddress":"456 Hollywood Blvd","type":"home"}]
                emails: [{"display":"Babs","primary":true,"type":"work","value":"babs@example.com"},{"display":"Babs","type":"home","value":"babs@jensen.org"}]
                name: {"familyName":"Jensen","givenName":"Barbara"}
                userName: "babs""#]],
        );
        check(
            ada(),
            json!([{"op": "add", "path": "emails.value", "value": "a@x"}]),
            expect![[r#"
                emails: [{"value":"a@x"}]
                userName: "ada""#]],
        );
    }
}

/// Capitalised operations, paths to everything, booleans as texts.
mod the_default_dialect {
    use super::*;

    #[test]
    fn paths_of_every_form() {
        check(
            babs(),
            json!([
                {"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "updated@x"},
                {"op": "Replace", "path": "name.familyName", "value": "updatedFamilyName"},
                {"op": "Add", "path": "nickName", "value": "Babs"},
                {"op": "Replace", "path": "active", "value": "False"},
                {"op": "Add", "path": format!("{ENTERPRISE}:department"), "value": "x"},
                {"op": "Remove", "path": "title"},
                {"op": "Add", "path": "urn:company:2.0:User:costCode", "value": 7}
            ]),
            expect![[r#"
                active: false
                addresses: [{"country":"US","streetAddress":"100 Universal City Plaza","type":"work"},{"primary":true,"streetAddress":"456 Hollywood Blvd","type":"home"}]
                emails: [{"primary":true,"type":"work","value":"updated@x"},{"type":"home","value":"babs@jensen.org"}]
                name: {"familyName":"updatedFamilyName","givenName":"Barbara"}
                nickName: "Babs"
                urn:company:2.0:User: {"costCode":7}
                urn:ietf:params:scim:schemas:extension:enterprise:2.0:User: {"department":"x"}
                userName: "babs""#]],
        );
    }

    #[test]
    fn keys_of_a_value_without_a_path_may_be_paths() {
        check(
            ada(),
            json!([{"op": "replace", "value": {
                "displayName": "Pvlo", "name.givenName": "Eva", "name.familyName": "P",
                format!("{ENTERPRISE}:employeeNumber"): "6",
                ENTERPRISE: {"department": "math", "manager.value": "7"},
                "urn:ietf:params:scim:schemas:core:2.0:User": {"title": "Ms"},
                "urn:company:2.0:User": {"cost code": "7", "a.b": 1},
                "emails[type eq \"work\"].value": "e@x",
                "id": "1", "meta": {}, "schemas": [], "groups": [], "shoeSize": 38, "not a name": 1
            }}]),
            expect![[r#"
                displayName: "Pvlo"
                emails: [{"type":"work","value":"e@x"}]
                name: {"familyName":"P","givenName":"Eva"}
                title: "Ms"
                urn:company:2.0:User: {"a.b":1,"cost code":"7"}
                urn:ietf:params:scim:schemas:extension:enterprise:2.0:User: {"department":"math","employeeNumber":"6","manager":{"value":"7"}}
                userName: "ada""#]],
        );
    }

    #[test]
    fn an_element_that_is_not_there_is_created_by_its_filter() {
        check(
            ada(),
            json!([
                {"op": "Add", "path": "roles[primary eq \"True\"].value", "value": "Admin"},
                {"op": "Add", "path": "emails[type eq \"work\"].value", "value": "a@x"},
                {"op": "Add", "path": "phoneNumbers[type eq \"mobile\" and primary eq true].value", "value": "1"},
                {"op": "Add", "path": "addresses[type eq \"work\"].locality", "value": "Paris"},
                {"op": "Add", "path": "addresses[type eq \"work\"].country", "value": "Belize"},
                {"op": "Replace", "path": "addresses[type eq \"home\"]", "value": {"locality": "Rome"}},
                {"op": "Add", "path": "urn:company:2.0:User:desks[type eq \"a\"].floor", "value": 3}
            ]),
            expect![[r#"
                addresses: [{"country":"Belize","locality":"Paris","type":"work"},{"locality":"Rome","type":"home"}]
                emails: [{"type":"work","value":"a@x"}]
                phoneNumbers: [{"primary":true,"type":"mobile","value":"1"}]
                roles: [{"primary":true,"value":"Admin"}]
                urn:company:2.0:User: {"desks":[{"floor":3,"type":"a"}]}
                userName: "ada""#]],
        );
    }

    #[test]
    fn only_filters_on_type_and_primary_create() {
        for path in [
            "emails[value eq \"a@x\"].type",
            "emails[type eq \"a\" or type eq \"b\"].value",
            "emails[type sw \"w\"].value",
            "emails[type eq \"work\" and value eq \"x\"].display",
        ] {
            let result = patched(
                Kind::User,
                &ada(),
                &json!([{"op": "add", "path": path, "value": "x"}]),
                Options::LENIENT,
            );
            assert_eq!(result.unwrap_err().scim_type, Some(crate::ErrorType::NoTarget), "{path}");
        }
    }

    #[test]
    fn a_value_that_contradicts_its_filter_creates_nothing() {
        check(
            ada(),
            json!([{"op": "replace", "path": "emails[type eq \"work\"]", "value": {"type": "home", "value": "x"}}]),
            expect![[
                r#"400 noTarget operation 1 (replace emails[type eq "work"]): no value matches the filter"#
            ]],
        );
    }

    #[test]
    fn role_assignments_in_their_three_forms() {
        check(
            json!({"userName": "ada", "roles": [{"value": "User"}]}),
            json!([
                {"op": "Add", "path": "roles", "value": [{"value": "{\"id\":\"1\",\"value\":\"Admin\"}"}]},
                {"op": "Add", "path": "roles", "value": [
                    {"primary": "True", "type": "AppRole", "display": "Editor", "value": "Editor"}
                ]}
            ]),
            expect![[r#"
                roles: [{"value":"User"},{"value":"{\"id\":\"1\",\"value\":\"Admin\"}"},{"display":"Editor","primary":true,"type":"AppRole","value":"Editor"}]
                userName: "ada""#]],
        );
        check(
            json!({"userName": "ada", "roles": [{"value": "User"}]}),
            json!([{"op": "replace", "path": "roles", "value": [{"value": "Admin", "primary": "False"}]}]),
            expect![[r#"
                roles: [{"primary":false,"value":"Admin"}]
                userName: "ada""#]],
        );
    }

    #[test]
    fn removal_with_a_list_of_values_removes_those() {
        let roles = json!({"userName": "ada", "roles": [{"value": "a"}, {"value": "b", "type": "t"}, {"value": "c"}]});
        let operations = |op: &str| json!([{"op": op, "path": "roles", "value": [{"value": "a"}, {"value": "b"}]}]);
        check(
            roles.clone(),
            operations("Remove"),
            expect![[r#"
            roles: [{"value":"c"}]
            userName: "ada""#]],
        );
        check_strict(roles.clone(), operations("remove"), expect![[r#"userName: "ada""#]]);
        let nobody = json!([{"op": "remove", "path": "roles", "value": []}]);
        check(
            roles.clone(),
            nobody.clone(),
            expect![[r#"
            roles: [{"value":"a"},{"type":"t","value":"b"},{"value":"c"}]
            userName: "ada""#]],
        );
        check_strict(roles.clone(), nobody, expect![[r#"userName: "ada""#]]);
        let all = json!([{"op": "remove", "path": "roles", "value": null}]);
        check(roles, all, expect![[r#"userName: "ada""#]]);
    }
}

mod managers {
    use super::*;

    fn managed() -> Value {
        json!({"userName": "ada", ENTERPRISE: {"manager": {"value": "1", "$ref": "../Users/1"}}})
    }

    #[test]
    fn every_way_to_set_one() {
        for (operation, expected) in [
            (
                json!({"op": "Add", "path": "manager", "value": [{"$ref": "/Users/2", "value": "2"}]}),
                expect![[r#"
                    urn:ietf:params:scim:schemas:extension:enterprise:2.0:User: {"manager":{"$ref":"/Users/2","value":"2"}}
                    userName: "ada""#]],
            ),
            (
                json!({"op": "Add", "path": format!("{ENTERPRISE}:manager"), "value": "271"}),
                expect![[r#"
                    urn:ietf:params:scim:schemas:extension:enterprise:2.0:User: {"manager":{"value":"271"}}
                    userName: "ada""#]],
            ),
            (
                json!({"op": "Add", "path": format!("{ENTERPRISE}.manager"), "value": "271"}),
                expect![[r#"
                    urn:ietf:params:scim:schemas:extension:enterprise:2.0:User: {"manager":{"value":"271"}}
                    userName: "ada""#]],
            ),
            (
                json!({"op": "replace", "path": format!("{ENTERPRISE}:manager.value"), "value": 271}),
                expect![[r#"
                    urn:ietf:params:scim:schemas:extension:enterprise:2.0:User: {"manager":{"value":"271"}}
                    userName: "ada""#]],
            ),
            (
                json!({"op": "replace", "value": {format!("{ENTERPRISE}:manager"): {"value": "2", "displayName": "B"}}}),
                expect![[r#"
                    urn:ietf:params:scim:schemas:extension:enterprise:2.0:User: {"manager":{"value":"2"}}
                    userName: "ada""#]],
            ),
            (
                json!({"op": "add", "path": ENTERPRISE, "value": {"manager": {"value": "1"}, "division": "d"}}),
                expect![[r#"
                    urn:ietf:params:scim:schemas:extension:enterprise:2.0:User: {"division":"d","manager":{"$ref":"../Users/1","value":"1"}}
                    userName: "ada""#]],
            ),
        ] {
            check(managed(), json!([operation]), expected);
        }
    }

    #[test]
    fn every_way_to_have_none() {
        for operation in [
            json!({"op": "replace", "path": format!("{ENTERPRISE}:manager"), "value": {"value": ""}}),
            json!({"op": "replace", "path": format!("{ENTERPRISE}:manager"), "value": {"value": null}}),
            json!({"op": "replace", "path": format!("{ENTERPRISE}:manager.value"), "value": ""}),
            json!({"op": "replace", "path": format!("{ENTERPRISE}:manager"), "value": null}),
            json!({"op": "replace", "path": "manager", "value": ""}),
            json!({"op": "add", "path": "manager", "value": []}),
            json!({"op": "replace", "path": ENTERPRISE, "value": {"manager": null}}),
            json!({"op": "replace", "value": {ENTERPRISE: {"manager": ""}}}),
            json!({"op": "remove", "path": format!("{ENTERPRISE}:manager")}),
            json!({"op": "remove", "path": "manager.value"}),
            json!({"op": "remove", "path": ENTERPRISE}),
            json!({"op": "replace", "path": ENTERPRISE, "value": null}),
        ] {
            let after =
                patched(Kind::User, &managed(), &json!([operation]), Options::LENIENT).unwrap();
            assert_eq!(serde_json::to_value(after).unwrap(), ada(), "{operation}");
        }
    }
}

mod clearing {
    use super::*;

    #[test]
    fn an_empty_value_unassigns() {
        for value in [json!(""), json!(null), json!([])] {
            let full = json!({
                "userName": "ada", "title": "x", "name": {"givenName": "A"}, "active": true,
                "emails": [{"type": "work", "value": "a@x", "primary": true}],
                "phoneNumbers": [{"type": "work", "value": "1"}, {"type": "home", "value": "2"}],
                "roles": [{"value": "r"}],
                ENTERPRISE: {"department": "d"}, "urn:company:2.0:User": {"costCode": 7}
            });
            let paths = [
                "title",
                "name.givenName",
                "active",
                "emails[type eq \"work\"].value",
                "phoneNumbers[type eq \"work\"]",
                "phoneNumbers[type eq \"home\"].value",
                "roles",
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
                "urn:company:2.0:User:costCode",
            ];
            let operations: Vec<_> = paths
                .iter()
                .map(|path| json!({"op": "replace", "path": path, "value": value}))
                .collect();
            // Twice, as a repeated cycle does.
            let twice = [operations.clone(), operations].concat();
            let after = patched(Kind::User, &full, &json!(twice), Options::LENIENT).unwrap();
            assert_eq!(serde_json::to_value(after).unwrap(), ada());
        }
    }

    #[test]
    fn adding_nothing_to_a_list_leaves_it() {
        for value in [json!([]), json!(null), json!([null, {}])] {
            let operations = json!([{"op": "add", "path": "emails", "value": value}]);
            let after = patched(Kind::User, &babs(), &operations, Options::LENIENT).unwrap();
            assert_eq!(serde_json::to_value(after).unwrap(), babs());
        }
    }

    #[test]
    fn what_is_required_cannot_be_cleared() {
        check(
            ada(),
            json!([{"op": "replace", "path": "userName", "value": ""}]),
            expect!["400 mutability operation 1 (replace userName): 'userName' is required"],
        );
        check(
            ada(),
            json!([{"op": "replace", "value": {"userName": " "}}]),
            expect![
                "400 invalidValue operation 1 (replace userName): 'userName' must not be empty"
            ],
        );
    }
}

mod free_form {
    use super::*;

    const URN: &str = "urn:company:2.0:User";

    #[test]
    fn what_a_text_does_not_have_is_removed_from_none() {
        const LIST: &str = "urn:company:2.0:User:list";
        let before =
            json!({"userName": "ada", "urn:company:2.0:User": {"list": ["a", {"x": 1, "y": 2}]}});
        for path in [format!("{LIST}.x"), format!("{LIST}[not (value eq \"b\")].x")] {
            check(
                before.clone(),
                json!([{"op": "remove", "path": path}]),
                expect![[r#"
                    urn:company:2.0:User: {"list":["a",{"y":2}]}
                    userName: "ada""#]],
            );
        }
        check(
            before,
            json!([{"op": "remove", "path": format!("{LIST}.VALUE")}]),
            expect![[r#"
                urn:company:2.0:User: {"list":[{"x":1,"y":2}]}
                userName: "ada""#]],
        );
    }

    #[test]
    fn any_name_and_type_in_any_case() {
        check(
            json!({"userName": "ada", URN: {"costCode": "1", "tags": ["a"], "desk": {"floor": 1}}}),
            json!([
                {"op": "replace", "path": "URN:COMPANY:2.0:user:COSTCODE", "value": "2"},
                {"op": "add", "path": format!("{URN}:tags"), "value": ["a", "b"]},
                {"op": "add", "path": format!("{URN}:desk.room"), "value": 12},
                {"op": "replace", "path": format!("{URN}:desk"), "value": {"floor": 2}},
                {"op": "add", "path": format!("{URN}:new"), "value": {"a": "", "b": [null], "c": "x"}},
                {"op": "add", "path": format!("{URN}:phones[type eq \"work\"].value"), "value": "1"},
                {"op": "remove", "path": format!("{URN}:nothing")}
            ]),
            expect![[r#"
                urn:company:2.0:User: {"costCode":"2","desk":{"floor":2,"room":12},"new":{"c":"x"},"phones":[{"type":"work","value":"1"}],"tags":["a","b"]}
                userName: "ada""#]],
        );
    }

    #[test]
    fn an_extension_whose_urn_ends_otherwise_is_found_once_it_is_there() {
        check(
            json!({"userName": "ada", "urn:company:hr": {"age": 7, "x": 1}}),
            json!([
                {"op": "replace", "path": "urn:company:hr", "value": {"AGE": 8}},
                {"op": "remove", "path": "urn:company:hr:x"}
            ]),
            expect![[r#"
                urn:company:hr: {"age":8}
                userName: "ada""#]],
        );
        check(
            json!({"userName": "ada", "urn:company:hr": {"age": 7}}),
            json!([{"op": "remove", "path": "urn:company:hr"}]),
            expect![[r#"userName: "ada""#]],
        );
    }
}

mod strict {
    use super::*;

    #[test]
    fn types_are_those_of_the_schema() {
        check_each(
            Options::STRICT,
            json!([
                {"op": "replace", "path": "active", "value": "False"},
                {"op": "replace", "path": "title", "value": 7},
                {"op": "replace", "path": "emails", "value": {"value": "x"}},
                {"op": "replace", "path": "manager", "value": "7"},
                {"op": "add", "path": "emails", "value": [
                    {"value": "a", "primary": true}, {"value": "b", "primary": true}
                ]},
                {"op": "add", "path": "x509Certificates", "value": [{"value": "no base64!"}]}
            ]),
            expect![[r#"
                400 invalidValue operation 2 (replace active): 'active' must be a boolean, not a string
                400 invalidValue operation 2 (replace title): 'title' must be a string, not a number
                400 invalidValue operation 2 (replace emails): 'emails' must be a list, not an object
                400 invalidValue operation 2 (replace manager): 'manager' must be an object, not a string
                400 invalidValue operation 2 (add emails): 'emails' has more than one primary value
                400 invalidValue operation 2 (add x509Certificates): 'x509Certificates': 'value' must be base64, not a string"#]],
        );
    }

    #[test]
    fn section_3_5_2_1_add_takes_one_value_for_a_list() {
        check_strict(
            ada(),
            json!([
                {"op": "add", "path": "roles", "value": {"value": "a"}},
                {"op": "add", "path": "roles", "value": [{"value": "b"}]},
                {"op": "add", "path": "roles", "value": []},
                {"op": "add", "value": {"roles": [{"value": "c"}]}}
            ]),
            expect![[r#"
                roles: [{"value":"a"},{"value":"b"},{"value":"c"}]
                userName: "ada""#]],
        );
        check_each(
            Options::STRICT,
            json!([
                {"op": "add", "path": "roles", "value": "a"},
                {"op": "add", "value": {"roles": {"value": "a"}}},
                {"op": "replace", "path": "roles", "value": {"value": "a"}}
            ]),
            expect![[r#"
                400 invalidValue operation 2 (add roles): 'roles' must be an object, not a string
                400 invalidValue operation 2 (add roles): 'roles' must be a list, not an object
                400 invalidValue operation 2 (replace roles): 'roles' must be a list, not an object"#]],
        );
    }

    #[test]
    fn a_path_into_a_declared_extension_is_one_that_it_has() {
        let path = format!("{ENTERPRISE}:shoeSize");
        let operations = json!([
            {"op": "add", "path": path, "value": 38},
            {"op": "remove", "path": format!("{path}[type eq \"x\"].y")},
            {"op": "add", "path": ENTERPRISE, "value": {"shoeSize": 38, "department": "math"}},
            {"op": "add", "value": {ENTERPRISE: {"shoeSize": 38, "manager.nope": 1}, path: 39}},
            {"op": "add", "path": "urn:free:2.0:User:shoeSize", "value": 38}
        ]);
        check_each(
            Options::STRICT,
            operations.clone(),
            expect![[r#"
            400 invalidPath operation 2 (add urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:shoeSize): there is no attribute 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:shoeSize'
            400 invalidPath operation 2 (remove urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:shoeSize[type eq "x"].y): there is no attribute 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:shoeSize'
            active: true
            urn:ietf:params:scim:schemas:extension:enterprise:2.0:User: {"department":"math"}
            userName: "ada"
            400 invalidPath operation 2 (add urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.nope): there is no attribute 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.nope'
            active: true
            urn:free:2.0:User: {"shoeSize":38}
            userName: "ada""#]],
        );
        check_each(
            Options::LENIENT,
            operations,
            expect![[r#"
            active: true
            urn:ietf:params:scim:schemas:extension:enterprise:2.0:User: {"shoeSize":38}
            userName: "ada"
            active: true
            userName: "ada"
            active: true
            urn:ietf:params:scim:schemas:extension:enterprise:2.0:User: {"department":"math","shoeSize":38}
            userName: "ada"
            400 invalidPath operation 2 (add urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.nope): there is no attribute 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.nope'
            active: true
            urn:free:2.0:User: {"shoeSize":38}
            userName: "ada""#]],
        );
    }

    #[test]
    fn a_password_is_a_text_although_it_is_dropped() {
        let operations = json!([
            {"op": "add", "path": "password", "value": {"secret": "x"}},
            {"op": "replace", "value": {"password": 7}},
            {"op": "add", "path": "password", "value": "x"},
            {"op": "remove", "path": "password"},
            {"op": "replace", "path": "password", "value": null}
        ]);
        check_each(
            Options::STRICT,
            operations.clone(),
            expect![[r#"
            400 invalidValue operation 2 (add password): 'password' must be a string, not an object
            400 invalidValue operation 2 (replace password): 'password' must be a string, not a number
            active: true
            userName: "ada"
            active: true
            userName: "ada"
            active: true
            userName: "ada""#]],
        );
        check_each(
            Options::LENIENT,
            operations,
            expect![[r#"
            active: true
            userName: "ada"
            active: true
            userName: "ada"
            active: true
            userName: "ada"
            active: true
            userName: "ada"
            active: true
            userName: "ada""#]],
        );
    }
}

mod errors {
    use super::*;

    #[test]
    fn of_the_envelope() {
        let bodies = [
            json!([]),
            json!({}),
            json!({"Operations": []}),
            json!({"Operations": [7]}),
            json!({"Operations": [{"path": "title"}]}),
            json!({"Operations": [{"op": "move", "path": "title"}]}),
            json!({"Operations": [{"op": "add", "path": "title"}]}),
            json!({"Operations": [{"op": "add"}]}),
            json!({"Operations": [{"op": "add", "value": "x"}]}),
            json!({"Operations": [{"op": "add", "path": 7, "value": "x"}]}),
            json!({"schemas": ["urn:x"], "Operations": [{"op": "add", "value": {}}]}),
        ];
        let parse = |body| Request::parse(body, Kind::User, Catalogue::standard());
        let lines = bodies.map(|body| show(parse(body).map(|_| Resource::default())));
        expect![[r#"
            400 invalidSyntax a PATCH request must be a JSON object
            400 invalidSyntax 'Operations' must be a list
            400 invalidSyntax 'Operations' must not be empty
            400 invalidSyntax operation 1: an operation must be an object
            400 invalidSyntax operation 1: 'op' must be 'add', 'remove' or 'replace'
            400 invalidSyntax operation 1: the operation 'move' is not 'add', 'remove' or 'replace'
            400 invalidValue operation 1: 'add' needs a 'value'
            400 invalidValue operation 1: 'add' needs a 'value'
            400 invalidValue operation 1: without 'path', 'value' must be an object
            400 invalidPath operation 1: 'path' must be a string
            400 invalidSyntax 'schemas' must be 'urn:ietf:params:scim:api:messages:2.0:PatchOp'"#]]
        .assert_eq(&lines.join("\n"));
    }

    #[test]
    fn the_envelope_is_read_in_any_case() {
        let body = json!({
            "Schemas": "URN:ietf:params:scim:api:messages:2.0:PatchOp",
            "operations": {"OP": "ADD", "Path": " title ", "Value": "x"}
        });
        let request = Request::parse(body, Kind::User, Catalogue::standard()).unwrap();
        assert_eq!(request.changes.len(), 1);
        assert_eq!(request.changes[0].path, Path::parse("TITLE").unwrap());
    }

    #[test]
    fn strict_wants_the_envelope_to_the_letter() {
        let parse = |body| {
            let catalogue = Catalogue::standard();
            Request::parse_with(body, Kind::User, catalogue, Leniency::Strict).map(|_| ())
        };
        let envelope = |op: &str| {
            json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                "Operations": [{"op": op, "path": "title", "value": "x"}]
            })
        };
        assert_eq!(parse(envelope("replace")), Ok(()));
        assert_eq!(parse(envelope("Replace")).unwrap_err().status, 400);
        let mut one = envelope("replace");
        one["Operations"] = one["Operations"][0].clone();
        assert_eq!(parse(one).unwrap_err().scim_type, Some(crate::ErrorType::InvalidSyntax));
        let mut without = envelope("replace");
        without.as_object_mut().unwrap().remove("schemas");
        assert_eq!(parse(without).unwrap_err().status, 400);
    }

    #[test]
    fn of_too_many_operations() {
        let operation = json!({"op": "replace", "path": "title", "value": "x"});
        let many = |count| parse(Kind::User, &Value::Array(vec![operation.clone(); count]));
        assert!(many(OPERATIONS_MAX).is_ok());
        assert_eq!(many(OPERATIONS_MAX + 1).unwrap_err().status, 413);
    }

    #[test]
    fn of_too_many_values() {
        let values = |range: std::ops::Range<usize>| -> Value {
            range.map(|n| json!({"value": n.to_string()})).collect()
        };
        let max = crate::VALUES_MAX;
        let operations = json!([{"op": "add", "path": "roles", "value": values(0..max)}]);
        let full = patched(Kind::User, &ada(), &operations, Options::LENIENT).unwrap();
        let full = serde_json::to_value(full).unwrap();
        let operations = json!([{"op": "add", "path": "roles", "value": values(max..max + 1)}]);
        let error = patched(Kind::User, &full, &operations, Options::LENIENT).unwrap_err();
        assert!(error.detail.ends_with("'roles' has 1001 values, more than 1000"), "{error}");
    }

    #[test]
    fn of_syntax_name_the_operation() {
        check_each(
            Options::LENIENT,
            json!([
                {"op": "add", "path": "emails[", "value": "x"},
                {"op": "add", "path": "emails[type eq]", "value": "x"},
                {"op": "add", "path": "emails[type eq \"work\"", "value": "x"},
                {"op": "add", "path": "emails[type pr]value", "value": "x"},
                {"op": "add", "path": "a b", "value": "x"},
                {"op": "add", "value": {"emails[": "x"}}
            ]),
            expect![[r#"
                400 invalidFilter operation 2: filter: expected an expression, found nothing (byte 7)
                400 invalidFilter operation 2: filter: expected a value (byte 14)
                400 invalidFilter operation 2: filter: expected 'and', 'or' or ']' (byte 21)
                400 invalidPath operation 2: path: expected '.' and a sub-attribute, or the end (byte 15)
                400 invalidPath operation 2: path: 'a b' is not an attribute name (byte 0)
                400 invalidFilter operation 2: filter: expected an expression, found nothing (byte 7)"#]],
        );
    }

    #[test]
    fn of_targets_and_values_name_the_operation_and_the_path() {
        check_each(
            Options::LENIENT,
            json!([
                {"op": "add", "path": "shoeSize", "value": "x"},
                {"op": "add", "path": "emails[type pr].size", "value": "x"},
                {"op": "add", "path": "title[value pr]", "value": "x"},
                {"op": "add", "path": "name[givenName pr]", "value": "x"},
                {"op": "add", "path": "emails[primary gt true]", "value": "x"},
                {"op": "replace", "path": "id", "value": "x"},
                {"op": "replace", "path": "active", "value": "maybe"},
                {"op": "add", "path": "urn:ietf:params:scim:schemas:core:2.0:User", "value": "x"},
                {"op": "add", "path": ENTERPRISE, "value": "x"},
                {"op": "add", "path": "urn:company:2.0:User[a pr]", "value": {"a": 1}}
            ]),
            expect![[r#"
                400 invalidPath operation 2 (add shoeSize): there is no attribute 'shoeSize'
                400 invalidPath operation 2 (add emails[type pr].size): 'emails' has no 'size'
                400 invalidPath operation 2 (add title[value pr]): 'title' has no values to select from
                400 invalidPath operation 2 (add name[givenName pr]): 'name' has no values to select from
                400 invalidFilter operation 2 (add emails[primary gt true]): 'gt' cannot be used on 'primary', a boolean
                400 mutability operation 2 (replace id): 'id' is readOnly
                400 invalidValue operation 2 (replace active): 'active' must be a boolean, not a string
                400 invalidPath operation 2 (add urn:ietf:params:scim:schemas:core:2.0:User): the core schema is not an attribute
                400 invalidValue operation 2 (add urn:ietf:params:scim:schemas:extension:enterprise:2.0:User): 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User' must be an object
                400 invalidPath operation 2 (add urn:company:2.0:User[a pr]): 'urn:company:2.0:User' has no values to select from"#]],
        );
    }
}

#[test]
fn what_is_kept_elsewhere_is_accepted_and_changes_nothing() {
    let operations = json!([
        {"op": "replace", "path": "password", "value": "secret"},
        {"op": "add", "path": "schemas", "value": ["urn:x"]},
        {"op": "add", "value": {"password": "secret"}}
    ]);
    let after = patched(Kind::User, &ada(), &operations, Options::LENIENT).unwrap();
    assert_eq!(serde_json::to_value(after).unwrap(), ada());
}

#[test]
fn groups_are_renamed_and_their_members_left_to_others() {
    let group = json!({"displayName": "old", "externalId": "e"});
    let operations = json!([
        {"op": "replace", "value": {"id": "g1", "displayName": "New"}},
        {"op": "add", "path": "members", "value": [{"value": "u1"}]},
        {"op": "replace", "value": {"members": []}}
    ]);
    let after = patched(Kind::Group, &group, &operations, Options::LENIENT).unwrap();
    assert_eq!(
        serde_json::to_value(after).unwrap(),
        json!({"displayName": "New", "externalId": "e"})
    );
}

#[test]
fn what_a_declared_complex_attribute_requires_is_there_in_every_value() {
    let schema = serde_json::from_value(json!({
        "id": "urn:company:2.0:User", "name": "Company",
        "attributes": [{"name": "desks", "type": "complex", "multiValued": true, "subAttributes": [
            {"name": "type"}, {"name": "floor", "type": "integer", "required": true}, {"name": "room"}
        ]}]
    }))
    .unwrap();
    let catalogue = Catalogue::standard().with_extension(Kind::User, schema);
    let patch = |path: &str, value: Value| {
        let body = json!({"Operations": [
            {"op": "add", "path": format!("urn:company:2.0:User:{path}"), "value": value}
        ]});
        let request = Request::parse(body, Kind::User, &catalogue).unwrap();
        let mut resource: Resource = serde_json::from_value(ada()).unwrap();
        request
            .apply(&mut resource, Kind::User, &catalogue, &Options::LENIENT)
            .map_err(|e| e.status)
    };
    assert_eq!(patch("desks", json!([{"floor": 3}])), Ok(()));
    assert_eq!(patch("desks", json!([{"room": "a"}])), Err(400));
    assert_eq!(patch("desks[type eq \"a\"].room", json!("7")), Err(400));
    let body = |desks: Value| json!({"userName": "a", "urn:company:2.0:User": {"desks": desks}});
    let parse = |desks| Resource::parse(Kind::User, body(desks), &catalogue).map_err(|e| e.status);
    assert!(parse(json!([{"floor": 3}])).is_ok());
    assert_eq!(parse(json!([{"room": "a"}])), Err(400));
}

#[test]
fn immutable_attributes_of_declared_extensions_are_set_once() {
    let schema = serde_json::from_value(json!({
        "id": "urn:company:2.0:User", "name": "Company",
        "attributes": [{"name": "badge", "mutability": "immutable"}, {"name": "age", "type": "integer", "required": true}]
    }))
    .unwrap();
    let catalogue = Catalogue::standard().with_extension(Kind::User, schema);
    let before = json!({"userName": "ada", "urn:company:2.0:User": {"age": 41}});
    let mut resource: Resource = serde_json::from_value(before).unwrap();
    let mut patch = |op: &str, path: &str, value: Value| {
        let body = json!({"Operations": [{"op": op, "path": format!("urn:company:2.0:User:{path}"), "value": value}]});
        let request = Request::parse(body, Kind::User, &catalogue).unwrap();
        let mut copy = resource.clone();
        request.apply(&mut copy, Kind::User, &catalogue, &Options::LENIENT)?;
        resource = copy;
        Ok::<_, Error>(resource.attributes()["urn:company:2.0:User"].clone())
    };
    let mutability = Some(crate::ErrorType::Mutability);
    assert_eq!(patch("add", "BADGE", json!("7")), Ok(json!({"age": 41, "badge": "7"})));
    assert_eq!(patch("replace", "badge", json!("7")), Ok(json!({"age": 41, "badge": "7"})));
    assert_eq!(patch("replace", "badge", json!("8")).unwrap_err().scim_type, mutability);
    assert_eq!(patch("add", "age", json!("42")), Ok(json!({"age": 42, "badge": "7"})));
    assert_eq!(patch("remove", "age", json!(null)).unwrap_err().scim_type, mutability);
}

#[test]
fn what_an_extension_requires_is_checked_when_all_is_done() {
    let schema = serde_json::from_value(json!({
        "id": "urn:company:2.0:User", "name": "Company",
        "attributes": [{"name": "age", "required": true}, {"name": "badge"}]
    }))
    .unwrap();
    let catalogue = Catalogue::standard().with_extension(Kind::User, schema);
    let patch = |value: Value| {
        let body = json!({"Operations": [{"op": "add", "value": {"urn:company:2.0:User": value}}]});
        let request = Request::parse(body, Kind::User, &catalogue).unwrap();
        let mut resource: Resource = serde_json::from_value(ada()).unwrap();
        request.apply(&mut resource, Kind::User, &catalogue, &Options::LENIENT)
    };
    assert_eq!(patch(json!({"badge": "7", "age": "42"})), Ok(()));
    let error = Error::invalid_value("'urn:company:2.0:User:age' is required");
    assert_eq!(patch(json!({"badge": "7"})), Err(error));
}
