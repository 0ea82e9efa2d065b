//! What the journal keeps, and what it forgets.

use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::ManualClock;
use crate::claims::ClaimHasher;
use crate::keys::Keyring;

/// A directory with a journal, and the keys beside it.
struct Dir {
    dir: TempDir,
    clock: Arc<ManualClock>,
}

impl Dir {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), clock: Arc::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn open(&self) -> Journal {
        let keyring = Keyring::open(&self.path("keys.db"), None, HashMap::new()).unwrap();
        let claims = ClaimHasher::new(&keyring.claim_key().unwrap());
        let sealer = Arc::new(Sealer { keyring, claims });
        Journal::open(&self.path("journal.db"), sealer, self.clock.clone()).unwrap()
    }

    /// Whether any file of the directory has these bytes in it.
    fn holds(&self, bytes: &[u8]) -> bool {
        std::fs::read_dir(self.dir.path()).unwrap().any(|file| {
            let found = std::fs::read(file.unwrap().path()).unwrap();
            found.windows(bytes.len()).any(|window| window == bytes)
        })
    }
}

fn acme() -> WorkspaceId {
    WorkspaceId::parse("acme").unwrap()
}

fn seen(journal: &Journal, namespace: &str, key: &str) -> Option<(Micros, u64)> {
    let history = journal.attribute_history(&acme(), "store").unwrap();
    let found = history.get(&(namespace.into(), key.into()))?;
    Some((found.last_seen, found.count))
}

fn entry(connector: &str, time: Micros) -> NewEntry {
    let entry = Entry {
        time,
        connector: connector.into(),
        token: Uuid::from_u128(1),
        action: Action::Patch,
        outcome: Outcome::Changed,
        resource: Some(Resource::User),
        subject: Some(Uuid::from_u128(2)),
        name: None,
        status: Some(200),
        scim_type: None,
        detail: None,
        duration_micros: Some(700),
        request: "0190f5e0-0000-7000-8000-00000000abcd".to_owned(),
        correlation: "theirs".to_owned(),
        operation: None,
        positions: Some((7, 8)),
    };
    NewEntry { workspace: acme(), entry, body: None }
}

/// The times of the entries that match.
fn times(journal: &Journal, search: &Search) -> Vec<Micros> {
    let (mut search, mut times) = (search.clone(), Vec::new());
    loop {
        let part = journal.search(&acme(), &search).unwrap();
        times.extend(part.items.iter().map(|it| it.time));
        search.before = part.next;
        if search.before.is_none() {
            return times;
        }
    }
}

fn all() -> Search {
    Search { limit: 3, ..Search::default() }
}

#[test]
fn what_was_recorded_is_read_and_is_there_after_the_next_start() {
    let dir = Dir::new();
    let token = Uuid::from_u128(7);
    let journal = dir.open();
    journal.attributes_seen(&acme(), "store", [("core", "title"), ("core", "userName")], 10);
    journal.attributes_seen(&acme(), "store", [("core", "title")], 20);
    journal.attributes_seen(&acme(), "okta", [("core", "nickName")], 20);
    journal.token_used(&acme(), token, 20);
    journal.token_used(&acme(), token, 15);
    assert_eq!(seen(&journal, "core", "title"), Some((20, 2)));
    assert_eq!(seen(&journal, "core", "nickName"), None);
    assert_eq!(journal.token_uses(&acme()).unwrap(), HashMap::from([(token, 20)]));

    // What nobody has read is written when it is closed.
    journal.attributes_seen(&acme(), "store", [("core", "title")], 30);
    drop(journal);
    let journal = dir.open();
    journal.attributes_seen(&acme(), "store", [("core", "title")], 25);
    assert_eq!(seen(&journal, "core", "title"), Some((30, 4)));
    assert_eq!(seen(&journal, "core", "userName"), Some((10, 1)));
    assert_eq!(journal.token_uses(&acme()).unwrap(), HashMap::from([(token, 20)]));
    let other = WorkspaceId::parse("beta").unwrap();
    assert!(journal.attribute_history(&other, "store").unwrap().is_empty());
    assert!(journal.token_uses(&other).unwrap().is_empty());
}

