//! Extension schemas that an administrator has declared for a connector.
//!
//! Any extension is accepted undeclared, with values of any shape (rule 21). Declaring its schema
//! makes it known to clients (`/Schemas`, `/ResourceTypes`) and its characteristics binding: types,
//! mutability, what is required, what is returned.

use scim::schema::{Catalogue, Kind, Schema};
use serde::{Deserialize, Serialize};

use super::{Workspace, WorkspaceEvent, WorkspaceRefusal};
use crate::ids::ConnectorName;

/// How many extensions a connector may declare.
const EXTENSIONS_MAX: usize = 20;

/// An extension schema, and whose extension it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// Which resources it extends.
    pub resource_type: Kind,
    /// The schema, as RFC 7643 §7 writes it.
    pub schema: Schema,
}

/// The extensions of a connector, and the catalogue that they make.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Vec<Extension>", into = "Vec<Extension>")]
pub struct Extensions {
    declared: Vec<Extension>,
    catalogue: Catalogue,
}

impl Extensions {
    /// Those that were declared, in that order.
    pub fn declared(&self) -> &[Extension] {
        &self.declared
    }

    /// The schemas of RFC 7643 and these.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }
}

impl Default for Extensions {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl From<Vec<Extension>> for Extensions {
    fn from(declared: Vec<Extension>) -> Self {
        let standard = Catalogue::standard().clone();
        let catalogue = declared.iter().fold(standard, |catalogue, extension| {
            catalogue.with_extension(extension.resource_type, extension.schema.clone())
        });
        Self { declared, catalogue }
    }
}

impl From<Extensions> for Vec<Extension> {
    fn from(extensions: Extensions) -> Self {
        extensions.declared
    }
}

impl PartialEq for Extensions {
    fn eq(&self, other: &Self) -> bool {
        self.declared == other.declared
    }
}

impl Workspace {
    pub(super) fn declare_extensions(
        &self,
        connector: &ConnectorName,
        extensions: &[Extension],
    ) -> Result<Vec<WorkspaceEvent>, WorkspaceRefusal> {
        let known = self.connector(connector)?;
        if extensions.len() > EXTENSIONS_MAX {
            return Err(WorkspaceRefusal::TooManyExtensions(EXTENSIONS_MAX));
        }
        let urn = |extension: &Extension| extension.schema.id.to_ascii_lowercase();
        for (index, extension) in extensions.iter().enumerate() {
            if extensions[..index].iter().any(|other| urn(other) == urn(extension)) {
                return Err(WorkspaceRefusal::ExtensionTwice(extension.schema.id.clone()));
            }
        }
        if known.extensions.declared() == extensions {
            return Ok(Vec::new());
        }
        let (connector, extensions) = (connector.clone(), extensions.to_vec());
        Ok(vec![WorkspaceEvent::ExtensionsDeclared { connector, extensions }])
    }
}
