//! The users, groups and changes that the load is made of.
//!
//! Texts are put together by hand: a generator that shares two cores with the server must not
//! spend them on a JSON library.

use bytes::Bytes;
use hyper::Method;

use crate::load::Job;

/// The page size of the listing, in resources.
pub(crate) const PAGE_SIZE: usize = 1_000;

/// Returns the userName of the user with this number.
fn user_name(number: usize) -> String {
    format!("user{number:07}@bench.example")
}

/// Creates a user of the size that providers send.
pub(crate) fn create_user(number: usize) -> Job {
    let (name, department) = (user_name(number), number % 40);
    let body = format!(
        r#"{{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"externalId":"ext-{number}","userName":"{name}","active":true,"displayName":"Given Family {number}","title":"Engineer","emails":[{{"primary":true,"type":"work","value":"{name}"}}],"name":{{"formatted":"Given Family {number}","familyName":"Family {number}","givenName":"Given"}},"roles":[],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{{"employeeNumber":"{number}","department":"Department {department}"}}}}"#
    );
    Job::new(Method::POST, "/Users", body, &[201])
}

/// Gives a user a title that no user had before, so that there is something to record.
pub(crate) fn patch_user(id: &str, number: usize) -> Job {
    let operation = format!(r#"{{"op":"Replace","path":"title","value":"Title {number}"}}"#);
    Job::new(Method::PATCH, format!("/Users/{id}"), patch(&operation), &[200, 204])
}

/// Deactivates a user as Entra does.
pub(crate) fn deactivate_user(id: &str) -> Job {
    let operation = r#"{"op":"Replace","path":"active","value":"False"}"#;
    Job::new(Method::PATCH, format!("/Users/{id}"), patch(operation), &[200, 204])
}

/// Reads a user by id.
pub(crate) fn get_user(id: &str) -> Job {
    Job::new(Method::GET, format!("/Users/{id}"), Bytes::new(), &[200])
}

/// Looks a user up by userName.
pub(crate) fn find_user(number: usize) -> Job {
    let name = user_name(number).replace('@', "%40");
    let path = format!("/Users?filter=userName%20eq%20%22{name}%22");
    Job::new(Method::GET, path, Bytes::new(), &[200])
}

/// Looks users up by a part of their title, which no index has: each of the connector's is looked at.
pub(crate) fn find_title(number: usize) -> Job {
    let path = format!("/Users?filter=title%20co%20%22{number}%20by%20nobody%22");
    Job::new(Method::GET, path, Bytes::new(), &[200])
}

/// Creates a group without members.
pub(crate) fn create_group(name: &str) -> Job {
    let body = format!(
        r#"{{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"{name}"}}"#
    );
    Job::new(Method::POST, "/Groups", body, &[201])
}

/// Adds one member to a group.
pub(crate) fn add_member(group: &str, user: &str) -> Job {
    add_members(group, &[user.to_owned()])
}

/// Adds members to a group.
pub(crate) fn add_members(group: &str, users: &[String]) -> Job {
    let member = |user: &String| format!(r#"{{"$ref":null,"value":"{user}"}}"#);
    let members = users.iter().map(member).collect::<Vec<_>>().join(",");
    let operation = format!(r#"{{"op":"Add","path":"members","value":[{members}]}}"#);
    Job::new(Method::PATCH, format!("/Groups/{group}"), patch(&operation), &[200, 204])
}

fn patch(operation: &str) -> String {
    format!(
        r#"{{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{operation}]}}"#
    )
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn bodies_are_json() {
        for job in [
            create_user(7),
            patch_user("u", 1),
            create_group("G"),
            add_member("g", "u"),
            deactivate_user("u"),
        ] {
            assert!(serde_json::from_slice::<Value>(&job.body).is_ok(), "{job:?}");
        }
    }

    #[test]
    fn a_lookup_finds_the_user_that_was_created() {
        let body: Value = serde_json::from_slice(&create_user(42).body).unwrap();
        let name = body["userName"].as_str().unwrap();
        let path = percent_encoding::percent_decode_str(&find_user(42).path)
            .decode_utf8()
            .unwrap()
            .into_owned();
        assert_eq!(path, format!("/Users?filter=userName eq \"{name}\""));
    }
}
