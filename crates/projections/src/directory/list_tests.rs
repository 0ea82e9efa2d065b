//! Lists: the same rows in the same order as a naive evaluation gives, however they are found.

use std::collections::BTreeSet;

use domain::{group::GroupEvent, ids::EntryId, user::UserEvent};
use rusqlite::Connection;
use scim::{
    filter::Filter,
    resource::Meta,
    schema::{Catalogue, Kind},
    sort::{Sort, Sorter},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Ask, DirectoryProjection, EXAMINED_MAX, ListError, Listed, Position, Row, SORTED_MAX, Start,
    list::listed,
    tests::{added, changes, group, members},
};
use crate::testing::{Story, apply, connector, id, workspace};

const BOTH: &[Kind] = &[Kind::User, Kind::Group];
const USERS: &[Kind] = &[Kind::User];
const GROUPS: &[Kind] = &[Kind::Group];

/// People who differ in everything that lists look at, some of them changed or gone, and groups.
fn people(count: u128) -> Story {
    let mut story = Story::new();
    for number in 1..=count {
        let mut person = json!({
            "userName": format!("User{}@x", number * 7_919 % count),
            "emails": [{"value": format!("{}@mail", number % 40)},
                       {"value": format!("Second{number}@mail"), "primary": true}],
            "name": {"familyName": format!("Family{}", number * 31 % 100)},
        });
        if number % 4 != 0 {
            person["displayName"] = json!(format!("Person {}", number * 13 % 90));
        }
        if number % 5 == 0 {
            let manager = json!({"manager": {"value": format!("Boss{}", number % 3)}});
            person["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"] = manager;
        }
        story.user(number, added("okta", number, person));
        if number % 100 == 0 {
            story.group(1_000_000 + number, group(&format!("Person {number}")));
            story.group(
                1_000_000 + number,
                GroupEvent::MembersAdded { members: members(&[number, number - 1]) },
            );
        }
    }
    for number in (3..=count).step_by(3) {
        story.user(number, UserEvent::EntryDeactivated { connector: connector("okta") });
    }
    for number in (11..=count).step_by(11) {
        let emails =
            json!({"set": {"emails": [{"value": "moved@mail"}]}, "unset": ["displayName"]});
        story.user(
            number,
            UserEvent::EntryChanged { connector: connector("okta"), changes: changes(emails) },
        );
    }
    for number in (7..=count).step_by(7) {
        story.user(number, gone(number));
    }
    story
}

fn gone(number: u128) -> UserEvent {
    UserEvent::EntryRemoved { connector: connector("okta"), entry: EntryId(id(number)) }
}

fn sort(text: &str) -> Option<Sort> {
    let (by, order) = text.split_once(' ').unwrap_or((text, ""));
    Sort::parse(Some(by), Some(order)).unwrap()
}

/// A question in words.
#[derive(Clone, Copy)]
struct Question<'q> {
    kinds: &'static [Kind],
    filter: &'q str,
    sort: &'q str,
}

impl Question<'_> {
    fn ask(self, file: &Connection, start: Start, count: u64) -> Result<Listed, ListError> {
        self.put(start, count, |ask| listed(file, &workspace(), &connector("okta"), &ask))
    }

    fn put<T>(self, start: Start, count: u64, to: impl FnOnce(Ask<'_>) -> T) -> T {
        let filter = (!self.filter.is_empty()).then(|| Filter::parse(self.filter).unwrap());
        let sort = sort(self.sort);
        to(Ask {
            kinds: self.kinds,
            filter: filter.as_ref(),
            sort: sort.as_ref(),
            catalogue: Catalogue::standard(),
            base_url: "https://x",
            with_members: false,
            start,
            count,
        })
    }

    fn index(self, file: &Connection, skip: u64, count: u64) -> (u64, Vec<Uuid>) {
        let listed = self.ask(file, Start::Skip(skip), count).unwrap();
        (listed.total.unwrap(), listed.rows.iter().map(id_of).collect())
    }

    /// All pages by cursor.
    fn cursor(self, file: &Connection, count: u64) -> Vec<Uuid> {
        let (mut ids, mut behind) = (Vec::new(), None);
        loop {
            let listed = self.ask(file, Start::Behind(behind), count).unwrap();
            assert!(listed.rows.len() as u64 <= count);
            ids.extend(listed.rows.iter().map(id_of));
            behind = listed.next.as_ref().map(through_text);
            if behind.is_none() {
                return ids;
            }
        }
    }

    /// What a naive evaluation says: a filter and a stable sort over all documents.
    fn naive(self, file: &Connection) -> Vec<Uuid> {
        let filter = (!self.filter.is_empty()).then(|| Filter::parse(self.filter).unwrap());
        let everything = Question { filter: "", sort: "", ..self };
        let rows = everything.ask(file, Start::Skip(0), u64::MAX).unwrap().rows;
        let mut found: Vec<_> = rows
            .iter()
            .map(|row| (kind(row), document(row)))
            .filter(|(kind, document)| {
                filter.as_ref().is_none_or(|it| it.matches(document, *kind, Catalogue::standard()))
            })
            .collect();
        if let Some(sort) = sort(self.sort) {
            found.sort_by_cached_key(|(kind, document)| {
                Sorter::new(&sort, *kind, Catalogue::standard()).key(document)
            });
            if sort.descending {
                found.reverse();
            }
        }
        found.iter().map(|(_, it)| it["id"].as_str().unwrap().parse().unwrap()).collect()
    }
}

