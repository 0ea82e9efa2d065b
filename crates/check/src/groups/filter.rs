//! Filters: RFC 7644 §3.4.2.2.

use serde_json::json;

use crate::{
    case::{Case, Group, Stop, Verdict, case},
    offer::Feature,
    session::{ENTERPRISE, Made, Session, USER},
};

pub(super) const GROUP: Group = Group {
    name: "filter",
    about: "what filters find",
    needs: Some(Feature::Filter),
    cases: &[CASES, super::filter_errors::CASES],
};

const CASES: &[Case] = &[
    case!(
        Must,
        nobody,
        "a filter that matches nobody answers 200 and totalResults 0",
        "RFC 7644 §3.4.2"
    ),
    case!(
        Must,
        found_at_once,
        "a user is found by userName right after it was made",
        "RFC 7644 §3.4.2.2"
    ),
    case!(Must, user_name_in_any_case, "userName is compared in any case", "RFC 7643 §4.1.1"),
    case!(
        Must,
        external_id_case_exact,
        "externalId is compared in its exact case",
        "RFC 7643 §3.1"
    ),
    case!(Must, by_id, "id eq finds the user", "RFC 7644 §3.4.2.2"),
    case!(
        Must,
        eq,
        "eq matches the whole value, in any case unless it is case-exact",
        "RFC 7644 §3.4.2.2"
    ),
    case!(Must, ne, "ne matches what is not equal", "RFC 7644 §3.4.2.2"),
    case!(Must, co, "co matches what contains a text", "RFC 7644 §3.4.2.2"),
    case!(Must, sw, "sw matches what starts with a text", "RFC 7644 §3.4.2.2"),
    case!(Must, ew, "ew matches what ends with a text", "RFC 7644 §3.4.2.2"),
    case!(Must, pr, "pr matches what has a value", "RFC 7644 §3.4.2.2"),
    case!(
        Must,
        order_of_texts,
        "gt, ge, lt and le compare texts in their order",
        "RFC 7644 §3.4.2.2"
    ),
    case!(
        Must,
        order_of_times,
        "gt, ge, lt and le compare times in their order",
        "RFC 7644 §3.4.2.2"
    ),
    case!(Must, booleans, "booleans are compared without quotes", "RFC 7644 §3.4.2.2"),
    case!(Must, and, "and matches what both sides match", "RFC 7644 §3.4.2.2"),
    case!(Must, or, "or matches what either side matches", "RFC 7644 §3.4.2.2"),
    case!(Must, not, "not matches what its group does not", "RFC 7644 §3.4.2.2"),
    case!(Must, precedence, "not binds before and, and before or", "RFC 7644 §3.4.2.2"),
    case!(Must, grouping, "parentheses come before everything else", "RFC 7644 §3.4.2.2"),
    case!(
        Must,
        operators_in_any_case,
        "operators and names of attributes are taken in any case",
        "RFC 7644 §3.4.2.2"
    ),
    case!(Must, sub_attribute, "a dot leads to a sub-attribute", "RFC 7644 §3.4.2.2, §3.10"),
    case!(Must, any_value, "one matching value of a list is enough", "RFC 7644 §3.4.2.2"),
    case!(
        Must,
        value_of_list,
        "a list without a sub-attribute is compared by value",
        "RFC 7644 §3.4.2.2, RFC 7643 §2.4"
    ),
    case!(
        Must,
        value_path,
        "a filter in brackets is about one and the same value",
        "RFC 7644 §3.4.2.2"
    ),
    case!(Must, urn, "a name may stand behind the URN of its schema", "RFC 7644 §3.10"),
    case!(
        Must,
        enterprise,
        "an attribute of the enterprise extension is found behind its URN",
        "RFC 7644 §3.10"
    ),
    case!(Must, schemas, "schemas eq matches resources with that schema", "RFC 7644 §3.4.2.2"),
    case!(
        Must,
        escapes,
        "quotes, backslashes, apostrophes and plus signs are texts as others",
        "RFC 7644 §3.4.2.2, RFC 3986 §2.1"
    ),
    case!(
        Must,
        group_by_name,
        "a group is found by displayName in any case",
        "RFC 7643 §4.2, RFC 7644 §3.4.2.2"
    ),
    case!(Must, group_by_member, "a group is found by a member", "RFC 7644 §3.4.2.2"),
];

/// Three people whose names begin alike: what the cases below look for.
struct People {
    /// Engineer, active, addresses at work and at home.
    ada: Made,
    /// Engineer, inactive, an address at home.
    bob: Made,
    /// No title, active, no address.
    cyd: Made,
    stem: String,
}

