//! Making resources: RFC 7644 §3.3.

use hyper::Method;
use serde_json::json;

use crate::{
    case::{Case, Group, Verdict, case},
    request::{Request, SCIM_JSON},
    session::{ENTERPRISE, GROUP as GROUP_URN, Session, USER},
};

pub(super) const GROUP: Group = Group {
    name: "create",
    about: "making users and groups with POST",
    needs: None,
    cases: &[CASES],
};

const CASES: &[Case] = &[
    case!(Must, created, "a user is made with 201, an id, and what was sent", "RFC 7644 §3.3"),
    case!(Must, location, "Location and meta.location lead to the new resource", "RFC 7644 §3.3"),
    case!(Must, meta, "meta has resourceType, created, lastModified and location", "RFC 7643 §3.1"),
    case!(
        Must,
        user_name_required,
        "a user without userName answers 400 invalidValue",
        "RFC 7643 §4.1.1, RFC 7644 Table 9"
    ),
    case!(
        Must,
        user_name_taken,
        "a userName that is taken answers 409 uniqueness",
        "RFC 7644 §3.3"
    ),
    case!(
        Must,
        user_name_taken_in_capitals,
        "a userName differs from another by more than its case",
        "RFC 7643 §4.1.1"
    ),
    case!(
        Should,
        user_name_preserved,
        "a userName comes back in the letters in which it was sent",
        "RFC 7643 §2.2"
    ),
    case!(
        Must,
        read_only_ignored,
        "id, meta and groups of the client are ignored",
        "RFC 7644 §3.3"
    ),
    case!(Must, password_never_returned, "a password never comes back", "RFC 7643 §4.1.1"),
    case!(
        Must,
        nothing_is_nothing,
        "null and [] mean that an attribute has no value",
        "RFC 7643 §2.5"
    ),
    case!(Must, names_in_any_case, "names of attributes are taken in any case", "RFC 7643 §2.1"),
    case!(
        Must,
        enterprise,
        "attributes of the enterprise extension are kept under its URN",
        "RFC 7643 §3.3, §4.3"
    ),
    case!(Must, lists, "lists keep their values with type and primary", "RFC 7643 §2.4"),
    case!(Must, one_primary, "at most one value of a list is primary", "RFC 7643 §2.4"),
    case!(Must, external_id, "externalId is kept as the client sent it", "RFC 7643 §3.1"),
    case!(Must, unicode, "texts come back as they were sent, whatever the script", "RFC 7644 §3.8"),
    case!(Should, json_media_type, "a body of application/json is taken", "RFC 7644 §3.8"),
    case!(Must, charset, "a charset after the media type is taken", "RFC 7644 §3.8"),
    case!(Must, group, "a group is made with 201 and an id", "RFC 7644 §3.3, RFC 7643 §4.2"),
    case!(Must, group_with_members, "a group is made with its members", "RFC 7643 §4.2"),
    case!(
        Must,
        group_name_required,
        "a group without displayName answers 400 invalidValue",
        "RFC 7643 §4.2, RFC 7644 Table 9"
    ),
];

async fn created(session: &Session) -> Verdict {
    let body = session.new_user(json!({
        "name": {"givenName": "Ada", "familyName": "Lovelace"}, "displayName": "Ada L.",
    }));
    let answer = session.post("/Users", &body).await?;
    answer.status(&[201])?;
    let id = answer.at("/id").as_str().unwrap_or_default();
    answer.holds(!id.is_empty() && !id.contains("bulkId"), "an id without \"bulkId\" in it", id)?;
    answer.has_schema(USER)?;
    answer.has("/userName", body["userName"].clone())?;
    answer.has("/active", true)?;
    if session.needs_attributes(&["name"]).is_ok() {
        answer.has("/name/familyName", "Lovelace")?;
    }
    if session.needs_attributes(&["displayName"]).is_ok() {
        answer.has("/displayName", "Ada L.")?;
    }
    Ok(())
}

