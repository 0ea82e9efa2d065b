//! Pages by index: RFC 7644 §3.4.2.4.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    answer::Answer,
    case::{Case, Group, Stop, Verdict, case},
    request::escaped,
    session::Session,
};

pub(super) const GROUP: Group = Group {
    name: "page-index",
    about: "pages by startIndex and count",
    needs: None,
    cases: &[CASES],
};

const CASES: &[Case] = &[
    case!(
        Must,
        pages,
        "pages have everybody once, with a constant totalResults",
        "RFC 7644 §3.4.2.4"
    ),
    case!(Must, pages_of_groups, "pages of groups have every group once", "RFC 7644 §3.4.2.4"),
    case!(
        Must,
        echo,
        "a part of a list says where it starts and how much of it is there",
        "RFC 7644 §3.4.2"
    ),
    case!(Must, start_below_one, "a startIndex below 1 is taken as 1", "RFC 7644 §3.4.2.4"),
    case!(Must, count_negative, "a negative count is taken as 0", "RFC 7644 §3.4.2.4"),
    case!(
        Must,
        count_zero,
        "a count of 0 answers totalResults and no resource",
        "RFC 7644 §3.4.2.4"
    ),
    case!(Must, count_is_most, "a page never has more than count", "RFC 7644 §3.4.2.4"),
    case!(Must, behind_the_end, "a page behind the end is empty and no error", "RFC 7644 §3.4.2.4"),
    case!(
        Should,
        of_everybody,
        "the first page of all users says how many there are",
        "RFC 7644 §3.4.2.4"
    ),
];

/// How many resources are paged through: the number of Microsoft's gallery tests and then one.
const RESOURCES: usize = 11;

/// Makes resources whose names begin alike; the query that finds them.
async fn many(session: &Session, endpoint: &str) -> Result<String, Stop> {
    let (stem, name) =
        (session.name(), if endpoint == "/Users" { "userName" } else { "displayName" });
    for number in 0..RESOURCES {
        let named = json!({name: format!("{stem}-{number}@example.com")});
        if endpoint == "/Users" {
            session.user(named).await?
        } else {
            session.group(named).await?
        };
    }
    Ok(format!("{endpoint}?filter={}", escaped(&format!("{name} sw \"{stem}-\""))))
}

fn ids(answer: &Answer) -> Result<Vec<String>, Stop> {
    let ids = answer.list()?.iter().filter_map(|found| found["id"].as_str());
    Ok(ids.map(str::to_owned).collect())
}

async fn all_once(session: &Session, endpoint: &str) -> Verdict {
    let query = many(session, endpoint).await?;
    let mut found = BTreeSet::new();
    for start in [1, 6, 11] {
        let answer = session.get(format!("{query}&startIndex={start}&count=5")).await?;
        let page = ids(&answer)?;
        answer.has("/totalResults", RESOURCES)?;
        answer.has("/startIndex", start)?;
        let wanted = if start == 11 { 1 } else { 5 };
        answer.holds(
            page.len() == wanted,
            &format!("{wanted} resources"),
            &page.len().to_string(),
        )?;
        for id in page {
            answer.holds(found.insert(id.clone()), "resources that no earlier page had", &id)?;
        }
    }
    Ok(())
}

async fn pages(session: &Session) -> Verdict {
    all_once(session, "/Users").await
}

async fn pages_of_groups(session: &Session) -> Verdict {
    all_once(session, "/Groups").await
}

async fn echo(session: &Session) -> Verdict {
    let query = many(session, "/Users").await?;
    let answer = session.get(format!("{query}&startIndex=10&count=5")).await?;
    answer.list()?;
    answer.has("/totalResults", RESOURCES)?;
    answer.has("/startIndex", 10)?;
    answer.has("/itemsPerPage", 2)
}

async fn start_below_one(session: &Session) -> Verdict {
    let query = many(session, "/Users").await?;
    let first = ids(&session.get(format!("{query}&startIndex=1&count=3")).await?)?;
    for start in ["0", "-3"] {
        let answer = session.get(format!("{query}&startIndex={start}&count=3")).await?;
        let found = ids(&answer)?;
        answer.holds(
            found == first,
            &format!("the first page, {first:?}"),
            &format!("{found:?}"),
        )?;
        answer.has("/startIndex", 1)?;
    }
    Ok(())
}

async fn empty(session: &Session, parameters: &str) -> Verdict {
    let query = many(session, "/Users").await?;
    let answer = session.get(format!("{query}&{parameters}")).await?;
    let found = answer.list()?.len();
    answer.holds(found == 0, "no resource", &found.to_string())?;
    answer.has("/totalResults", RESOURCES)
}

async fn count_negative(session: &Session) -> Verdict {
    empty(session, "count=-1").await
}

async fn count_zero(session: &Session) -> Verdict {
    empty(session, "count=0").await
}

async fn count_is_most(session: &Session) -> Verdict {
    let query = many(session, "/Users").await?;
    for count in [1, 2, 10] {
        let answer = session.get(format!("{query}&count={count}")).await?;
        let found = answer.list()?.len();
        answer.holds(found <= count, &format!("at most {count} resources"), &found.to_string())?;
    }
    Ok(())
}

async fn behind_the_end(session: &Session) -> Verdict {
    empty(session, "startIndex=1000&count=5").await
}

async fn of_everybody(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    let answer = session.get("/Users?startIndex=1&count=2").await?;
    let found = answer.list()?.len();
    answer.holds((1..=2).contains(&found), "one or two users", &found.to_string())?;
    let total = answer.at("/totalResults");
    answer.holds(
        total.as_u64() >= Some(1),
        &format!("at least one, {} is there", user.id),
        &total.to_string(),
    )
}
