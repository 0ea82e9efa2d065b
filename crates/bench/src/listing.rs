//! How long it takes to read every user, page by page, over one connection.

use std::time::Instant;

use anyhow::{Context, ensure};
use bytes::Bytes;
use hyper::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, de::IgnoredAny};

use crate::{
    bodies::PAGE_SIZE,
    load::Job,
    population::Population,
    process::precise_len,
    report::{Report, Wanted},
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    total_results: Option<usize>,
    next_cursor: Option<String>,
    #[serde(rename = "Resources", default)]
    resources: Vec<IgnoredAny>,
}

pub(crate) async fn run(users: &Population, report: &mut Report) -> anyhow::Result<()> {
    let figure = by_index(users).await?;
    report.budget("users listed per second, by index", figure, Wanted::AtLeast(100_000.0));
    match by_cursor(users).await? {
        Some(figure) => {
            report.budget("users listed per second, by cursor", figure, Wanted::AtLeast(100_000.0));
        }
        None => report.note("users listed per second, by cursor", "not offered"),
    }
    Ok(())
}

/// RFC 7644 §3.4.2.4.
pub(crate) async fn by_index(users: &Population) -> anyhow::Result<f64> {
    let (began, mut client, mut read) = (Instant::now(), users.connector.connect(), 0);
    loop {
        let path = format!("/Users?startIndex={}&count={PAGE_SIZE}", read + 1);
        let response = client.send(Job::new(Method::GET, path, Bytes::new(), &[200])).await?;
        let page: Page = serde_json::from_slice(&response.body).context("reading a page")?;
        read += page.resources.len();
        if page.resources.is_empty() || page.total_results.is_some_and(|total| read >= total) {
            break;
        }
    }
    figure(users, read, began)
}

/// RFC 9865. Returns nothing if the server has no cursors.
async fn by_cursor(users: &Population) -> anyhow::Result<Option<f64>> {
    let (began, mut client, mut read) = (Instant::now(), users.connector.connect(), 0);
    let mut cursor = String::new();
    loop {
        let path = format!("/Users?cursor={cursor}&count={PAGE_SIZE}");
        let response = client.send(Job::new(Method::GET, path, Bytes::new(), &[200])).await?;
        let page: Page = serde_json::from_slice(&response.body).context("reading a page")?;
        read += page.resources.len();
        match page.next_cursor {
            Some(next) => cursor = utf8_percent_encode(&next, NON_ALPHANUMERIC).to_string(),
            None if read < users.ids.len() && cursor.is_empty() => return Ok(None),
            None => return figure(users, read, began).map(Some),
        }
    }
}

fn figure(users: &Population, read: usize, began: Instant) -> anyhow::Result<f64> {
    let created = users.ids.len();
    ensure!(read == created, "{read} users were listed, and {created} were created");
    Ok(precise_len(read) / began.elapsed().as_secs_f64())
}
