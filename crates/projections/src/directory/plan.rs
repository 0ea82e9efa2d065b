//! Plans: where the rows that a filter may match are found.
//!
//! An index narrows the search to candidates; the evaluator of `scim` decides on each of them. So a
//! plan need not understand a filter, only find in it a comparison that every match must satisfy.
//! Where the index says exactly what the filter says, [`Plan::exact`] spares the evaluator, and
//! makes counting cheap.

use domain::Micros;
use scim::{
    filter::{Filter, Operator},
    path::AttributePath,
    schema::{Catalogue, Kind},
    urn,
};
use serde_json::Value;
use uuid::Uuid;

/// Where to look, and whether that is the whole answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) source: Source,
    /// Whether everything found there matches.
    pub(super) exact: bool,
}

/// Where rows are found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// All rows of the kind.
    All,
    /// Those whose `active` is so.
    Active(bool),
    /// Those that were last changed between two times, both included.
    Modified(Micros, Micros),
    /// Those that one of the keys names; none, where there is no key.
    Keys(Vec<Key>),
}

/// A value that an index holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// The resource's own id.
    Id(Uuid),
    /// `userName`, folded.
    UserName(String),
    /// `displayName`, folded.
    DisplayName(String),
    /// `externalId`, to the letter.
    ExternalId(String),
    /// An address of a user, folded.
    Email(String),
    /// A user's manager, folded.
    Manager(String),
    /// A group with this member.
    Member(Uuid),
}

impl Key {
    /// Whether it names a handful of rows at most: what is unique, or as good as.
    pub(super) fn is_of_few(&self, kind: Kind) -> bool {
        match self {
            Self::Id(_) | Self::UserName(_) | Self::ExternalId(_) => true,
            Self::DisplayName(_) => kind == Kind::Group,
            Self::Email(_) | Self::Manager(_) | Self::Member(_) => false,
        }
    }
}

/// What one term of a filter offers.
enum Offer {
    /// It holds for every row of the kind.
    Always,
    /// It holds for none.
    Never,
    Keys(Vec<Key>),
    Active(bool),
    Modified(Micros, Micros),
    Nothing,
}

/// The start of time and its end, in microseconds.
const EVER: (Micros, Micros) = (Micros::MIN, Micros::MAX);

/// Finds out where to look for the matches of a filter.
pub(super) fn plan(filter: Option<&Filter>, kind: Kind, catalogue: &Catalogue) -> Plan {
    let (mut keys, mut active, mut modified): (Option<Vec<Key>>, _, _) = (None, None, EVER);
    let mut terms = 0;
    for term in filter.into_iter().flat_map(Filter::conjuncts) {
        terms += 1;
        match offer(term, kind, catalogue) {
            Offer::Always => terms -= 1,
            Offer::Never => return Plan { source: Source::Keys(Vec::new()), exact: true },
            // The first comparison by equality will do, unless another names the row itself.
            Offer::Keys(found) if keys.as_ref().is_none_or(|known| rank(&found) < rank(known)) => {
                keys = Some(found);
            }
            Offer::Active(value) => active = Some(value),
            Offer::Modified(from, to) => modified = (modified.0.max(from), modified.1.min(to)),
            Offer::Keys(_) | Offer::Nothing => {}
        }
    }
    if let Some(keys) = keys {
        let exact = terms == 1 && matches!(keys[..], [Key::Id(_) | Key::UserName(_)]);
        return Plan { source: Source::Keys(keys), exact };
    }
    if modified != EVER {
        let source = Source::Modified(modified.0, modified.1);
        return Plan { source, exact: filter.is_some_and(|it| is_only_time(it, kind, catalogue)) };
    }
    match active {
        Some(active) => Plan { source: Source::Active(active), exact: terms == 1 },
        None => Plan { source: Source::All, exact: terms == 0 },
    }
}

/// How many rows keys may name: fewest first.
fn rank(keys: &[Key]) -> usize {
    let of = |key: &Key| match key {
        Key::Id(_) => 0,
        Key::UserName(_) => 1,
        Key::DisplayName(_) | Key::ExternalId(_) | Key::Email(_) => 2,
        Key::Manager(_) | Key::Member(_) => 3,
    };
    keys.iter().map(of).max().unwrap_or(0) * 1_000 + keys.len()
}

