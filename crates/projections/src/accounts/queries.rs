//! The queries on accounts, the same for every portal.

use std::collections::BTreeMap;

use domain::{
    Micros,
    ids::{ConnectorName, EntryId, OffboardingId, UserId},
    portal::{Portal, Role},
    user::{AccountState, Source, User},
};
use event_log::WorkspaceId;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use crate::{
    Cursor, Failure, ReadModels,
    cursor::cut,
    sql::{json, length, natural, uuid},
};

/// The queries on accounts.
#[derive(Clone, Copy)]
pub struct Accounts<'a> {
    models: &'a ReadModels,
}

/// A person of a portal.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountRow {
    /// The person.
    pub id: UserId,
    /// How they sign in.
    pub user_name: String,
    /// Where they are written to.
    pub email: Option<String>,
    /// Who made the account.
    pub source: Source,
    /// Whether there is one.
    pub account: AccountState,
    /// Dashboard: their role.
    pub role: Option<Role>,
    /// The offboarding that has not ended.
    pub offboarding: Option<OffboardingId>,
    /// When anybody first spoke of them.
    pub created: Micros,
    /// What connectors know of them.
    pub scim: Vec<EntryRef>,
    /// The values of mapped attributes.
    pub metadata: BTreeMap<String, String>,
}

/// An entry of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryRef {
    /// Whose.
    pub connector: ConnectorName,
    /// Its SCIM id.
    pub id: EntryId,
    /// What the connector last said.
    pub active: bool,
}

/// One part of a list: those whose account stands (`?2` is 1), or the others.
const PAGE: &str = "
    SELECT user, created, state, user_name_fold FROM accounts
    WHERE workspace = ?1 AND standing = ?2 AND (user_name_fold, user) > (?3, ?4)
      AND instr(?5, ' ' || account || ' ') > 0
      AND (?6 = '' OR instr(user_name_fold, ?6) > 0 OR instr(email_fold, ?6) > 0)
    ORDER BY user_name_fold, user LIMIT ?7";

fn account_row(row: &Row<'_>) -> rusqlite::Result<AccountRow> {
    let user: User = json(row, 2)?;
    let metadata = user.metadata();
    let User { entries, account, offboarding, .. } = user;
    let entry = |(connector, entry): (ConnectorName, domain::user::Entry)| {
        let active = entry.active();
        EntryRef { connector, id: entry.id, active }
    };
    Ok(AccountRow {
        id: UserId(uuid(row, 0)?),
        user_name: account.user_name,
        email: account.email,
        source: account.source,
        account: account.state,
        role: account.role,
        offboarding: offboarding.filter(|it| !it.completed).map(|it| it.id),
        created: row.get(1)?,
        scim: entries.into_iter().map(entry).collect(),
        metadata,
    })
}

impl<'a> Accounts<'a> {
    pub(crate) fn new(models: &'a ReadModels) -> Self {
        Self { models }
    }

    /// A person, by their own id or by the SCIM id of one of their entries.
    ///
    /// # Errors
    /// Like every query here, when the read model cannot be read.
    pub fn get(
        self,
        workspace: &WorkspaceId,
        portal: Portal,
        id: Uuid,
    ) -> Result<Option<AccountRow>, Failure> {
        let reader = self.models.reader(portal.as_str())?;
        Ok(reader
            .prepare_cached(
                "SELECT user, created, state FROM accounts
                 WHERE workspace = ?1 AND user = coalesce(
                     (SELECT user FROM account_entries WHERE workspace = ?1 AND id = ?2), ?2)",
            )?
            .query_row(params![workspace.as_str(), id.as_bytes()], account_row)
            .optional()?)
    }

