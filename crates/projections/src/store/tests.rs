//! From facts to rows, and what queries make of them.

use std::collections::HashSet;

use domain::{group_filter::GroupFilter, publication::PublicationEvent};
use expect_test::expect;

use super::Store;
use crate::testing::{Story, show, workspace};

fn filter(lines: &[&[&str]]) -> GroupFilter {
    let line = |line: &&[&str]| line.iter().map(|name| (*name).to_owned()).collect();
    GroupFilter { lines: lines.iter().map(line).collect() }
}

fn published(name: &str, lines: &[&[&str]]) -> PublicationEvent {
    PublicationEvent::Published { name: name.to_owned(), groups: filter(lines) }
}

fn story() -> Story {
    let mut story = Story::new();
    story
        .publication(1, published("Mail", &[&["Sales", "EMEA", "sales"], &["Board"]]))
        .publication(2, published("chat", &[]))
        .publication(3, published("Payroll", &[&["board"]]))
        .publication(4, published("Old", &[&["Board"]]))
        .publication(4, PublicationEvent::Withdrawn {});
    story
}

#[test]
fn a_filter_is_a_row_for_each_name_in_each_line() {
    expect![[r#"
        [acme accounts]
        [acme account_entries]
        [acme publications]
        00000000-0000-0000-0000-000000000001	Mail	mail	0	[["Sales","EMEA","sales"],["Board"]]	1767225600001000
        00000000-0000-0000-0000-000000000002	chat	chat	1	[]	1767225600002000
        00000000-0000-0000-0000-000000000003	Payroll	payroll	0	[["board"]]	1767225600003000
        [acme publication_lines]
        board	00000000-0000-0000-0000-000000000001	1	1
        board	00000000-0000-0000-0000-000000000003	0	1
        emea	00000000-0000-0000-0000-000000000001	0	2
        sales	00000000-0000-0000-0000-000000000001	0	2
    "#]]
    .assert_eq(&story().rows(&Store));
}

#[test]
fn what_becomes_of_a_publication_is_shown() {
    let mut story = story();
    story
        .publication(1, PublicationEvent::Renamed { name: "Post".to_owned() })
        .publication(1, PublicationEvent::VisibilitySet { groups: filter(&[]) })
        .publication(2, PublicationEvent::VisibilitySet { groups: filter(&[&["x"]]) })
        .publication(3, PublicationEvent::Withdrawn {});
    expect![[r#"
        [acme accounts]
        [acme account_entries]
        [acme publications]
        00000000-0000-0000-0000-000000000001	Post	post	1	[]	1767225600001000
        00000000-0000-0000-0000-000000000002	chat	chat	0	[["x"]]	1767225600002000
        [acme publication_lines]
        x	00000000-0000-0000-0000-000000000002	0	1
    "#]]
    .assert_eq(&story.rows(&Store));
}

#[test]
fn rule_17_what_somebody_sees_is_found_from_their_groups() {
    let shown = show(&story());
    let seen = |groups: &[&str], q: Option<&str>| {
        let groups: HashSet<_> = groups.iter().map(|name| (*name).to_owned()).collect();
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let publications = shown.models.publications();
            let (rows, next) =
                publications.seen_by(&workspace(), &groups, q, 1, after.as_ref()).unwrap();
            names.extend(rows.into_iter().map(|row| row.name));
            if next.is_none() {
                return names;
            }
            after = next;
        }
    };
    assert_eq!(seen(&[], None), ["chat"]);
    assert_eq!(seen(&["sales"], None), ["chat"]);
    assert_eq!(seen(&["sales", "emea"], None), ["chat", "Mail"]);
    assert_eq!(seen(&["board"], None), ["chat", "Mail", "Payroll"]);
    assert_eq!(seen(&["board"], Some("AY")), ["Payroll"]);
}
