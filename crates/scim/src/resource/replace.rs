//! What a PUT must not change, and what it cannot speak of.

use serde_json::{Map, Value};

use super::Resource;
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
    /// in declared extensions, what is immutable, and what clients do not get to read. Where the
    /// whole extension was left out, what it requires stays with that.
    pub fn carry_over(&mut self, known: &Self, kind: Kind, catalogue: &Catalogue) {
        for schema in catalogue.extensions(kind) {
            let Some(before) = known.extension(schema) else { continue };
            let stays = |attribute: &&Attribute| {
                (attribute.is_hidden() || immutable::is_guarded(attribute))
                    && before.contains_key(&attribute.name)
            };
            if !schema.attributes.iter().any(|attribute| stays(&attribute)) {
                continue;
            }
            let is_left_out = self.extension(schema).is_none();
            let after = self.0.entry(&schema.id).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(after) = after else { continue };
            for attribute in &schema.attributes {
                let is_due = stays(&attribute) || (is_left_out && attribute.required);
                if let Some(value) = before.get(&attribute.name).filter(|_| is_due) {
                    after.entry(&attribute.name).or_insert_with(|| value.clone());
                }
            }
        }
    }

    fn extension(&self, schema: &Schema) -> Option<&Map<String, Value>> {
        self.0.get(&schema.id)?.as_object()
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
                    {"name": "floor", "type": "integer", "mutability": "immutable"}, {"name": "room"}
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
            desired.0.remove(URN);
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
        let known =
            json!({"age": 1, "badge": "7", "keys": ["a", "b"], "desk": {"floor": 1, "room": "x"}});
        for (name, value) in [
            ("badge", json!("8")),
            ("keys", json!(["a"])),
            ("keys", json!(["a", "b", "c"])),
            ("desk", json!({"floor": 2})),
            ("desk", json!({"room": "x"})),
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