/// A position as it comes back from a client.
fn through_text(position: &Position) -> Position {
    serde_json::from_str(&serde_json::to_string(position).unwrap()).unwrap()
}

fn id_of(row: &Row) -> Uuid {
    match row {
        Row::User(user) => user.id.0,
        Row::Group(group) => group.id.0,
    }
}

fn kind(row: &Row) -> Kind {
    match row {
        Row::User(_) => Kind::User,
        Row::Group(_) => Kind::Group,
    }
}

fn document(row: &Row) -> Value {
    let time = |micros| format!("{:.3}", jiff::Timestamp::from_microsecond(micros).unwrap());
    let (kind, created, modified, resource) = match row {
        Row::User(user) => (Kind::User, user.created, user.modified, user.resource().unwrap()),
        Row::Group(group) => (Kind::Group, group.created, group.modified, group.resource.clone()),
    };
    let meta = Meta { created: time(created), last_modified: time(modified), ..Meta::default() };
    let mut document = resource.document(kind, &id_of(row).to_string(), &meta);
    if let Row::User(user) = row {
        document["groups"] =
            user.groups.iter().map(|it| json!({"value": it.id, "display": it.display})).collect();
    }
    document
}

const FILTERS: [&str; 20] = [
    "",
    "active eq true",
    "active eq false",
    "active ne true",
    r#"userName eq "USER7@x""#,
    r#"userName eq "user7@x" or userName eq "user8@x" or id eq "x""#,
    r#"emails.value eq "7@MAIL""#,
    r#"emails[value eq "7@mail"].primary eq true"#,
    r#"emails eq "moved@mail""#,
    r#"emails eq "11@mail""#,
    r#"manager eq "Boss1""#,
    r#"displayName eq "person 30""#,
    r#"displayName eq "person 100""#,
    r#"meta.lastModified gt "2026-01-01T00:00:02.000Z""#,
    r#"meta.lastModified ge "2026-01-01T00:00:01Z" and meta.lastModified lt "2026-01-01T00:00:01.500Z" and active eq true"#,
    r#"meta.lastModified gt "2026-01-01T00:00:02Z" and meta.resourceType eq "User""#,
    r#"meta.resourceType eq "Group""#,
    r#"name.familyName co "9""#,
    "not (displayName pr)",
    r#"groups.display eq "person 200""#,
];

const SORTS: [&str; 12] = [
    "",
    "userName",
    "userName descending",
    "displayName",
    "displayName descending",
    "meta.lastModified descending",
    "id",
    "id descending",
    "name.familyName",
    "emails descending",
    "active",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
];

/// Whether two lists have the same rows, those that are sorted alike in any order.
fn same(question: Question<'_>, found: &[Uuid], expected: &[Uuid]) -> bool {
    let is_ordered = question.sort.is_empty() && !question.filter.contains("lastModified");
    if is_ordered || !question.sort.is_empty() {
        return found == expected;
    }
    found.iter().collect::<BTreeSet<_>>() == expected.iter().collect::<BTreeSet<_>>()
        && found.len() == expected.len()
}

