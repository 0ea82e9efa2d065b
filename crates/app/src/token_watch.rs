//! Tokens that end soon, in all workspaces (rule 3): counted for the metrics, and said in the log, so
//! that whoever looks after the server hears of it before a cycle is refused.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::{Micros, ids::TokenId};
use parking_lot::Mutex;

use crate::{App, WORKSPACE_STREAM};

/// How often all tokens are looked at.
const LOOK_EVERY: Duration = Duration::from_hours(1);
/// How long nothing more is said of a token, in microseconds: a day.
const QUIET_MICROS: Micros = 24 * 3_600 * 1_000_000;

/// What was found at the last look.
#[derive(Default)]
pub(crate) struct TokenWatch {
    ending: AtomicU64,
    /// When a token was last spoken of.
    said: Mutex<HashMap<TokenId, Micros>>,
}

impl App {
    /// How many live tokens ended within the time of warning at the last look.
    pub fn tokens_ending(&self) -> u64 {
        self.token_watch.ending.load(Ordering::Relaxed)
    }

    /// Looks at all tokens now, but for those of workspaces that cannot be read: they open nothing.
    pub async fn look_at_tokens(&self) {
        let mut ending = 0;
        for (workspace, _) in self.log.heads() {
            let known = match self.workspaces.load(&workspace, WORKSPACE_STREAM).await {
                Ok(known) => known,
                Err(error) => {
                    self.say("the tokens cannot be looked at", &workspace, &error);
                    continue;
                }
            };
            for (name, connector) in &known.state.connectors {
                for token in self.ending_tokens(connector) {
                    ending += 1;
                    if self.is_news(token) {
                        let expires = connector.tokens.get(&token).map(|it| it.expires);
                        tracing::warn!(
                            %workspace, connector = %name, token.id = %token,
                            token.expires_micros = expires.unwrap_or_default(),
                            "a token ends soon: its identity provider needs a new one"
                        );
                    }
                }
            }
        }
        self.token_watch.ending.store(ending, Ordering::Relaxed);
    }

    fn is_news(&self, token: TokenId) -> bool {
        let now = self.now();
        let mut said = self.token_watch.said.lock();
        said.retain(|_, at| now - *at < QUIET_MICROS);
        let is_news = !said.contains_key(&token);
        said.entry(token).or_insert(now);
        is_news
    }
}

/// Looks at all tokens from time to time, for ever.
pub async fn watch_tokens(app: Arc<App>) {
    loop {
        app.look_at_tokens().await;
        #[expect(clippy::disallowed_methods, reason = "nothing but time ends a token")]
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