async fn people(session: &Session) -> Result<People, Stop> {
    session.needs_attributes(&["title", "name", "emails"])?;
    let stem = session.name();
    let named = |who: &str| format!("{stem}-{who}@example.com");
    let ada = session.user(json!({
        "userName": named("ada"), "title": "Engineer", "name": {"familyName": "Lovelace"},
        "emails": [
            {"value": named("ada.office"), "type": "work", "primary": true},
            {"value": named("ada.garden"), "type": "home"},
        ],
    }));
    let bob = session.user(json!({
        "userName": named("bob"), "title": "engineer ", "active": false,
        "name": {"familyName": "Babbage"},
        "emails": [{"value": named("bob.office"), "type": "home"}],
    }));
    // One after the other: their times are compared.
    let (ada, bob) = (ada.await?, bob.await?);
    let cyd = session.user(json!({"userName": named("cyd"), "name": {"familyName": "Yu"}})).await?;
    Ok(People { ada, bob, cyd, stem })
}

impl People {
    /// Whether a filter finds exactly these of the three.
    async fn find(&self, session: &Session, filter: &str, wanted: &[&Made]) -> Verdict {
        let filter = format!("userName sw \"{}-\" and ({filter})", self.stem);
        session.find("/Users", &filter).await?.finds(wanted)
    }
}

async fn nobody(session: &Session) -> Verdict {
    let filter = format!("userName eq \"{}\"", session.name());
    session.find("/Users", &filter).await?.finds(&[])
}

async fn found_at_once(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    session.find("/Users", &format!("userName eq \"{}\"", user.name)).await?.finds(&[&user])
}

async fn user_name_in_any_case(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    let capitals = user.name.to_uppercase();
    session.find("/Users", &format!("userName eq \"{capitals}\"")).await?.finds(&[&user])
}

async fn external_id_case_exact(session: &Session) -> Verdict {
    let id = format!("{}-AbC", session.name());
    let user = session.user(json!({"externalId": id})).await?;
    session.find("/Users", &format!("externalId eq \"{id}\"")).await?.finds(&[&user])?;
    let folded = id.to_lowercase();
    session.find("/Users", &format!("externalId eq \"{folded}\"")).await?.finds(&[])
}

async fn by_id(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    session.find("/Users", &format!("id eq \"{}\"", user.id)).await?.finds(&[&user])
}

async fn eq(session: &Session) -> Verdict {
    let people = people(session).await?;
    people.find(session, "name.familyName eq \"LOVELACE\"", &[&people.ada]).await?;
    people.find(session, "name.familyName eq \"Love\"", &[]).await
}

async fn ne(session: &Session) -> Verdict {
    let people = people(session).await?;
    people.find(session, "name.familyName ne \"lovelace\"", &[&people.bob, &people.cyd]).await
}

async fn co(session: &Session) -> Verdict {
    let people = people(session).await?;
    people.find(session, "name.familyName co \"ABBA\"", &[&people.bob]).await
}

async fn sw(session: &Session) -> Verdict {
    let people = people(session).await?;
    people.find(session, "title sw \"engin\"", &[&people.ada, &people.bob]).await
}

async fn ew(session: &Session) -> Verdict {
    let people = people(session).await?;
    people.find(session, "name.familyName ew \"lace\"", &[&people.ada]).await
}

async fn pr(session: &Session) -> Verdict {
    let people = people(session).await?;
    people.find(session, "title pr", &[&people.ada, &people.bob]).await?;
    people.find(session, "emails pr", &[&people.ada, &people.bob]).await?;
    people.find(session, "not (title pr)", &[&people.cyd]).await
}

async fn order_of_texts(session: &Session) -> Verdict {
    let people = people(session).await?;
    let People { ada, bob, cyd, .. } = &people;
    people.find(session, "name.familyName gt \"lovelace\"", &[cyd]).await?;
    people.find(session, "name.familyName ge \"lovelace\"", &[ada, cyd]).await?;
    people.find(session, "name.familyName lt \"lovelace\"", &[bob]).await?;
    people.find(session, "name.familyName le \"lovelace\"", &[ada, bob]).await
}

async fn order_of_times(session: &Session) -> Verdict {
    let people = people(session).await?;
    let all = [&people.ada, &people.bob, &people.cyd];
    let created = people.ada.answer.at("/meta/created").as_str().unwrap_or_default();
    people.find(session, &format!("meta.created ge \"{created}\""), &all).await?;
    people.find(session, &format!("meta.created lt \"{created}\""), &[]).await?;
    people.find(session, "meta.lastModified gt \"2011-05-13T04:42:34Z\"", &all).await?;
    // An hour to the east, the same moment is an hour later on the clock.
    people.find(session, "meta.lastModified le \"2011-05-13T04:42:34+01:00\"", &[]).await
}

async fn booleans(session: &Session) -> Verdict {
    let people = people(session).await?;
    people.find(session, "active eq true", &[&people.ada, &people.cyd]).await?;
    people.find(session, "active eq false", &[&people.bob]).await
}

