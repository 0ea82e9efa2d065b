//! The parser of filters: recursive descent, one function per rule, no backtracking.
//!
//! RFC 7644 Figure 1 is ambiguous about precedence (`logExp` is left-recursive in both operators);
//! the order of operations below it decides: brackets, then `not`, then `and`, then `or`.

use serde_json::{Number, Value};

use super::{CLAUSES_MAX, DEPTH_MAX, FILTER_BYTES_MAX, Filter, Operator};
use crate::path::AttributePath;
use crate::syntax::{Language, ParseError, Problem};

pub(super) fn whole(text: &str) -> Result<Filter, ParseError> {
    let mut parser = Parser::new(text)?;
    let filter = parser.any()?;
    if parser.rest().is_empty() {
        Ok(filter)
    } else {
        Err(parser.expected("'and', 'or' or the end"))
    }
}

pub(super) fn element(text: &str) -> Result<(Filter, usize), ParseError> {
    let mut parser = Parser::new(text)?;
    parser.in_element = true;
    let filter = parser.any()?;
    if parser.rest().starts_with(']') {
        Ok((filter, parser.at))
    } else {
        Err(parser.expected("'and', 'or' or ']'"))
    }
}

struct Parser<'a> {
    text: &'a str,
    /// The offset in bytes of what is read next.
    at: usize,
    depth: usize,
    clauses: usize,
    /// Whether we are inside the square brackets of a value path.
    in_element: bool,
}