#[test]
fn what_waits_is_bounded_and_what_waits_already_still_counts() {
    let mut waiting = Waiting::default();
    for number in 0..WAITING_MAX + 5 {
        waiting.attribute(&acme(), "store", "core", &number.to_string(), 1);
    }
    waiting.attribute(&acme(), "store", "core", "0", 2);
    let names = &waiting.attributes[&acme()]["store"]["core"];
    assert_eq!((waiting.size, names.len()), (WAITING_MAX, WAITING_MAX));
    assert_eq!(names["0"], Sightings { last_seen: 2, count: 2 });
}

#[test]
fn an_entry_is_read_as_it_was_recorded_and_times_are_one_each() {
    let dir = Dir::new();
    let journal = dir.open();
    let new = entry("store", 50);
    journal.answered(new.clone());
    journal.answered(entry("store", 50));
    journal.answered(entry("store", 20));
    assert_eq!(times(&journal, &all()), [52, 51, 50]);
    let (found, body) = journal.entry(&acme(), "store", 50).unwrap().unwrap();
    assert_eq!((found, body), (new.entry, None));
    assert_eq!(journal.entry(&acme(), "store", 49).unwrap(), None);
    assert_eq!(journal.entry(&acme(), "mdm", 50).unwrap(), None);
    drop(journal);
    let journal = dir.open();
    journal.answered(entry("store", 1));
    assert_eq!(times(&journal, &all()), [53, 52, 51, 50], "a restart goes on behind the last one");
}

#[test]
fn parts_follow_each_other_over_all_connectors() {
    let journal = Dir::new().open();
    for time in 1..=10 {
        journal.answered(entry(["store", "mdm", "okta"][usize::try_from(time % 3).unwrap()], time));
        journal.answered(entry("okta-2", time));
    }
    let expected: Vec<_> = (1..=10).rev().flat_map(|time| [time, time]).collect();
    for limit in [1, 2, 3, 20, 1_000] {
        assert_eq!(times(&journal, &Search { limit, ..all() }), expected, "{limit}");
    }
    let okta = Search { connector: Some("okta".into()), ..all() };
    assert_eq!(times(&journal, &okta), [8, 5, 2]);
    let between = Search { from: Some(3), to: Some(6), connector: Some("okta-2".into()), ..all() };
    assert_eq!(times(&journal, &between), [6, 5, 4, 3]);
    let other = WorkspaceId::parse("beta").unwrap();
    assert!(journal.search(&other, &all()).unwrap().items.is_empty());
    let spot = |place| Spot { time: 7, place };
    for (workspace, place, expected) in
        [(&acme(), 0, true), (&acme(), 4, true), (&acme(), 5, false), (&other, 1, false)]
    {
        assert_eq!(journal.has_given(workspace, spot(place)).unwrap(), expected, "{place}");
    }
}

#[test]
fn entries_are_found_by_each_thing_that_is_known_of_them() {
    let journal = Dir::new().open();
    let ada = journal.name_digest(&acme(), "ada");
    let with = |time, change: fn(&mut Entry)| {
        let mut new = entry("store", time);
        change(&mut new.entry);
        journal.answered(new);
    };
    with(1, |it| it.outcome = Outcome::Read);
    with(2, |it| (it.outcome, it.status) = (Outcome::Refused, Some(412)));
    with(3, |it| (it.outcome, it.status) = (Outcome::Refused, Some(404)));
    with(4, |it| it.subject = Some(Uuid::from_u128(9)));
    with(5, |it| it.correlation.clone_from(&it.request));
    with(6, |it| (it.action, it.status) = (Action::Delete, None));
    let mut named = entry("store", 7);
    named.entry.name = Some(ada);
    journal.answered(named);
    let request = entry("store", 1).entry.request;
    for (search, expected) in [
        (Search { outcome: Some(Outcome::Read), ..all() }, vec![1]),
        (Search { outcome: Some(Outcome::Refused), ..all() }, vec![3, 2]),
        (Search { status: Some((412, 412)), ..all() }, vec![2]),
        (Search { status: Some((400, 499)), ..all() }, vec![3, 2]),
        (Search { subject: Some(Uuid::from_u128(9)), ..all() }, vec![4]),
        (Search { correlation: Some(request), ..all() }, vec![5]),
        (Search { correlation: Some("theirs".into()), ..all() }, vec![7, 6, 4, 3, 2, 1]),
        (Search { action: Some(Action::Delete), ..all() }, vec![6]),
        (Search { name: Some(ada), ..all() }, vec![7]),
        (Search { name: Some(ada), outcome: Some(Outcome::Read), ..all() }, vec![]),
    ] {
        assert_eq!(times(&journal, &search), expected, "{search:?}");
    }
}

