//! PATCH of multi-valued attributes: with and without a value filter.

use serde_json::{Map, Value};

use super::apply::{Changed, Engine, merge};
use super::{Op, names_no_values};
use crate::bounds;
use crate::coerce::{self, Leniency};
use crate::elements;
use crate::error::Error;
use crate::filter::{Filter, Matcher};
use crate::object;
use crate::schema::Attribute;

type Elements = Result<Vec<Value>, Error>;

impl Engine<'_> {
    /// Changes a list; `None` if no element is left.
    pub(super) fn list(
        &mut self,
        definition: Option<&Attribute>,
        current: Option<Value>,
    ) -> Changed {
        let current = match current {
            Some(Value::Array(elements)) => elements,
            Some(element) => vec![element],
            None => Vec::new(),
        };
        let list = match (self.filter, self.sub) {
            (Some(filter), _) => self.selected(definition, current, filter)?,
            (None, Some(_)) => self.sub_of_all(definition, current)?,
            (None, None) => self.whole(definition, current)?,
        };
        if let Some(attribute) = definition {
            bounds::check_values(&attribute.name, list.len())?;
        }
        bounds::check_bytes(self.name, list.iter().map(bounds::bytes).sum())?;
        Ok((!list.is_empty()).then_some(Value::Array(list)))
    }

    /// Without a filter: elements are added, or all of them replaced or removed.
    fn whole(&mut self, definition: Option<&Attribute>, mut current: Vec<Value>) -> Elements {
        let value = self.value.take();
        match self.op {
            Op::Add => {
                let new = self.elements(definition, value)?;
                add(&mut current, new, definition.is_some());
                Ok(current)
            }
            Op::Replace => self.elements(definition, value),
            Op::Remove => {
                // Without a value, or to the letter of §3.5.2.2, all values are removed.
                if names_no_values(value.as_ref()) || self.options.leniency == Leniency::Strict {
                    return Ok(Vec::new());
                }
                let listed = self.elements(definition, value)?;
                current.retain(|element| !listed.iter().any(|listed| is_meant(listed, element)));
                Ok(current)
            }
        }
    }

    /// A sub-attribute without a filter means that of every element, or of a first one.
    fn sub_of_all(&mut self, definition: Option<&Attribute>, mut current: Vec<Value>) -> Elements {
        let value = self.value.take();
        let given = self.given(definition, value)?;
        if current.is_empty() {
            current.push(Value::Object(Map::new()));
        }
        let all = (0..current.len()).collect::<Vec<_>>();
        self.check_growth(all.len(), &given)?;
        Ok(merge_into(current, &all, &given, definition.is_some()))
    }

    /// With a filter: what it selects is changed.
    fn selected(
        &mut self,
        definition: Option<&Attribute>,
        current: Vec<Value>,
        filter: &Filter,
    ) -> Elements {
        let matcher = Matcher::element(filter, definition)?;
        let targets: Vec<_> =
            (0..current.len()).filter(|index| matcher.matches(&current[*index])).collect();
        let mut value = self.value.take();
        let is_removal = self.op == Op::Remove || value.as_ref().is_none_or(object::is_empty);
        let are_objects = targets.is_empty() || targets.iter().any(|at| current[*at].is_object());
        if definition.is_none() && self.sub.is_none() && !is_removal && are_objects {
            value = value.map(as_object);
        }
        if targets.is_empty() {
            return self.nothing_selected(definition, current, value, filter);
        }
        match (self.op, self.sub) {
            (_, None) if is_removal => Ok(without(current, &targets)),
            // A text or number has no sub-attributes that `add` could leave as they are.
            (op, None) if op == Op::Replace || !are_objects => {
                self.replace_matched(definition, current, &targets, value, filter)
            }
            _ => {
                let given = self.given(definition, value)?;
                self.check_growth(targets.len(), &given)?;
                Ok(merge_into(current, &targets, &given, definition.is_some()))
            }
        }
    }

    /// Every selected element becomes the given one. It keeps what the filter compared with `eq`
    /// unless the value says otherwise, so that the same filter finds it again.
    ///
    /// # Source
    /// RFC 7644 §3.5.2.3: "all matching record values SHALL be replaced".
    fn replace_matched(
        &mut self,
        definition: Option<&Attribute>,
        mut current: Vec<Value>,
        targets: &[usize],
        value: Option<Value>,
        filter: &Filter,
    ) -> Elements {
        let value = value.unwrap_or(Value::Null);
        let new = match definition {
            Some(attribute) => self.coercion.element(attribute, value)?,
            None => coerce::free(self.name, value)?,
        };
        let Some(mut new) = new else { return Ok(without(current, targets)) };
        bounds::check_bytes(self.name, bounds::bytes(&new) * targets.len())?;
        if let Value::Object(new) = &mut new {
            for (name, value) in self.compared(definition, filter).into_iter().flatten() {
                if object::get(new, &name).is_none() {
                    new.insert(name, value);
                }
            }
        }
        for (index, element) in current.iter_mut().enumerate() {
            if targets.binary_search(&index).is_ok() {
                *element = new.clone();
            } else if definition.is_some() && elements::is_same(element, &new) {
                *element = Value::Null; // The same value again: the new one stands for it.
            }
        }
        let keep = targets.first().copied().filter(|_| elements::is_primary(&new));
        Ok(settled(current, keep, definition.is_some()))
    }

    /// Creates the element that the filter describes, where that is wanted and clear.
    fn nothing_selected(
        &mut self,
        definition: Option<&Attribute>,
        mut current: Vec<Value>,
        value: Option<Value>,
        filter: &Filter,
    ) -> Elements {
        let no_target = || Error::no_target("no value matches the filter");
        let creates = self.options.create_missing;
        let described = if creates { self.compared(definition, filter) } else { None };
        let is_kind = |name: &String| matches!(name.as_str(), "type" | "primary");
        let Some(described) = described.filter(|d| !d.is_empty() && d.keys().all(is_kind)) else {
            return Err(no_target());
        };
        if self.op == Op::Remove || value.as_ref().is_none_or(object::is_empty) {
            return Ok(current); // It is gone already.
        }
        let is_typed = definition.is_some();
        let mut given = self.given(definition, value)?;
        if given.iter().all(|(_, value)| value.is_none()) {
            return Ok(current); // Nothing would be said of it.
        }
        // What the value says comes last and wins.
        given.splice(0..0, described.into_iter().map(|(name, value)| (name, Some(value))));
        let mut element = Map::new();
        if !merge(&mut element, given.clone(), is_typed) {
            return Ok(current);
        }
        let element = Value::Object(element);
        if !Matcher::element(filter, definition)?.matches(&element) {
            return Err(no_target()); // The value contradicts the filter.
        }
        // The same value may be there, without what the filter asks for.
        let at = current.iter().position(|known| elements::is_same(known, &element));
        let at = at.unwrap_or(current.len());
        if at == current.len() {
            current.push(Value::Object(Map::new()));
        } else if self.op == Op::Replace && self.sub.is_none() {
            current[at] = Value::Object(Map::new());
        }
        Ok(merge_into(current, &[at], &given, is_typed))
    }

    /// The sub-attributes that the filter compares with `eq`, if it is nothing but such
    /// comparisons joined by `and`.
    fn compared(
        &mut self,
        definition: Option<&Attribute>,
        filter: &Filter,
    ) -> Option<Map<String, Value>> {
        let mut compared = Map::new();
        for term in filter.conjuncts() {
            let (path, value) = term.equality()?;
            if path.sub.is_some() || path.schema.is_some() {
                return None;
            }
            let (name, value) = match definition {
                Some(attribute) => {
                    let sub = attribute.sub(&path.name)?;
                    (&sub.name, self.coercion.value(sub, value.clone()).ok()??)
                }
                None => (&path.name, coerce::free(&path.name, value.clone()).ok()??),
            };
            compared.insert(name.clone(), value);
        }
        Some(compared)
    }

    /// Refuses to write into many elements what would make the list too large, before it is there.
    fn check_growth(&self, count: usize, given: &[(String, Option<Value>)]) -> Result<(), Error> {
        let written = given.iter().filter_map(|(_, value)| value.as_ref()).map(bounds::bytes);
        bounds::check_bytes(self.name, written.sum::<usize>() * count)
    }

    fn elements(&mut self, definition: Option<&Attribute>, value: Option<Value>) -> Elements {
        let value = value.unwrap_or(Value::Null);
        match (definition, value) {
            (Some(attribute), value) => self.coercion.list(attribute, value),
            (None, value) => Ok(match coerce::free(self.name, value)? {
                Some(Value::Array(items)) => items,
                value => value.into_iter().collect(),
            }),
        }
    }
}

