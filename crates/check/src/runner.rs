//! A run: case after case, and everything tidied up behind each.

use std::{collections::BTreeSet, pin::pin, time::Instant};

use futures_util::future::join_all;
use hyper::Method;

use serde_json::Value;

use crate::{
    case::{Case, Group, Level, Stop, Verdict},
    catalogue::{chosen, unknown_word},
    report::{CaseReport, GroupReport, Left, Outcome, Report, Totals},
    request::{Request, escaped},
    session::Session,
};

/// How many resources are removed at a time.
const REMOVED_AT_ONCE: usize = 8;

/// Which server, and what of the suite.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The SCIM base URL, `http` or `https`.
    pub base_url: String,
    /// The bearer token, without its scheme; empty for none.
    pub token: String,
    /// Groups, ids of cases, or `dialects`: nothing else is run. Empty means everything.
    pub only: Vec<String>,
    /// Groups, ids of cases, or `dialects` that are not run.
    pub skip: Vec<String>,
    /// Whether cases that write are skipped.
    pub read_only: bool,
    /// Whether what was made is left on the server, for who wants to look at it.
    pub keep: bool,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A word that is no group, no case and not `dialects`.
    #[error("no group and no case is called {0:?}; --list shows them")]
    Unknown(String),
    /// The server cannot be reached at all.
    #[error("the server cannot be asked")]
    Unreachable(#[from] simulate::Failure),
    /// The server does not know the token.
    #[error("the server answers 401: it does not take the token")]
    Unauthorized,
    /// The system has no randomness.
    #[error("making a name for the run")]
    Random(#[from] getrandom::Error),
}

/// How far a run has come, for whoever watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It begins.
    Begin {
        /// How many cases there are.
        cases: usize,
    },
    /// A case of this group is about to run.
    Case {
        /// The group.
        group: &'static str,
    },
    /// A case is through.
    Done(Outcome),
    /// It is over.
    End,
}

/// Runs the suite. When `interrupted` is ready before the end, the case that is under way stops,
/// what was made is removed, and the cases that are left are skipped.
///
/// # Errors
/// [`Failure`] when there is nothing to report on; a server that does everything wrong is no error.
pub async fn run(
    plan: Plan,
    watch: &(dyn Fn(Step) + Sync),
    interrupted: impl Future<Output = ()>,
) -> Result<Report, Failure> {
    if let Some(word) = unknown_word(plan.only.iter().chain(&plan.skip)) {
        return Err(Failure::Unknown(word.clone()));
    }
    let began = Instant::now();
    let prefix = format!("check-{:08x}-", getrandom::u32()?);
    let mut session = Session::new(&plan.base_url, &plan.token, prefix, plan.read_only)?;
    if !session.is_let_in().await? {
        return Err(Failure::Unauthorized);
    }
    session.learn().await?;
    let chosen = chosen(&plan.only, &plan.skip);
    watch(Step::Begin { cases: chosen.iter().map(|(_, cases)| cases.len()).sum() });
    let mut run = Run { session, keep: plan.keep, left: Vec::new(), stopped: false };
    let mut interrupted = pin!(interrupted);
    let mut groups = Vec::new();
    for (group, cases) in chosen {
        let mut reports = Vec::new();
        for case in cases {
            watch(Step::Case { group: group.name });
            let report = run.case(group, case, interrupted.as_mut()).await;
            watch(Step::Done(report.outcome));
            reports.push(report);
        }
        groups.push(GroupReport::new(group.name, group.about, reports));
    }
    run.sweep().await;
    watch(Step::End);
    let mut report = Report {
        version: env!("CARGO_PKG_VERSION"),
        base_url: plan.base_url,
        prefix: run.session.prefix().to_owned(),
        requests: run.session.requests(),
        seconds: began.elapsed().as_secs_f64(),
        interrupted: run.stopped,
        totals: Totals::default(),
        groups,
        left_behind: run.left,
    };
    report.count();
    Ok(report)
}

struct Run {
    session: Session,
    keep: bool,
    left: Vec<Left>,
    stopped: bool,
}

