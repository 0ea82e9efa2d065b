//! Filters that cannot be: RFC 7644 §3.4.2.2 and Table 9.

use crate::{
    case::{Case, Verdict, case},
    session::Session,
};

pub(super) const CASES: &[Case] = &[
    case!(
        Must,
        order_of_booleans,
        "gt, ge, lt and le on a boolean answer 400 invalidFilter",
        "RFC 7644 §3.4.2.2"
    ),
    case!(
        Must,
        unknown_operator,
        "an operator that is not there answers 400 invalidFilter",
        "RFC 7644 §3.4.2.2"
    ),
    case!(
        Must,
        unbalanced,
        "a bracket without its other half answers 400 invalidFilter",
        "RFC 7644 §3.4.2.2, Table 9"
    ),
    case!(
        Must,
        cut_short,
        "a filter that ends too early answers 400 invalidFilter",
        "RFC 7644 §3.4.2.2, Table 9"
    ),
    case!(
        Must,
        for_groups,
        "a bad filter on groups answers 400 invalidFilter",
        "RFC 7644 §3.4.2.2, Table 9"
    ),
];

async fn refused(session: &Session, filters: &[&str]) -> Verdict {
    for filter in filters {
        session.find("/Users", filter).await?.refused(400, "invalidFilter")?;
    }
    Ok(())
}

async fn order_of_booleans(session: &Session) -> Verdict {
    refused(session, &["active gt true", "active ge true", "active lt false", "active le false"])
        .await
}

async fn unknown_operator(session: &Session) -> Verdict {
    refused(session, &["userName regex \"x\"", "userName == \"x\""]).await
}

async fn unbalanced(session: &Session) -> Verdict {
    refused(
        session,
        &["(userName pr", "userName pr)", "emails[type eq \"work\"", "userName eq \"x"],
    )
    .await
}

async fn cut_short(session: &Session) -> Verdict {
    refused(session, &["userName", "userName eq", "userName eq \"x\" and", "not", "not ()"]).await
}

async fn for_groups(session: &Session) -> Verdict {
    session.find("/Groups", "displayName regex \"x\"").await?.refused(400, "invalidFilter")
}
