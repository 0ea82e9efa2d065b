//! Attributes: which ones a connector has sent, and which of them become metadata of people.

use std::{fmt, str::FromStr, sync::Arc};

use data_encoding::BASE64URL_NOPAD;
use domain::{
    Micros, attribute_mapping::AttributeMapping, ids::ConnectorName, workspace::WorkspaceCommand,
};
use event_log::WorkspaceId;
use serde_json::json;
use smol_str::SmolStr;

use super::page::{Listed, Listing};
use crate::{App, Person, Refusal};

/// An attribute that requests have carried (rule 19).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeSeen {
    /// The URN of its schema.
    pub namespace: String,
    /// `attribute` or `attribute.subAttribute`.
    pub key: String,
    /// When a request carried it first.
    pub first_seen: Micros,
    /// When the last one did.
    pub last_seen: Micros,
    /// How many have.
    pub count: u64,
}

impl App {
    /// The setting in force.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn attribute_mapping(
        &self,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
    ) -> Result<Arc<AttributeMapping>, Refusal> {
        Ok(self.connector(workspace, connector).await?.attribute_mapping)
    }

    /// Says which attributes become metadata. Each person's follows at their next sync.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], or [`Refusal::Malformed`] with the field that makes no sense.
    pub async fn set_attribute_mapping(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        connector: &ConnectorName,
        mapping: AttributeMapping,
    ) -> Result<Arc<AttributeMapping>, Refusal> {
        let name = connector.clone();
        let command = WorkspaceCommand::SetAttributeMapping { connector: name, mapping };
        self.on_workspace(workspace, command, person.meta()).await?;
        self.attribute_mapping(workspace, connector).await
    }

    /// The attributes that requests of a connector have carried, by namespace and key; mapped or not,
    /// of users and groups, also those of requests that were refused.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], or [`Refusal::Malformed`] for a foreign cursor.
    pub async fn attribute_history(
        &self,
        workspace: &WorkspaceId,
        name: &ConnectorName,
        listing: &Listing,
    ) -> Result<Listed<AttributeSeen>, Refusal> {
        let seen = self.connector(workspace, name).await?.seen;
        let counted = self.log.journal().attribute_history(workspace, name.as_str())?;
        let shown = seen.iter().map(|(namespace, key, first_seen)| {
            // What was counted last may have been lost with the process; the first sight was not.
            let counted = counted.get(&(namespace.clone(), key.clone()));
            let item = AttributeSeen {
                namespace: namespace.to_string(),
                key: key.to_string(),
                first_seen,
                last_seen: counted.map_or(first_seen, |it| it.last_seen.max(first_seen)),
                count: counted.map_or(1, |it| it.count.max(1)),
            };
            (Place { namespace: namespace.clone(), key: key.clone() }, item)
        });
        let wanted = |_: &Place, it: &AttributeSeen| listing.wants(&[&it.namespace, &it.key]);
        let Listed { items, next } = listing.of(shown, wanted)?;
        Ok(Listed { items: items.into_iter().map(|(_, item)| item).collect(), next })
    }
}

/// Where an attribute stands in the list. As a cursor it is one word of letters, since an attribute may
/// be called whatever a client says.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    namespace: SmolStr,
    key: SmolStr,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = json!([self.namespace, self.key]).to_string();
        f.write_str(&BASE64URL_NOPAD.encode(words.as_bytes()))
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let words = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(drop)?;
        let [namespace, key] = serde_json::from_slice(&words).map_err(drop)?;
        Ok(Self { namespace, key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_shown_and_nothing_else_is() {
        for key in ["userName", "a&b=c#d e", "\0", ""] {
            let place = || Place { namespace: "urn:x".into(), key: key.into() };
            let shown = place().to_string();
            assert!(shown.chars().all(|it| it.is_ascii_alphanumeric() || "-_".contains(it)));
            assert!(shown.parse::<Place>().is_ok_and(|read| read == place()), "{key}");
        }
        assert!("bad".parse::<Place>().is_err() && "".parse::<Place>().is_err());
    }
}
