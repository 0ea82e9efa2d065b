//! The people and groups an identity provider holds, made from a seed.
//!
//! Everything here is a pure function of the seed, the sizes and the round, so that a second
//! cycle, in another process, speaks of the same people. A round is what one day does to a
//! directory: see [`Directory::advance`]. No clock, no random source of the system.

use std::collections::BTreeSet;

/// What a person is called: as written, and as it stands in a mail address.
type Name = (&'static str, &'static str);

/// Some are not ASCII: a server must keep them as they are.
const GIVEN_NAMES: [Name; 24] = [
    ("Ada", "ada"),
    ("Amélie", "amelie"),
    ("Björn", "bjorn"),
    ("Carmen", "carmen"),
    ("Chloé", "chloe"),
    ("Daniel", "daniel"),
    ("Elif", "elif"),
    ("Fatima", "fatima"),
    ("Grace", "grace"),
    ("Hugo", "hugo"),
    ("Ines", "ines"),
    ("José", "jose"),
    ("Kenji", "kenji"),
    ("Lena", "lena"),
    ("Łukasz", "lukasz"),
    ("Maria", "maria"),
    ("Noah", "noah"),
    ("Olga", "olga"),
    ("Priya", "priya"),
    ("Rosa", "rosa"),
    ("Søren", "soren"),
    ("Tomás", "tomas"),
    ("Wei", "wei"),
    ("Zoë", "zoe"),
];

/// Apostrophes and hyphens are legal in a userName, and must survive a filter.
const FAMILY_NAMES: [Name; 24] = [
    ("Andersson", "andersson"),
    ("Bauer", "bauer"),
    ("Castillo", "castillo"),
    ("D'Angelo", "d'angelo"),
    ("Dubois", "dubois"),
    ("Ferreira", "ferreira"),
    ("García", "garcia"),
    ("Haddad", "haddad"),
    ("Ivanova", "ivanova"),
    ("Jensen", "jensen"),
    ("Kowalski", "kowalski"),
    ("López", "lopez"),
    ("Müller", "muller"),
    ("Nakamura", "nakamura"),
    ("O'Malley", "o'malley"),
    ("Okafor", "okafor"),
    ("Papadopoulos", "papadopoulos"),
    ("Quintero", "quintero"),
    ("Rossi", "rossi"),
    ("Smith-Jones", "smith-jones"),
    ("Tanaka", "tanaka"),
    ("Ünal", "unal"),
    ("Virtanen", "virtanen"),
    ("Zhang", "zhang"),
];

const DEPARTMENTS: [&str; 8] = [
    "Engineering",
    "Sales",
    "Finance",
    "Support",
    "Marketing",
    "Operations",
    "Legal",
    "Field Service",
];

const TITLES: [&str; 6] = ["Engineer", "Manager", "Analyst", "Director", "Specialist", "Assistant"];

const PLACES: [&str; 10] = [
    "Madrid", "Lisbon", "Lyon", "Munich", "Oslo", "Kraków", "Toronto", "Nairobi", "Osaka", "Austin",
];

/// One person as the identity provider holds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The first name, not always ASCII.
    pub given_name: String,
    /// The last name, not always ASCII.
    pub family_name: String,
    /// The sign-in name. Unique, and never changed by a round.
    pub user_name: String,
    /// The work mail address.
    pub email: String,
    /// The job title; a round may clear it.
    pub title: Option<String>,
    /// The name of the department.
    pub department: String,
    /// The number on the badge.
    pub employee_number: String,
    /// The manager's place in [`Directory::people`], always lower than the person's own.
    pub manager: Option<usize>,
    /// Whether the person is assigned to the application.
    pub active: bool,
    /// The object id in Entra, a UUID.
    pub entra_id: String,
    /// The user id in Okta, `00u` and 17 characters.
    pub okta_id: String,
}

impl Person {
    fn generate(random: &mut Random, seed: u64, index: usize) -> Self {
        let (given_name, given_plain) = *random.pick(&GIVEN_NAMES);
        let (family_name, family_plain) = *random.pick(&FAMILY_NAMES);
        // The seed is in the domain: two seeds never fight for a userName.
        let user_name = format!("{given_plain}.{family_plain}.{index}@tenant{seed}.example");
        Self {
            given_name: given_name.to_owned(),
            family_name: family_name.to_owned(),
            email: user_name.clone(),
            user_name,
            title: Some((*random.pick(&TITLES)).to_owned()),
            department: (*random.pick(&DEPARTMENTS)).to_owned(),
            employee_number: (100_000 + index).to_string(),
            manager: (index > 0).then(|| random.below(index.div_ceil(8))),
            active: true,
            entra_id: random.uuid(),
            okta_id: format!("00u{}", random.letters(17)),
        }
    }

    /// Returns the name as people read it.
    pub fn display_name(&self) -> String {
        format!("{} {}", self.given_name, self.family_name)
    }

