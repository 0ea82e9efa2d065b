//! Who may use `/api/v1`, and as what: the owner with the token that the server was started with, and
//! everybody to whom an owner has given a token.
//!
//! Such an access is a record of the installation, beside the log (`keys.db`): its name, what it may do,
//! the digest of its token, and when and by whom it was made and revoked. It is never taken out, so that
//! these records tell who could do what at any time. One that reaches a single workspace is a fact of that
//! workspace too, where the proof covers it.
//!
//! Each request looks its record up, by one key: what is revoked is refused from the next request on.

use std::str::FromStr;

use data_encoding::HEXLOWER;
use domain::{
    Micros,
    admin_role::AdminRole,
    ids::{AccessId, TokenId},
    workspace::{ApiAccess, WorkspaceCommand},
};
use event_log::WorkspaceId;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use zeroize::Zeroizing;

use super::{
    connectors::no_randomness,
    page::{Listed, Listing},
    typed,
};
use crate::{
    App, Person, Refusal, RequestIds, TokenDigest, Unauthorized, bearer, caller::bearer_token,
};

/// Under which names the records lie among the secrets of the installation.
const PREFIX: &str = "access.";
/// The length of a name, at most, in characters.
const NAME_CHARACTERS_MAX: usize = 200;

/// Somebody's access to `/api/v1`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Access {
    /// Whose, in the words of who gave it. It is in no event.
    pub name: String,
    /// What they may do.
    pub role: AdminRole,
    /// The slug of the one workspace that they reach; `None` for all.
    pub workspace: Option<String>,
    /// SHA-256 of the whole token, in hexadecimal digits.
    digest: String,
    /// When it was made.
    pub created: Micros,
    /// Who made it, as the record names people.
    pub created_by: SmolStr,
    /// From when on it is refused; `None`: never by itself.
    pub expires: Option<Micros>,
    /// Since when it is refused by hand, and who did that.
    pub revoked: Option<Revoked>,
}

/// The end of an access.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Revoked {
    /// When.
    pub at: Micros,
    /// By whom, as the record names people.
    pub by: SmolStr,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct NewAccess {
    /// Whose it is to be.
    pub name: String,
    /// What they may do.
    pub role: AdminRole,
    /// The one workspace that they reach; `None` for all.
    pub workspace: Option<String>,
    /// From when on it is refused; `None`: never by itself.
    pub expires: Option<Micros>,
}

/// An access that was just made, with its token, which is shown this once.
pub struct FreshAccess {
    /// Its id.
    pub id: AccessId,
    /// The access.
    pub access: Access,
    /// The bearer token.
    pub token: Zeroizing<String>,
}

impl Access {
    fn digest(&self) -> Option<TokenDigest> {
        HEXLOWER.decode(self.digest.as_bytes()).ok()?.try_into().ok()
    }

    /// Why it opens nothing now, if that is so.
    ///
    /// # Errors
    /// [`Unauthorized::Revoked`] or [`Unauthorized::Expired`].
    pub fn check(&self, now: Micros) -> Result<(), Unauthorized> {
        match self {
            Self { revoked: Some(_), .. } => Err(Unauthorized::Revoked),
            Self { expires: Some(expires), .. } if *expires <= now => Err(Unauthorized::Expired),
            _ => Ok(()),
        }
    }

    fn is_in_reach_of(&self, person: &Person) -> bool {
        let Some(reach) = &person.reach else { return true };
        self.workspace.as_deref() == Some(reach.as_str())
    }
}

impl App {
    /// Finds out whose token a request to `/api/v1` carries.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`], or a failure.
    pub fn authenticate_person(
        &self,
        authorization: Option<&str>,
        ids: RequestIds,
    ) -> Result<Person, Refusal> {
        let token = bearer_token(authorization)?;
        if bearer::matches(token, &self.admin_digest) {
            return Ok(Person::owner("owner", ids));
        }
        let id = bearer::id_of(token).ok_or(Unauthorized::Unknown)?;
        let access = self.kept_access(AccessId(id.0))?.ok_or(Unauthorized::Unknown)?;
        let digest = access.digest().ok_or(Refusal::Unreadable)?;
        if !bearer::matches(token, &digest) {
            return Err(Unauthorized::Unknown.into());
        }
        let now = self.now();
        access.check(now)?;
        self.note_access(id, now);
        let reach = access.workspace.as_deref().map(WorkspaceId::parse).transpose();
        let reach = reach.map_err(|_| Refusal::Unreadable)?;
        Ok(Person { id: id.to_string().into(), role: access.role, reach, ids })
    }

    /// Whether a person who has shown who they are still may ask.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`], or a failure.
    pub(super) fn still_admits(&self, person: &Person) -> Result<(), Refusal> {
        // Whoever has no record has the owner's token, which lives as long as the process.
        let Ok(id) = AccessId::from_str(&person.id) else { return Ok(()) };
        let access = self.kept_access(id)?.ok_or(Unauthorized::Unknown)?;
        Ok(access.check(self.now())?)
    }

