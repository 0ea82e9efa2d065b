//! Lists of SCIM: users, groups, or both.

use std::sync::Arc;

use projections::directory::{Ask, Listed, Row, Start};
use scim::{
    Kind,
    query::{Page, Query},
};

use crate::{App, Caller, GroupView, Refusal, UserView, cursor};

/// A part of a list.
#[derive(Debug)]
pub struct List {
    /// How many there are in all; `None` where nobody has counted, with a cursor.
    pub total: Option<u64>,
    /// Those that were asked for.
    pub views: Vec<View>,
    /// The cursor of the page after this one.
    pub next_cursor: Option<String>,
}

/// A resource of a list.
#[derive(Debug)]
pub enum View {
    /// A user.
    User(UserView),
    /// A group.
    Group(GroupView),
}

impl App {
    /// GET /Users, GET /Groups, and their searches; with both kinds, the search of everything.
    /// Groups have their members if they are shown (`with_members`).
    ///
    /// # Errors
    /// What is wrong with filter, order or cursor; `tooMany` when no index answers and there is much
    /// to look through; or when a read model has stopped.
    pub async fn list(
        &self,
        caller: &Caller,
        kinds: &'static [Kind],
        query: Arc<Query>,
        with_members: bool,
    ) -> Result<List, Refusal> {
        query.check(kinds, &caller.catalogue)?;
        let question = || cursor::question(caller, kinds, &query);
        let by_cursor = matches!(query.page, Page::Cursor { .. });
        let start = match &query.page {
            Page::Index { start, .. } => Start::Skip(start.saturating_sub(1)),
            Page::Cursor { cursor: None, .. } => Start::Behind(None),
            Page::Cursor { cursor: Some(text), .. } => {
                Start::Behind(Some(cursor::read(text, &question(), self.now())?))
            }
        };
        let Listed { total, rows, next, .. } =
            self.find(caller, kinds, Arc::clone(&query), start, with_members).await?;
        let next = next.filter(|_| by_cursor);
        let next_cursor = next.and_then(|next| cursor::write(next, question(), self.now()));
        Ok(List { total, views: rows.into_iter().map(View::from).collect(), next_cursor })
    }

    async fn find(
        &self,
        caller: &Caller,
        kinds: &'static [Kind],
        query: Arc<Query>,
        start: Start,
        with_members: bool,
    ) -> Result<Listed, Refusal> {
        let models = Arc::clone(&self.read_models);
        let (workspace, connector) = (caller.workspace.clone(), caller.connector.clone());
        let catalogue = caller.catalogue.clone();
        let base_url = self.base_url(&workspace, &connector);
        let shown = {
            let (Page::Index { count, .. } | Page::Cursor { count, .. }) = query.page;
            let ask = Ask {
                kinds,
                filter: query.filter.as_ref(),
                sort: query.sort.as_ref(),
                catalogue: &catalogue,
                base_url: &base_url,
                with_members,
                start: start.clone(),
                count,
            };
            if let Some(listed) = self.undisturbed_list(caller, &ask).await? {
                return Ok(listed);
            }
            let shown = self.shown(caller).await?;
            self.refuse_held(caller, &shown, &ask).await?;
            shown
        };
        let find = move |is_allowed: fn(&Ask<'_>) -> bool| {
            let (Page::Index { count, .. } | Page::Cursor { count, .. }) = query.page;
            let ask = Ask {
                kinds,
                filter: query.filter.as_ref(),
                sort: query.sort.as_ref(),
                catalogue: &catalogue,
                base_url: &base_url,
                with_members,
                start: start.clone(),
                count,
            };
            is_allowed(&ask).then(|| models.directory().list(&workspace, &connector, &ask))
        };
        // What an index answers is answered here; for what may take long, a thread is cheap.
        let listed = match find(|ask| !ask.is_long()) {
            Some(listed) => listed?,
            None => match tokio::task::spawn_blocking(move || find(|_| true)).await {
                Ok(Some(listed)) => listed?,
                Ok(None) | Err(_) => return Err(Refusal::Stopping),
            },
        };
        shown.refuse_found(&listed)?;
        Ok(listed)
    }
}

impl From<Row> for View {
    fn from(row: Row) -> Self {
        match row {
            Row::User(user) => Self::User(user.into()),
            Row::Group(group) => Self::Group(group.into()),
        }
    }
}
