//! What a PUT must not change, and what it cannot speak of.

use serde_json::{Map, Value};

use super::Resource;
use crate::elements;
use crate::error::Error;
use crate::immutable;
use crate::schema::{Attribute, Catalogue, Kind, Schema};

impl Resource {
    /// Checks that a PUT may make this resource into `desired`: what is immutable and has a value
    /// keeps it. [`Resource::carry_over`] comes before, so that what was left out is no change.
    ///
    /// # Errors
    /// `mutability`, with the name.
    ///
    /// # Source
    /// RFC 7644 §3.5.1: for immutable attributes, "the input value(s) in the request MUST match".
    pub fn check_replacement(
        &self,
        desired: &Self,
        kind: Kind,
        catalogue: &Catalogue,
    ) -> Result<(), Error> {
        for attribute in catalogue.core_attributes(kind) {
            let [before, after] = [self, desired].map(|it| it.0.get(&attribute.name));
            immutable::check(attribute, before, after)?;
        }
        for schema in catalogue.extensions(kind) {
            let Some(before) = self.extension(schema) else { continue };
            let after = desired.extension(schema);
            for attribute in &schema.attributes {
                let after = after.and_then(|after| after.get(&attribute.name));
                immutable::check(attribute, before.get(&attribute.name), after)
                    .map_err(|error| error.at(&schema.id))?;
            }
        }
        Ok(())
    }

    /// Takes over from the known resource what a PUT does not speak of and cannot mean to clear:
    /// in declared extensions, what is immutable, and what clients do not get to read, in complex
    /// values too. Where all of an extension or of a complex value was left out, what it requires
    /// stays with that. The elements of lists come and go as a whole.
    pub fn carry_over(&mut self, known: &Self, kind: Kind, catalogue: &Catalogue) {
        for schema in catalogue.extensions(kind) {
            let Some(before) = known.extension(schema) else { continue };
            let desired = self.attributes_mut().remove(&schema.id);
            let is_left_out = desired.is_none();
            let mut after = match desired {
                Some(Value::Object(after)) => after,
                _ => Map::new(),
            };
            for attribute in &schema.attributes {
                if let Some(before) = before.get(&attribute.name) {
                    carry(attribute, before, &mut after);
                }
            }
            if is_left_out && !after.is_empty() {
                keep_required(&schema.attributes, before, &mut after);
            }
            if !after.is_empty() {
                self.attributes_mut().insert(schema.id.clone(), Value::Object(after));
            }
        }
    }

    fn extension(&self, schema: &Schema) -> Option<&Map<String, Value>> {
        self.0.get(&schema.id)?.as_object()
    }
}

/// Whether a PUT that leaves it out cannot mean to clear it.
fn stays(attribute: &Attribute) -> bool {
    attribute.is_hidden() || immutable::is_immutable(attribute)
}

/// Carries over one attribute, or what has to stay in it.
fn carry(attribute: &Attribute, before: &Value, object: &mut Map<String, Value>) {
    if let Some(after) = object.get_mut(&attribute.name) {
        return carry_subs(attribute, before, after);
    }
    let kept = match before {
        before if stays(attribute) => before.clone(),
        Value::Object(before) => {
            let mut after = Map::new();
            fill(&attribute.sub_attributes, before, &mut after);
            if after.is_empty() {
                return;
            }
            keep_required(&attribute.sub_attributes, before, &mut after);
            Value::Object(after)
        }
        _ => return,
    };
    object.insert(attribute.name.clone(), kept);
}

/// Carries over the sub-attributes that have to stay, in lists from the element that is meant.
fn carry_subs(attribute: &Attribute, before: &Value, after: &mut Value) {
    let subs = &attribute.sub_attributes;
    if !subs.iter().any(stays) {
        return;
    }
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => fill(subs, before, after),
        (Value::Array(before), Value::Array(after)) => {
            let mut known: Vec<_> = before.iter().collect();
            for element in after {
                let meant = known.iter().position(|known| is_meant(subs, known, element));
                if let Some(Value::Object(known)) = meant.map(|index| known.remove(index))
                    && let Value::Object(element) = element
                {
                    fill(subs, known, element);
                }
            }
        }
        _ => {}
    }
}