    fn change(&mut self, random: &mut Random, index: usize) {
        match random.below(5) {
            0 => self.title = Some(format!("Senior {}", random.pick(&TITLES))),
            1 => {
                self.department = format!("New {}", random.pick(&DEPARTMENTS));
                self.title = Some(format!("Lead {}", random.pick(&TITLES)));
            }
            2 => {
                let (family_name, family_plain) = *random.pick(&FAMILY_NAMES);
                let domain = self.user_name.rsplit('@').next().unwrap_or_default();
                self.email = format!("{family_plain}.{index}@{domain}");
                self.family_name = format!("{family_name}-{}", self.family_name);
            }
            3 => self.title = None,
            _ => {
                self.title = Some(format!("Chief {}", random.pick(&TITLES)));
                self.manager = (index > 0).then(|| random.below(index));
            }
        }
    }
}

/// One group as the identity provider holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The name, unique in the directory.
    pub display_name: String,
    /// The object id in Entra, a UUID.
    pub entra_id: String,
    /// The members, as places in [`Directory::people`].
    pub members: BTreeSet<usize>,
}

/// A membership: the place of the group and the place of the person.
pub type Membership = (usize, usize);

/// Everybody and every group that is assigned to the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// The seed that everything is made from.
    pub seed: u64,
    /// The people, in the order in which they are provisioned.
    pub people: Vec<Person>,
    /// The groups, in the order in which they are provisioned.
    pub groups: Vec<Group>,
}

/// What one round changed. Places are those of the [`Directory`]; no person is in two of the lists
/// of people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// People with new attributes, and what they were before.
    pub updated: Vec<(usize, Person)>,
    /// People who were unassigned and stay so.
    pub left: Vec<usize>,
    /// People who are unassigned and, later in the same cycle, assigned again.
    pub returned: Vec<usize>,
    /// Memberships that ended.
    pub removed: Vec<Membership>,
    /// Memberships that began.
    pub added: Vec<Membership>,
    /// Groups with a new name, and the name they had before.
    pub renamed: Vec<(usize, String)>,
}

impl Directory {
    /// Makes the directory as it is before any round.
    ///
    /// Everybody is in one group or, half of them, in two; the first quarter of the groups holds
    /// more people than the others.
    pub fn new(seed: u64, users: usize, groups: usize) -> Self {
        let mut random = Random::new(seed, 0);
        let people = (0..users).map(|index| Person::generate(&mut random, seed, index)).collect();
        let mut groups: Vec<Group> =
            (0..groups).map(|index| Group::generate(&mut random, index)).collect();
        if !groups.is_empty() {
            let crowded = groups.len().div_ceil(4);
            for person in 0..users {
                let own = random.below(groups.len());
                groups[own].members.insert(person);
                if random.below(2) == 0 {
                    groups[random.below(crowded)].members.insert(person);
                }
            }
        }
        Self { seed, people, groups }
    }

    /// Lets one round happen: 5 % of the people get new attributes, 1 % leave, 1 % leave and come
    /// back, 2 % change from one group to another, 5 % of the groups get a new name; of each at
    /// least one, if there is anybody left for it.
    pub fn advance(&mut self, round: u32) -> Changes {
        let mut random = Random::new(self.seed, u64::from(round));
        let mut changes = Changes::default();
        let order = random.shuffled(self.people.len()).into_iter();
        let mut order = order.filter(|&index| self.people[index].active).collect::<Vec<_>>();
        let share = |percent: usize| (self.people.len() * percent / 100).max(1);
        let mut take = |count: usize| order.split_off(order.len().saturating_sub(count));

        let updated = take(share(5));
        changes.left = take(share(1));
        changes.returned = take(share(1));
        let movers = take(share(2));
        for index in updated {
            let before = self.people[index].clone();
            self.people[index].change(&mut random, index);
            changes.updated.push((index, before));
        }
        for &index in &changes.left {
            self.people[index].active = false;
        }
        self.move_members(&mut random, &movers, &mut changes);
        self.rename_groups(&mut random, round, &mut changes);
        changes
    }

    fn move_members(&mut self, random: &mut Random, movers: &[usize], changes: &mut Changes) {
        for &person in movers {
            let Some(from) = self.groups.iter().position(|group| group.members.contains(&person))
            else {
                continue;
            };
            let to = random.below(self.groups.len());
            self.groups[from].members.remove(&person);
            changes.removed.push((from, person));
            if from != to && self.groups[to].members.insert(person) {
                changes.added.push((to, person));
            }
        }
    }

    fn rename_groups(&mut self, random: &mut Random, round: u32, changes: &mut Changes) {
        let renamed = (self.groups.len() / 20).max(1);
        for index in random.shuffled(self.groups.len()).into_iter().take(renamed) {
            let name = format!("{} ({round})", self.groups[index].display_name);
            let before = std::mem::replace(&mut self.groups[index].display_name, name);
            changes.renamed.push((index, before));
        }
    }
}

