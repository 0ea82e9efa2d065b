//! How fast a user is found, among few and among many.

use std::sync::Arc;

use crate::{
    Population, Sizes, bodies,
    load::{self, Job, Measured, Turn},
    report::{Report, Wanted},
};

const CONNECTIONS: usize = 16;

/// A step that visits the users in no order a cache could guess: a prime.
const STRIDE: usize = 7_919;

pub(crate) async fn run(
    few: &Population,
    many: &Population,
    sizes: Sizes,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut compare = |what: &str, few: (usize, Measured), many: (usize, Measured)| {
        for (users, measured) in [&few, &many] {
            report.rate(format!("{what} among {users}, {CONNECTIONS} connections"), measured);
        }
        let ratio = many.1.rate() / few.1.rate();
        // At a million users a lookup may take 1.3 times as long as at ten thousand.
        let what = format!("{what}: many users against few");
        report.budget(what, ratio, Wanted::AtLeast(1.0 / 1.3));
    };
    compare("GET by id", by_id(few, sizes).await?, by_id(many, sizes).await?);
    compare("GET by userName", by_name(few, sizes).await?, by_name(many, sizes).await?);
    Ok(())
}

async fn by_id(users: &Population, sizes: Sizes) -> anyhow::Result<(usize, Measured)> {
    let ids = Arc::clone(&users.ids);
    measure(users, sizes, move |number| bodies::get_user(&ids[number])).await
}

async fn by_name(users: &Population, sizes: Sizes) -> anyhow::Result<(usize, Measured)> {
    measure(users, sizes, bodies::find_user).await
}

async fn measure(
    users: &Population,
    sizes: Sizes,
    get: impl Fn(usize) -> Job + Send + Sync + 'static,
) -> anyhow::Result<(usize, Measured)> {
    let count = users.ids.len();
    let next = move |turn: Turn| get(turn.number * STRIDE % count);
    let measured = load::run(&users.connector, CONNECTIONS, sizes.until(), next).await?;
    Ok((count, measured))
}