/// A read like most of them.
fn read(connector: &str, time: Micros) -> NewEntry {
    let mut new = entry(connector, time);
    new.entry.action = Action::Read;
    (new.entry.outcome, new.entry.positions) = (Outcome::Read, None);
    new.entry.subject = Some(Uuid::from_u128(1_000 + u128::from(time.unsigned_abs())));
    new.entry.correlation =
        Uuid::from_u128(9_000_000 + u128::from(time.unsigned_abs())).to_string();
    new
}

/// How many entries the blocks of a table have, those of the connector first whose name comes last.
fn blocks(journal: &Journal, table: &str) -> Vec<u32> {
    drop(journal.inner.written().unwrap());
    let file = lock(&journal.inner.file);
    let sql = format!(
        "SELECT count FROM {table} JOIN places ON no = place ORDER BY connector DESC, first"
    );
    let mut counts = file.conn.prepare(&sql).unwrap();
    counts.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn entries_stand_many_in_a_row_and_each_is_found() {
    let dir = Dir::new();
    let mut journal = dir.open();
    let mut expected = Vec::new();
    for time in 1..=700 {
        let connector = if time % 7 == 0 { "mdm" } else { "store" };
        journal.answered(if time % 5 == 0 {
            entry(connector, time)
        } else {
            read(connector, time)
        });
        expected.insert(0, time);
        if time % 100 == 0 {
            drop(journal);
            journal = dir.open();
        }
    }
    assert_eq!(blocks(&journal, "reads"), [256, 224, 80], "560 reads of two connectors");
    assert_eq!(blocks(&journal, "changes"), [120, 20]);
    for limit in [1, 3, 50, 1_000] {
        assert_eq!(times(&journal, &Search { limit, ..all() }), expected, "{limit}");
    }
    for time in [1, 7, 256, 257, 301, 602, 699] {
        let connector = if time % 7 == 0 { "mdm" } else { "store" };
        let NewEntry { entry, .. } = read(connector, time);
        let found = journal.entry(&acme(), connector, time).unwrap();
        assert_eq!(found, Some((entry.clone(), None)));
        let by_subject = Search { subject: entry.subject, ..all() };
        assert_eq!(times(&journal, &by_subject), [time]);
        let by_correlation = Search { correlation: Some(entry.correlation.clone()), ..all() };
        assert_eq!(times(&journal, &by_correlation), [time]);
        let other = Search { subject: Some(Uuid::from_u128(2)), ..by_correlation };
        assert_eq!(times(&journal, &other), [0; 0]);
    }
    let between = Search { from: Some(254), to: Some(259), ..all() };
    assert_eq!(times(&journal, &between), [259, 258, 257, 256, 255, 254]);
    let changed = Search { outcome: Some(Outcome::Changed), from: Some(690), ..all() };
    assert_eq!(times(&journal, &changed), [700, 695, 690]);
    let lists = Search { action: Some(Action::List), ..all() };
    assert_eq!(times(&journal, &lists), [0; 0]);
    assert_eq!(journal.entry(&acme(), "mdm", 8).unwrap(), None);
}

#[test]
fn a_body_stands_beside_its_entry() {
    let journal = Dir::new().open();
    let body = Body { bytes: b"{}".to_vec(), cut: false };
    journal.answered(NewEntry { body: Some(body.clone()), ..read("store", 1) });
    journal.answered(NewEntry { body: Some(body.clone()), ..entry("store", 2) });
    for expected in [read("store", 1).entry, entry("store", 2).entry] {
        let found = journal.entry(&acme(), "store", expected.time).unwrap();
        assert_eq!(found, Some((expected, Some(body.clone()))));
    }
}

#[test]
fn a_search_that_has_looked_at_many_blocks_goes_on_with_the_next_part() {
    let dir = Dir::new();
    let journal = dir.open();
    // Reads that lie far from each other stand alone.
    let apart = 2 * 3_600 * 1_000_000;
    let count = 12_000;
    for number in 1..=count {
        journal.answered(read("store", number * apart));
    }
    journal.answered(entry("mdm", 10 * apart));
    // What the blocks of one connector leave to look at is enough to get on with those of another.
    journal.answered(read("mdm", 20 * apart));
    journal.answered(entry("mdm", (count - 10) * apart));
    let theirs = Search { correlation: Some("theirs".into()), ..all() };
    let part = journal.search(&acme(), &theirs).unwrap();
    assert_eq!(
        part.items.len(),
        1,
        "what is older than the blocks that were looked at has to wait"
    );
    assert!(part.next.is_some());
    assert_eq!(times(&journal, &theirs), [(count - 10) * apart, 10 * apart]);
    let first = Search { subject: read("store", apart).entry.subject, ..all() };
    assert!(journal.search(&acme(), &first).unwrap().items.is_empty());
    assert_eq!(times(&journal, &first), [apart]);
    // They go one by one, too.
    dir.clock.set((count - 2) * apart + bodies::DAY_MICROS);
    journal.keep(&acme(), 1).unwrap();
    while journal.sweep().unwrap() {}
    assert_eq!(times(&journal, &all()), [count, count - 1, count - 2].map(|it| it * apart));
    assert_eq!(blocks(&journal, "reads"), [1; 3]);
}

#[test]
fn a_cycle_ends_with_a_pause_and_counts_what_came_of_it() {
    let dir = Dir::new();
    let record = |journal: &Journal, time, outcome, operation| {
        let mut new = entry("store", time);
        (new.entry.outcome, new.entry.operation) = (outcome, operation);
        journal.answered(new);
    };
    let cycles = |journal: &Journal| journal.cycles(&acme(), &all()).unwrap().items;
    let journal = dir.open();
    record(&journal, 1, Outcome::Created, None);
    record(&journal, 1 + CYCLE_GAP_MICROS, Outcome::Refused, Some(0));
    drop(journal);
    let journal = dir.open();
    record(&journal, 1 + 2 * CYCLE_GAP_MICROS, Outcome::InParts, None);
    let [cycle] = &cycles(&journal)[..] else { panic!("a restart ends no cycle") };
    assert_eq!((cycle.begun, cycle.ended, cycle.requests), (1, 1 + 2 * CYCLE_GAP_MICROS, 2));
    assert_eq!((cycle.count(Outcome::Created), cycle.count(Outcome::Refused)), (1, 1));
    record(&journal, 2 + 3 * CYCLE_GAP_MICROS, Outcome::Read, None);
    let found = cycles(&journal);
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].begun, found[0].requests), (2 + 3 * CYCLE_GAP_MICROS, 1));
    let search = Search { limit: 1, ..all() };
    let first = journal.cycles(&acme(), &search).unwrap();
    let second = journal.cycles(&acme(), &Search { before: first.next, ..search }).unwrap();
    assert_eq!(
        (first.items, second.items, second.next),
        (found[..1].into(), found[1..].into(), None)
    );
}

