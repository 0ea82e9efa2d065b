//! Groups as administrators see them: of all connectors, by portal, with who is still awaited.

use domain::{
    group::{GroupCommand, Via},
    ids::GroupId,
    portal::Portal,
};
use event_log::WorkspaceId;
use projections::{
    Cursor, ReadModels,
    directory::{GroupRow, MemberRow, NAME},
};
use uuid::Uuid;

use super::page::{Listed, Listing};
use crate::{App, Order, Person, Refusal};

/// How many members are read at a time, where a name is looked for.
const CHUNK: usize = 1_000;

impl App {
    /// The groups of some portals, one portal after the other, by name.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a foreign cursor, or when a read model has stopped.
    pub async fn groups_of_portals(
        &self,
        workspace: &WorkspaceId,
        portals: &[Portal],
        listing: &Listing,
    ) -> Result<Listed<GroupRow>, Refusal> {
        self.current(NAME, workspace).await?;
        let directory = self.read_models.directory();
        let place = listing.after::<Place>()?;
        let first = place.as_ref().map(|place| place.portal);
        let mut after = place.and_then(|place| place.after);
        let mut items = Vec::new();
        for portal in portals.iter().copied().filter(|portal| first.is_none_or(|it| *portal >= it))
        {
            let left = listing.limit - items.len();
            if left == 0 {
                let next = Place { portal, after: None };
                return Ok(Listed { items, next: Some(next.to_string()) });
            }
            let (q, after) = (listing.q.as_deref(), after.take());
            let (rows, next) =
                directory.list_groups_of_portal(workspace, portal, q, left, after.as_ref())?;
            items.extend(rows);
            if let Some(next) = next {
                let next = Place { portal, after: Some(next) };
                return Ok(Listed { items, next: Some(next.to_string()) });
            }
        }
        Ok(Listed { items, next: None })
    }

    /// A group of one of some portals.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn group_of_portals(
        &self,
        workspace: &WorkspaceId,
        portals: &[Portal],
        id: GroupId,
    ) -> Result<GroupRow, Refusal> {
        self.current(NAME, workspace).await?;
        let row = self.read_models.directory().group_of_workspace(workspace, id)?;
        let row = row.filter(|row| portals.contains(&row.portal));
        row.ok_or_else(|| Refusal::NotFound("group".to_owned()))
    }

    /// Deletes a group that a removed connector has left. No connector can do so any more, and while
    /// it is there it counts for access, publications and roles.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], or [`Refusal::State`] while its connector is there.
    pub async fn delete_left_group(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        portals: &[Portal],
        id: GroupId,
    ) -> Result<(), Refusal> {
        let connector = self.group_of_portals(workspace, portals, id).await?.connector;
        if !self.workspace(workspace).await?.state.gone().contains(&connector) {
            return Err(Refusal::State(format!(
                "the connector {connector} keeps this group: delete it at the identity provider, or \
                 remove the connector first"
            )));
        }
        let command = GroupCommand::Delete { via: Via::new(connector) };
        let (workspace, meta) = (workspace.clone(), person.meta());
        self.groups.dispatch(Order { workspace, id: id.0, command, meta }).await?;
        Ok(())
    }

    /// The members of a group, by id.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn members_of_group(
        &self,
        workspace: &WorkspaceId,
        portals: &[Portal],
        id: GroupId,
        listing: &Listing,
    ) -> Result<Listed<MemberRow>, Refusal> {
        self.group_of_portals(workspace, portals, id).await?;
        let mut after = listing.after::<Uuid>()?;
        let (of, listing, mut found) = (workspace.clone(), listing.clone(), Vec::new());
        let look = move |models: &ReadModels| loop {
            let chunk = CHUNK.max(listing.limit + 1);
            let rows = models.directory().group_members(&of, id, after, chunk)?;
            let last = rows.len() < chunk;
            after = rows.last().map(|row| row.value);
            let display = |row: &MemberRow| row.display.clone().unwrap_or_default();
            found.extend(rows.into_iter().filter(|row| listing.wants(&[&display(row)])));
            if last || found.len() > listing.limit {
                return Ok(listing.cut(found, |row| row.value.to_string()));
            }
        };
        self.look_through(look).await
    }

    /// The values for which a group waits, by the versions of the events that brought them (rule 18).
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn pending_of_group(
        &self,
        workspace: &WorkspaceId,
        portals: &[Portal],
        id: GroupId,
        listing: &Listing,
    ) -> Result<Listed<(u64, String)>, Refusal> {
        self.group_of_portals(workspace, portals, id).await?;
        let pending = self.read_models.directory().pending(workspace, id)?;
        listing.of(pending, |_, value| listing.wants(&[value]))
    }
}

/// Where a list over several portals goes on.
struct Place {
    portal: Portal,
    after: Option<Cursor>,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let after = self.after.as_ref().map(Cursor::to_string);
        write!(f, "{}.{}", self.portal, after.unwrap_or_default())
    }
}

impl std::str::FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (portal, after) = text.split_once('.').ok_or(())?;
        let portal = portal.parse().map_err(|_| ())?;
        let after = (!after.is_empty()).then(|| after.parse()).transpose().map_err(|_| ())?;
        Ok(Self { portal, after })
    }
}
