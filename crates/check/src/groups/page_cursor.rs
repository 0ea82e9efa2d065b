//! Pages by cursor: RFC 9865.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    answer::Answer,
    case::{Case, Group, Stop, Verdict, case},
    offer::Feature,
    request::escaped,
    session::{Made, Session},
};

pub(super) const GROUP: Group = Group {
    name: "page-cursor",
    about: "pages by cursor",
    needs: Some(Feature::Cursor),
    cases: &[CASES],
};

const CASES: &[Case] = &[
    case!(
        Must,
        declared,
        "/ServiceProviderConfig says which ways of paging there are",
        "RFC 9865 §4"
    ),
    case!(Must, pages, "following nextCursor to its end shows everybody once", "RFC 9865 §2"),
    case!(Must, without_value, "cursor without a value asks for the first page", "RFC 9865 §2"),
    case!(Must, last_page, "the last page has no nextCursor", "RFC 9865 §2"),
    case!(
        Must,
        count_is_most,
        "a page never has more than count",
        "RFC 9865 §2, RFC 7644 §3.4.2.4"
    ),
    case!(Should, under_deletions, "who is deleted meanwhile hides nobody else", "RFC 9865 §1"),
    case!(
        Must,
        bad_cursor,
        "a cursor that the server never gave answers 400 invalidCursor",
        "RFC 9865 §2.1"
    ),
    case!(Must, search, ".search takes cursors as well", "RFC 9865 §3"),
];

const USERS: usize = 7;
/// How many pages without anybody may follow each other. A server may look at a part of its users for
/// each page and find nobody in it, but not for ever.
const EMPTY_PAGES_MAX: usize = 10_000;

/// Makes users whose names begin alike, and the filter that finds them.
async fn many(session: &Session) -> Result<(Vec<Made>, String), Stop> {
    let stem = session.name();
    let mut made = Vec::new();
    for number in 0..USERS {
        let user = json!({"userName": format!("{stem}-{number}@example.com")});
        made.push(session.user(user).await?);
    }
    Ok((made, format!("userName sw \"{stem}-\"")))
}

fn next(answer: &Answer) -> Option<String> {
    answer.at("/nextCursor").as_str().filter(|cursor| !cursor.is_empty()).map(str::to_owned)
}

async fn page(session: &Session, filter: &str, cursor: &str) -> Result<Answer, Stop> {
    let (filter, cursor) = (escaped(filter), escaped(cursor));
    session.get(format!("/Users?filter={filter}&count=3&cursor={cursor}")).await
}

/// Follows the cursors; what `between` does happens after the first page.
///
/// How many pages there are is the server's to say: `count` is the most that a page may have. Each has
/// to bring somebody new or nobody, so that cursors that lead in circles end.
async fn follow(
    session: &Session,
    filter: &str,
    mut between: impl AsyncFnMut(&BTreeSet<String>) -> Verdict,
) -> Result<(BTreeSet<String>, Answer), Stop> {
    let mut answer = page(session, filter, "").await?;
    let (mut found, mut empty_pages, mut is_first) = (BTreeSet::new(), 0, true);
    loop {
        let shown = answer.list()?;
        empty_pages = if shown.is_empty() { empty_pages + 1 } else { 0 };
        for resource in shown {
            let id = resource["id"].as_str().unwrap_or_default();
            answer.holds(found.insert(id.to_owned()), "users that no earlier page had", id)?;
        }
        if std::mem::take(&mut is_first) {
            between(&found).await?;
        }
        let Some(following) = next(&answer) else { return Ok((found, answer)) };
        let ends = empty_pages < EMPTY_PAGES_MAX;
        answer.holds(ends, "a last page", "nextCursor on one empty page after the other")?;
        answer = page(session, filter, &following).await?;
    }
}

fn ids<'a>(made: impl IntoIterator<Item = &'a Made>) -> BTreeSet<String> {
    made.into_iter().map(|made| made.id.clone()).collect()
}

async fn declared(session: &Session) -> Verdict {
    let answer = session.get("/ServiceProviderConfig").await?;
    for name in ["cursor", "index"] {
        let found = answer.at(&format!("/pagination/{name}"));
        answer.holds(
            found.is_boolean(),
            &format!("a boolean pagination.{name}"),
            &found.to_string(),
        )?;
    }
    Ok(())
}

async fn pages(session: &Session) -> Verdict {
    let (made, filter) = many(session).await?;
    let (found, answer) = follow(session, &filter, async |_| Ok(())).await?;
    let wanted = ids(&made);
    answer.holds(found == wanted, &format!("{wanted:?} over all pages"), &format!("{found:?}"))
}

async fn without_value(session: &Session) -> Verdict {
    let (_, filter) = many(session).await?;
    let filter = escaped(&filter);
    let answer = session.get(format!("/Users?cursor&filter={filter}&count=3")).await?;
    let found = answer.list()?.len();
    answer.holds((1..=3).contains(&found), "a first page", &format!("{found} users"))?;
    answer.holds(next(&answer).is_some(), "a nextCursor", "none")
}

async fn last_page(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    let answer = page(session, &format!("userName eq \"{}\"", user.name), "").await?;
    answer.list()?;
    answer.lacks("/nextCursor")
}

async fn count_is_most(session: &Session) -> Verdict {
    let (_, filter) = many(session).await?;
    let answer = page(session, &filter, "").await?;
    let found = answer.list()?.len();
    answer.holds(found <= 3, "at most 3 users", &found.to_string())
}

async fn under_deletions(session: &Session) -> Verdict {
    let (made, filter) = many(session).await?;
    let between = async |seen: &BTreeSet<String>| {
        for user in made.iter().filter(|user| seen.contains(&user.id)) {
            session.delete(user.path.clone()).await?.status(&[204])?;
        }
        Ok(())
    };
    let (found, answer) = follow(session, &filter, between).await?;
    let wanted = ids(&made);
    answer.holds(found == wanted, &format!("{wanted:?} over all pages"), &format!("{found:?}"))
}

async fn bad_cursor(session: &Session) -> Verdict {
    page(session, "userName pr", "nobody-gave-this").await?.refused(400, "invalidCursor")
}

async fn search(session: &Session) -> Verdict {
    let (_, filter) = many(session).await?;
    let mut body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
        "filter": filter, "count": 3, "cursor": "",
    });
    let first = session.post("/Users/.search", &body).await?;
    let seen: Vec<_> = first.list()?.iter().map(|found| found["id"].clone()).collect();
    let cursor = next(&first).ok_or_else(|| first.fail("a nextCursor", "none"))?;
    body["cursor"] = json!(cursor);
    let second = session.post("/Users/.search", &body).await?;
    let again = second.list()?.iter().find(|found| seen.contains(&found["id"]));
    second.holds(again.is_none(), "users that the first page did not have", &format!("{again:?}"))
}
