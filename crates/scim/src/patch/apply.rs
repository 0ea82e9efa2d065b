//! The engine of PATCH: one change applied to a canonical resource.
//!
//! The target's value is taken out of the resource, changed, and put back if anything is left of
//! it: that one rule keeps empty lists and objects out of resources. Attributes that the schema
//! describes and free-form ones take the same way; a free-form value just has no type to be
//! brought into.

use serde_json::{Map, Value};

use super::{Change, Op, Options};
use crate::bounds;
use crate::coerce::{self, Coercion, Leniency};
use crate::error::{Echo, Error};
use crate::filter::Filter;
use crate::immutable;
use crate::object;
use crate::resource::Resource;
use crate::schema::{Attribute, Catalogue, Kind, Mutability, Named, Place, Schema};

pub(super) fn apply(
    resource: &mut Resource,
    change: &Change,
    kind: Kind,
    catalogue: &Catalogue,
    options: Options,
) -> Result<(), Error> {
    let path = &change.path;
    let is_strict = options.leniency == Leniency::Strict;
    let place = catalogue.locate(kind, &path.attribute);
    let place = place.filter(|place| !(is_strict && catalogue.lacks(kind, place)));
    let Some(mut place) = place else {
        return Err(Error::invalid_path(format!(
            "there is no attribute '{}'",
            Echo(&path.attribute)
        )));
    };
    // `urn:company:hr` reads as an attribute `hr` unless there is such an extension.
    if place.definition().is_none() && place.attribute.is_some() && path.sub().is_none() {
        let whole = path.attribute.to_string();
        if object::get(resource.attributes(), &whole).is_some_and(Value::is_object) {
            place = Place { extension: Some(whole.into()), attribute: None, sub: None };
        }
    }
    let Some(attribute) = place.attribute else {
        return extension(resource, change, kind, catalogue, options, place.extension.as_deref());
    };
    if place.extension.is_none() && is_elsewhere(kind, attribute, change.op) {
        return check_elsewhere(kind, attribute, change, options);
    }
    let sub = sub(&place, change)?;
    check_mutability(attribute, sub)?;
    let mut engine = Engine {
        op: change.op,
        name: attribute.name,
        value: change.value.clone(),
        filter: path.filter.as_ref(),
        sub,
        options,
        coercion: Coercion::new(options.leniency),
    };
    let Some(urn) = &place.extension else {
        return engine.change(resource.attributes_mut(), attribute);
    };
    let mut extension = match object::remove(resource.attributes_mut(), urn) {
        Some(Value::Object(extension)) => extension,
        _ => Map::new(),
    };
    engine.change(&mut extension, attribute)?;
    bounds::check_attributes(urn, extension.len())?;
    if !extension.is_empty() {
        resource.attributes_mut().insert(urn.clone().into_owned(), Value::Object(extension));
        bounds::check_attributes(kind.name(), resource.attributes().len())?;
    }
    Ok(())
}

/// What is accepted and kept elsewhere or nowhere: members, the password, and `schemas`, which
/// follows from the attributes.
fn is_elsewhere(kind: Kind, attribute: Named<'_>, op: Op) -> bool {
    let Some(definition) = attribute.definition else { return false };
    (kind == Kind::Group && definition.name == "members")
        || definition.mutability == Mutability::WriteOnly
        || (definition.name == "schemas" && op != Op::Remove)
}

/// Refuses a value that strict would not take if it were kept. Members are looked at elsewhere.
fn check_elsewhere(
    kind: Kind,
    attribute: Named<'_>,
    change: &Change,
    options: Options,
) -> Result<(), Error> {
    let is_kept_elsewhere = kind == Kind::Group && attribute.name == "members";
    match (attribute.definition, &change.value) {
        (Some(definition), Some(value))
            if options.leniency == Leniency::Strict
                && change.op != Op::Remove
                && !is_kept_elsewhere =>
        {
            Coercion::new(options.leniency).value(definition, value.clone()).map(drop)
        }
        _ => Ok(()),
    }
}

/// The sub-attribute, which stands before or after the brackets.
fn sub<'a>(place: &Place<'a>, change: &'a Change) -> Result<Option<Named<'a>>, Error> {
    let Some(name) = change.path.sub.as_deref() else { return Ok(place.sub) };
    let Some(attribute) = place.attribute.and_then(|named| named.definition) else {
        return Ok(Some(Named { name, definition: None }));
    };
    match attribute.sub(name) {
        Some(sub) => Ok(Some(Named { name: &sub.name, definition: Some(sub) })),
        None => Err(Error::invalid_path(format!("'{}' has no '{}'", attribute.name, Echo(name)))),
    }
}

fn check_mutability(attribute: Named<'_>, sub: Option<Named<'_>>) -> Result<(), Error> {
    for named in [Some(attribute), sub].into_iter().flatten() {
        if named.definition.is_some_and(Attribute::is_read_only) {
            return Err(Error::mutability(format!("'{}' is readOnly", named.name)));
        }
    }
    Ok(())
}

