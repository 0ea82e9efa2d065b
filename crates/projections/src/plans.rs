//! Every statement of a projection finds its rows by an index and in their order.
//!
//! The statements are read from the source, so that none is forgotten; a plan does not depend on how
//! many rows there are, since nothing is ever analysed.

use std::{fs, path::Path};

use crate::{
    Projection, dashboard::Dashboard, directory::DirectoryProjection, effects::EffectsProjection,
    mdm::Mdm, store::Store, testing::empty, timeline::Timeline,
};

/// Where statements stand, and on whose tables they work.
const SOURCES: [(&str, &dyn Projection); 6] = [
    ("directory", &DirectoryProjection),
    ("accounts", &Dashboard),
    ("mdm", &Mdm),
    ("store", &Store),
    ("effects", &EffectsProjection),
    ("timeline", &Timeline),
];

/// Beginnings of statements that may go through something or sort it.
const SMALL: [&str; 9] = [
    // A row for each workspace whose deliveries a restore or a person has suspended.
    "SELECT count(*) FROM suspended",
    // That row itself.
    "DELETE FROM suspended WHERE workspace = ?1",
    // As many people as a brake lets pass, and one more.
    "SELECT count(*) FROM (\n         SELECT DISTINCT user FROM offboardings INDEXED BY offboardings_of_connector",
    // Holds that wait for a person.
    "SELECT workspace, sum(held) FROM holds INDEXED BY holds_open",
    // A row for each state of an offboarding, of one hold.
    "SELECT state, count(*) FROM offboardings INDEXED BY offboardings_of_hold",
    // A row for each platform of a workspace and state of an action.
    "SELECT workspace, state, actions FROM counts",
    "SELECT workspace, platform, state, actions FROM counts",
    "SELECT coalesce(sum(actions), 0) FROM counts",
    // What waits for one person.
    "SELECT g.id, p.at FROM groups g JOIN",
];

/// Indexes of what there are few of in a workspace.
const FEW: [&str; 3] = ["autoindex_connectors", "policies_by_name", "SEARCH checkpoints"];

/// The text literals of a source, in order, each with what stands before it.
fn literals(source: &str) -> Vec<(&str, &str)> {
    let parts: Vec<_> = source.split('"').collect();
    parts.chunks_exact(2).map(|parts| (parts[0], parts[1])).collect()
}

/// The statements of a source.
fn statements(source: &str) -> Vec<String> {
    // What `select!` puts before its argument.
    let head = source.split_once("concat!(").and_then(|(_, rest)| rest.split_once("$rest"));
    let head: String =
        head.map(|(head, _)| literals(head)).unwrap_or_default().iter().map(|it| it.1).collect();
    let verbs = ["SELECT", "UPDATE", "DELETE", "INSERT"];
    let mut found = Vec::new();
    for (before, text) in literals(source) {
        if before.trim_end().ends_with("select!(") {
            found.push(format!("{head}{text}"));
        } else if verbs.iter().any(|verb| text.trim_start().starts_with(verb))
            && !head.starts_with(text)
        {
            found.push(text.to_owned());
        }
    }
    found
}

fn sources(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let sound = |path: &std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap();
        // Those have the dumps, which go through everything; `order` makes its statements of parts,
        // and looks at their plans itself.
        path.is_file() && !name.ends_with("tests") && !["schema", "mod", "order"].contains(&name)
    };
    files.filter(sound).map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn no_statement_goes_through_a_table_or_sorts() {
    let mut seen = 0;
    for (folder, projection) in SOURCES {
        let file = empty(projection);
        for statement in sources(folder).iter().flat_map(|source| statements(source)) {
            let mut plan = file.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
            let mut rows = plan.raw_query();
            let mut steps = Vec::new();
            while let Some(row) = rows.next().unwrap() {
                steps.push(row.get::<_, String>(3).unwrap());
            }
            let scans = |step: &str| step.starts_with("SCAN ") && step != "SCAN CONSTANT ROW";
            // All rows of a workspace are a table, too, where there is one; some things are few.
            let few = |step: &str| FEW.iter().any(|few| step.contains(few));
            let whole = |step: &str| {
                let all = step.ends_with("(workspace=?)") && !few(step);
                all && (!statement.contains("LIMIT") || step.starts_with("SEARCH a "))
            };
            let bad = |step: &String| scans(step) || whole(step) || step.contains("TEMP B-TREE");
            let small = SMALL.iter().any(|small| statement.starts_with(small));
            assert!(small || !steps.iter().any(bad), "{statement}\n{steps:#?}");
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen}");
}