#[test]
fn somebody_who_never_pauses_has_cycles_too() {
    let journal = Dir::new().open();
    let step = CYCLE_GAP_MICROS;
    for number in 0..=2 * CYCLE_MICROS_MAX / step {
        journal.answered(entry("store", 1 + number * step));
    }
    assert_eq!(journal.cycles(&acme(), &all()).unwrap().items.len(), 2);
}

#[test]
fn what_was_kept_long_enough_is_deleted_in_steps() {
    let dir = Dir::new();
    let journal = dir.open();
    let day = bodies::DAY_MICROS;
    // Entries that lie far from each other stand alone.
    let blocks = i64::try_from(retention::STEP / 8).unwrap();
    for number in 1..=blocks {
        journal.answered(entry("store", number * day / 12));
    }
    let mut with_body = entry("store", 60 * day);
    with_body.body = Some(Body { bytes: b"hedwig".to_vec(), cut: false });
    journal.answered(with_body);
    journal.answered(entry("store", 63 * day));
    let count = || times(&journal, &Search { limit: 1_000, ..all() }).len();
    assert_eq!(count(), retention::STEP / 8 + 2);
    dir.clock.set(63 * day);
    assert!(!journal.sweep().unwrap());
    journal.keep(&acme(), 2).unwrap();
    assert!(journal.sweep().unwrap(), "a step is bounded");
    assert!(!journal.sweep().unwrap());
    assert_eq!(times(&journal, &all()), [63 * day]);
    assert_eq!(journal.cycles(&acme(), &all()).unwrap().items.len(), 1);
    // The key of that day went with the last body under it.
    assert_eq!(journal.inner.sealer.keyring.erased(&acme()).unwrap().len(), 1);
    let mut another_day = entry("store", 64 * day);
    another_day.body = Some(Body { bytes: b"errol".to_vec(), cut: false });
    journal.answered(another_day);
    dir.clock.set(79 * day);
    journal.keep(&acme(), 3_650).unwrap();
    journal.sweep().unwrap();
    assert_eq!(times(&journal, &all()), [64 * day, 63 * day], "bodies go before their entries");
    assert_eq!(journal.entry(&acme(), "store", 64 * day).unwrap().unwrap().1, None);
    assert_eq!(journal.inner.sealer.keyring.erased(&acme()).unwrap().len(), 2);
}

