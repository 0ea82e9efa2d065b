//! Asking again, and asking at once. Neither waits for time to pass.

use anyhow::{Context, bail};

use crate::Client;

/// How often [`until`] asks, at most.
const ASKED_MAX: usize = 20_000;

/// Asks until there is an answer, at most `ASKED_MAX` times: for what happens in the background
/// and that no endpoint waits for, such as what a device does.
///
/// # Errors
/// What `ask` fails with, or that there was no answer.
pub async fn until<T>(
    what: &str,
    mut ask: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    for _ in 0..ASKED_MAX {
        if let Some(answer) = ask().await.with_context(|| format!("waiting until {what}"))? {
            return Ok(answer);
        }
        tokio::task::yield_now().await;
    }
    bail!("it did not come to be that {what}, asked {ASKED_MAX} times")
}

/// Waits until nothing is under way in a workspace: no offboarding, no action on any device.
///
/// # Errors
/// When the API does not answer, or something is under way for ever.
pub async fn all_ended(api: &mut Client, workspace: &str) -> anyhow::Result<()> {
    let ended = async || {
        let mut open = 0;
        for list in [
            "offboardings?state=started",
            "effects?state=requested",
            "effects?state=sent",
            "effects?state=acknowledged",
            "effects?state=failed",
        ] {
            let items = api.get(&format!("/workspaces/{workspace}/{list}")).await?.expect(200)?;
            open += items["items"].as_array().context("no items")?.len();
        }
        Ok((open == 0).then_some(()))
    };
    until("nothing is under way any more", ended).await
}

/// Lets all of them run at the same time; what they return, in their order.
///
/// # Errors
/// The first failure, in their order. A panic goes on as one.
pub async fn together<T, F>(futures: impl IntoIterator<Item = F>) -> anyhow::Result<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = anyhow::Result<T>> + Send + 'static,
{
    let tasks: Vec<_> = futures.into_iter().map(tokio::spawn).collect();
    let mut done = Vec::with_capacity(tasks.len());
    for task in tasks {
        match task.await {
            Ok(result) => done.push(result?),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(done)
}
