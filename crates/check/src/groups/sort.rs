//! The order of lists: RFC 7644 §3.4.2.3.

use serde_json::json;

use crate::{
    case::{Case, Group, Stop, Verdict, case},
    offer::Feature,
    request::escaped,
    session::{Made, Session},
};

pub(super) const GROUP: Group = Group {
    name: "sort",
    about: "the order of lists",
    needs: Some(Feature::Sort),
    cases: &[CASES],
};

const CASES: &[Case] = &[
    case!(Must, ascending, "sortBy alone sorts ascending", "RFC 7644 §3.4.2.3"),
    case!(Must, descending, "sortOrder descending turns the order round", "RFC 7644 §3.4.2.3"),
    case!(Must, in_any_case, "texts are sorted without regard to case", "RFC 7644 §3.4.2.3"),
    case!(
        Must,
        missing_last,
        "resources without the value come last when ascending",
        "RFC 7644 §3.4.2.3"
    ),
    case!(
        Must,
        missing_first,
        "resources without the value come first when descending",
        "RFC 7644 §3.4.2.3"
    ),
    case!(Must, sub_attribute, "sortBy takes a sub-attribute", "RFC 7644 §3.4.2.3"),
    case!(Must, by_primary, "a list is sorted by its primary value", "RFC 7644 §3.4.2.3"),
    case!(Must, by_time, "times are sorted in their order", "RFC 7644 §3.4.2.3"),
    case!(
        Must,
        over_pages,
        "pages of a sorted list are the parts of one order",
        "RFC 7644 §3.4.2.3, §3.4.2.4"
    ),
    case!(Must, groups, "groups are sorted by displayName", "RFC 7644 §3.4.2.3"),
];

/// Three people, made in the order in which no case wants them.
struct People {
    /// "beta", family Zulu, first address late in the alphabet, primary one early.
    beta: Made,
    /// "Alpha", family yankee.
    alpha: Made,
    /// No title and no address, family X-ray.
    none: Made,
    stem: String,
}

async fn people(session: &Session) -> Result<People, Stop> {
    session.needs_attributes(&["title", "name", "emails"])?;
    let stem = session.name();
    let named = |who: &str| format!("{stem}-{who}@example.com");
    let beta = session.user(json!({
        "userName": named("1"), "title": "beta", "name": {"familyName": "Zulu"},
        "emails": [
            {"value": "zz@example.com", "type": "home"},
            {"value": "aa@example.com", "type": "work", "primary": true},
        ],
    }));
    let beta = beta.await?;
    let alpha = session.user(json!({
        "userName": named("2"), "title": "Alpha", "name": {"familyName": "yankee"},
        "emails": [{"value": "mm@example.com", "type": "work", "primary": true}],
    }));
    let alpha = alpha.await?;
    let none = json!({"userName": named("3"), "name": {"familyName": "X-ray"}});
    Ok(People { beta, alpha, none: session.user(none).await?, stem })
}

impl People {
    async fn sorted(&self, session: &Session, by: &str, wanted: &[&Made]) -> Verdict {
        let filter = escaped(&format!("userName sw \"{}-\"", self.stem));
        session.get(format!("/Users?filter={filter}&sortBy={by}")).await?.finds_in_order(wanted)
    }
}

async fn ascending(session: &Session) -> Verdict {
    let people = people(session).await?;
    let order = [&people.beta, &people.alpha, &people.none];
    people.sorted(session, "userName", &order).await?;
    people.sorted(session, "userName&sortOrder=ascending", &order).await
}

async fn descending(session: &Session) -> Verdict {
    let people = people(session).await?;
    let order = [&people.none, &people.alpha, &people.beta];
    people.sorted(session, "userName&sortOrder=descending", &order).await
}

async fn in_any_case(session: &Session) -> Verdict {
    let people = people(session).await?;
    let order = [&people.none, &people.alpha, &people.beta];
    people.sorted(session, "name.familyName", &order).await
}

async fn missing_last(session: &Session) -> Verdict {
    let people = people(session).await?;
    people.sorted(session, "title", &[&people.alpha, &people.beta, &people.none]).await
}

async fn missing_first(session: &Session) -> Verdict {
    let people = people(session).await?;
    let order = [&people.none, &people.beta, &people.alpha];
    people.sorted(session, "title&sortOrder=descending", &order).await
}

async fn sub_attribute(session: &Session) -> Verdict {
    let people = people(session).await?;
    let order = [&people.beta, &people.alpha, &people.none];
    people.sorted(session, "name.familyName&sortOrder=descending", &order).await
}

async fn by_primary(session: &Session) -> Verdict {
    let people = people(session).await?;
    let order = [&people.beta, &people.alpha, &people.none];
    people.sorted(session, "emails", &order).await?;
    people.sorted(session, "emails.value", &order).await
}

async fn by_time(session: &Session) -> Verdict {
    let people = people(session).await?;
    // Two that were made in the same instant may come in either order.
    let times = [&people.beta, &people.alpha, &people.none]
        .map(|made| made.answer.at("/meta/created").clone());
    if times[0] == times[1] || times[1] == times[2] {
        return Err(Stop::Skipped("the server's times are too coarse".to_owned()));
    }
    let order = [&people.none, &people.alpha, &people.beta];
    people.sorted(session, "meta.created&sortOrder=descending", &order).await
}

async fn over_pages(session: &Session) -> Verdict {
    let people = people(session).await?;
    people.sorted(session, "title&startIndex=1&count=2", &[&people.alpha, &people.beta]).await?;
    people.sorted(session, "title&startIndex=3&count=2", &[&people.none]).await
}

async fn groups(session: &Session) -> Verdict {
    let stem = session.name();
    let beta = session.group(json!({"displayName": format!("{stem}-beta")})).await?;
    let alpha = session.group(json!({"displayName": format!("{stem}-ALPHA")})).await?;
    let filter = escaped(&format!("displayName sw \"{stem}-\""));
    let path = format!("/Groups?filter={filter}&sortBy=displayName");
    session.get(path).await?.finds_in_order(&[&alpha, &beta])
}