impl Group {
    fn generate(random: &mut Random, index: usize) -> Self {
        let department = DEPARTMENTS[index % DEPARTMENTS.len()];
        let place = PLACES[index / DEPARTMENTS.len() % PLACES.len()];
        let names = DEPARTMENTS.len() * PLACES.len();
        let display_name = match index / names {
            0 => format!("{department} {place}"),
            number => format!("{department} {place} {}", number + 1),
        };
        Self { display_name, entra_id: random.uuid(), members: BTreeSet::new() }
    }
}

/// A generator of numbers that depend on nothing but the seed, `SplitMix64`.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// Makes a generator; those of one seed and different streams are unrelated.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut mixer = Self(seed ^ 0x6d75_7374_6572_0001);
        let start = mixer.next() ^ stream.wrapping_mul(0xd134_2543_de82_ef95);
        Self(start)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number from 0 to `limit` − 1, and 0 when `limit` is 0.
    fn below(&mut self, limit: usize) -> usize {
        let wide = u128::from(self.next()) * limit as u128;
        usize::try_from(wide >> 64).unwrap_or(0)
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    fn shuffled(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }

    /// Returns a UUID of version 4 in its text form.
    pub(crate) fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0x0fff,
            low >> 48 & 0x3fff | 0x8000,
            low & 0xffff_ffff_ffff
        )
    }

    /// Returns `count` characters out of `[A-Za-z0-9]`.
    pub(crate) fn letters(&mut self, count: usize) -> String {
        const LETTERS: &[u8; 62] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        (0..count).map(|_| char::from(*self.pick(LETTERS))).collect()
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn one_seed_gives_one_directory() {
        let mut first = Directory::new(7, 300, 12);
        let mut second = Directory::new(7, 300, 12);
        assert_eq!(first, second);
        assert_eq!(first.advance(1), second.advance(1));
        assert_eq!(first.advance(2), second.advance(2));
        assert_eq!(first, second);
    }

    #[test]
    fn another_seed_gives_other_people() {
        let names = |seed| -> BTreeSet<String> {
            let people = Directory::new(seed, 200, 0).people;
            people.into_iter().map(|person| person.user_name).collect()
        };
        assert_eq!(names(1).len(), 200);
        assert!(names(1).is_disjoint(&names(2)));
    }

    #[test]
    fn a_larger_directory_begins_with_the_same_people() {
        let few = Directory::new(3, 10, 0).people;
        let many = Directory::new(3, 1_000, 0).people;
        assert_eq!(few, many[..10]);
    }

    #[test]
    fn a_person_looks_like_this() {
        let person = &Directory::new(1, 3, 0).people[2];
        expect![[r#"
            Person {
                given_name: "Fatima",
                family_name: "D'Angelo",
                user_name: "fatima.d'angelo.2@tenant1.example",
                email: "fatima.d'angelo.2@tenant1.example",
                title: Some(
                    "Engineer",
                ),
                department: "Support",
                employee_number: "100002",
                manager: Some(
                    0,
                ),
                active: true,
                entra_id: "78e73b44-d934-4cab-aa2f-d302221d0864",
                okta_id: "00uwv0mbajCMDbkP8rlc",
            }
        "#]]
        .assert_debug_eq(person);
    }

    #[test]
    fn a_round_changes_a_share_and_touches_nobody_twice() {
        let mut directory = Directory::new(1, 1_000, 40);
        let changes = directory.advance(1);
        let people = changes.updated.iter().map(|(index, _)| *index);
        let people = people.chain(changes.left.clone()).chain(changes.returned.clone());
        assert_eq!(people.collect::<BTreeSet<_>>().len(), 50 + 10 + 10);
        assert!(changes.updated.iter().all(|(index, before)| directory.people[*index] != *before));
        assert!(changes.left.iter().all(|&index| !directory.people[index].active));
        assert!(changes.returned.iter().all(|&index| directory.people[index].active));
        assert_eq!((changes.removed.len(), changes.renamed.len()), (20, 2));
    }

    #[test]
    fn a_round_of_a_small_directory_has_something_of_everything() {
        let changes = Directory::new(1, 8, 2).advance(1);
        assert_eq!((changes.updated.len(), changes.left.len(), changes.returned.len()), (1, 1, 1));
        assert_eq!((changes.removed.len(), changes.renamed.len()), (1, 1));
    }

    #[test]
    fn an_empty_directory_is_possible() {
        let mut directory = Directory::new(1, 0, 0);
        assert_eq!(directory.advance(1), Changes::default());
    }

    #[test]
    fn names_of_groups_are_unique() {
        let groups = Directory::new(1, 0, 500).groups;
        let names: BTreeSet<_> = groups.iter().map(|group| &group.display_name).collect();
        assert_eq!(names.len(), 500);
    }

    #[test]
    fn everybody_is_in_a_group() {
        let Directory { groups, .. } = Directory::new(1, 100, 7);
        assert!((0..100).all(|person| groups.iter().any(|group| group.members.contains(&person))));
    }
}
