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

    /// A word: `true`, `false`, `null`, a number, or a text that somebody left without quotes. One that
    /// begins with a quote of another kind would match nothing, without a word of why.
    fn unquoted(&mut self) -> Parsed<Value> {
        let word = self.word();
        if word.is_empty() {
            return Err(self.expected("a value"));
        }
        if word.starts_with(['\'', '{']) {
            self.at -= word.len();
            return Err(self.expected("a value in double quotes"));
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
mod tests;