fn offer(term: &Filter, kind: Kind, catalogue: &Catalogue) -> Offer {
    match term {
        Filter::Or(terms) => any(terms, kind, catalogue),
        Filter::Element { path, filter } => {
            // `emails[value eq "x" …]`: one element satisfies all, so it has this value.
            let Some(name) = name(path, kind, catalogue) else { return Offer::Nothing };
            let value = filter.conjuncts().find_map(|term| {
                let (path, value) = term.equality()?;
                (path.name.eq_ignore_ascii_case("value") && path.sub.is_none()).then_some(value)
            });
            value.map_or(Offer::Nothing, |value| equal(kind, &name, value))
        }
        Filter::Compare { path, operator: Operator::Equal, value } => {
            let Some(name) = name(path, kind, catalogue) else { return Offer::Nothing };
            match name.as_str() {
                "meta.lastModified" => modified(Operator::Equal, value),
                name => equal(kind, name, value),
            }
        }
        Filter::Compare { path, operator, value } => match name(path, kind, catalogue) {
            Some(name) if name == "meta.lastModified" => modified(*operator, value),
            _ => Offer::Nothing,
        },
        Filter::Present(_) | Filter::Not(_) | Filter::And(_) => Offer::Nothing,
    }
}

/// Alternatives are found by keys if each of them is.
fn any(terms: &[Filter], kind: Kind, catalogue: &Catalogue) -> Offer {
    let mut keys = Vec::new();
    for term in terms {
        match plan(Some(term), kind, catalogue).source {
            Source::Keys(found) => keys.extend(found),
            Source::All | Source::Active(_) | Source::Modified(..) => return Offer::Nothing,
        }
    }
    keys.sort();
    keys.dedup();
    Offer::Keys(keys)
}

/// What a comparison by `eq` offers.
fn equal(kind: Kind, name: &str, value: &Value) -> Offer {
    let Some(text) = text(value) else { return Offer::Nothing };
    let id = |key: fn(Uuid) -> Key| canonical(&text).map_or(Offer::Never, |id| one(key(id)));
    match (kind, name) {
        (_, "id") => id(Key::Id),
        (_, "meta.resourceType") if text == kind.name() => Offer::Always,
        (_, "meta.resourceType") => Offer::Never,
        (_, "externalId") => one(Key::ExternalId(text)),
        (_, "displayName") => one(Key::DisplayName(scim::fold::text(&text))),
        (Kind::User, "userName") => one(Key::UserName(scim::fold::user_name(&text))),
        (Kind::User, "emails" | "emails.value") => one(Key::Email(scim::fold::text(&text))),
        (Kind::User, "manager" | "manager.value") => one(Key::Manager(scim::fold::text(&text))),
        (Kind::User, "active") => match value {
            Value::Bool(active) => Offer::Active(*active),
            _ => Offer::Nothing,
        },
        (Kind::Group, "members" | "members.value") => id(Key::Member),
        _ => Offer::Nothing,
    }
}

/// An id in its one spelling: ids are compared to the letter.
fn canonical(text: &str) -> Option<Uuid> {
    let id = text.parse::<Uuid>().ok()?;
    (id.to_string() == text).then_some(id)
}

fn one(key: Key) -> Offer {
    Offer::Keys(vec![key])
}

/// A literal as the evaluator compares it with text; `null` asks for absence.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// What a comparison of `meta.lastModified` offers. Clients see, and compare, milliseconds.
fn modified(operator: Operator, value: &Value) -> Offer {
    let Some(time) = value.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok()) else {
        return Offer::Nothing; // The evaluator knows more spellings.
    };
    if time.subsec_nanosecond() % 1_000 != 0 {
        return Offer::Nothing;
    }
    let micros = time.as_microsecond();
    // The first microseconds of the millisecond that the time lies in, and of the next.
    let (this, next) =
        (micros - micros.rem_euclid(1_000), micros - micros.rem_euclid(1_000) + 1_000);
    let whole = this == micros;
    match operator {
        Operator::Equal if whole => Offer::Modified(this, next - 1),
        Operator::Equal => Offer::Never,
        Operator::Greater => Offer::Modified(next, EVER.1),
        Operator::GreaterOrEqual => Offer::Modified(if whole { this } else { next }, EVER.1),
        Operator::Less => Offer::Modified(EVER.0, if whole { this } else { next } - 1),
        Operator::LessOrEqual => Offer::Modified(EVER.0, next - 1),
        Operator::NotEqual | Operator::Contains | Operator::StartsWith | Operator::EndsWith => {
            Offer::Nothing
        }
    }
}

/// Whether a filter speaks of nothing but `meta.lastModified`, in ways that its index understands.
fn is_only_time(filter: &Filter, kind: Kind, catalogue: &Catalogue) -> bool {
    let speaks = |term| matches!(offer(term, kind, catalogue), Offer::Modified(..) | Offer::Always);
    filter.conjuncts().all(speaks)
}

