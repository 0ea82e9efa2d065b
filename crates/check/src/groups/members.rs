//! Members of groups: RFC 7643 §4.2, RFC 7644 §3.5.2.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    case::{Case, Group, Stop, Verdict, case},
    session::{Made, Session},
};

pub(super) const GROUP: Group =
    Group { name: "groups", about: "members of groups", needs: None, cases: &[CASES] };

const CASES: &[Case] = &[
    case!(Must, add, "a member is added, the others stay", "RFC 7644 §3.5.2.1"),
    case!(
        Must,
        add_again,
        "adding a member again succeeds and changes nothing",
        "RFC 7644 §3.5.2.1"
    ),
    case!(Must, remove, "a member is removed by a filter, the others stay", "RFC 7644 §3.5.2.2"),
    case!(
        Should,
        remove_nobody,
        "removing who is no member succeeds and changes nothing",
        "RFC 7644 §3.5.2.2"
    ),
    case!(Must, remove_all, "remove of members empties the group", "RFC 7644 §3.5.2.2"),
    case!(Must, remove_and_add, "one PATCH removes members and adds others", "RFC 7644 §3.5.2.2"),
    case!(Must, replace, "replace of members sets exactly those", "RFC 7644 §3.5.2.3"),
    case!(Must, rename, "a group is renamed and keeps its members", "RFC 7644 §3.5.2.3"),
    case!(Must, many_at_once, "fifty members are added with one operation", "RFC 7644 §3.5.2.1"),
    case!(
        Must,
        in_parallel,
        "fifty members that are added at the same time are all members",
        "RFC 7644 §3.5.2"
    ),
    case!(
        Must,
        described,
        "a member has a value, and a $ref and a type that fit it",
        "RFC 7643 §2.4, §4.2"
    ),
    case!(Should, of_user, "a user shows the groups that it is in", "RFC 7643 §4.1.2"),
    case!(Should, inactive_stays, "an inactive user stays a member", "RFC 7643 §4.1.1"),
    case!(Should, deleted_goes, "a deleted user is no member of anything", "RFC 7644 §3.6"),
];

/// How many people go into a group at once: more than a page of what some servers load and save.
const MANY: usize = 50;

async fn three(session: &Session) -> Result<(Made, Made, Made), Stop> {
    Ok((
        session.user(json!({})).await?,
        session.user(json!({})).await?,
        session.user(json!({})).await?,
    ))
}

fn values<'a>(members: impl IntoIterator<Item = &'a Made>) -> Value {
    members.into_iter().map(|made| json!({"value": made.id})).collect()
}

fn filtered(member: &Made) -> String {
    format!("members[value eq \"{}\"]", member.id)
}

async fn add(session: &Session) -> Verdict {
    let (ada, bob, cyd) = three(session).await?;
    let group = session.group_of(&[&ada]).await?;
    let operation = json!([{"op": "add", "path": "members", "value": values([&bob, &cyd])}]);
    session.patched(&group, operation).await?.has_members(&[&ada, &bob, &cyd])
}

async fn add_again(session: &Session) -> Verdict {
    let (ada, bob, _) = three(session).await?;
    let group = session.group_of(&[&ada, &bob]).await?;
    let operation = json!([{"op": "add", "path": "members", "value": values([&ada])}]);
    session.patched(&group, operation).await?.has_members(&[&ada, &bob])
}

async fn remove(session: &Session) -> Verdict {
    let (ada, bob, cyd) = three(session).await?;
    let group = session.group_of(&[&ada, &bob, &cyd]).await?;
    let operation = json!([{"op": "remove", "path": filtered(&bob)}]);
    session.patched(&group, operation).await?.has_members(&[&ada, &cyd])
}

async fn remove_nobody(session: &Session) -> Verdict {
    let (ada, bob, _) = three(session).await?;
    let group = session.group_of(&[&ada]).await?;
    let operation = json!([{"op": "remove", "path": filtered(&bob)}]);
    session.patched(&group, operation).await?.has_members(&[&ada])
}