async fn and(session: &Session) -> Verdict {
    let people = people(session).await?;
    people.find(session, "title pr and active eq true", &[&people.ada]).await
}

async fn or(session: &Session) -> Verdict {
    let people = people(session).await?;
    let filter = "name.familyName eq \"Yu\" or name.familyName eq \"Babbage\"";
    people.find(session, filter, &[&people.bob, &people.cyd]).await
}

async fn not(session: &Session) -> Verdict {
    let people = people(session).await?;
    people.find(session, "not (active eq true)", &[&people.bob]).await
}

async fn precedence(session: &Session) -> Verdict {
    let people = people(session).await?;
    // From the left to the right this would find nobody but Bob.
    let filter = "name.familyName eq \"Lovelace\" or title pr and active eq false";
    people.find(session, filter, &[&people.ada, &people.bob]).await?;
    let filter = "not (title pr) and active eq true or active eq false";
    people.find(session, filter, &[&people.bob, &people.cyd]).await
}

async fn grouping(session: &Session) -> Verdict {
    let people = people(session).await?;
    let filter = "(name.familyName eq \"Lovelace\" or title pr) and active eq false";
    people.find(session, filter, &[&people.bob]).await
}

async fn operators_in_any_case(session: &Session) -> Verdict {
    let people = people(session).await?;
    let filter = "TITLE PR AND (NAME.familyname Eq \"Lovelace\" OR Active EQ true)";
    people.find(session, filter, &[&people.ada]).await
}

async fn sub_attribute(session: &Session) -> Verdict {
    let people = people(session).await?;
    people.find(session, "name.familyName eq \"Yu\"", &[&people.cyd]).await?;
    people.find(session, "emails.type eq \"work\"", &[&people.ada]).await
}

async fn any_value(session: &Session) -> Verdict {
    let people = people(session).await?;
    people.find(session, "emails.value co \"garden\"", &[&people.ada]).await?;
    people.find(session, "emails.value co \"office\"", &[&people.ada, &people.bob]).await
}

async fn value_of_list(session: &Session) -> Verdict {
    let people = people(session).await?;
    people.find(session, "emails co \"office\"", &[&people.ada, &people.bob]).await
}

async fn value_path(session: &Session) -> Verdict {
    let people = people(session).await?;
    let filter = "emails[type eq \"home\" and value co \"office\"]";
    people.find(session, filter, &[&people.bob]).await?;
    let filter = "emails[type eq \"work\" or value co \"garden\"] and active eq true";
    people.find(session, filter, &[&people.ada]).await
}

async fn urn(session: &Session) -> Verdict {
    let people = people(session).await?;
    people.find(session, &format!("{USER}:title pr"), &[&people.ada, &people.bob]).await?;
    people.find(session, &format!("{USER}:name.familyName eq \"Yu\""), &[&people.cyd]).await
}

async fn enterprise(session: &Session) -> Verdict {
    session.needs_of(ENTERPRISE, &["department"])?;
    let department = session.name();
    let user = session
        .user(json!({
            "schemas": [USER, ENTERPRISE], ENTERPRISE: {"department": department},
        }))
        .await?;
    let filter = format!("{ENTERPRISE}:department eq \"{department}\"");
    session.find("/Users", &filter).await?.finds(&[&user])
}

async fn schemas(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    let mine = format!("userName eq \"{}\" and schemas eq", user.name);
    session.find("/Users", &format!("{mine} \"{USER}\"")).await?.finds(&[&user])?;
    session.find("/Users", &format!("{mine} \"urn:example:nothing\"")).await?.finds(&[])
}

async fn escapes(session: &Session) -> Verdict {
    session.needs_attributes(&["displayName"])?;
    for odd in [r#"a "quoted" one"#, r"back\slash", "O'Malley", "plus+sign & more", "Łódź 東京"]
    {
        let name = format!("{} {odd}", session.name());
        let user = session.user(json!({"displayName": name})).await?;
        let filter = format!("displayName eq {}", json!(name));
        session.find("/Users", &filter).await?.finds(&[&user])?;
    }
    Ok(())
}

async fn group_by_name(session: &Session) -> Verdict {
    let group = session.group(json!({})).await?;
    let capitals = group.name.to_uppercase();
    session.find("/Groups", &format!("displayName eq \"{capitals}\"")).await?.finds(&[&group])
}

async fn group_by_member(session: &Session) -> Verdict {
    let (ada, bob) = (session.user(json!({})).await?, session.user(json!({})).await?);
    let group = session.group_of(&[&ada]).await?;
    let found = session.find("/Groups", &format!("members.value eq \"{}\"", ada.id)).await?;
    found.finds(&[&group])?;
    let filter = format!("id eq \"{}\" and members[value eq \"{}\"]", group.id, bob.id);
    session.find("/Groups", &filter).await?.finds(&[])
}