/// The canonical name of an attribute that an index may know, `a` or `a.b`: of the core schema, or
/// the enterprise extension's `manager`.
fn name(path: &AttributePath, kind: Kind, catalogue: &Catalogue) -> Option<String> {
    let place = catalogue.locate(kind, path)?;
    let attribute = place.attribute?.name;
    let is_manager = |urn: &str| urn == urn::ENTERPRISE_USER && attribute == "manager";
    if place.extension.as_deref().is_some_and(|urn| !is_manager(urn)) {
        return None;
    }
    Some(match place.sub {
        Some(sub) => format!("{attribute}.{}", sub.name),
        None => attribute.to_owned(),
    })
}

/// Whether a path names a top-level attribute, as far as its first name tells.
fn is_of(path: &AttributePath, attribute: &str) -> bool {
    path.name.eq_ignore_ascii_case(attribute)
}

/// Which members of a group matter for it to be found, or for its place in the order.
#[derive(Debug, PartialEq, Eq)]
pub enum Members {
    /// Nobody asks for members.
    Nobody,
    /// Only whether these are members matters.
    These(Vec<Uuid>),
    /// Anybody's presence may matter.
    All,
}

/// Finds out which members a filter speaks of.
pub(super) fn named_members(filter: &Filter, catalogue: &Catalogue) -> Members {
    let mut named = Members::Nobody;
    collect_members(filter, catalogue, &mut named);
    named
}

fn collect_members(filter: &Filter, catalogue: &Catalogue, named: &mut Members) {
    match filter {
        Filter::Not(term) => collect_members(term, catalogue, named),
        Filter::And(terms) | Filter::Or(terms) => {
            terms.iter().for_each(|term| collect_members(term, catalogue, named));
        }
        Filter::Compare { path, .. } | Filter::Present(path) | Filter::Element { path, .. } => {
            if !is_of(path, "members") {
                return;
            }
            let ids = match offer(filter, Kind::Group, catalogue) {
                Offer::Keys(keys) => keys.iter().map(member).collect(),
                Offer::Never => Some(Vec::new()),
                _ => None,
            };
            match (ids, &mut *named) {
                (_, Members::All) => {}
                (None, named) => *named = Members::All,
                (Some(ids), Members::These(known)) => known.extend(ids),
                (Some(ids), Members::Nobody) => *named = Members::These(ids),
            }
        }
    }
}