/// A change whose path is a schema's URN: all of the extension, or the attributes in the value.
fn extension(
    resource: &mut Resource,
    change: &Change,
    kind: Kind,
    catalogue: &Catalogue,
    options: Options,
    urn: Option<&str>,
) -> Result<(), Error> {
    let Some(urn) = urn else {
        return Err(Error::invalid_path("the core schema is not an attribute"));
    };
    if change.path.filter.is_some() {
        return Err(Error::invalid_path(format!("'{}' has no values to select from", Echo(urn))));
    }
    let schema = catalogue.extension(kind, urn);
    match (&change.value, change.op) {
        (_, Op::Remove) => remove(resource, urn, schema)?,
        (Some(Value::Object(object)), _) if !object.is_empty() => {
            bounds::check_object(urn, object)?;
            let attribute = |key: &str| schema.and_then(|schema| schema.attribute(key));
            let is_strict = options.leniency == Leniency::Strict;
            let is_skipped = |key: &str| match attribute(key) {
                Some(attribute) => attribute.is_read_only(),
                None => schema.is_some() && is_strict,
            };
            for (key, value) in object.iter().filter(|(key, _)| !is_skipped(key)) {
                let path = crate::path::AttributePath::new(key).in_schema(urn);
                let path = crate::path::Path::new(path);
                let Change { operation_index, op, .. } = *change;
                let inner = Change { operation_index, op, path, value: Some(value.clone()) };
                apply(resource, &inner, kind, catalogue, options)?;
            }
        }
        (Some(value), _) if object::is_empty(value) => remove(resource, urn, schema)?,
        _ => return Err(Error::invalid_value(format!("'{}' must be an object", Echo(urn)))),
    }
    Ok(())
}

/// Removes an extension, unless something in it is immutable.
fn remove(resource: &mut Resource, urn: &str, schema: Option<&Schema>) -> Result<(), Error> {
    if let Some(Value::Object(extension)) = object::remove(resource.attributes_mut(), urn) {
        for attribute in schema.iter().flat_map(|schema| &schema.attributes) {
            immutable::check(attribute, extension.get(&attribute.name), None)?;
        }
    }
    Ok(())
}

/// What is to be done with one attribute.
pub(super) struct Engine<'a> {
    pub(super) op: Op,
    /// The attribute's name.
    pub(super) name: &'a str,
    pub(super) value: Option<Value>,
    pub(super) filter: Option<&'a Filter>,
    pub(super) sub: Option<Named<'a>>,
    pub(super) options: Options,
    pub(super) coercion: Coercion,
}

pub(super) type Changed = Result<Option<Value>, Error>;

impl<'a> Engine<'a> {
    /// Changes an attribute of an object: the resource, or one of its extensions.
    fn change(&mut self, object: &mut Map<String, Value>, named: Named<'a>) -> Result<(), Error> {
        let definition = named.definition;
        let current = object::get_mut(object, named.name).map(Value::take);
        let is_guarded = definition.is_some_and(immutable::is_guarded);
        let before = if is_guarded { current.clone() } else { None };
        let changed = match self.shape(definition, current.as_ref()) {
            Shape::List => self.list(definition, current)?,
            Shape::Object => self.object(definition, current)?,
            Shape::Simple => self.simple(definition)?,
        };
        if let Some(definition) = definition {
            check_result(definition, changed.as_ref())?;
            immutable::check(definition, before.as_ref(), changed.as_ref())?;
            // Elements are replaced and removed as a whole, but added to.
            let is_target = |sub: &Attribute| {
                self.op == Op::Add || self.sub.is_some_and(|named| named.name == sub.name)
            };
            for sub in definition.sub_attributes.iter().filter(|sub| is_target(sub)) {
                immutable::check_elements(definition, sub, before.as_ref(), changed.as_ref())?;
            }
        } else if let Some(changed) = &changed {
            check_free(named.name, changed)?;
        }
        match changed {
            Some(value) => object::insert(object, named.name, value),
            None => {
                object::remove(object, named.name);
            }
        }
        Ok(())
    }

    fn shape(&self, definition: Option<&Attribute>, current: Option<&Value>) -> Shape {
        match definition {
            Some(attribute) if attribute.multi_valued => Shape::List,
            Some(attribute) if attribute.is_complex() => Shape::Object,
            Some(_) => Shape::Simple,
            None => {
                let is = |test: fn(&Value) -> bool| {
                    current.is_some_and(test) || self.value.as_ref().is_some_and(test)
                };
                match () {
                    () if self.filter.is_some() || current.is_some_and(Value::is_array) => {
                        Shape::List
                    }
                    () if self.sub.is_some() => Shape::Object,
                    () if is(Value::is_array) => Shape::List,
                    () if is(Value::is_object) => Shape::Object,
                    () => Shape::Simple,
                }
            }
        }
    }

    fn simple(&mut self, definition: Option<&Attribute>) -> Changed {
        self.refuse_filter(definition)?;
        match (self.op, self.value.take(), definition) {
            (Op::Remove, _, _) | (_, None, _) => Ok(None),
            (_, Some(value), Some(attribute)) => self.coercion.value(attribute, value),
            (_, Some(value), None) => coerce::free(self.name, value),
        }
    }

