//! What the queries of the directory answer.

use std::sync::LazyLock;

use domain::{
    group::GroupEvent,
    ids::{EntryId, GroupId, MemberId},
    user::UserEvent,
};
use scim::{
    filter::Filter,
    resource::Meta,
    schema::{Catalogue, Kind},
};
use serde_json::{Value, json};

use super::{
    Ask, Directory, Row, Start, UserRow,
    tests::{added, group, members},
};
use crate::testing::{Shown, Story, connector, id, show, workspace};

/// What [`people`] wrote.
static PEOPLE: LazyLock<Shown> = LazyLock::new(|| show(&people(3_000)));

/// Many people, every seventh of whom is gone, and groups of some of them.
fn people(count: u128) -> Story {
    let mut story = Story::new();
    for number in 1..=count {
        let person = json!({
            "userName": format!("Person{number}@x"),
            "externalId": format!("ext-{number}"),
            "displayName": format!("Person {}", number % 100),
            "emails": [{ "value": format!("{number}@x"), "type": "work" }],
        });
        story.user(number, added("okta", number, person));
    }
    for number in (3..=count).step_by(3) {
        story.user(number, UserEvent::EntryDeactivated { connector: connector("okta") });
    }
    for number in (7..=count).step_by(7) {
        let (connector, entry) = (connector("okta"), EntryId(id(number)));
        story.user(number, UserEvent::EntryRemoved { connector, entry });
    }
    for number in 1..=20 {
        let group_id = 1_000_000 + number;
        let few: Vec<_> = (1..=number * 3).collect();
        story
            .group(group_id, group(&format!("Group {number}")))
            .group(group_id, GroupEvent::MembersAdded { members: members(&few) });
    }
    // A group within a group, and the same names in another connector.
    story.group(1_000_001, GroupEvent::MembersAdded { members: members(&[1_000_002]) });
    story.user(2_000_000, added("other", 2_000_000, json!({ "userName": "Person1@x" })));
    story
}

fn directory(shown: &Shown) -> Directory<'_> {
    shown.models.directory()
}

/// The rows of one kind of the connector `okta` that a list has, and how many there are in all.
fn list(kind: Kind, filter: Option<&str>, start: u64, count: u64) -> (u64, Vec<Row>) {
    let filter = filter.map(|text| Filter::parse(text).unwrap());
    let ask = Ask {
        kinds: &[kind],
        filter: filter.as_ref(),
        sort: None,
        catalogue: Catalogue::standard(),
        base_url: "https://x",
        with_members: false,
        start: Start::Skip(start.saturating_sub(1)),
        count,
    };
    let listed = directory(&PEOPLE).list(&workspace(), &connector("okta"), &ask).unwrap();
    (listed.total.unwrap(), listed.rows)
}

fn users(filter: Option<&str>, start: u64, count: u64) -> (u64, Vec<UserRow>) {
    let (total, rows) = list(Kind::User, filter, start, count);
    let user = |row| match row {
        Row::User(user) => user,
        Row::Group(group) => panic!("{group:?}"),
    };
    (total, rows.into_iter().map(user).collect())
}

fn listed(filter: &str, start: u64, count: u64) -> (u64, Vec<UserRow>) {
    users(Some(filter), start, count)
}

fn all() -> Vec<UserRow> {
    users(None, 1, 1_000_000).1
}

fn document(row: &UserRow) -> Value {
    let time = |micros| format!("{:.3}", jiff::Timestamp::from_microsecond(micros).unwrap());
    let meta = Meta {
        created: time(row.created),
        last_modified: time(row.modified),
        version: Some(format!("W/\"{}\"", row.version)),
        ..Meta::default()
    };
    let resource = row.resource().unwrap();
    let mut document = resource.document(Kind::User, &row.id.to_string(), &meta);
    let groups = row.groups.iter().map(|it| json!({ "value": it.id, "display": it.display }));
    document["groups"] = groups.collect();
    document
}