/// Whether an element that a client gives is one that is there: by its value, or because it is all
/// that the client could read of it.
fn is_meant(subs: &[Attribute], known: &Value, given: &Value) -> bool {
    let is_hidden = |name: &str| subs.iter().any(|sub| sub.is_hidden() && sub.name == name);
    let has_all = |left: &Value, right: &Value| {
        let mut members = left.as_object().into_iter().flatten();
        members.all(|(name, value)| is_hidden(name) || right.get(name) == Some(value))
    };
    elements::is_same(known, given) || (has_all(known, given) && has_all(given, known))
}

fn fill(attributes: &[Attribute], before: &Map<String, Value>, after: &mut Map<String, Value>) {
    for attribute in attributes.iter().filter(|attribute| stays(attribute)) {
        if let Some(value) = before.get(&attribute.name) {
            after.entry(&attribute.name).or_insert_with(|| value.clone());
        }
    }
}

fn keep_required(
    attributes: &[Attribute],
    before: &Map<String, Value>,
    after: &mut Map<String, Value>,
) {
    for attribute in attributes.iter().filter(|attribute| attribute.required) {
        if let Some(value) = before.get(&attribute.name) {
            after.entry(&attribute.name).or_insert_with(|| value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const URN: &str = "urn:company:2.0:User";

    fn catalogue() -> Catalogue {
        let schema = Schema::parse_extension(json!({
            "id": URN, "name": "Company",
            "attributes": [
                {"name": "badge", "mutability": "immutable"},
                {"name": "keys", "mutability": "immutable", "multiValued": true},
                {"name": "desk", "type": "complex", "subAttributes": [
                    {"name": "floor", "type": "integer", "mutability": "immutable"}, {"name": "room"},
                    {"name": "code", "returned": "never"}, {"name": "wing", "required": true}
                ]},
                {"name": "seal", "type": "complex", "mutability": "immutable", "subAttributes": [
                    {"name": "sign"}, {"name": "pin", "mutability": "writeOnly"}
                ]},
                {"name": "doors", "type": "complex", "multiValued": true, "subAttributes": [
                    {"name": "value"}, {"name": "room"}, {"name": "pin", "returned": "never"},
                    {"name": "since", "mutability": "immutable"}
                ]},
                {"name": "pin", "mutability": "writeOnly"},
                {"name": "age", "type": "integer", "required": true},
                {"name": "nick"}
            ]
        }));
        Catalogue::standard().with_extension(Kind::User, schema.unwrap())
    }

    fn user(extension: &Value) -> Resource {
        serde_json::from_value(json!({"userName": "ada", URN: extension})).unwrap()
    }

    fn replaced(before: &Value, desired: &Value) -> Result<Value, String> {
        let (catalogue, known, mut desired) = (catalogue(), user(before), user(desired));
        if desired.0[URN].is_null() {
            desired.attributes_mut().remove(URN);
        }
        desired.carry_over(&known, Kind::User, &catalogue);
        known
            .check_replacement(&desired, Kind::User, &catalogue)
            .map(|()| desired.0.get(URN).cloned().unwrap_or_default())
            .map_err(|error| {
                assert_eq!(error.scim_type, Some(crate::ErrorType::Mutability));
                error.detail
            })
    }

    #[test]
    fn section_3_5_1_what_is_immutable_keeps_its_value() {
        let known = json!({"age": 1, "badge": "7", "keys": ["a", "b"], "desk": {"floor": 1, "room": "x", "wing": "w"}});
        for (name, value) in [
            ("badge", json!("8")),
            ("keys", json!(["a"])),
            ("keys", json!(["a", "b", "c"])),
            ("desk", json!({"floor": 2})),
        ] {
            let mut desired = known.clone();
            desired[name] = value;
            let named = if name == "desk" { "desk.floor" } else { name };
            let said = format!("{URN}: '{named}' is immutable");
            assert_eq!(replaced(&known, &desired), Err(said), "{desired}");
        }
        let mut same = known.clone();
        (same["keys"], same["desk"]["room"]) = (json!(["b", "a"]), json!("y"));
        assert_eq!(replaced(&known, &same), Ok(same));
        let unset = json!({"age": 1});
        assert_eq!(replaced(&unset, &known), Ok(known)); // Set for the first time.
    }

    #[test]
    fn in_complex_values_what_cannot_be_meant_to_go_stays() {
        let desk = |desk: Value| json!({"age": 1, "desk": desk});
        let known = desk(json!({"floor": 1, "room": "x", "code": "0", "wing": "w"}));
        for (given, left) in [
            (json!({"wing": "v"}), json!({"floor": 1, "code": "0", "wing": "v"})),
            (json!({"wing": "w", "code": "1"}), json!({"floor": 1, "code": "1", "wing": "w"})),
            (json!(null), json!({"floor": 1, "code": "0", "wing": "w"})),
        ] {
            let mut desired = desk(given.clone());
            if given.is_null() {
                desired.as_object_mut().unwrap().remove("desk");
            }
            assert_eq!(replaced(&known, &desired), Ok(desk(left)), "{given}");
        }
        let known = desk(json!({"room": "x", "wing": "w"}));
        assert_eq!(replaced(&known, &json!({"age": 1})), Ok(json!({"age": 1})));
        let seal = |seal: Value| json!({"age": 1, "seal": seal});
        let known = seal(json!({"sign": "s", "pin": "0"}));
        assert_eq!(replaced(&known, &seal(json!({"sign": "s"}))), Ok(known.clone()));
        assert_eq!(replaced(&known, &json!({"age": 1})), Ok(known.clone()));
        assert!(replaced(&known, &seal(json!({"sign": "t"}))).is_err());
    }

    #[test]
    fn in_the_elements_of_a_list_it_stays_with_the_element_that_is_meant() {
        let doors = |doors: Value| json!({"age": 1, "doors": doors});
        let known = doors(json!([
            {"value": "a", "room": "x", "pin": "0", "since": "1999"}, {"value": "b", "pin": "1"},
            {"room": "y", "pin": "2"}, {"room": "y", "pin": "3"}
        ]));
        let desired = json!([
            {"room": "y"}, {"value": "b", "room": "z"}, {"value": "c"}, {"room": "w"},
            {"value": "a", "pin": "9"}
        ]);
        let left = json!([
            {"room": "y", "pin": "2"}, {"value": "b", "room": "z", "pin": "1"}, {"value": "c"},
            {"room": "w"}, {"value": "a", "pin": "9", "since": "1999"}
        ]);
        assert_eq!(replaced(&known, &doors(desired)), Ok(doors(left)));
        assert_eq!(replaced(&known, &json!({"age": 1})), Ok(json!({"age": 1})));
    }

    #[test]
    fn what_a_put_leaves_out_stays_where_it_cannot_be_meant() {
        let known = json!({"age": 1, "badge": "7", "pin": "0", "nick": "n"});
        let left = json!({"age": 2, "badge": "7", "pin": "0"});
        assert_eq!(replaced(&known, &json!({"age": 2})), Ok(left));
        let left = json!({"age": 1, "badge": "7", "pin": "0"});
        assert_eq!(replaced(&known, &json!(null)), Ok(left));
        let other = json!({"age": 1, "badge": "7", "pin": "1"});
        assert_eq!(replaced(&known, &other), Ok(other));
        assert_eq!(replaced(&json!({"age": 1, "nick": "n"}), &json!(null)), Ok(json!(null)));
        let known = user(&json!({"badge": "7"}));
        let error = known.check_replacement(&Resource::default(), Kind::User, &catalogue());
        assert_eq!(error.unwrap_err().scim_type, Some(crate::ErrorType::Mutability));
    }
}