    /// Gives somebody access, with a token that is shown this once. Nobody gives more than they reach.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] names the field that is wrong; [`Refusal::State`] when too many reach
    /// that workspace.
    pub async fn grant_access(
        &self,
        person: &Person,
        asked: NewAccess,
    ) -> Result<FreshAccess, Refusal> {
        let NewAccess { name, role, workspace, expires } = asked;
        let name = typed("name", &name, NAME_CHARACTERS_MAX)?;
        let created = self.now();
        if expires.is_some_and(|expires| expires <= created) {
            return Err(Refusal::Malformed("expires_at: must be in the future".to_owned()));
        }
        let reached = self.reached_by(person, workspace.as_deref()).await?;
        let id = AccessId(self.fresh_id());
        let token = bearer::make(TokenId(id.0));
        let token = token.map_err(|error| Refusal::Failed(no_randomness(error)))?;
        let digest = HEXLOWER.encode(&bearer::digest(&token));
        let created_by = person.actor();
        let access =
            Access { name, role, workspace, digest, created, created_by, expires, revoked: None };
        // First the fact: a crash in between leaves one that nobody can use, not one that nobody sees.
        if let Some(workspace) = &reached {
            let granted = ApiAccess { role, expires };
            let command = WorkspaceCommand::GrantApiAccess { access: id, granted };
            self.on_workspace(workspace, command, person.meta()).await?;
        }
        self.keep_access(id, &access)?;
        Ok(FreshAccess { id, access, token: Zeroizing::new(token) })
    }

    /// Everybody's access that a person may know of, in the order in which they were made: the one that
    /// was revoked, too.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a foreign cursor.
    pub fn list_accesses(
        &self,
        person: &Person,
        listing: &Listing,
    ) -> Result<Listed<(AccessId, Access)>, Refusal> {
        let names = self.log.keyring().secret_names(PREFIX)?;
        let ids = names.iter().filter_map(|name| name.strip_prefix(PREFIX)?.parse().ok());
        let mut all = Vec::with_capacity(names.len());
        for id in ids {
            all.extend(self.kept_access(id)?.map(|access| (id, access)));
        }
        all.sort_unstable_by_key(|(id, _)| *id);
        let wanted = |_: &AccessId, access: &Access| {
            let texts =
                [&*access.name, access.role.as_str(), access.workspace.as_deref().unwrap_or("")];
            access.is_in_reach_of(person) && listing.wants(&texts)
        };
        listing.of(all, wanted)
    }

    /// Whether an access opens anything now. One to a workspace that was closed does not.
    ///
    /// # Errors
    /// When the workspace cannot be read.
    pub async fn opens(&self, access: &Access) -> Result<bool, Refusal> {
        if access.check(self.now()).is_err() {
            return Ok(false);
        }
        let Some(slug) = &access.workspace else { return Ok(true) };
        let workspace = WorkspaceId::parse(slug).map_err(|_| Refusal::Unreadable)?;
        self.is_open(&workspace).await
    }

    /// When each access was last used, to within a few minutes; those that never were are missing.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn access_uses(&self) -> Result<std::collections::HashMap<uuid::Uuid, Micros>, Refusal> {
        Ok(self.log.journal().access_uses()?)
    }

    /// Refuses an access from now on. Asked twice, it is done once.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn revoke_access(&self, person: &Person, id: AccessId) -> Result<(), Refusal> {
        let known = self.kept_access(id)?.filter(|access| access.is_in_reach_of(person));
        let mut access = known.ok_or_else(|| Refusal::NotFound("access".to_owned()))?;
        if access.revoked.is_none() {
            access.revoked = Some(Revoked { at: self.now(), by: person.actor() });
            self.keep_access(id, &access)?;
            self.endings.look_again();
        }
        // A crash in between leaves a fact to be recorded, which asking again does.
        if let Some(workspace) = access.workspace.as_deref().map(WorkspaceId::parse) {
            let workspace = workspace.map_err(|_| Refusal::Unreadable)?;
            let command = WorkspaceCommand::RevokeApiAccess { access: id };
            match self.on_workspace(&workspace, command, person.meta()).await {
                // A workspace that was closed since lets nobody in.
                Ok(_) | Err(Refusal::NotFound(_)) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(())
    }

    /// The workspace that somebody may give access to.
    async fn reached_by(
        &self,
        person: &Person,
        asked: Option<&str>,
    ) -> Result<Option<WorkspaceId>, Refusal> {
        let Some(slug) = asked else {
            return match &person.reach {
                None => Ok(None),
                Some(reach) => Err(Refusal::Forbidden(format!(
                    "that token reaches the workspace {reach} alone, and gives no more than it has: \
                     send \"workspace\": \"{reach}\""
                ))),
            };
        };
        let unknown = || Refusal::Malformed(format!("workspace: there is none named {slug:?}"));
        let id = WorkspaceId::parse(slug).map_err(|_| unknown())?;
        if person.reaches(&id) && self.is_open(&id).await? { Ok(Some(id)) } else { Err(unknown()) }
    }

    fn kept_access(&self, id: AccessId) -> Result<Option<Access>, Refusal> {
        let Some(kept) = self.log.keyring().secret(&format!("{PREFIX}{id}"))? else {
            return Ok(None);
        };
        serde_json::from_slice(&kept).map(Some).map_err(|_| Refusal::Unreadable)
    }

    fn keep_access(&self, id: AccessId, access: &Access) -> Result<(), Refusal> {
        let bytes = serde_json::to_vec(access).map_err(|_| Refusal::Unreadable)?;
        Ok(self.log.keyring().set_secret(&format!("{PREFIX}{id}"), &bytes)?)
    }
}