#[test]
fn a_filter_answered_by_an_index_means_what_the_evaluator_says() {
    let all = all();
    for text in [
        r#"userName eq "PERSON15@X""#,
        r#"userName eq "person14@x""#,
        r#"externalId eq "ext-15""#,
        r#"externalId eq "EXT-15""#,
        r#"id eq "00000000-0000-0000-0000-00000000000f""#,
        r#"id eq "00000000-0000-0000-0000-00000000000F""#,
        r#"id eq "15""#,
        r#"userName eq "person15@x" and active eq true"#,
        r#"userName eq "person16@x" and active eq true"#,
        r#"active eq false and userName eq "person15@x" and emails[type eq "work"]"#,
        r#"userName eq "person15@x" or externalId eq "ext-16""#,
        r#"userName sw "person29""#,
        r#"displayName eq "person 42" and active eq true"#,
        r#"emails.value eq "2424@X""#,
        r#"meta.version eq "W/\"2\"" and userName sw "person1""#,
        r#"meta.created lt "2026-01-01T00:00:01Z""#,
        r#"groups.display eq "group 20""#,
        r#"groups.value eq "00000000-0000-0000-0000-0000000f4254" and active eq false"#,
        r#"schemas eq "urn:ietf:params:scim:schemas:core:2.0:User" and userName ew "00@x""#,
        r#"not (userName co "person") or nickName pr"#,
    ] {
        let filter = Filter::parse(text).unwrap();
        let matches =
            |row: &&UserRow| filter.matches(&document(row), Kind::User, Catalogue::standard());
        let expected: Vec<_> = all.iter().filter(matches).cloned().collect();
        let (total, rows) = listed(text, 1, 1_000_000);
        assert_eq!((usize::try_from(total).unwrap(), &rows), (expected.len(), &expected), "{text}");
        let (_, page) = listed(text, 2, 3);
        assert_eq!(page, expected.into_iter().skip(1).take(3).collect::<Vec<_>>(), "{text}");
    }
}

#[test]
fn whoever_is_asked_for_alone_is_who_stands_in_the_list() {
    let (okta, d) = (connector("okta"), directory(&PEOPLE));
    let some = all().into_iter().take(70);
    assert!(
        some.clone().any(|row| row.groups.len() > 1) && some.clone().any(|it| it.groups.is_empty())
    );
    for row in some {
        assert_eq!(d.user(&workspace(), &okta, row.id).unwrap().as_ref(), Some(&row));
        let name = row.resource().unwrap().user_name().unwrap().to_uppercase();
        assert_eq!(listed(&format!("userName eq \"{name}\""), 1, 1), (1, vec![row]));
    }
    assert_eq!(d.user(&workspace(), &okta, EntryId(id(7))).unwrap(), None);
    assert_eq!(listed("userName eq \"person7@x\"", 1, 1), (0, Vec::new()));
}

#[test]
fn a_page_begins_where_it_says_whoever_was_deleted_before_it() {
    let all = all();
    let total = all.len();
    assert_eq!(total, 3_000 - 3_000 / 7);
    for start in [0, 1, 2, 438, 439, 440, 441, 2_000, total, total + 1, usize::MAX / 2] {
        let start = u64::try_from(start).unwrap();
        let page = users(None, start, 5);
        let skip = usize::try_from(start).unwrap().saturating_sub(1);
        let expected: Vec<_> = all.iter().skip(skip).take(5).cloned().collect();
        assert_eq!((usize::try_from(page.0).unwrap(), page.1), (total, expected), "{start}");
    }
    assert_eq!(users(None, 1, 0), (total as u64, Vec::new()));
}

#[test]
fn another_connectors_people_are_unknown() {
    let (okta, other) = (connector("okta"), connector("other"));
    let d = directory(&PEOPLE);
    let theirs = EntryId(id(2_000_000));
    assert_eq!(d.user(&workspace(), &okta, theirs).unwrap(), None);
    assert!(d.user(&workspace(), &other, theirs).unwrap().is_some());
    assert_eq!(d.group(&workspace(), &other, GroupId(id(1_000_001)), false).unwrap(), None);
    let value = theirs.to_string();
    assert_eq!(d.resolve(&workspace(), &okta, &[value]).unwrap()[0].known, None);
    assert_eq!(d.people_of(&workspace(), &other).unwrap(), 1);
    assert_eq!(d.people_of(&workspace(), &connector("none")).unwrap(), 0);
}