fn member(key: &Key) -> Option<Uuid> {
    match key {
        Key::Member(id) => Some(*id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, kind: Kind) -> Plan {
        plan(Some(&Filter::parse(text).unwrap()), kind, Catalogue::standard())
    }

    fn keys(text: &str) -> Vec<Key> {
        match of(text, Kind::User).source {
            Source::Keys(keys) => keys,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_comparison_that_all_matches_satisfy_is_found() {
        let ada = || vec![Key::UserName("ada@x".to_owned())];
        for text in [
            r#"userName eq "Ada@X""#,
            r#"urn:ietf:params:scim:schemas:core:2.0:User:USERNAME eq "Ada@X""#,
            r#"active eq true and (title pr and userName eq "Ada@X")"#,
            r#"externalId eq "7" and userName eq "Ada@X""#,
            r#"meta.lastModified gt "2026-01-01T00:00:00Z" and userName eq "Ada@X""#,
        ] {
            assert_eq!(keys(text), ada(), "{text}");
        }
        assert_eq!(keys("externalId eq 7"), [Key::ExternalId("7".to_owned())]);
        assert_eq!(keys(r#"id eq "nobody""#), []);
        assert_eq!(keys(r#"id eq "0190F5E0-0000-7000-8000-00000000ABCD""#), []);
        for text in [
            r#"emails eq "A@x""#,
            r#"emails.value eq "a@X""#,
            r#"emails[type eq "work"].value eq "a@x""#,
            r#"emails[value eq "a@x" and primary eq true]"#,
        ] {
            assert_eq!(keys(text), [Key::Email("a@x".to_owned())], "{text}");
        }
        for path in ["manager", "manager.value", &format!("{}:manager", urn::ENTERPRISE_USER)] {
            let text = format!("{path} eq \"M\"");
            assert_eq!(keys(&text), [Key::Manager("m".to_owned())], "{text}");
        }
    }

    #[test]
    fn alternatives_are_found_by_keys_if_each_is() {
        assert_eq!(
            keys(r#"userName eq "b" or userName eq "a" or userName eq "A" or id eq "no""#),
            [Key::UserName("a".to_owned()), Key::UserName("b".to_owned())]
        );
        let one_is_not = r#"userName eq "a" or title eq "x""#;
        assert_eq!(of(one_is_not, Kind::User).source, Source::All);
    }

    #[test]
    fn what_an_index_cannot_answer_is_left_to_the_evaluator() {
        for text in [
            r#"not (userName eq "a")"#,
            r#"userName sw "a""#,
            "externalId eq null",
            r#"urn:company:User:userName eq "a""#,
            r#"members eq "a""#,
            "meta.lastModified gt 2011-05-13",
            r#"meta.lastModified sw "2011""#,
        ] {
            assert_eq!(of(text, Kind::User), Plan { source: Source::All, exact: false }, "{text}");
        }
    }

    #[test]
    fn what_an_index_says_exactly_needs_no_evaluator() {
        let exact = |text: &str| of(text, Kind::User).exact;
        for text in [
            r#"userName eq "a""#,
            r#"meta.resourceType eq "User" and active eq true"#,
            r#"meta.resourceType eq "User""#,
            r#"meta.resourceType eq "Group""#,
            r#"meta.lastModified gt "2026-01-01T00:00:00Z" and meta.lastModified le "2026-01-02T00:00:00Z""#,
        ] {
            assert!(exact(text), "{text}");
        }
        for text in [
            r#"userName eq "a" and active eq true"#,
            r#"emails.value eq "a""#,
            "active eq true and active eq false",
            r#"meta.lastModified gt "2026-01-01T00:00:00Z" and active eq true"#,
            "active ne true",
        ] {
            assert!(!exact(text), "{text}");
        }
        assert!(plan(None, Kind::User, Catalogue::standard()).exact);
        let nothing = Plan { source: Source::Keys(Vec::new()), exact: true };
        assert_eq!(of(r#"meta.resourceType eq "Group" and title pr"#, Kind::User), nothing);
    }

    #[test]
    fn times_are_compared_as_they_are_shown() {
        let second = 1_767_225_600_000_000;
        let range = |text: &str| match of(text, Kind::User).source {
            Source::Modified(from, to) => (from, to),
            other => panic!("{text}: {other:?}"),
        };
        for (text, from, to) in [
            ("ge \"2026-01-01T00:00:00Z\"", second, Micros::MAX),
            ("gt \"2026-01-01T00:00:00Z\"", second + 1_000, Micros::MAX),
            ("lt \"2026-01-01T01:00:00+01:00\"", Micros::MIN, second - 1),
            ("le \"2026-01-01T00:00:00.000Z\"", Micros::MIN, second + 999),
            ("eq \"2026-01-01T00:00:00Z\"", second, second + 999),
            ("ge \"2026-01-01T00:00:00.0005Z\"", second + 1_000, Micros::MAX),
            ("lt \"2026-01-01T00:00:00.0005Z\"", Micros::MIN, second + 999),
        ] {
            assert_eq!(range(&format!("meta.lastModified {text}")), (from, to), "{text}");
        }
        let never = of(r#"meta.lastModified eq "2026-01-01T00:00:00.0005Z""#, Kind::User).source;
        assert_eq!(never, Source::Keys(Vec::new()));
    }

    #[test]
    fn groups_are_found_by_a_member() {
        let id = Uuid::from_u128(7);
        let found = |text: &str| of(text, Kind::Group).source;
        for text in ["members eq", "members.value eq"] {
            assert_eq!(found(&format!("{text} \"{id}\"")), Source::Keys(vec![Key::Member(id)]));
        }
        let text = format!("members[value eq \"{id}\" and type eq \"User\"]");
        assert_eq!(found(&text), Source::Keys(vec![Key::Member(id)]));
        let group = Uuid::from_u128(8);
        let both = format!("members eq \"{id}\" and id eq \"{group}\"");
        assert_eq!(found(&both), Source::Keys(vec![Key::Id(group)]));
    }

    #[test]
    fn members_are_read_as_far_as_a_filter_names_them() {
        let named =
            |text: &str| named_members(&Filter::parse(text).unwrap(), Catalogue::standard());
        let id = Uuid::from_u128(7);
        assert_eq!(named("displayName pr"), Members::Nobody);
        assert_eq!(named(&format!("not (members eq \"{id}\")")), Members::These(vec![id]));
        assert_eq!(named("members eq \"x\""), Members::These(Vec::new()));
        assert_eq!(named("members.display co \"x\" or members eq \"x\""), Members::All);
        assert_eq!(named("members pr"), Members::All);
    }
}
