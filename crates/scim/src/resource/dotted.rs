//! Dotted names in a body: `name.givenName`, `urn:…:User:manager.value`.
//!
//! The RFC names sub-attributes so in paths only, but clients that map one value to one path write
//! bodies like that, too. They are put where they belong before the body is read, since a PUT that
//! passed over them would clear what they say.

use serde_json::{Map, Value};

use crate::object;
use crate::path::AttributePath;
use crate::schema::{Catalogue, Kind, Schema};

/// Puts the values with dotted names at the top of a body into the objects that the names lead to.
/// What says there already how it is called wins; a name that leads nowhere stays.
pub(super) fn unfold(body: &mut Map<String, Value>, kind: Kind, catalogue: &Catalogue) {
    let dotted: Vec<_> = body.keys().filter(|key| key.contains('.')).cloned().collect();
    for key in dotted {
        let Ok(path) = AttributePath::parse(&key) else { continue };
        let Some(place) = catalogue.locate(kind, &path) else { continue };
        let (Some(attribute), Some(sub)) = (place.attribute, place.sub) else { continue };
        // The URN of an extension that nobody declared may have a dot in its last part.
        if attribute.definition.is_none() && body[&key].is_object() {
            continue;
        }
        let extension = place.extension.as_deref();
        put(body, &key, &[extension, Some(attribute.name)], sub.name);
    }
}

/// The same for the object of a declared extension, whose own names have no dots.
pub(super) fn unfold_in(extension: &mut Map<String, Value>, schema: &Schema) {
    let dotted: Vec<_> = extension.keys().filter(|key| key.contains('.')).cloned().collect();
    for key in dotted {
        let Some((name, sub)) = key.split_once('.') else { continue };
        if schema.attribute(name).is_some_and(|attribute| attribute.sub(sub).is_some()) {
            put(extension, &key, &[Some(name)], sub);
        }
    }
}

/// Moves the value of a key below these names, if it is an object that is there, or nothing yet.
fn put(body: &mut Map<String, Value>, key: &str, names: &[Option<&str>], sub: &str) {
    let Some(value) = body.remove(key) else { return };
    match names.iter().flatten().try_fold(&mut *body, |object, name| inside(object, name)) {
        Some(object) if object::get(object, sub).is_none() => {
            object.insert(sub.to_owned(), value);
        }
        Some(_) => {}
        None => {
            body.insert(key.to_owned(), value);
        }
    }
}

/// The object of a name, made where there is none.
fn inside<'a>(
    object: &'a mut Map<String, Value>,
    name: &str,
) -> Option<&'a mut Map<String, Value>> {
    if object::get(object, name).is_none_or(object::is_empty) {
        object::insert(object, name, Value::Object(Map::new()));
    }
    object::get_mut(object, name)?.as_object_mut()
}