async fn remove_all(session: &Session) -> Verdict {
    let (ada, bob, _) = three(session).await?;
    let group = session.group_of(&[&ada, &bob]).await?;
    session.patched(&group, json!([{"op": "remove", "path": "members"}])).await?.lacks("/members")
}

async fn remove_and_add(session: &Session) -> Verdict {
    let (ada, bob, cyd) = three(session).await?;
    let group = session.group_of(&[&ada, &bob]).await?;
    let answer = session
        .patched(
            &group,
            json!([
                {"op": "remove", "path": filtered(&ada)},
                {"op": "add", "path": "members", "value": values([&cyd])},
            ]),
        )
        .await?;
    answer.has_members(&[&bob, &cyd])
}

async fn replace(session: &Session) -> Verdict {
    let (ada, bob, cyd) = three(session).await?;
    let group = session.group_of(&[&ada]).await?;
    let operation = json!([{"op": "replace", "path": "members", "value": values([&bob, &cyd])}]);
    session.patched(&group, operation).await?.has_members(&[&bob, &cyd])
}

async fn rename(session: &Session) -> Verdict {
    let ada = session.user(json!({})).await?;
    let group = session.group_of(&[&ada]).await?;
    let name = session.name();
    let operation = json!([{"op": "replace", "path": "displayName", "value": name}]);
    let answer = session.patched(&group, operation).await?;
    answer.has("/displayName", name)?;
    answer.has_members(&[&ada])
}

/// Makes many users, a few at a time.
async fn many(session: &Session) -> Result<Vec<Made>, Stop> {
    let mut made = Vec::new();
    while made.len() < MANY {
        let some = (0..10).map(|_| session.user(json!({})));
        made.extend(join_all(some).await.into_iter().collect::<Result<Vec<_>, _>>()?);
    }
    Ok(made)
}

async fn many_at_once(session: &Session) -> Verdict {
    let people = many(session).await?;
    let group = session.group_of(&[]).await?;
    let operation = json!([{"op": "add", "path": "members", "value": values(&people)}]);
    let answer = session.patched(&group, operation).await?;
    answer.has_members(&people.iter().collect::<Vec<_>>())
}

async fn in_parallel(session: &Session) -> Verdict {
    let people = many(session).await?;
    let group = session.group_of(&[]).await?;
    let additions = people.iter().map(|user| {
        let operation = json!([{"op": "add", "path": "members", "value": values([user])}]);
        session.patch(group.path.as_str(), operation)
    });
    for answer in join_all(additions).await {
        answer?.changed()?;
    }
    session.read(&group).await?.has_members(&people.iter().collect::<Vec<_>>())
}

async fn described(session: &Session) -> Verdict {
    let ada = session.user(json!({})).await?;
    let group = session.group_of(&[&ada]).await?;
    let answer = session.read(&group).await?;
    answer.has_members(&[&ada])?;
    let reference = answer.at("/members/0/$ref");
    let fits = reference.as_str().is_none_or(|link| link.ends_with(&ada.path));
    answer.holds(fits, &format!("a $ref that ends in {}", ada.path), &reference.to_string())?;
    let kind = answer.at("/members/0/type");
    answer.holds(kind.is_null() || kind == "User", "the type User", &kind.to_string())
}

async fn of_user(session: &Session) -> Verdict {
    let ada = session.user(json!({})).await?;
    let group = session.group_of(&[&ada]).await?;
    session.read(&ada).await?.has_each("/groups", "value", &[&group.id])
}

async fn inactive_stays(session: &Session) -> Verdict {
    let ada = session.user(json!({})).await?;
    let group = session.group_of(&[&ada]).await?;
    let operation = json!([{"op": "replace", "path": "active", "value": false}]);
    session.patched(&ada, operation).await?.has("/active", false)?;
    session.read(&group).await?.has_members(&[&ada])
}

async fn deleted_goes(session: &Session) -> Verdict {
    let (ada, bob, _) = three(session).await?;
    let group = session.group_of(&[&ada, &bob]).await?;
    session.delete(ada.path).await?.status(&[204])?;
    session.read(&group).await?.has_members(&[&bob])
}