    /// At most `limit` people behind one of them whose account is active or suspended, by their ids: an
    /// order in which nobody moves.
    pub fn standing(
        self,
        workspace: &WorkspaceId,
        portal: Portal,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<UserId>, Failure> {
        let reader = self.models.reader(portal.as_str())?;
        let after = after.map_or(Uuid::nil(), |after| after.0);
        Ok(reader
            .prepare_cached(
                "SELECT user FROM accounts WHERE workspace = ?1 AND user > ?2 AND standing = 1
                 ORDER BY user LIMIT ?3",
            )?
            .query_map(params![workspace.as_str(), after.as_bytes(), length(limit)], |row| {
                uuid(row, 0).map(UserId)
            })?
            .collect::<rusqlite::Result<_>>()?)
    }

    /// Everybody of a userName, in any case: those whose account is active or suspended, then the others.
    pub fn named(
        self,
        workspace: &WorkspaceId,
        portal: Portal,
        user_name: &str,
    ) -> Result<Vec<UserId>, Failure> {
        let reader = self.models.reader(portal.as_str())?;
        let fold = scim::fold::user_name(user_name);
        let mut statement = reader.prepare_cached(
            "SELECT user FROM accounts
             WHERE workspace = ?1 AND standing = ?2 AND user_name_fold = ?3 ORDER BY user",
        )?;
        let mut found = Vec::new();
        for standing in [true, false] {
            let people = params![workspace.as_str(), standing, fold];
            let people = statement.query_map(people, |row| uuid(row, 0).map(UserId))?;
            found.extend(people.collect::<rusqlite::Result<Vec<_>>>()?);
        }
        Ok(found)
    }

    /// How many people's account is active or suspended.
    pub fn count_standing(self, workspace: &WorkspaceId, portal: Portal) -> Result<u64, Failure> {
        let reader = self.models.reader(portal.as_str())?;
        Ok(reader
            .prepare_cached("SELECT count(*) FROM accounts WHERE workspace = ?1 AND standing = 1")?
            .query_row(params![workspace.as_str()], |row| natural(row, 0))?)
    }

    /// At most `limit` people behind a cursor, by userName: those whose account is in one of
    /// `states`, and with `q` only those in whose userName or e-mail address it occurs.
    pub fn list(
        self,
        workspace: &WorkspaceId,
        portal: Portal,
        q: Option<&str>,
        states: &[AccountState],
        limit: usize,
        after: Option<&Cursor>,
    ) -> Result<(Vec<AccountRow>, Option<Cursor>), Failure> {
        let tx = self.models.reader(portal.as_str())?;
        let stands = |state: &AccountState| match state {
            AccountState::Active | AccountState::Suspended => true,
            AccountState::None | AccountState::Removed => false,
        };
        let search = Search { workspace, q: scim::fold::text(q.unwrap_or_default()), after, limit };
        let mut rows = Vec::new();
        for standing in [true, false] {
            let states: Vec<_> = states.iter().filter(|it| stands(it) == standing).collect();
            if !states.is_empty() {
                rows.extend(search.page(&tx, standing, &states)?);
            }
        }
        rows.sort_by(|(fold, one), (other_fold, other)| {
            (fold, one.id).cmp(&(other_fold, other.id))
        });
        let (rows, next) =
            cut(rows, limit, |(fold, row)| Cursor { text: fold.clone(), id: row.id.0 });
        Ok((rows.into_iter().map(|(_, row)| row).collect(), next))
    }
}

struct Search<'s> {
    workspace: &'s WorkspaceId,
    q: String,
    after: Option<&'s Cursor>,
    limit: usize,
}

impl Search<'_> {
    /// One row more than asked for, with what they are ordered by.
    fn page(
        &self,
        tx: &Connection,
        standing: bool,
        states: &[&AccountState],
    ) -> rusqlite::Result<Vec<(String, AccountRow)>> {
        let states: Vec<_> = states.iter().map(|state| state.as_str()).collect();
        let states = format!(" {} ", states.join(" "));
        let (text, id) = self.after.map_or(("", &[][..]), |it| (&*it.text, &it.id.as_bytes()[..]));
        tx.prepare_cached(PAGE)?
            .query_map(
                params![
                    self.workspace.as_str(),
                    standing,
                    text,
                    id,
                    states,
                    self.q,
                    length(self.limit) + 1
                ],
                |row| Ok((row.get(3)?, account_row(row)?)),
            )?
            .collect()
    }
}