async fn location(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    let location = user.answer.header("location").to_owned();
    user.answer.has("/meta/location", location.clone())?;
    let suffix = format!("/Users/{}", user.id);
    user.answer.holds(
        location.ends_with(&suffix),
        &format!("a Location that ends in {suffix}"),
        &location,
    )?;
    session.read(&user).await?.has("/id", user.id.clone())
}

async fn meta(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    user.answer.has("/meta/resourceType", "User")?;
    for name in ["created", "lastModified", "location"] {
        let found = user.answer.at(&format!("/meta/{name}"));
        user.answer.holds(found.is_string(), &format!("a text meta.{name}"), &found.to_string())?;
    }
    user.answer.has("/meta/lastModified", user.answer.at("/meta/created").clone())
}

async fn user_name_required(session: &Session) -> Verdict {
    for user in
        [json!({"schemas": [USER], "active": true}), json!({"schemas": [USER], "userName": ""})]
    {
        session.post("/Users", &user).await?.refused(400, "invalidValue")?;
    }
    Ok(())
}

async fn user_name_taken(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    let again = json!({"schemas": [USER], "userName": user.name});
    session.post("/Users", &again).await?.refused(409, "uniqueness")
}

async fn user_name_taken_in_capitals(session: &Session) -> Verdict {
    let user = session.user(json!({})).await?;
    let again = json!({"schemas": [USER], "userName": user.name.to_uppercase()});
    session.post("/Users", &again).await?.refused(409, "uniqueness")
}

async fn user_name_preserved(session: &Session) -> Verdict {
    let name = format!("{}Ada.L@Example.com", session.name());
    let user = session.user(json!({"userName": name})).await?;
    session.read(&user).await?.has("/userName", name)
}

async fn read_only_ignored(session: &Session) -> Verdict {
    let mine = json!({
        "id": "chosen-by-the-client",
        "meta": {"resourceType": "Nothing", "created": "1970-01-01T00:00:00Z", "version": "W/\"0\""},
        "groups": [{"value": "chosen-by-the-client"}],
    });
    let user = session.user(mine).await?;
    user.answer.holds(user.id != "chosen-by-the-client", "an id of the server", &user.id)?;
    user.answer.has("/meta/resourceType", "User")?;
    let created = user.answer.at("/meta/created");
    user.answer.holds(
        created != "1970-01-01T00:00:00Z",
        "a time of the server",
        &created.to_string(),
    )?;
    user.answer.lacks("/groups")
}

async fn password_never_returned(session: &Session) -> Verdict {
    let user = session.user(json!({"password": "Tr0ub4dor&3-nobody"})).await?;
    for answer in [&user.answer, &session.read(&user).await?] {
        answer.lacks("/password")?;
        let found = answer.text.contains("Tr0ub4dor");
        answer.holds(!found, "a body without the password", "the password in it")?;
    }
    Ok(())
}

async fn nothing_is_nothing(session: &Session) -> Verdict {
    session.needs_attributes(&["title", "emails", "name"])?;
    let user = session.user(json!({"title": null, "emails": [], "name": null})).await?;
    let answer = session.read(&user).await?;
    answer.lacks("/title")?;
    answer.lacks("/emails")?;
    answer.lacks("/name")
}

async fn names_in_any_case(session: &Session) -> Verdict {
    session.needs_attributes(&["name"])?;
    let name = format!("{}@example.com", session.name());
    let body = json!({
        "schemas": [USER], "USERNAME": name, "Name": {"FAMILYNAME": "Lovelace"}, "Active": true,
    });
    let answer = session.post("/Users", &body).await?;
    answer.status(&[201])?;
    answer.has("/userName", name)?;
    answer.has("/name/familyName", "Lovelace")
}