    /// A complex attribute with one value: what is given is merged into what is there.
    ///
    /// # Source
    /// RFC 7644 §3.5.2.3: "Sub-attributes that are not specified in the "value" parameter are left
    /// unchanged."
    fn object(&mut self, definition: Option<&Attribute>, current: Option<Value>) -> Changed {
        self.refuse_filter(definition)?;
        let value = self.value.take();
        if self.sub.is_none()
            && (self.op == Op::Remove || value.as_ref().is_none_or(object::is_empty))
        {
            return Ok(None);
        }
        if definition.is_none()
            && self.sub.is_none()
            && !value.as_ref().is_some_and(Value::is_object)
        {
            return coerce::free(self.name, value.unwrap_or(Value::Null));
        }
        let given = self.given(definition, value)?;
        let mut object = match current {
            Some(Value::Object(object)) => object,
            _ => Map::new(),
        };
        let is_left = merge(&mut object, given, definition.is_some());
        Ok(is_left.then_some(Value::Object(object)))
    }

    /// The sub-attributes to set (or to unassign, `None`) in each object that is the target.
    pub(super) fn given(
        &mut self,
        definition: Option<&Attribute>,
        value: Option<Value>,
    ) -> Result<Vec<(String, Option<Value>)>, Error> {
        let Some(sub) = self.sub else {
            return match (definition, value) {
                (Some(attribute), Some(value)) => self.coercion.sub_values(attribute, value),
                (None, Some(Value::Object(object))) => {
                    bounds::check_object(self.name, &object)?;
                    let free = |(key, value): (String, Value)| {
                        let value = coerce::free(&key, value)?;
                        Ok((key, value))
                    };
                    object.into_iter().map(free).collect()
                }
                _ => Ok(Vec::new()),
            };
        };
        let value = match (self.op, value, sub.definition) {
            (Op::Remove, _, _) | (_, None, _) => None,
            (_, Some(value), Some(definition)) => self.coercion.value(definition, value)?,
            (_, Some(value), None) => coerce::free(sub.name, value)?,
        };
        if value.is_none() && sub.definition.is_some_and(|definition| definition.required) {
            return Err(Error::mutability(format!("'{}' is required", sub.name)));
        }
        Ok(vec![(sub.name.to_owned(), value)])
    }

    fn refuse_filter(&self, definition: Option<&Attribute>) -> Result<(), Error> {
        match (self.filter, definition) {
            (Some(_), Some(attribute)) => {
                let name = &attribute.name;
                Err(Error::invalid_path(format!("'{name}' has no values to select from")))
            }
            _ => Ok(()),
        }
    }
}

/// Refuses a free-form value that has grown too large, change by change.
fn check_free(name: &str, value: &Value) -> Result<(), Error> {
    match value {
        Value::Object(object) => bounds::check_attributes(name, object.len()),
        Value::Array(items) => {
            bounds::check_values(name, items.len())?;
            let mut objects = items.iter().filter_map(Value::as_object);
            objects.try_for_each(|object| bounds::check_attributes(name, object.len()))
        }
        _ => Ok(()),
    }
}

enum Shape {
    Simple,
    Object,
    List,
}

/// Sets and unassigns sub-attributes; tells whether anything of substance is left.
///
/// Where the schema knows what `value` is: when it is unassigned, what only described it goes with
/// it; when it changes, the `$ref` to what it was before goes unless the client gives another.
pub(super) fn merge(
    object: &mut Map<String, Value>,
    given: Vec<(String, Option<Value>)>,
    is_typed: bool,
) -> bool {
    let mut emptied = false;
    let gives_reference = given.iter().any(|(name, _)| name == "$ref");
    for (name, value) in given {
        let is_value = is_typed && name == "value";
        let Some(value) = value else {
            object::remove(object, &name);
            emptied |= is_value;
            continue;
        };
        if is_value && !gives_reference && object.get("value") != Some(&value) {
            object.remove("$ref");
        }
        object::insert(object, &name, value);
    }
    !(object.is_empty() || (emptied && coerce::is_bare(object)))
}

/// Refuses to unassign what is required, and to leave out what a complex value requires.
fn check_result(attribute: &Attribute, changed: Option<&Value>) -> Result<(), Error> {
    let name = &attribute.name;
    if attribute.required && changed.is_none() {
        return Err(Error::mutability(format!("'{name}' is required")));
    }
    if attribute.required
        && changed.and_then(Value::as_str).is_some_and(|text| text.trim().is_empty())
    {
        return Err(Error::invalid_value(format!("'{name}' must not be empty")));
    }
    match changed {
        Some(Value::Object(object)) => coerce::check_required(attribute, object)?,
        Some(Value::Array(list)) => {
            for object in list.iter().filter_map(Value::as_object) {
                coerce::check_required(attribute, object)?;
            }
        }
        _ => {}
    }
    Ok(())
}