impl Run {
    async fn case(
        &mut self,
        group: &Group,
        case: &Case,
        interrupted: impl Future<Output = ()>,
    ) -> CaseReport {
        if self.stopped {
            return report(group, case, Err(Stop::Skipped("interrupted".to_owned())));
        }
        let missing = group.needs.and_then(|feature| self.session.needs(feature).err());
        if let Some(stop) = missing {
            return report(group, case, Err(stop));
        }
        self.session.begin();
        let verdict = tokio::select! {
            biased;
            () = interrupted => {
                self.stopped = true;
                Err(Stop::Skipped("interrupted".to_owned()))
            }
            verdict = (case.run)(&self.session) => verdict,
        };
        self.remove(self.session.take_made()).await;
        report(group, case, verdict)
    }

    /// Removes what was made; what stays is noted.
    async fn remove(&mut self, paths: Vec<String>) {
        if self.keep {
            self.left
                .extend(paths.into_iter().map(|path| Left { path, reason: "kept".to_owned() }));
            return;
        }
        for some in paths.chunks(REMOVED_AT_ONCE) {
            let session = &self.session;
            let removals = some.iter().map(|path| async move {
                let reason = match session.delete(path.as_str()).await {
                    Ok(answer) if [200, 202, 204, 404, 410].contains(&answer.status) => {
                        return None;
                    }
                    Ok(answer) => format!("DELETE is answered {}", answer.status),
                    Err(stop) => reason(stop),
                };
                Some(Left { path: path.clone(), reason })
            });
            self.left.extend(join_all(removals).await.into_iter().flatten());
        }
    }

    /// Looks for what was made without an answer that said so, by the names that only this run
    /// gives. Where that fails, the report says so: something may be left.
    async fn sweep(&mut self) {
        if self.keep {
            return;
        }
        for (endpoint, name) in [("/Groups", "displayName"), ("/Users", "userName")] {
            let (paths, failure) = self.made_under(endpoint, name).await;
            let known = |path: &String| self.left.iter().any(|left| left.path == *path);
            let paths: Vec<_> = paths.into_iter().filter(|path| !known(path)).collect();
            self.remove(paths).await;
            if let Some(Stop::Failed(finding)) = failure {
                let reason = format!(
                    "what else was made could not be looked for: {} expected, {} found",
                    finding.expected, finding.found
                );
                self.left.push(Left { path: endpoint.to_owned(), reason });
            }
        }
    }

    /// The paths of what has a name of this run, page by page, and why there may be more.
    async fn made_under(&self, endpoint: &str, name: &str) -> (BTreeSet<String>, Option<Stop>) {
        let filter = escaped(&format!("{name} sw \"{}\"", self.session.prefix()));
        let (mut paths, mut seen) = (BTreeSet::new(), BTreeSet::new());
        loop {
            let start = match seen.len() {
                0 => String::new(),
                seen => format!("&startIndex={}", seen + 1),
            };
            let path = format!("{endpoint}?filter={filter}&attributes={name}{start}");
            let found = match self.session.send(Request::new(Method::GET, path)).await {
                Ok(answer) => answer.list().map(<[Value]>::to_vec),
                Err(stop) => Err(stop),
            };
            let found = match found {
                Ok(found) => found,
                Err(stop) => return (paths, Some(stop)),
            };
            let before = seen.len();
            for resource in &found {
                let Some(id) = resource["id"].as_str() else { continue };
                seen.insert(id.to_owned());
                // A server that does not filter shows others', which are not ours to remove.
                let text = resource[name].as_str().unwrap_or_default();
                if text.to_lowercase().starts_with(self.session.prefix()) {
                    paths.insert(format!("{endpoint}/{}", escaped(id)));
                }
            }
            // The end, or a server that knows no pages.
            if seen.len() == before {
                return (paths, None);
            }
        }
    }
}

/// Why something was not done.
fn reason(stop: Stop) -> String {
    match stop {
        Stop::Skipped(reason) => reason,
        Stop::Failed(finding) => finding.found,
    }
}

fn report(group: &Group, case: &Case, verdict: Verdict) -> CaseReport {
    let (outcome, reason, finding) = match (verdict, case.level) {
        (Ok(()), _) => (Outcome::Passed, None, None),
        (Err(Stop::Skipped(reason)), _) => (Outcome::Skipped, Some(reason), None),
        (Err(Stop::Failed(finding)), Level::Should) => (Outcome::Warned, None, Some(*finding)),
        (Err(Stop::Failed(finding)), _) => (Outcome::Failed, None, Some(*finding)),
    };
    CaseReport {
        id: group.id(case),
        level: case.level,
        demand: case.demand,
        source: case.source,
        outcome,
        reason,
        finding,
    }
}