#[test]
fn every_way_of_finding_gives_what_a_naive_evaluation_gives() {
    let file = &people(400).filled(&DirectoryProjection);
    for kinds in [USERS, &[Kind::Group], BOTH] {
        for filter in FILTERS {
            for sort in SORTS {
                let question = Question { kinds, filter, sort };
                let expected = question.naive(file);
                let what = format!("{kinds:?} {filter} / {sort}");
                let (total, found) = question.index(file, 0, u64::MAX);
                assert_eq!(total, expected.len() as u64, "{what}");
                assert!(same(question, &found, &expected), "{what}: {found:?} {expected:?}");
                let (total, page) = question.index(file, 3, 4);
                assert_eq!(total, expected.len() as u64, "{what}");
                let few: Vec<_> = found.iter().skip(3).take(4).copied().collect();
                assert_eq!(page, few, "{what}");
                assert_eq!(question.cursor(file, 97), found, "by cursor: {what}");
            }
        }
    }
}

#[test]
fn deep_pages_begin_where_they_should() {
    let file = &people(1_500).filled(&DirectoryProjection);
    for sort in ["", "userName descending", "name.familyName"] {
        let question = Question { kinds: BOTH, filter: "active eq true", sort };
        let (total, all) = question.index(file, 0, u64::MAX);
        for skip in [0, 1, 511, 512, 513, 800, total - 1, total, total + 5, u64::MAX] {
            let expected: Vec<_> =
                all.iter().skip(usize::try_from(skip).unwrap()).take(20).copied().collect();
            assert_eq!(question.index(file, skip, 20), (total, expected), "{sort} {skip}");
        }
    }
}

#[test]
fn a_cursor_shows_every_row_once_that_lives_all_along() {
    for sort in ["", "userName", "userName descending", "name.familyName", "displayName"] {
        for filter in ["", "active eq true", "name.familyName co \"1\""] {
            let mut story = people(300);
            let mut file = story.filled(&DirectoryProjection);
            let question = Question { kinds: USERS, filter, sort };
            let (mut seen, mut behind) = (Vec::new(), None);
            let mut removed = BTreeSet::new();
            loop {
                let page = question.ask(&file, Start::Behind(behind), 10).unwrap();
                let ids: Vec<_> = page.rows.iter().map(id_of).collect();
                // The last of the page goes, and another that may be anywhere.
                for id in ids.last().into_iter().chain(ids.first()) {
                    if removed.insert(*id) {
                        story.user(id.as_u128(), gone(id.as_u128()));
                        let last = &story.events[story.events.len() - 1..];
                        apply(&mut file, &DirectoryProjection, last);
                    }
                }
                seen.extend(ids);
                behind = page.next;
                if behind.is_none() {
                    break;
                }
            }
            let distinct: BTreeSet<_> = seen.iter().copied().collect();
            assert_eq!(distinct.len(), seen.len(), "{sort}: shown twice");
            let left = question.ask(&file, Start::Skip(0), u64::MAX).unwrap();
            let lost: Vec<_> =
                left.rows.iter().map(id_of).filter(|id| !distinct.contains(id)).collect();
            assert!(lost.is_empty(), "{sort} {filter}: never shown: {lost:?}");
        }
    }
}

#[test]
fn a_page_of_very_large_rows_ends_early_and_goes_on_behind() {
    let mut story = Story::new();
    for number in 1..=5 {
        let text = "x".repeat(12 << 20);
        let person = json!({"userName": format!("User{number}@x"), "title": text});
        story.user(number, added("okta", number, person));
    }
    let file = &story.filled(&DirectoryProjection);
    let question = Question { kinds: USERS, filter: "", sort: "" };
    let all: Vec<_> = (1..=5).map(id).collect();
    for skip in [0, 1, 2, 3, 4] {
        let (total, page) = question.index(file, skip, 1_000);
        let rest = &all[usize::try_from(skip).unwrap()..];
        assert_eq!((total, page.as_slice()), (5, &rest[..rest.len().min(2)]), "{skip}");
    }
    assert_eq!(question.cursor(file, 1_000), all);
}

