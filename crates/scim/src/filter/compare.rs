//! The comparison of one value: a literal of the filter, made ready for the attribute's type.
//!
//! The literal is converted once, when the filter is bound to the schema; what remains per
//! document is one comparison without allocation in the common cases.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::Operator;
use crate::coerce::parse_boolean;
use crate::datetime;
use crate::error::{Echo, Error};
use crate::fold;
use crate::schema::{Attribute, Type};

/// A comparison that is ready to be made.
#[derive(Clone, Debug)]
pub(super) struct Test {
    pub(super) operator: Operator,
    operand: Operand,
}

#[derive(Clone, Debug)]
enum Operand {
    Null,
    Text {
        folded: String,
        fold: Fold,
    },
    Boolean(bool),
    Number(Number),
    /// Nanoseconds, see [`datetime::parse`].
    Time(i128),
    /// A free-form attribute: the type is that of each value.
    Free {
        literal: Value,
        folded: String,
        time: Option<i128>,
    },
}

/// How texts are made comparable.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fold {
    Exact,
    Text,
    UserName,
}

impl Test {
    /// Makes a comparison ready for an attribute; `None` stands for a free-form one.
    ///
    /// # Errors
    /// `invalidFilter` if the type does not have the operator or the literal is not of the type.
    pub(super) fn new(
        attribute: Option<&Attribute>,
        operator: Operator,
        literal: &Value,
    ) -> Result<Self, Error> {
        let operand = match (attribute, literal) {
            (_, Value::Null) => Operand::Null,
            (None, literal) => {
                let text = as_text(literal);
                Operand::Free {
                    folded: fold::text(&text),
                    time: datetime::parse(&text),
                    literal: literal.clone(),
                }
            }
            (Some(attribute), literal) => typed(attribute, operator, literal)?,
        };
        Ok(Self { operator, operand })
    }

    /// Whether this compares with null, which asks for presence rather than for a value.
    pub(super) fn is_null(&self) -> bool {
        matches!(self.operand, Operand::Null)
    }

    /// Compares one value.
    pub(super) fn holds(&self, value: &Value) -> bool {
        match &self.operand {
            Operand::Null => false,
            Operand::Text { folded, fold } => match value {
                Value::String(text) => self.holds_text(&fold.apply(text), folded),
                value => self.holds_text(&fold.apply(&as_text(value)), folded),
            },
            Operand::Boolean(literal) => {
                self.holds_order(as_boolean(value).map(|v| v.cmp(literal)))
            }
            Operand::Number(literal) => self.holds_order(compare_numbers(value, literal)),
            Operand::Time(literal) => {
                let time = value.as_str().and_then(datetime::parse);
                self.holds_order(time.map(|time| time.cmp(literal)))
            }
            Operand::Free { literal, folded, time } => {
                self.holds_free(value, literal, folded, *time)
            }
        }
    }

    fn holds_free(&self, value: &Value, literal: &Value, folded: &str, time: Option<i128>) -> bool {
        if self.operator.is_substring() {
            return self.holds_text(&fold::text(&as_text(value)), folded);
        }
        let order = match (value, literal) {
            (Value::Bool(value), literal) => {
                let order = as_boolean(literal).map(|literal| value.cmp(&literal));
                if self.operator.is_order() { None } else { order }
            }
            (Value::Number(value), literal) => {
                as_number(literal).and_then(|literal| order(value, &literal))
            }
            (Value::String(text), Value::String(_)) => {
                let times = time.and_then(|time| Some(datetime::parse(text)?.cmp(&time)));
                times.or_else(|| Some(fold::text(text).as_str().cmp(folded)))
            }
            (value, Value::Number(literal)) => compare_numbers(value, literal),
            (value, Value::Bool(literal)) if !self.operator.is_order() => {
                as_boolean(value).map(|value| value.cmp(literal))
            }
            _ => None,
        };
        self.holds_order(order)
    }