#[test]
fn what_happened_after_a_time_is_taken_out() {
    let dir = Dir::new();
    let journal = dir.open();
    for time in 1..=600 {
        journal.answered(entry("store", time));
    }
    journal.answered(entry("mdm", 301));
    drop(journal);
    let mut conn = schema::JOURNAL.open(&dir.path("journal.db")).unwrap();
    cut(&mut conn, &acme(), 300).unwrap();
    drop(conn);
    let journal = dir.open();
    assert_eq!(blocks(&journal, "changes"), [256, 44]);
    let kept: Vec<_> = (1..=300).rev().collect();
    assert_eq!(times(&journal, &all()), kept);
    journal.answered(entry("store", 301));
    assert_eq!(blocks(&journal, "changes"), [256, 45]);
}

#[test]
fn a_body_is_sealed_bound_to_its_entry_and_forgotten_with_names() {
    let dir = Dir::new();
    let journal = dir.open();
    let name = journal.name_digest(&acme(), "hedwig");
    let record = |time, subject: u128| {
        let mut new = entry("store", time);
        new.entry.subject = Some(Uuid::from_u128(subject)).filter(|it| !it.is_nil());
        new.entry.name = Some(name);
        new.body = Some(Body { bytes: b"{\"userName\": \"hedwig\"}".to_vec(), cut: true });
        journal.answered(new);
    };
    record(1, 2);
    record(2, 0);
    let body = |time| journal.entry(&acme(), "store", time).unwrap().unwrap().1;
    assert_eq!(body(2).unwrap(), Body { bytes: b"{\"userName\": \"hedwig\"}".to_vec(), cut: true });
    assert!(!dir.holds(b"hedwig") && dir.holds(&name));
    let moved = "UPDATE bodies SET time = 3 - time WHERE time = 2";
    lock(&journal.inner.file)
        .conn
        .execute_batch(&format!("DELETE FROM bodies WHERE time = 1; {moved}"))
        .unwrap();
    assert_eq!(body(1), None, "it does not open elsewhere");

    record(3, 2);
    journal.forget(&acme(), &[Uuid::from_u128(2)]).unwrap();
    assert_eq!(body(3), None);
    assert!(!dir.holds(&name), "the entry without a subject had the same name");
    assert_eq!(times(&journal, &all()), [3, 2, 1], "that there were requests stays");
    assert!(times(&journal, &Search { name: Some(name), ..all() }).is_empty());
    assert_eq!(journal.inner.sealer.keyring.erased(&acme()).unwrap().len(), 1);
    record(4, 2);
    assert!(body(4).is_some(), "the next one has another key");
}

#[test]
fn rejections_are_counted_and_a_few_are_kept() {
    let dir = Dir::new();
    let reject = |journal: &Journal, connector, time| {
        let attempt = Attempt { time, request: time.to_string(), token: None };
        journal.rejected(&acme(), connector, "unknown", attempt);
    };
    let many = 3 * i64::try_from(SAMPLES_MAX).unwrap();
    let journal = dir.open();
    (1..=many).for_each(|time| reject(&journal, Some("store"), time));
    reject(&journal, None, 5);
    drop(journal);
    let journal = dir.open();
    reject(&journal, Some("store"), many + 1);
    let found = journal.rejections(&acme()).unwrap();
    let [nobody, store] = &found[..] else { panic!("{found:?}") };
    assert_eq!((nobody.connector.clone(), nobody.count, nobody.samples.len()), (None, 1, 1));
    assert_eq!((store.count, store.last), (many.unsigned_abs() + 1, many + 1));
    let times: Vec<_> = store.samples.iter().map(|it| it.time).collect();
    let newest: Vec<_> = (0..).map(|back| many + 1 - back).take(SAMPLES_MAX).collect();
    assert_eq!(times, newest);
}

