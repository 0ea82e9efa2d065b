//! Paths, and the parameters that are made of them: `attributes` and `sortBy`.

use scim::path::{AttributePath, Path};
use scim::project::Projection;
use scim::schema::Kind;
use scim::sort::{Sort, SortKey, Sorter};

use super::world::{CATALOGUE, DOCUMENTS, is_part};

/// Checks a path, or a list of them.
pub fn check(text: &str) {
    match Path::parse(text) {
        Ok(path) => {
            assert_eq!(Path::parse(&path.to_string()), Ok(path.clone()), "{path}");
            for kind in Kind::ALL {
                let _ = CATALOGUE.locate(kind, &path.attribute);
            }
        }
        Err(error) => assert!(text.is_char_boundary(error.offset), "at {}", error.offset),
    }
    if let Ok(path) = AttributePath::parse(text) {
        assert_eq!(AttributePath::parse(&path.to_string()), Ok(path.clone()), "{path}");
    }
    for projection in [Projection::parse(Some(text), None), Projection::parse(None, Some(text))] {
        let Ok(projection) = projection else { continue };
        project(&projection);
    }
    if let Ok(Some(sort)) = Sort::parse(Some(text), None) {
        order(&sort);
    }
}

/// Checks that a projection takes away and adds nothing.
pub fn project(projection: &Projection) {
    for document in &*DOCUMENTS {
        for kind in Kind::ALL {
            let mut part = document.clone();
            projection.apply(&mut part, kind, &CATALOGUE);
            assert!(is_part(&part, document), "{part} of {document}");
            assert_eq!(
                (part.get("id"), part.get("schemas")),
                (document.get("id"), document.get("schemas"))
            );
            let mut again = part.clone();
            projection.apply(&mut again, kind, &CATALOGUE);
            assert_eq!(again, part, "a second time");
        }
    }
}

/// Checks that an order has a key for everything, which can be stored.
pub fn order(sort: &Sort) {
    for kind in Kind::ALL {
        let _ = sort.check(&[kind], &CATALOGUE);
        let sorter = Sorter::new(sort, kind, &CATALOGUE);
        let mut keys: Vec<_> = DOCUMENTS.iter().map(|document| sorter.key(document)).collect();
        keys.sort();
        let written = serde_json::to_string(&keys).expect("keys are data");
        let read: Vec<SortKey> = serde_json::from_str(&written).expect("keys are read again");
        assert_eq!(read, keys);
    }
    let _ = sort.check(&Kind::ALL, &CATALOGUE);
}