#[test]
fn whoever_was_deleted_is_gone_from_every_group() {
    let d = directory(&PEOPLE);
    // Group 5 names 1 to 15, of whom 7 and 14 are gone.
    let group = GroupId(id(1_000_005));
    let shown = d.group_members(&workspace(), group, None, 100).unwrap();
    let expected: Vec<_> = (1..=15).filter(|it| it % 7 != 0).map(id).collect();
    assert_eq!(shown.iter().map(|it| it.value).collect::<Vec<_>>(), expected);
    assert_eq!(shown[0].display.as_deref(), Some("Person 1"));
    let page = d.group_members(&workspace(), group, Some(id(6)), 2).unwrap();
    assert_eq!(page.iter().map(|it| it.value).collect::<Vec<_>>(), [id(8), id(9)]);
    // The record says so when a policy has dealt with it; until then only the count shows it.
    assert_eq!(d.memberships_of(&workspace(), MemberId(id(14))).unwrap().len(), 16);
    let row = d.group(&workspace(), &connector("okta"), group, true).unwrap().unwrap();
    assert_eq!((row.members_count, row.version), (15, 2));
    assert!(!d.exists(&workspace(), MemberId(id(14))).unwrap());
    assert!(d.exists(&workspace(), MemberId(id(15))).unwrap());
    assert!(d.exists(&workspace(), MemberId(group.0)).unwrap());
}

#[test]
fn a_group_may_be_a_member() {
    let d = directory(&PEOPLE);
    let shown = d.group_members(&workspace(), GroupId(id(1_000_001)), None, 100).unwrap();
    let kinds: Vec<_> = shown.iter().map(|it| (it.kind, it.display.as_deref().unwrap())).collect();
    assert_eq!(
        kinds,
        [
            (Kind::User, "Person 1"),
            (Kind::User, "Person 2"),
            (Kind::User, "Person 3"),
            (Kind::Group, "Group 2"),
        ]
    );
}

#[test]
fn a_user_knows_their_groups() {
    let row = directory(&PEOPLE).user(&workspace(), &connector("okta"), EntryId(id(55))).unwrap();
    let groups: Vec<_> = row.unwrap().groups.into_iter().map(|it| it.display).collect();
    assert_eq!(groups, ["Group 19", "Group 20"]);
    let again = directory(&PEOPLE).groups_of(&workspace(), MemberId(id(55))).unwrap();
    assert_eq!(again.len(), 2);
}

fn groups(filter: &str) -> Vec<String> {
    let (total, rows) = list(Kind::Group, Some(filter), 1, 100);
    assert_eq!(total, rows.len() as u64);
    let name = |row| match row {
        Row::Group(group) => group.resource.display_name().unwrap().to_owned(),
        Row::User(user) => panic!("{user:?}"),
    };
    rows.into_iter().map(name).collect()
}

