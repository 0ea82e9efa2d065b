//! Lists of SCIM: users, groups, or both.

use std::{sync::Arc, time::Duration};

use domain::ids::ConnectorName;
use event_log::WorkspaceId;
use projections::directory::{Ask, Listed, Row, Start};
use scim::{
    Catalogue, Kind,
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

/// A list that is asked for.
struct Question {
    workspace: WorkspaceId,
    connector: ConnectorName,
    catalogue: Catalogue,
    base_url: String,
    kinds: &'static [Kind],
    query: Arc<Query>,
    with_members: bool,
    start: Start,
}

impl App {
    /// GET /Users, GET /Groups, and their searches; with both kinds, the search of everything.
    /// Groups have their members if they are shown (`with_members`). What is found is shown by `show`, where it was found: on
    /// another thread if either may take long, and then it is said how long that took.
    ///
    /// # Errors
    /// What is wrong with filter, order or cursor; `tooMany` when no index answers and there is much
    /// to look through; when a read model has stopped; or when too many of the connector's lists wait already.
    pub async fn list<T: Send + 'static>(
        &self,
        caller: &Caller,
        kinds: &'static [Kind],
        (query, with_members): (Arc<Query>, bool),
        show: impl FnOnce(List) -> T + Send + 'static,
    ) -> Result<(T, Duration), Refusal> {
        query.check(kinds, &caller.catalogue)?;
        let digest = || cursor::question(caller, kinds, &query);
        let (start, digest) = match &query.page {
            Page::Index { start, .. } => (Start::Skip(start.saturating_sub(1)), None),
            Page::Cursor { cursor: None, .. } => (Start::Behind(None), Some(digest())),
            Page::Cursor { cursor: Some(text), .. } => {
                let digest = digest();
                let position = cursor::read(text, &digest, self.now())?;
                (Start::Behind(Some(position)), Some(digest))
            }
        };
        let now = self.now();
        let show = move |found: Listed| {
            let Listed { total, rows, next, .. } = found;
            let next_cursor =
                next.zip(digest).and_then(|(next, digest)| cursor::write(next, digest, now));
            show(List { total, views: rows.into_iter().map(View::from).collect(), next_cursor })
        };
        let (workspace, connector) = (caller.workspace.clone(), caller.connector.clone());
        let base_url = self.base_url(&workspace, &connector);
        let catalogue = caller.catalogue.clone();
        let question = Question {
            workspace,
            connector,
            catalogue,
            base_url,
            kinds,
            query,
            with_members,
            start,
        };
        self.find(caller, question, show).await
    }

    async fn find<T: Send + 'static>(
        &self,
        caller: &Caller,
        question: Question,
        show: impl FnOnce(Listed) -> T + Send + 'static,
    ) -> Result<(T, Duration), Refusal> {
        let ask = question.ask();
        if let Some(listed) = self.undisturbed_list(caller, &ask).await? {
            return Ok((show(listed), Duration::ZERO));
        }
        let shown = self.shown(caller).await?;
        self.refuse_held(caller, &shown, &ask).await?;
        let (is_long, kept_back) = (ask.is_long(), shown.kept_back);
        let models = Arc::clone(&self.read_models);
        let find = move || {
            let Question { workspace, connector, .. } = &question;
            let listed = models.directory().list(workspace, connector, &question.ask())?;
            kept_back.refuse_found(&listed)?;
            Ok::<_, Refusal>(show(listed))
        };
        if is_long {
            let (found, took) = self.long_work.run(caller, find).await?;
            return Ok((found?, took));
        }
        Ok((find()?, Duration::ZERO))
    }
}

impl Question {
    fn ask(&self) -> Ask<'_> {
        let (Page::Index { count, .. } | Page::Cursor { count, .. }) = self.query.page;
        Ask {
            kinds: self.kinds,
            filter: self.query.filter.as_ref(),
            sort: self.query.sort.as_ref(),
            catalogue: &self.catalogue,
            base_url: &self.base_url,
            with_members: self.with_members,
            start: self.start.clone(),
            count,
        }
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