#[test]
fn what_waits_of_requests_is_bounded() {
    let mut waiting = requests::Waiting::default();
    for _ in 0..WAITING_MAX + 5 {
        waiting.add(entry("store", 1));
    }
    assert_eq!(waiting.len(), WAITING_MAX);
}

#[test]
fn of_what_was_recovered_nobody_knows_how_long_it_took() {
    let dir = Dir::new();
    let journal = dir.open();
    journal.answered(entry("store", 1));
    let mut recovered = entry("store", 2);
    recovered.entry.outcome = Outcome::Recovered;
    recovered.entry.duration_micros = None;
    journal.answered(recovered);
    let found = journal.search(&acme(), &Search { limit: 9, ..Search::default() }).unwrap();
    let took: Vec<_> = found.items.iter().map(|it| it.duration_micros).collect();
    assert_eq!(took, [None, Some(700)]);
}

/// The stored format: this test is never to be changed.
#[test]
fn words_keep_their_numbers() {
    let actions: Vec<_> = Action::ALL.iter().map(|it| it.as_str()).collect();
    assert_eq!(actions.join(" "), "create replace patch delete read list bulk discover other");
    let outcomes: Vec<_> = Outcome::ALL.iter().map(|it| it.as_str()).collect();
    assert_eq!(
        outcomes.join(" "),
        "read unchanged created changed removed in_parts refused deferred failed unanswered recovered"
    );
    for (number, outcome) in (0..).zip(Outcome::ALL) {
        assert_eq!(Outcome::of_number(number), Some(*outcome));
    }
    for (number, action) in (0..).zip(Action::ALL) {
        assert_eq!((action.number(), Action::of_number(number)), (number, Some(*action)));
    }
}

#[test]
fn a_journal_that_was_not_closed_says_so() {
    let dir = Dir::new();
    assert!(!dir.open().was_cut_off());
    let journal = dir.open();
    assert!(!journal.was_cut_off());
    std::fs::create_dir(dir.path("copy")).unwrap();
    for name in ["journal.db", "journal.db-wal", "keys.db", "keys.db-wal"] {
        std::fs::copy(dir.path(name), dir.path("copy").join(name)).unwrap();
    }
    let copy = || {
        let keyring = Keyring::open(&dir.path("copy/keys.db"), None, HashMap::new()).unwrap();
        let claims = ClaimHasher::new(&keyring.claim_key().unwrap());
        let sealer = Arc::new(Sealer { keyring, claims });
        Journal::open(&dir.path("copy/journal.db"), sealer, dir.clock.clone()).unwrap()
    };
    assert!(copy().was_cut_off());
    let again = copy();
    assert!(again.was_cut_off(), "nobody has seen to it");
    again.recovered();
    drop(again);
    assert!(!copy().was_cut_off());
}

#[test]
fn the_key_of_bodies_goes_with_them_also_where_no_other_has_followed() {
    let dir = Dir::new();
    let journal = dir.open();
    let day = bodies::DAY_MICROS;
    let body = Body { bytes: b"hedwig".to_vec(), cut: false };
    let record =
        |time| journal.answered(NewEntry { body: Some(body.clone()), ..entry("store", time) });
    record(day);
    record(day + 7);
    assert_eq!(times(&journal, &all()), [day + 7, day]);
    let erased = || journal.inner.sealer.keyring.erased(&acme()).unwrap();
    dir.clock.set(8 * day + 5);
    journal.sweep().unwrap();
    assert_eq!(erased(), [0; 0], "one is left under it");
    dir.clock.set(9 * day);
    // A file that cannot be written keeps the bodies, by which the key is found again.
    let keys = Connection::open(dir.path("keys.db")).unwrap();
    keys.execute_batch(
        "CREATE TRIGGER refuse BEFORE UPDATE ON keys BEGIN SELECT RAISE(ABORT, 'refused'); END",
    )
    .unwrap();
    assert!(journal.sweep().is_err());
    keys.execute_batch("DROP TRIGGER refuse").unwrap();
    journal.sweep().unwrap();
    assert_eq!(erased().len(), 1);
    // The same day again, as a clock tells it that was set back.
    record(day + 9);
    assert_eq!(journal.entry(&acme(), "store", day + 9).unwrap().unwrap().1, Some(body.clone()));
}

