//! Segments and what collaborators may do in them (rule 15).

use std::{collections::BTreeSet, sync::Arc};

use domain::{
    Es,
    ids::{SegmentId, UserId},
    portal::Portal,
    segments::{Grants, Permission, Segment, Segments, SegmentsCommand, SegmentsRefusal},
};
use event_log::WorkspaceId;
use uuid::Uuid;

use super::{
    devices::Set,
    page::{Listed, Listing},
    typed,
};
use crate::{App, Order, Person, Refusal, WORKSPACE_STREAM};

/// The length of a segment's name, at most, in characters.
const NAME_CHARACTERS_MAX: usize = 200;

/// A segment with its id.
pub type Named = (SegmentId, Segment);

/// What somebody may do in a segment.
#[derive(Clone, Debug)]
pub struct Permitted {
    /// The segment.
    pub segment: Segment,
    /// By grants on it and on those above it.
    pub permissions: BTreeSet<Permission>,
    /// By grants on it alone.
    pub granted: BTreeSet<Permission>,
}

impl App {
    async fn segments(&self, workspace: &WorkspaceId) -> Result<Arc<Es<Segments>>, Refusal> {
        Ok(self.segments.load(workspace, WORKSPACE_STREAM).await?)
    }

    async fn on_segments(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        command: SegmentsCommand,
    ) -> Result<Arc<Es<Segments>>, Refusal> {
        let (workspace, meta) = (workspace.clone(), person.meta());
        let order = Order { workspace, id: WORKSPACE_STREAM, command, meta };
        Ok(self.segments.dispatch(order).await?.es)
    }

    /// The segments of a workspace, by id.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a foreign cursor.
    pub async fn list_segments(
        &self,
        workspace: &WorkspaceId,
        listing: &Listing,
    ) -> Result<Listed<Named>, Refusal> {
        let known = self.segments(workspace).await?;
        let all = known.state.0.iter().map(|(id, segment)| (*id, segment));
        let listed = listing.of(all, |_, segment| listing.wants(&[&segment.name]))?;
        Ok(listed.map(|(id, segment)| (id, segment.clone())))
    }

    /// A segment.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn segment(
        &self,
        workspace: &WorkspaceId,
        id: SegmentId,
    ) -> Result<Segment, Refusal> {
        one(&*self.segments(workspace).await?, id)
    }

    /// Adds a segment.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for an unknown parent, [`Refusal::State`] when the name is taken there
    /// or the tree would be too deep.
    pub async fn add_segment(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        name: &str,
        parent: Option<SegmentId>,
    ) -> Result<Named, Refusal> {
        let name = typed("name", name, NAME_CHARACTERS_MAX)?;
        let segment = SegmentId(self.fresh_id());
        let command = SegmentsCommand::Add { segment, name, parent };
        let es = self.on_segments(person, workspace, command).await?;
        Ok((segment, one(&es, segment)?))
    }

    /// Renames a segment, or moves it with all below it.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], or as for [`App::add_segment`].
    pub async fn change_segment(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        id: SegmentId,
        name: Option<&str>,
        parent: Set<SegmentId>,
    ) -> Result<Segment, Refusal> {
        let name = name.map(|name| typed("name", name, NAME_CHARACTERS_MAX)).transpose()?;
        let parent = match parent {
            Set::Keep => None,
            Set::To(parent) => Some(parent),
        };
        let command = SegmentsCommand::Change { segment: id, name, parent };
        one(&*self.on_segments(person, workspace, command).await?, id)
    }

    /// Removes a segment that has none below it.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], or [`Refusal::State`] while segments stand under it.
    pub async fn remove_segment(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        id: SegmentId,
    ) -> Result<(), Refusal> {
        let command = SegmentsCommand::Remove { segment: id };
        self.on_segments(person, workspace, command).await?;
        Ok(())
    }

    /// Says what collaborators may do in a segment and below; it replaces what was said before.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::Malformed`] for somebody who is no collaborator, or is named
    /// twice; [`Refusal::State`] for a new one without account.
    pub async fn set_grants(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        id: SegmentId,
        asked: Vec<(Uuid, BTreeSet<Permission>)>,
    ) -> Result<Segment, Refusal> {
        let known = self.segment(workspace, id).await?;
        let mut grants = Grants::new();
        for (index, (collaborator, permissions)) in asked.into_iter().enumerate() {
            let place = format!("grants[{index}].collaborator");
            let user = self.grantee(workspace, &known, &place, collaborator).await?;
            if grants.insert(user, permissions).is_some() {
                return Err(Refusal::Malformed(format!("{place}: is named by an earlier grant")));
            }
        }
        let command = SegmentsCommand::SetGrants { segment: id, grants };
        one(&*self.on_segments(person, workspace, command).await?, id)
    }

    /// Somebody who may be granted something: a collaborator whose account stands, or who has been
    /// granted something here before.
    async fn grantee(
        &self,
        workspace: &WorkspaceId,
        known: &Segment,
        place: &str,
        id: Uuid,
    ) -> Result<UserId, Refusal> {
        let found = self.person_of(workspace, id).await?;
        let Some((user, es)) = found.filter(|(_, es)| es.state.portal == Portal::Dashboard) else {
            return Err(Refusal::Malformed(format!("{place}: no collaborator has the id {id}")));
        };
        if !es.state.account.stands() && !known.grants.contains_key(&user) {
            return Err(Refusal::State(format!("{place}: that person has no account")));
        }
        Ok(user)
    }

    /// The segments in which a collaborator may do something, by id. What they were granted stays
    /// when their account goes, and opens nothing without one.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::Malformed`] for a foreign cursor.
    pub async fn segments_of_collaborator(
        &self,
        workspace: &WorkspaceId,
        id: Uuid,
        listing: &Listing,
    ) -> Result<Listed<(SegmentId, Permitted)>, Refusal> {
        let (user, _) = self.require_person(workspace, Portal::Dashboard, id).await?;
        let es = self.segments(workspace).await?;
        let permitted = |(id, segment): (&SegmentId, &Segment)| {
            let permissions = es.state.permissions(*id, user);
            let granted = segment.grants.get(&user).cloned().unwrap_or_default();
            let segment = segment.clone();
            (!permissions.is_empty()).then_some((*id, Permitted { segment, permissions, granted }))
        };
        let all = es.state.0.iter().filter_map(permitted);
        listing.of(all, |_, it| listing.wants(&[&it.segment.name]))
    }
}

fn one(es: &Es<Segments>, id: SegmentId) -> Result<Segment, Refusal> {
    Ok(es.state.0.get(&id).cloned().ok_or(SegmentsRefusal::NoSegment)?)
}