    fn holds_text(&self, text: &str, literal: &str) -> bool {
        match self.operator {
            Operator::Contains => text.contains(literal),
            Operator::StartsWith => text.starts_with(literal),
            Operator::EndsWith => text.ends_with(literal),
            _ => self.holds_order(Some(text.cmp(literal))),
        }
    }

    /// `None` is a value that cannot be compared: it differs, and that is all.
    fn holds_order(&self, order: Option<Ordering>) -> bool {
        match self.operator {
            Operator::Equal => order == Some(Ordering::Equal),
            Operator::NotEqual => order != Some(Ordering::Equal),
            Operator::Greater => order.is_some_and(Ordering::is_gt),
            Operator::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
            Operator::Less => order.is_some_and(Ordering::is_lt),
            Operator::LessOrEqual => order.is_some_and(Ordering::is_le),
            Operator::Contains | Operator::StartsWith | Operator::EndsWith => false,
        }
    }
}

impl Fold {
    fn of(attribute: &Attribute, operator: Operator) -> Self {
        let whole = matches!(operator, Operator::Equal | Operator::NotEqual);
        match attribute.name.as_str() {
            _ if attribute.case_exact => Self::Exact,
            "userName" if whole => Self::UserName,
            _ => Self::Text,
        }
    }

    fn apply(self, text: &str) -> Cow<'_, str> {
        let is_folded =
            text.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase());
        match self {
            Self::Exact => Cow::Borrowed(text),
            _ if is_folded => Cow::Borrowed(text),
            Self::Text => Cow::Owned(fold::text(text)),
            Self::UserName => Cow::Owned(fold::user_name(text)),
        }
    }
}

fn typed(attribute: &Attribute, operator: Operator, literal: &Value) -> Result<Operand, Error> {
    let unsupported = || {
        let kind = format!("{:?}", attribute.data_type).to_lowercase();
        let name = &attribute.name;
        Err(Error::invalid_filter(format!("'{operator}' cannot be used on '{name}', a {kind}")))
    };
    let mistyped = |what: &str| {
        let (name, literal) = (&attribute.name, Echo(literal));
        Error::invalid_filter(format!("'{name}' can only be compared with {what}, not {literal}"))
    };
    let text =
        |fold: Fold| Operand::Text { folded: fold.apply(&as_text(literal)).into_owned(), fold };
    match attribute.data_type {
        Type::String | Type::Reference => Ok(text(Fold::of(attribute, operator))),
        Type::Binary if operator.is_order() => unsupported(),
        Type::Binary => Ok(text(Fold::Exact)),
        Type::Boolean if operator.is_order() || operator.is_substring() => unsupported(),
        Type::Boolean => {
            as_boolean(literal).map(Operand::Boolean).ok_or_else(|| mistyped("true or false"))
        }
        Type::Integer | Type::Decimal if operator.is_substring() => unsupported(),
        Type::Integer | Type::Decimal => {
            as_number(literal).map(Operand::Number).ok_or_else(|| mistyped("a number"))
        }
        Type::DateTime if operator.is_substring() => Ok(text(Fold::Exact)),
        Type::DateTime => {
            let time = literal.as_str().and_then(datetime::parse);
            time.map(Operand::Time).ok_or_else(|| mistyped("a dateTime"))
        }
        Type::Complex => {
            let name = &attribute.name;
            let subs = attribute.sub_names();
            let detail = format!("'{name}' is complex: name one of its sub-attributes ({subs})");
            Err(Error::invalid_filter(detail))
        }
    }
}

fn as_text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        value => Cow::Owned(value.to_string()),
    }
}

fn as_boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => parse_boolean(text),
        _ => None,
    }
}

fn as_number(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) => serde_json::from_str(text.trim()).ok(),
        _ => None,
    }
}

fn compare_numbers(value: &Value, literal: &Number) -> Option<Ordering> {
    match value {
        Value::Number(number) => order(number, literal),
        value => order(&as_number(value)?, literal),
    }
}

fn order(left: &Number, right: &Number) -> Option<Ordering> {
    match (left.as_i128(), right.as_i128()) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}
