//! Publications and who sees them (rule 17).
//!
//! Somebody sees a publication whose account is active and who is in all groups of one of its lines;
//! one without lines is for everybody who has an active account.

use domain::{
    group_filter::GroupFilter,
    ids::{EntryId, PublicationId, UserId},
    portal::Portal,
    publication::{Publication, PublicationCommand, PublicationRefusal, Published},
    user::AccountState,
};
use event_log::WorkspaceId;
use projections::{
    Cursor, ReadModels,
    accounts::AccountRow,
    directory,
    store::{NAME, PublicationRow},
};
use uuid::Uuid;

use super::{
    access::folded,
    accounts::AccountView,
    page::{Listed, Listing},
    typed,
};
use crate::{App, Done, Order, Person, Refusal};

/// The length of a publication's name, at most, in characters.
const NAME_CHARACTERS_MAX: usize = 200;

impl App {
    /// The publications of a workspace, by name.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a foreign cursor, or when a read model has stopped.
    pub async fn list_publications(
        &self,
        workspace: &WorkspaceId,
        listing: &Listing,
    ) -> Result<Listed<PublicationRow>, Refusal> {
        self.current(NAME, workspace).await?;
        let after = listing.after::<Cursor>()?;
        let (q, publications) = (listing.q.as_deref(), self.read_models.publications());
        let (items, next) = publications.list(workspace, q, listing.limit, after.as_ref())?;
        Ok(Listed { items, next: next.map(|next| next.to_string()) })
    }

    /// A publication.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn publication(
        &self,
        workspace: &WorkspaceId,
        id: PublicationId,
    ) -> Result<PublicationRow, Refusal> {
        let es = self.publications.load(workspace, id.0).await?;
        Ok(row(id, es.state.0.as_ref())?)
    }

    /// Publishes something.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a bad name, or the line that makes no sense.
    pub async fn publish(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        name: &str,
        groups: GroupFilter,
    ) -> Result<PublicationRow, Refusal> {
        let name = typed("name", name, NAME_CHARACTERS_MAX)?;
        let id = PublicationId(self.fresh_id());
        let command = PublicationCommand::Publish { name, groups };
        let done = self.on_publication(person, workspace, id, command).await?;
        Ok(row(id, done.es.state.0.as_ref())?)
    }

    /// Renames a publication or shows it to others. What is `None` stays.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], or as for [`App::publish`].
    pub async fn change_publication(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        id: PublicationId,
        name: Option<&str>,
        groups: Option<GroupFilter>,
    ) -> Result<PublicationRow, Refusal> {
        let name = name.map(|name| typed("name", name, NAME_CHARACTERS_MAX)).transpose()?;
        let command = PublicationCommand::Change { name, groups };
        let done = self.on_publication(person, workspace, id, command).await?;
        Ok(row(id, done.es.state.0.as_ref())?)
    }

    /// Takes a publication out of the Store.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn withdraw(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        id: PublicationId,
    ) -> Result<(), Refusal> {
        self.on_publication(person, workspace, id, PublicationCommand::Withdraw).await?;
        Ok(())
    }

    /// The employees who see a publication: in the order in which connectors brought them, or by
    /// userName where everybody does.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::Malformed`] for a foreign cursor.
    pub async fn audience(
        &self,
        workspace: &WorkspaceId,
        id: PublicationId,
        listing: &Listing,
    ) -> Result<Listed<AccountView>, Refusal> {
        let groups = self.publication(workspace, id).await?.groups;
        if groups.is_everybody() {
            let active = [AccountState::Active];
            return self.list_accounts(workspace, Portal::Store, &active, listing).await;
        }
        self.current(NAME, workspace).await?;
        self.current(directory::NAME, workspace).await?;
        let lines = groups.folded();
        let after = listing.after::<Uuid>()?.map(EntryId);
        let (workspace, limit) = (workspace.clone(), listing.limit);
        // Thousands of people may have to be looked at.
        let look = move |models: &ReadModels| {
            let account = |user: UserId| models.accounts().get(&workspace, Portal::Store, user.0);
            let active = |row: &AccountRow| row.account == AccountState::Active;
            let counts = |user| Ok(account(user)?.as_ref().is_some_and(active));
            let directory = models.directory();
            let part =
                directory.audience(&workspace, Portal::Store, &lines, after, limit, counts)?;
            let rows = part.people.iter().map(|(_, user)| account(*user));
            let rows: Vec<_> = rows.collect::<Result<_, _>>()?;
            let items = rows.into_iter().flatten().map(AccountView::from).collect();
            Ok(Listed { items, next: part.next.map(|entry| entry.to_string()) })
        };
        self.look_through(look).await
    }

    /// The publications that an employee sees, by name. None of those whom somebody saw who was erased since
    /// the moment that this is of: that is not known any more.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::Malformed`] for a foreign cursor.
    pub async fn publications_of_employee(
        &self,
        workspace: &WorkspaceId,
        id: Uuid,
        listing: &Listing,
    ) -> Result<Listed<PublicationRow>, Refusal> {
        self.current(NAME, workspace).await?;
        if self.gone().iter().any(|it| it.portal == Portal::Store && it.is(id)) {
            return Ok(Listed { items: Vec::new(), next: None });
        }
        let (_, es) = self.require_person(workspace, Portal::Store, id).await?;
        let after = listing.after::<Cursor>()?;
        if es.state.account.state != AccountState::Active {
            return Ok(Listed { items: Vec::new(), next: None });
        }
        let groups = folded(&self.groups_over_entries(workspace, &es.state).await?);
        let (q, publications) = (listing.q.as_deref(), self.read_models.publications());
        let (items, next) =
            publications.seen_by(workspace, &groups, q, listing.limit, after.as_ref())?;
        Ok(Listed { items, next: next.map(|next| next.to_string()) })
    }

    async fn on_publication(
        &self,
        person: &Person,
        workspace: &WorkspaceId,
        id: PublicationId,
        command: PublicationCommand,
    ) -> Result<Done<Publication>, Refusal> {
        let (workspace, meta) = (workspace.clone(), person.meta());
        Ok(self.publications.dispatch(Order { workspace, id: id.0, command, meta }).await?)
    }
}

fn row(id: PublicationId, known: Option<&Published>) -> Result<PublicationRow, PublicationRefusal> {
    let Published { name, groups, .. } = known.ok_or(PublicationRefusal::NoPublication)?;
    Ok(PublicationRow { id, name: name.clone(), groups: groups.clone() })
}
