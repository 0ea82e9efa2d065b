//! Filters as they are read: what each means, and where one is wrong.

use expect_test::{Expect, expect};

use super::*;

/// One line for each filter: its printed form, or the error.
#[expect(clippy::needless_pass_by_value, reason = "an `expect![]` is written where it is used")]
fn check(filters: &[&str], expected: Expect) {
    let lines: Vec<_> = filters
        .iter()
        .map(|text| match Filter::parse(text) {
            Ok(filter) => {
                let printed = filter.to_string();
                assert_eq!(Filter::parse(&printed).as_ref(), Ok(&filter), "{printed}");
                printed
            }
            Err(error) => format!("! {error}"),
        })
        .collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn section_3_4_2_2_names_and_operators_in_any_case() {
    check(
        &[r#"userName Eq "john""#, r#"Username eq "john""#],
        expect![[r#"
        userName eq "john"
        Username eq "john""#]],
    );
}

#[test]
fn section_3_4_2_2_figure_2() {
    check(
        &[
            r#"userName eq "bjensen""#,
            r#"name.familyName co "O'Malley""#,
            r#"userName sw "J""#,
            r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J""#,
            "title pr",
            r#"meta.lastModified gt "2011-05-13T04:42:34Z""#,
            r#"meta.lastModified ge "2011-05-13T04:42:34Z""#,
            r#"meta.lastModified lt "2011-05-13T04:42:34Z""#,
            r#"meta.lastModified le "2011-05-13T04:42:34Z""#,
            r#"title pr and userType eq "Employee""#,
            r#"title pr or userType eq "Intern""#,
            "\n schemas eq \"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\"",
            "userType eq \"Employee\" and (emails co \"example.com\" or\n  emails.value co \"example.org\")",
            "userType ne \"Employee\" and not (emails co \"example.com\" or\n  emails.value co \"example.org\")",
            r#"userType eq "Employee" and (emails.type eq "work")"#,
            "userType eq \"Employee\" and emails[type eq \"work\" and\n  value co \"@example.com\"]",
            "emails[type eq \"work\" and value co \"@example.com\"] or\n  ims[type eq \"xmpp\" and value co \"@foo.com\"]",
        ],
        expect![[r#"
            userName eq "bjensen"
            name.familyName co "O'Malley"
            userName sw "J"
            urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J"
            title pr
            meta.lastModified gt "2011-05-13T04:42:34Z"
            meta.lastModified ge "2011-05-13T04:42:34Z"
            meta.lastModified lt "2011-05-13T04:42:34Z"
            meta.lastModified le "2011-05-13T04:42:34Z"
            title pr and userType eq "Employee"
            title pr or userType eq "Intern"
            schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
            userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")
            userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org")
            userType eq "Employee" and emails.type eq "work"
            userType eq "Employee" and emails[type eq "work" and value co "@example.com"]
            emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]"#]],
    );
}

#[test]
fn brackets_bind_stronger_than_not_then_and_then_or() {
    check(
        &[
            "a eq 1 or b eq 2 and not (c pr)",
            "(a eq 1 or b eq 2) and not (c pr)",
            "not (a pr) and b pr",
            "not (a pr and b pr)",
            "a pr and b pr and c pr or d pr or e pr",
            "((a pr and b pr)) and c pr",
            "a pr and ((b pr) and (c pr))",
            "a[b pr or c pr] and d pr",
            "a[not (b pr) and (c pr or d pr)]",
        ],
        expect![[r#"
            a eq 1 or b eq 2 and not (c pr)
            (a eq 1 or b eq 2) and not (c pr)
            not (a pr) and b pr
            not (a pr and b pr)
            a pr and b pr and c pr or d pr or e pr
            (a pr and b pr) and c pr
            a pr and (b pr and c pr)
            a[b pr or c pr] and d pr
            a[not (b pr) and (c pr or d pr)]"#]],
    );
}

#[test]
fn values_are_those_of_json() {
    check(
        &[
            "a eq true",
            "a eq false",
            "a eq null",
            "a eq -12",
            "a eq 1.5e-7",
            r#"a eq """#,
            r#"a eq "say \"hi\" \\ \u00e9""#,
            r#"a eq "(b) and [c]""#,
            r#"urn:x:User:employeeNumber eq "701984""#,
        ],
        expect![[r#"
            a eq true
            a eq false
            a eq null
            a eq -12
            a eq 1.5e-7
            a eq ""
            a eq "say \"hi\" \\ é"
            a eq "(b) and [c]"
            urn:x:User:employeeNumber eq "701984""#]],
    );
}

#[test]
fn what_clients_write_beyond_the_grammar() {
    check(
        &[
            "userType eq Employee",
            "externalId eq jyoung",
            "meta.lastModified gt 2011-05-13T04:42:34Z",
            "employeeNumber eq 007",
            "phone eq 1.50",
            "active eq True",
            "meta.resourceType eq User",
            r#"value eq"2819c223""#,
            "not(a pr)",
            "NOT (a pr) AND b PR",
            "(a pr)and(b pr)",
            "  a   pr  ",
            r#"emails[type eq "work"].value eq "x@y""#,
            r#"emails[type eq "work" or primary eq true].value pr and b pr"#,
            "emails[ type eq \"work\" ]",
            "not pr",
            "and eq 1 and or pr",
            "not[a pr] or not (not pr)",
            r#"members.$ref co "Users""#,
        ],
        expect![[r#"
            userType eq "Employee"
            externalId eq "jyoung"
            meta.lastModified gt "2011-05-13T04:42:34Z"
            employeeNumber eq "007"
            phone eq "1.50"
            active eq true
            meta.resourceType eq "User"
            value eq "2819c223"
            not (a pr)
            not (a pr) and b pr
            a pr and b pr
            a pr
            emails[type eq "work" and value eq "x@y"]
            emails[(type eq "work" or primary eq true) and value pr] and b pr
            emails[type eq "work"]
            not pr
            and eq 1 and or pr
            not[a pr] or not (not pr)
            members.$ref co "Users""#]],
    );
}

#[test]
fn errors_say_what_and_where() {
    check(
        &[
            "",
            "   ",
            "userName",
            "userName eq",
            "userName eq ",
            r#"userName regex "x""#,
            r#"userName eq "x"#,
            r#"userName eq "\q""#,
            "userName eq 'ada@x'",
            "userName eq 'Ada L'",
            "userName eq {}",
            "userName eq O'Malley and",
            "\"x\" eq userName",
            "userName pr and",
            "userName pr or or",
            "userName pr title pr",
            "(userName pr",
            "userName pr)",
            "not userName pr",
            "emails[type pr",
            "emails[]",
            "emails[type pr]x",
            "emails[type pr].",
            "emails[addresses[type pr]]",
            "user!name pr",
            "name.given.name pr",
            ".name pr",
            "urn:x:User:1a.b eq 1",
            "a eq [1]",
            "a eq (1)",
            "é pr",
            "a pr and é pr",
        ],
        expect![[r#"
            ! expected an expression, found nothing (byte 0)
            ! expected an expression, found nothing (byte 0)
            ! expected an operator (byte 8)
            ! expected a value (byte 11)
            ! expected a value (byte 12)
            ! the operator 'regex' is not supported (byte 9)
            ! expected the closing '"' (byte 14)
            ! '"\q"' is not a value (byte 12)
            ! expected a value in double quotes (byte 12)
            ! expected a value in double quotes (byte 12)
            ! expected a value in double quotes (byte 12)
            ! expected an attribute name, 'not' or '(' (byte 24)
            ! expected an attribute name, 'not' or '(' (byte 0)
            ! expected an attribute name, 'not' or '(' (byte 15)
            ! expected an operator (byte 17)
            ! expected 'and', 'or' or the end (byte 12)
            ! expected 'and', 'or' or ')' (byte 12)
            ! expected 'and', 'or' or the end (byte 11)
            ! expected '(' after 'not' (byte 4)
            ! expected 'and', 'or' or ']' (byte 14)
            ! expected an attribute name, 'not' or '(' (byte 7)
            ! expected 'and', 'or' or the end (byte 15)
            ! expected an expression, found nothing (byte 16)
            ! a value filter cannot hold another one (byte 16)
            ! 'user!name' is not an attribute name (byte 0)
            ! 'given.name' is not an attribute name (byte 5)
            ! expected an attribute name (byte 0)
            urn:x:User:1a.b eq 1
            ! expected a value (byte 5)
            ! expected a value (byte 5)
            ! 'é' is not an attribute name (byte 0)
            ! 'é' is not an attribute name (byte 9)"#]],
    );
}

#[test]
fn every_limit_has_an_error_and_is_reachable() {
    let error = |text: &str| Filter::parse(text).unwrap_err().problem;
    let nested = |depth| format!("{}a pr{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Filter::parse(&nested(DEPTH_MAX)).is_ok());
    assert_eq!(error(&nested(DEPTH_MAX + 1)), Problem::TooDeep(DEPTH_MAX));
    assert!(Filter::parse(&vec!["(a[b pr])"; DEPTH_MAX].join(" and ")).is_ok());
    let square = |depth: usize| format!("{}a[b pr]{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(error(&square(DEPTH_MAX)), Problem::TooDeep(DEPTH_MAX));
    let clauses =
        |count| vec![r#"value eq "2819c223-7f76-453a-919d-413861904646""#; count].join(" or ");
    assert!(Filter::parse(&clauses(CLAUSES_MAX)).is_ok());
    assert_eq!(error(&clauses(CLAUSES_MAX + 1)), Problem::TooManyClauses(CLAUSES_MAX));
    let long = |length: usize| format!(r#"a eq "{}""#, "x".repeat(length - 7));
    assert!(Filter::parse(&long(FILTER_BYTES_MAX)).is_ok());
    assert_eq!(error(&long(FILTER_BYTES_MAX + 1)), Problem::TooLong(FILTER_BYTES_MAX));
}