#[test]
fn whoever_still_reads_what_is_to_be_forgotten_is_told_of() {
    let dir = Dir::new();
    let journal = dir.open();
    let name = journal.name_digest(&acme(), "hedwig");
    let mut new = entry("store", 1);
    new.entry.name = Some(name);
    journal.answered(new);
    assert_eq!(times(&journal, &all()), [1]);
    lock(&journal.inner.file).conn.busy_timeout(Duration::ZERO).unwrap();
    let reader = schema::open_reader(&dir.path("journal.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM changes").unwrap();
    assert!(journal.forget(&acme(), &[Uuid::from_u128(2)]).is_err());
    drop(reader);
    journal.forget(&acme(), &[Uuid::from_u128(2)]).unwrap();
    assert!(!dir.holds(&name));
}

#[test]
fn what_could_not_be_written_waits_for_the_next_time() {
    let dir = Dir::new();
    let journal = dir.open();
    let token = Uuid::from_u128(7);
    let refuse = |refuse: bool| {
        lock(&journal.inner.file).conn.pragma_update(None, "query_only", refuse).unwrap();
    };
    let body = Body { bytes: b"{}".to_vec(), cut: false };
    for time in 1..=3 {
        refuse(time < 3);
        journal.answered(NewEntry { body: Some(body.clone()), ..entry("store", time) });
        journal.answered(entry("mdm", time));
        let attempt = Attempt { time, request: time.to_string(), token: None };
        journal.rejected(&acme(), None, "unknown", attempt);
        journal.token_used(&acme(), token, time);
        journal.attributes_seen(&acme(), "store", [("core", "title")], time);
        assert_eq!(journal.rejections(&acme()).is_err(), time < 3);
    }
    assert_eq!(times(&journal, &all()), [3, 3, 2, 2, 1, 1]);
    for time in 1..=3 {
        let (_, found) = journal.entry(&acme(), "store", time).unwrap().unwrap();
        assert_eq!(found, Some(body.clone()));
    }
    assert_eq!(seen(&journal, "core", "title"), Some((3, 3)));
    assert_eq!(journal.token_uses(&acme()).unwrap(), HashMap::from([(token, 3)]));
    assert_eq!(journal.rejections(&acme()).unwrap()[0].count, 3);
    drop(journal);
    assert!(!dir.open().was_cut_off());
}

#[test]
fn a_journal_that_lost_something_says_so_like_one_that_was_not_closed() {
    // One that could not write at its end, and one that never could.
    for refuse in [
        "PRAGMA query_only = TRUE",
        "CREATE TRIGGER refuse BEFORE INSERT ON changes BEGIN SELECT RAISE(ABORT, 'refused'); END",
    ] {
        let dir = Dir::new();
        let journal = dir.open();
        lock(&journal.inner.file).conn.execute_batch(refuse).unwrap();
        journal.answered(entry("store", 1));
        drop(journal);
        assert!(dir.open().was_cut_off(), "{refuse}");
    }
}

#[test]
fn what_can_never_be_written_is_in_the_way_of_nothing() {
    let dir = Dir::new();
    let journal = dir.open();
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON changes WHEN NEW.first = 1
                  BEGIN SELECT RAISE(ABORT, 'refused'); END";
    lock(&journal.inner.file).conn.execute_batch(refuse).unwrap();
    journal.answered(entry("store", 1));
    // Whoever is the first to write hears of it.
    drop(journal.search(&acme(), &all()));
    journal.answered(entry("store", 2));
    assert_eq!(times(&journal, &all()), [2]);
}

#[test]
fn that_a_process_has_the_file_is_on_disk_before_anything_else() {
    let dir = Dir::new();
    drop(dir.open());
    let _journal = dir.open();
    // What a power cut leaves at least: the file, and nothing of its write-ahead log.
    std::fs::copy(dir.path("journal.db"), dir.path("left.db")).unwrap();
    let left = Connection::open(dir.path("left.db")).unwrap();
    let running = left.query_row("SELECT count(*) FROM running", [], |row| row.get(0));
    assert_eq!(running, Ok(1));
}

#[test]
fn connectors_that_are_new_at_once_are_numbered_as_they_came() {
    let journal = Dir::new().open();
    let names: Vec<_> = (0..20).map(|number| format!("okta-{number}")).collect();
    names.iter().for_each(|name| journal.answered(entry(name, 5)));
    let found = journal.search(&acme(), &Search { limit: 20, ..all() }).unwrap().items;
    let found: Vec<_> = found.iter().rev().map(|it| it.connector.as_str()).collect();
    assert_eq!(found, names);
}