#[test]
fn rows_are_looked_at_only_where_no_index_decides() {
    let file = people(1_500).filled(&DirectoryProjection);
    let examined = |filter, sort, start, count| {
        let question = Question { kinds: USERS, filter, sort };
        question.ask(&file, start, count).unwrap().examined
    };
    let page = || Start::Skip(700);
    for (filter, sort) in [
        ("", ""),
        ("", "userName"),
        ("", "displayName descending"),
        ("active eq true", ""),
        (r#"userName eq "user7@x""#, ""),
        (r#"meta.lastModified gt "2026-01-01T00:00:02Z""#, ""),
        (r#"meta.resourceType eq "User""#, "id"),
    ] {
        assert_eq!(examined(filter, sort, page(), 10), 0, "{filter} / {sort}");
    }
    let few = examined(r#"emails.value eq "7@mail""#, "", page(), 10);
    assert!((20..40).contains(&few), "{few}");
    // The total is known without looking, so that no row behind the page is looked at.
    let few = examined("active eq true", "userName", Start::Skip(0), 10);
    assert!((10..60).contains(&few), "{few}");
    let few = examined("title pr or active eq true", "", Start::Behind(None), 10);
    assert!((10..60).contains(&few), "{few}");
    let (all, _) = Question { kinds: USERS, filter: "", sort: "" }.index(&file, 0, 0);
    assert_eq!(examined("title pr", "", page(), 10), all);
}

#[test]
fn what_may_take_long_is_known_beforehand() {
    let is_long = |kinds, filter, sort, skip, count| {
        Question { kinds, filter, sort }.put(Start::Skip(skip), count, |ask| ask.is_long())
    };
    for (kinds, filter, sort, skip, count) in [
        (USERS, "", "", 900_000, 100),
        (USERS, "active eq false", "", 900_000, 100),
        (USERS, "", "userName", 10_000, 100),
        (USERS, r#"userName eq "a" and title pr"#, "title", 0, 1_000),
        (USERS, r#"externalId eq "a" or externalId eq "b""#, "", 0, 1_000),
        (GROUPS, r#"displayName eq "a""#, "", 0, 1_000),
    ] {
        assert!(!is_long(kinds, filter, sort, skip, count), "{filter} / {sort}");
    }
    for (kinds, filter, sort, skip, count) in [
        (USERS, "", "", 0, 101),
        (BOTH, "", "", 0, 101),
        (USERS, "", "userName", 10_001, 100),
        (USERS, "", "title", 0, 10),
        (USERS, "active eq false", "userName", 0, 10),
        (USERS, "title pr", "", 0, 10),
        (USERS, r#"displayName eq "a""#, "", 0, 10),
        (USERS, r#"meta.lastModified gt "2026-01-01T00:00:02Z""#, "", 0, 10),
        (GROUPS, r#"members eq "0190f5e0-0000-7000-8000-00000000abcd""#, "", 0, 10),
    ] {
        assert!(is_long(kinds, filter, sort, skip, count), "{filter} / {sort}");
    }
}

#[test]
fn what_no_index_answers_is_refused_where_there_is_too_much() {
    // As many entries as there must not be, without anybody writing them.
    let file = people(1_500).filled(&DirectoryProjection);
    file.execute("UPDATE blocks SET rows = rows + ?1", [EXAMINED_MAX.cast_signed()]).unwrap();
    let refused = |filter, sort, start| {
        let question = Question { kinds: USERS, filter, sort };
        match question.ask(&file, start, 10) {
            Err(ListError::Refused(error)) => {
                assert_eq!(error.scim_type, Some(scim::ErrorType::TooMany));
                error.detail
            }
            Err(error) => panic!("{error}"),
            Ok(_) => String::new(),
        }
    };
    let detail = refused("title pr", "", Start::Skip(0));
    assert!(detail.contains("looked at one by one, more than 250000: page by cursor"), "{detail}");
    let detail = refused("", "name.familyName", Start::Skip(0));
    assert!(detail.contains(&format!("sorted, more than {SORTED_MAX}: sort by")), "{detail}");
    assert!(!refused("title pr", "name.familyName", Start::Behind(None)).is_empty());
    assert_eq!(refused("title pr", "", Start::Behind(None)), "");
    assert_eq!(refused("active eq true", "userName", Start::Skip(0)), "");
    assert_eq!(refused(r#"emails eq "7@mail""#, "name.familyName", Start::Skip(0)), "");
    // A filter of many comparisons makes each row dearer.
    let terms: Vec<_> = (0..200).map(|number| format!("title co \"{number}\"")).collect();
    let detail = refused(&terms.join(" or "), "", Start::Skip(0));
    assert!(detail.contains("more than 9615:"), "{detail}");
}