#[test]
fn groups_are_found_by_name_and_by_member() {
    let (three, forty_nine, fifty) = (id(3), id(49), id(50));
    assert_eq!(groups(r#"displayName eq "GROUP 7""#), ["Group 7"]);
    assert_eq!(groups(&format!("members eq \"{fifty}\"")).len(), 4);
    assert_eq!(groups(&format!("members.value eq \"{fifty}\" and displayName ew \"7\"")).len(), 1);
    assert_eq!(groups(&format!("members[value eq \"{fifty}\" and type eq \"User\"]")).len(), 4);
    assert_eq!(groups(&format!("members[value eq \"{fifty}\" and type eq \"Group\"]")).len(), 0);
    assert!(groups(&format!("members eq \"{forty_nine}\"")).is_empty(), "they are gone");
    assert_eq!(groups(&format!("not (members eq \"{fifty}\")")).len(), 16);
    assert_eq!(groups(&format!("members eq \"{fifty}\" or members eq \"{three}\"")).len(), 20);
    let one = GroupId(id(1_000_017));
    assert_eq!(groups(&format!("id eq \"{one}\" and members eq \"{fifty}\"")), ["Group 17"]);
    assert_eq!(groups(&format!("id eq \"{one}\" and members eq \"{}\"", id(99))).len(), 0);
    // What no index answers.
    assert_eq!(groups(r#"members.type eq "Group""#), ["Group 1"]);
    assert_eq!(groups(r#"members.display co "person 5""#).len(), 19);
    assert_eq!(groups(r#"members pr and displayName ew "9""#), ["Group 9", "Group 19"]);
}

#[test]
fn groups_of_a_portal_are_listed_by_name() {
    let d = directory(&PEOPLE);
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let page = d.list_groups_of_portal(
            &workspace(),
            domain::portal::Portal::Store,
            Some("P 1"),
            4,
            after.as_ref(),
        );
        let (rows, next) = page.unwrap();
        names.extend(rows.into_iter().map(|row| row.resource.display_name().unwrap().to_owned()));
        after = next;
        if after.is_none() {
            break;
        }
    }
    let expected: Vec<_> =
        std::iter::once(1).chain(10..20).map(|it| format!("Group {it}")).collect();
    assert_eq!(names, expected);
    let (none, _) =
        d.list_groups_of_portal(&workspace(), domain::portal::Portal::Mdm, None, 4, None).unwrap();
    assert!(none.is_empty());
}

#[test]
fn a_value_names_an_id_then_an_external_id_then_a_user_name() {
    let okta = connector("okta");
    let mut story = Story::new();
    story
        .user(1, added("okta", 1, json!({ "userName": "ada", "externalId": "7" })))
        .user(2, added("okta", 2, json!({ "userName": "7", "externalId": id(1).to_string() })))
        .group(10, group("Sales"));
    let shown = show(&story);
    let values = [
        id(1).to_string(),
        id(10).to_string(),
        "7".to_owned(),
        "ADA".to_owned(),
        "nobody".to_owned(),
        id(9).to_string(),
    ];
    let resolved = directory(&shown).resolve(&workspace(), &okta, &values).unwrap();
    let known: Vec<_> = resolved.iter().map(|it| it.known.map(|it| it.0)).collect();
    assert_eq!(known, [Some(id(1)), Some(id(10)), Some(id(1)), Some(id(1)), None, None]);
    assert_eq!(resolved[3].value, "ADA");
}

#[test]
fn pending_members_are_found_by_whoever_they_name() {
    let okta = connector("okta");
    let ada = id(0xada);
    let mut story = Story::new();
    story.user(1, added("okta", 1, json!({ "userName": "somebody" })));
    for (number, value) in [(10, "Ada@X"), (11, "7"), (12, &*ada.to_string()), (13, "eve")] {
        story.group(number, group(&format!("Group {number}")));
        story.group(number, GroupEvent::MemberPending { value: value.to_owned() });
    }
    story.group(13, GroupEvent::MemberPending { value: "ADA@x".to_owned() });
    let shown = show(&story);
    let d = directory(&shown);
    assert!(d.any_pending(&workspace(), &okta).unwrap());
    let found = d.pending_for(&workspace(), &okta, MemberId(ada), Some("7"), Some("aDa@x"));
    let found: Vec<_> = found.unwrap().into_iter().map(|(id, at)| (id.0, at)).collect();
    let expected = [(10, 2), (11, 2), (12, 2), (13, 3)].map(|(group, at)| (id(group), vec![at]));
    assert_eq!(found, expected);
    let none = d.pending_for(&workspace(), &okta, MemberId(id(5)), None, None).unwrap();
    assert_eq!(none, []);
    let waiting = d.pending(&workspace(), GroupId(id(13))).unwrap();
    assert_eq!(waiting, [(2, "eve".to_owned()), (3, "ADA@x".to_owned())]);
    assert!(!d.any_pending(&workspace(), &connector("none")).unwrap());
}

#[test]
fn the_people_of_a_connector_are_read_part_by_part() {
    let directory = directory(&PEOPLE);
    let read = |name: &str, limit| {
        let (mut people, mut after) = (Vec::new(), 0);
        loop {
            let part =
                directory.people_after(&workspace(), &connector(name), after, limit).unwrap();
            assert!(part.len() <= limit);
            let Some((last, _)) = part.last() else { return people };
            after = *last;
            people.extend(part.into_iter().map(|(_, user)| user.0.as_u128()));
        }
    };
    let expected: Vec<u128> = (1..=3_000).filter(|number| number % 7 != 0).collect();
    assert_eq!(read("okta", 1_000), expected);
    assert_eq!(read("okta", 7), expected);
    assert_eq!(read("other", 7), [2_000_000]);
    assert!(read("unknown", 7).is_empty());
}