type Parsed<T> = Result<T, ParseError>;

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Parsed<Self> {
        let parser = Self { text, at: 0, depth: 0, clauses: 0, in_element: false };
        if text.len() > FILTER_BYTES_MAX {
            return Err(parser.error(FILTER_BYTES_MAX, Problem::TooLong(FILTER_BYTES_MAX)));
        }
        if text.trim().is_empty() {
            return Err(parser.error(0, Problem::Empty));
        }
        Ok(parser)
    }

    /// Terms joined by `or`, the weakest operator.
    fn any(&mut self) -> Parsed<Filter> {
        let mut terms = vec![self.all()?];
        while self.keyword("or") {
            terms.push(self.all()?);
        }
        Ok(single(terms, Filter::Or))
    }

    /// Terms joined by `and`.
    fn all(&mut self) -> Parsed<Filter> {
        let mut terms = vec![self.term()?];
        while self.keyword("and") {
            terms.push(self.term()?);
        }
        Ok(single(terms, Filter::And))
    }

    fn term(&mut self) -> Parsed<Filter> {
        self.skip_space();
        if self.rest().starts_with('(') {
            return self.group();
        }
        let start = self.at;
        let word = self.word();
        if word.eq_ignore_ascii_case("not") && !self.rest().starts_with('[') {
            let after = self.at;
            self.skip_space();
            if self.rest().starts_with('(') {
                return Ok(Filter::Not(Box::new(self.group()?)));
            }
            let next = self.word();
            if !next.eq_ignore_ascii_case("pr") && operator(next).is_none() {
                self.at -= next.len();
                return Err(self.expected("'(' after 'not'"));
            }
            self.at = after; // An attribute of that name.
        }
        if word.is_empty() {
            return Err(self.expected("an attribute name, 'not' or '('"));
        }
        let path = AttributePath::parse(word)
            .map_err(|error| self.error(start + error.offset, error.problem))?;
        if self.rest().starts_with('[') { self.value_path(path) } else { self.comparison(path) }
    }

    /// `( … )`
    fn group(&mut self) -> Parsed<Filter> {
        self.enter()?;
        let filter = self.any()?;
        self.leave(')', "'and', 'or' or ')'")?;
        Ok(filter)
    }

    /// `[ … ]` after an attribute, and the comparison that may follow with a dot.
    fn value_path(&mut self, path: AttributePath) -> Parsed<Filter> {
        if self.in_element {
            return Err(self.error(self.at, Problem::NestedElement));
        }
        self.enter()?;
        self.in_element = true;
        let mut filter = self.any()?;
        self.in_element = false;
        self.leave(']', "'and', 'or' or ']'")?;
        if self.rest().starts_with('.') {
            self.at += 1;
            let start = self.at;
            let sub = AttributePath::parse(self.word())
                .map_err(|error| self.error(start + error.offset, error.problem))?;
            let comparison = self.comparison(sub)?;
            filter = match filter {
                Filter::And(mut terms) => {
                    terms.push(comparison);
                    Filter::And(terms)
                }
                filter => Filter::And(vec![filter, comparison]),
            };
        }
        Ok(Filter::Element { path, filter: Box::new(filter) })
    }

    /// `pr`, or an operator and a value.
    fn comparison(&mut self, path: AttributePath) -> Parsed<Filter> {
        self.clauses += 1;
        if self.clauses > CLAUSES_MAX {
            return Err(self.error(self.at, Problem::TooManyClauses(CLAUSES_MAX)));
        }
        self.skip_space();
        let start = self.at;
        let word = self.word();
        if word.is_empty() {
            return Err(self.expected("an operator"));
        }
        if word.eq_ignore_ascii_case("pr") {
            return Ok(Filter::Present(path));
        }
        let operator =
            operator(word).ok_or_else(|| self.error(start, Problem::Operator(word.to_owned())))?;
        self.skip_space();
        let value = if self.rest().starts_with('"') {
            Value::String(self.quoted()?)
        } else {
            self.unquoted()?
        };
        Ok(Filter::Compare { path, operator, value })
    }

    /// A JSON string.
    fn quoted(&mut self) -> Parsed<String> {
        let start = self.at;
        let mut escaped = false;
        let inside = &self.text[start + 1..];
        let length = inside.bytes().position(|byte| match (escaped, byte) {
            (false, b'"') => true,
            (false, b'\\') => {
                escaped = true;
                false
            }
            _ => {
                escaped = false;
                false
            }
        });
        let Some(length) = length else {
            return Err(self.error(self.text.len(), Problem::Expected("the closing '\"'")));
        };
        self.at = start + length + 2;
        let literal = &self.text[start..self.at];
        serde_json::from_str(literal)
            .map_err(|_| self.error(start, Problem::Value(literal.to_owned())))
    }

    /// A word: `true`, `false`, `null`, a number, or a text that somebody left without quotes.
    fn unquoted(&mut self) -> Parsed<Value> {
        let word = self.word();
        if word.is_empty() {
            return Err(self.expected("a value"));
        }
        Ok(match word {
            _ if word.eq_ignore_ascii_case("true") => Value::Bool(true),
            _ if word.eq_ignore_ascii_case("false") => Value::Bool(false),
            _ if word.eq_ignore_ascii_case("null") => Value::Null,
            // A number that would print otherwise (007, 1.50, 40 digits) stays as it was written.
            _ => match serde_json::from_str::<Number>(word) {
                Ok(number) if number.to_string() == word => Value::Number(number),
                _ => Value::String(word.to_owned()),
            },
        })
    }

    /// Takes a logical operator if it stands here, in any case.
    fn keyword(&mut self, keyword: &str) -> bool {
        self.skip_space();
        let start = self.at;
        let found = self.word().eq_ignore_ascii_case(keyword);
        if !found {
            self.at = start;
        }
        found
    }

    /// Takes what stands here up to white space, a bracket or a quote; may be empty.
    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c: char| c.is_whitespace() || "()[]\"".contains(c));
        let word = &rest[..end.unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn enter(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error(self.at, Problem::TooDeep(DEPTH_MAX)));
        }
        self.at += 1;
        Ok(())
    }

    fn leave(&mut self, bracket: char, expected: &'static str) -> Parsed<()> {
        self.skip_space();
        if !self.rest().starts_with(bracket) {
            return Err(self.expected(expected));
        }
        self.at += 1;
        self.depth -= 1;
        Ok(())
    }

    fn expected(&self, what: &'static str) -> ParseError {
        self.error(self.at, Problem::Expected(what))
    }

    #[expect(clippy::unused_self, reason = "errors are made where a parser is at hand")]
    fn error(&self, offset: usize, problem: Problem) -> ParseError {
        ParseError::new(Language::Filter, offset, problem)
    }
}

fn operator(word: &str) -> Option<Operator> {
    Operator::ALL.into_iter().find(|operator| operator.as_str().eq_ignore_ascii_case(word))
}

fn single(mut terms: Vec<Filter>, join: fn(Vec<Filter>) -> Filter) -> Filter {
    match terms.pop() {
        Some(only) if terms.is_empty() => only,
        last => {
            terms.extend(last);
            join(terms)
        }
    }
}

#[cfg(test)]
#[expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]
mod tests {
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
}
