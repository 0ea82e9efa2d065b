//! Reads that need not wait for the directory though it is behind, since nothing that it has yet to see
//! concerns them.
//!
//! A read shows everything that was acknowledged before it began, so it waits for its read model. Beside ten
//! thousand changes of other people that would be a wait for all of these, request by request.

use domain::{Claim, Decider, group::Group, ids::EntryId, user::User, workspace::Workspace};
use event_log::StreamId;
use projections::directory::{Ask, Listed, NAME, Named, Row, UserRow};
use scim::Kind;

use crate::{App, Caller, Refusal, write::decide::to_log};

impl App {
    /// A user, if the directory is behind and shows them as they are now all the same.
    pub(crate) fn undisturbed_user(
        &self,
        caller: &Caller,
        entry: EntryId,
    ) -> Result<Option<UserRow>, Refusal> {
        // Asked for first: what is read then may be newer than that, and is never older.
        let Some(position) = self.position_behind(caller) else { return Ok(None) };
        if !self.is_undisturbed(caller, position, &[]) {
            return Ok(None);
        }
        let Caller { workspace, connector, .. } = caller;
        let row = self.read_models.directory().user(workspace, connector, entry)?;
        let is_current = |row: &UserRow| {
            let user = StreamId::new(User::KIND, row.user.0);
            self.is_undisturbed(caller, position, &[user])
        };
        Ok(row.filter(is_current))
    }

    /// The users of some names, if the directory is behind and shows all the same who has them now.
    pub(crate) async fn undisturbed_list(
        &self,
        caller: &Caller,
        ask: &Ask<'_>,
    ) -> Result<Option<Listed>, Refusal> {
        let Some(position) = self.position_behind(caller) else { return Ok(None) };
        if ask.kinds != [Kind::User] || ask.is_long() {
            return Ok(None);
        }
        let Some(names) = ask.names() else { return Ok(None) };
        // The log knows who has a name, whatever a read model knows.
        let mut holders = Vec::with_capacity(names.len());
        for name in names {
            let Named::UserName(name) = name else { return Ok(None) };
            let claim = to_log(&Claim::entry(&caller.connector, &name));
            holders.extend(self.log.claim_holder(&caller.workspace, &claim).await?);
        }
        if !self.is_undisturbed(caller, position, &holders) {
            return Ok(None);
        }
        let Caller { workspace, connector, .. } = caller;
        let listed = self.read_models.directory().list(workspace, connector, ask)?;
        // Whoever else is found has given the name away since.
        let has_name = |row: &Row| match row {
            Row::User(user) => holders.iter().any(|holder| holder.id == user.user.0),
            Row::Group(_) => false,
        };
        Ok(Some(listed).filter(|listed| listed.rows.iter().all(has_name)))
    }

    /// Whether the directory shows as they are now the groups that anybody is in.
    pub(crate) fn groups_are_undisturbed(&self, caller: &Caller) -> bool {
        let position = self.read_models.shows(NAME, &caller.workspace);
        position.is_some_and(|position| self.is_undisturbed(caller, position, &[]))
    }

    /// How far the directory has come, if that is not all of the log.
    fn position_behind(&self, caller: &Caller) -> Option<u64> {
        let position = self.read_models.shows(NAME, &caller.workspace)?;
        (position < self.log.head(&caller.workspace)).then_some(position)
    }

    /// Whether nothing has happened since a position to these users, to any group, or in the settings of the
    /// workspace, which say what the directory passes over.
    fn is_undisturbed(&self, caller: &Caller, position: u64, users: &[StreamId]) -> bool {
        let concerns = |stream: &StreamId| match stream.kind.as_str() {
            User::KIND => users.contains(stream),
            kind => [Group::KIND, Workspace::KIND].contains(&kind),
        };
        self.log.nothing_since(&caller.workspace, position, &concerns)
    }
}
