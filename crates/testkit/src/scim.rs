//! What an identity provider sends, as bodies, and what it reads of the answers.

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::{Answer, Client};

/// The URN of the core User.
pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The URN of the core Group.
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// The URN of a PATCH.
pub const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// The URN of an error.
pub const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// How many resources are read at a time.
const PAGE: u64 = 500;

/// A user of that name, who is active and has an address.
pub fn user(user_name: &str) -> Value {
    json!({
        "schemas": [USER],
        "userName": user_name,
        "active": true,
        "emails": [{ "value": user_name, "type": "work", "primary": true }],
    })
}

/// A group of that name with these members.
pub fn group(display_name: &str, members: &[String]) -> Value {
    let members: Vec<_> = members.iter().map(|id| json!({ "value": id })).collect();
    json!({ "schemas": [GROUP], "displayName": display_name, "members": members })
}

/// A PATCH of these operations.
#[expect(clippy::needless_pass_by_value, reason = "so that a call reads `patch(json!([…]))`")]
pub fn patch(operations: Value) -> Value {
    json!({ "schemas": [PATCH_OP], "Operations": operations })
}

/// A PATCH that sets `active`.
pub fn active(active: bool) -> Value {
    patch(json!([{ "op": "replace", "path": "active", "value": active }]))
}

/// A PATCH that sets one attribute.
pub fn set(path: &str, value: impl Into<Value>) -> Value {
    patch(json!([{ "op": "replace", "path": path, "value": value.into() }]))
}

/// An operation that adds members.
pub fn add(members: &[String]) -> Value {
    let members: Vec<_> = members.iter().map(|id| json!({ "value": id })).collect();
    json!({ "op": "add", "path": "members", "value": members })
}

/// An operation that removes a member, as the RFC writes it.
pub fn remove(member: &str) -> Value {
    json!({ "op": "remove", "path": format!("members[value eq \"{member}\"]") })
}

/// The path of a list that is filtered by `attribute eq "value"`.
pub fn path_eq(endpoint: &str, attribute: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    format!("{endpoint}?filter={}", escape(&format!("{attribute} eq \"{value}\"")))
}

/// A text as it stands in a query.
pub fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escape = |byte: u8| {
        if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(escape).collect()
}

/// Every resource of an endpoint, page by page, in the server's order.
///
/// # Errors
/// When an answer is not a list, or the list ends before its total.
pub async fn all(client: &mut Client, endpoint: &str) -> anyhow::Result<Vec<Value>> {
    let mut all = Vec::new();
    loop {
        let path = format!("{endpoint}?startIndex={}&count={PAGE}", all.len() + 1);
        let mut page = client.get(&path).await?.expect(200)?;
        let total = page["totalResults"].as_u64().context("no totalResults")?;
        let resources = page["Resources"].as_array_mut().context("no Resources")?;
        let came = resources.len();
        all.append(resources);
        if all.len() as u64 >= total {
            return Ok(all);
        }
        ensure!(came > 0, "the list of {endpoint} ends at {} of {total}", all.len());
    }
}

/// The ids of a group's members, sorted.
///
/// # Errors
/// When the group cannot be read.
pub async fn members(client: &mut Client, group: &str) -> anyhow::Result<Vec<String>> {
    let group = client.get(&format!("/Groups/{group}")).await?.expect(200)?;
    Ok(member_ids(&group))
}

/// The ids of the members in a group's document, sorted.
pub fn member_ids(group: &Value) -> Vec<String> {
    let members = group["members"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ids = members.iter().filter_map(|member| member["value"].as_str());
    let mut ids: Vec<_> = ids.map(str::to_owned).collect();
    ids.sort_unstable();
    ids
}

impl Answer {
    /// Fails unless this is a SCIM error of that status: its body, its media type and all.
    ///
    /// # Errors
    /// With what is wrong, and the whole answer.
    pub fn expect_scim_error(&self, status: u16, scim_type: Option<&str>) -> anyhow::Result<()> {
        let whole = || format!("{} {}", self.status, self.body);
        ensure!(self.status == status, "expected {status}, got {}", whole());
        let media_type = self.header("content-type").unwrap_or_default();
        let is_scim = media_type.split(';').next() == Some("application/scim+json");
        ensure!(is_scim, "the media type is {media_type:?}: {}", whole());
        ensure!(self.body["schemas"] == json!([ERROR]), "no error's schema: {}", whole());
        let in_body = self.body["status"].as_str().and_then(|text| text.parse().ok());
        ensure!(in_body == Some(status), "the body's status is not that, as text: {}", whole());
        let found = self.body.get("scimType").and_then(Value::as_str);
        ensure!(found == scim_type, "expected scimType {scim_type:?}: {}", whole());
        let detail = self.body["detail"].as_str().unwrap_or_default();
        ensure!(!detail.is_empty(), "there is no detail: {}", whole());
        Ok(())
    }
}