/// Adds elements; a new primary one takes the place of the old.
fn add(current: &mut Vec<Value>, new: Vec<Value>, is_typed: bool) {
    let primary = new.iter().find(|element| is_typed && elements::is_primary(element)).cloned();
    elements::absorb(current, new);
    let Some(primary) = primary else { return };
    let keep = current.iter().position(|known| elements::is_same(known, &primary));
    if elements::keep_one_primary(current, keep) {
        *current = settled(std::mem::take(current), keep, is_typed);
    }
}

/// A free-form value as the element of a list of objects.
fn as_object(value: Value) -> Value {
    match value {
        Value::Object(_) => value,
        Value::Array(mut items) if items.len() == 1 => as_object(items.remove(0)),
        value => Value::Object(Map::from_iter([("value".to_owned(), value)])),
    }
}

/// Sets and unassigns sub-attributes in some elements; those of which nothing is left go.
fn merge_into(
    mut current: Vec<Value>,
    targets: &[usize],
    given: &[(String, Option<Value>)],
    is_typed: bool,
) -> Vec<Value> {
    // What tells elements apart stays: there is nothing to settle.
    let stays = |name: &str| !matches!(name, "value" | "type" | "primary");
    let are_told_apart = is_typed
        && given.iter().all(|(name, _)| stays(name))
        && targets.iter().all(|index| current[*index].get("value").is_some());
    // A text or number is all the sub-attribute that it has.
    let is_no_change = |(name, value): &(String, Option<Value>)| {
        value.is_none() && !name.eq_ignore_ascii_case("value")
    };
    let leaves_texts = given.iter().all(is_no_change);
    for index in targets {
        let element = &mut current[*index];
        if leaves_texts && !element.is_object() {
            continue;
        }
        let mut object = match element.take() {
            Value::Object(object) => object,
            value => Map::from_iter([("value".to_owned(), value)]),
        };
        if merge(&mut object, given.to_vec(), is_typed) {
            *element = Value::Object(object);
        }
    }
    if are_told_apart {
        return current;
    }
    let sets_primary =
        given.iter().any(|(name, value)| name == "primary" && *value == Some(Value::Bool(true)));
    settled(current, targets.first().copied().filter(|_| sets_primary), is_typed)
}

/// The list without what has become empty, without repetitions and with one primary element. In a
/// free-form list the client may mean both.
fn settled(mut list: Vec<Value>, keep: Option<usize>, is_typed: bool) -> Vec<Value> {
    if is_typed {
        elements::keep_one_primary(&mut list, keep);
    }
    list.retain(|element| !element.is_null());
    if !is_typed {
        return list;
    }
    let mut settled = Vec::with_capacity(list.len());
    elements::absorb(&mut settled, list);
    settled
}

fn without(mut list: Vec<Value>, targets: &[usize]) -> Vec<Value> {
    let mut index = 0..;
    list.retain(|_| index.next().is_none_or(|index| targets.binary_search(&index).is_err()));
    list
}

/// Whether a listed value of `remove` means an element: the same `value` (and `type`, if given), else all it says.
fn is_meant(listed: &Value, element: &Value) -> bool {
    match (listed, element) {
        (Value::Object(listed), Value::Object(element)) => match listed.get("value") {
            Some(value) => {
                let same_type = listed.get("type").is_none_or(|of| element.get("type") == Some(of));
                same_type && element.get("value") == Some(value)
            }
            None => listed.iter().all(|(name, value)| element.get(name) == Some(value)),
        },
        _ => listed == element,
    }
}