async fn enterprise(session: &Session) -> Verdict {
    session.needs_of(ENTERPRISE, &["department", "employeeNumber"])?;
    let user = session.user(json!({
        "schemas": [USER, ENTERPRISE], ENTERPRISE: {"department": "Engines", "employeeNumber": "1815"},
    })).await?;
    let answer = session.read(&user).await?;
    answer.has_schema(ENTERPRISE)?;
    answer.has(&format!("/{ENTERPRISE}/department"), "Engines")?;
    answer.has(&format!("/{ENTERPRISE}/employeeNumber"), "1815")
}

async fn lists(session: &Session) -> Verdict {
    session.needs_attributes(&["emails"])?;
    let emails = json!([
        {"value": "work@example.com", "type": "work", "primary": true},
        {"value": "home@example.com", "type": "home"},
    ]);
    let user = session.user(json!({"emails": emails})).await?;
    let answer = session.read(&user).await?;
    answer.has_each("/emails", "value", &["work@example.com", "home@example.com"])?;
    answer.has_each("/emails", "type", &["work", "home"])?;
    let primary = answer.at("/emails").as_array().into_iter().flatten();
    let primary: Vec<_> = primary.filter(|email| email["primary"] == true).collect();
    let fits = primary.len() == 1 && primary[0]["type"] == "work";
    answer.holds(fits, "the work address primary, and no other", &format!("{primary:?}"))
}

async fn one_primary(session: &Session) -> Verdict {
    session.needs_attributes(&["emails"])?;
    let user = session.new_user(json!({"emails": [
        {"value": "a@example.com", "primary": true}, {"value": "b@example.com", "primary": true},
    ]}));
    let answer = session.post("/Users", &user).await?;
    answer.status(&[201, 400])?;
    let primary = answer.at("/emails").as_array().into_iter().flatten();
    let primary = primary.filter(|email| email["primary"] == true).count();
    answer.holds(primary <= 1, "400, or a user with one primary address", &primary.to_string())
}

async fn external_id(session: &Session) -> Verdict {
    let id = format!("{}-AbC", session.name());
    let user = session.user(json!({"externalId": id})).await?;
    session.read(&user).await?.has("/externalId", id)
}

async fn unicode(session: &Session) -> Verdict {
    session.needs_attributes(&["displayName", "name"])?;
    let (display, family) = ("Ада Лавлейс 👩‍💻 \"Ada\"\\", "伊藤 O’Malley-Łukasiewicz");
    let user =
        session.user(json!({"displayName": display, "name": {"familyName": family}})).await?;
    let answer = session.read(&user).await?;
    answer.has("/displayName", display)?;
    answer.has("/name/familyName", family)
}

async fn json_media_type(session: &Session) -> Verdict {
    let body = session.new_user(json!({})).to_string();
    session
        .send(Request::new(Method::POST, "/Users").text(body, "application/json"))
        .await?
        .status(&[201])
}

async fn charset(session: &Session) -> Verdict {
    let body = session.new_user(json!({})).to_string();
    let request =
        Request::new(Method::POST, "/Users").text(body, "application/scim+json; charset=utf-8");
    let answer = session.send(request).await?;
    answer.status(&[201])?;
    answer.holds(answer.media_type() == SCIM_JSON, SCIM_JSON, answer.media_type())
}

async fn group(session: &Session) -> Verdict {
    let group = session.group(json!({})).await?;
    group.answer.has_schema(GROUP_URN)?;
    group.answer.has("/meta/resourceType", "Group")?;
    session.read(&group).await?.has("/displayName", group.name.clone())
}

async fn group_with_members(session: &Session) -> Verdict {
    let (ada, bob) = (session.user(json!({})).await?, session.user(json!({})).await?);
    let group = session.group_of(&[&ada, &bob]).await?;
    session.read(&group).await?.has_members(&[&ada, &bob])
}

async fn group_name_required(session: &Session) -> Verdict {
    session.post("/Groups", &json!({"schemas": [GROUP_URN]})).await?.refused(400, "invalidValue")
}
