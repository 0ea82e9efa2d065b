//! How far the read models are, building them again, and comparing them with the log.

use std::{error::Error, sync::Arc};

use projections::{ALL, Difference, ReadModels, RebuildError, Status};

use crate::{App, Refusal};

impl App {
    /// How far every projection has come in every workspace.
    pub fn projections(&self) -> Vec<Status> {
        self.read_models.status()
    }

    /// Builds one projection, or all, again from the log while reads go on; resolves when the result
    /// serves. Returns the names of those that were built.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for an unknown name, [`Refusal::State`] while another build runs, and
    /// when an event cannot be read or does not fit: it says which.
    pub async fn rebuild(&self, name: Option<String>) -> Result<Vec<&'static str>, Refusal> {
        let names = named(name.as_deref())?;
        let build = move |models: &ReadModels| models.rebuild(name.as_deref(), &mut |_| ());
        self.beside(build).await?;
        Ok(names)
    }

    /// Compares one projection, or all, with what the log says. Returns the names of those that were
    /// compared, and the first difference in each, if there is one.
    ///
    /// # Errors
    /// As for [`App::rebuild`].
    pub async fn verify_projections(
        &self,
        name: Option<String>,
    ) -> Result<(Vec<&'static str>, Vec<Difference>), Refusal> {
        let names = named(name.as_deref())?;
        let compare = move |models: &ReadModels| models.verify(name.as_deref(), &mut |_| ());
        Ok((names, self.beside(compare).await?))
    }

    /// Runs something that blocks on a thread that may.
    async fn beside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ReadModels) -> Result<T, RebuildError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let models = Arc::clone(&self.read_models);
        let done = tokio::task::spawn_blocking(move || work(&models)).await;
        match done {
            Ok(result) => result.map_err(|error| refusal(&error)),
            // It panicked, which was said, or the server stops.
            Err(_) => Err(Refusal::Overloaded),
        }
    }
}

/// The projections that a name means; without one, all.
fn named(name: Option<&str>) -> Result<Vec<&'static str>, Refusal> {
    let all = || ALL.iter().map(|projection| projection.name());
    let named: Vec<_> = all().filter(|it| name.is_none_or(|name| name == *it)).collect();
    if named.is_empty() {
        let all = all().collect::<Vec<_>>().join(", ");
        return Err(Refusal::Malformed(format!("projection: must be one of {all}")));
    }
    Ok(named)
}

/// What an operator is told: where a build stopped, and why.
fn refusal(error: &RebuildError) -> Refusal {
    let mut detail = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        detail.push_str(": ");
        detail.push_str(&cause.to_string());
        source = cause.source();
    }
    if !matches!(error, RebuildError::Busy) {
        tracing::error!(error = %detail, "a projection could not be built");
    }
    Refusal::State(detail)
}
