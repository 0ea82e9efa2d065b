//! Checks of the workspace itself: the shape that the design gives it, which no lint can see.
//!
//! What reviewers would otherwise have to remember is a test here. Each check is a pure function
//! over paths, texts or dependencies that returns its findings; one test runs it on the
//! repository, others show on a bad example that it can fail. A finding says what to do.

#![expect(clippy::unwrap_used, reason = "a check that cannot read the repository has to stop")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use cargo_metadata::{DependencyKind, MetadataCommand};

// ---------------------------------------------------------------------------------------------
// What is allowed, as data

/// For each crate, the crates of ours that it may depend on.
///
/// This is the picture of `docs/architecture.md` written out, from the bottom up: a line names
/// only crates of the lines above it, so that no arrow can turn back.
const PICTURE: &[(&str, &[&str])] = &[
    ("scim", &[]),
    ("event-log", &[]),
    ("record", &["event-log"]),
    ("simulate", &[]),
    ("check", &["simulate"]),
    ("domain", &["scim"]),
    ("projections", &["scim", "domain", "event-log"]),
    ("bench", &["scim", "domain", "event-log", "projections", "simulate"]),
    ("backup", &["domain", "event-log", "record", "projections"]),
    ("app", &["scim", "domain", "event-log", "record", "projections", "backup"]),
    ("reactor", &["scim", "domain", "event-log", "record", "projections", "app"]),
    ("mdm", &["scim", "domain", "event-log", "record", "projections", "app", "reactor"]),
    ("ingress", &["scim", "domain", "event-log", "record", "projections", "app", "reactor"]),
    (
        "admin",
        &["scim", "domain", "event-log", "record", "projections", "backup", "app", "reactor"],
    ),
    ("console", &["scim", "domain", "event-log", "record", "projections", "app", "reactor"]),
    (
        "cli",
        &[
            "scim",
            "domain",
            "event-log",
            "record",
            "projections",
            "backup",
            "app",
            "reactor",
            "mdm",
            "ingress",
            "admin",
            "console",
            "simulate",
            "check",
        ],
    ),
    (
        "testkit",
        &[
            "scim",
            "domain",
            "event-log",
            "record",
            "projections",
            "app",
            "reactor",
            "mdm",
            "ingress",
            "admin",
            "console",
            "simulate",
        ],
    ),
];

/// The crates of ours that any crate may use in its tests, besides those of its line above.
const FOR_TESTS: &[&str] = &["simulate", "testkit"];

/// The crates of ours that no crate may use outside its tests.
const ONLY_FOR_TESTS: &[&str] = &["testkit"];

/// The package of the end-to-end tests: it stands outside the picture and may use everything.
const END_TO_END: &str = "tests";

/// A dependency that only some crates may have.
struct Ownership {
    what: &'static str,
    matches: fn(&str) -> bool,
    owners: &'static [&'static str],
}

const OWNERSHIPS: &[Ownership] = &[
    Ownership {
        what: "actix-web",
        matches: |name| name.starts_with("actix") || name == "awc",
        owners: &["ingress", "admin", "console", "cli", "testkit", "bench"],
    },
    Ownership {
        what: "SQLite",
        matches: |name| name.contains("sqlite"),
        owners: &["event-log", "projections", "bench"],
    },
    Ownership {
        what: "a PostgreSQL client",
        matches: |name| name.contains("postgres") || name == "sqlx" || name.starts_with("diesel"),
        owners: &["event-log"],
    },
    Ownership { what: "cqrs-es", matches: |name| name == "cqrs-es", owners: &["domain", "app"] },
];

/// The crates that do no I/O, await nothing, read no clock, make no id and log nothing.
const PURE: &[&str] = &["scim", "domain"];

/// What a pure crate has no use for, as dependencies.
const IMPURE_DEPENDENCIES: &[&str] =
    &["fs4", "futures-util", "getrandom", "log", "rand", "reqwest", "tempfile", "tokio", "tracing"];

/// What a pure crate has no use for, in its code.
const IMPURE_CODE: &[&str] =
    &["std::env", "std::fs", "std::io", "std::net", "std::thread", "Instant::now", "SystemTime"];

/// The most lines that a source file may have, its inline tests apart.
const FILE_LINES_MAX: usize = 500;

/// Code that says "not finished" or "not now".
const UNFINISHED: &[&str] = &["#[ignore", "todo!", "unimplemented!", "dbg!"];

/// Names that say nothing about what is in a folder.
const EMPTY_NAMES: &[&str] = &["utils", "common", "core", "types"];

// ---------------------------------------------------------------------------------------------
// What the checks look at

/// A text file of the repository.
struct Source {
    /// Relative to the root of the repository, with `/`.
    path: String,
    text: String,
}

/// A package of the workspace, with the dependencies that its manifest names.
struct Member {
    name: String,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    /// Whether it is a package of this workspace (a crate of the same name may be elsewhere too).
    ours: bool,
    for_tests: bool,
}

/// Returns the root of the repository.
///
/// As it is when the test runs: two checkouts that share a build folder share this binary too.
fn root() -> PathBuf {
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap());
    package.parent().unwrap().to_owned()
}

/// Returns the folders and the files of the repository, without what tools leave in it.
fn walk() -> (Vec<String>, Vec<String>) {
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    let mut pending = vec![String::new()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            if !entry.file_type().unwrap().is_dir() {
                files.push(path);
            } else if !is_left_by_tools(&path, &name) {
                folders.push(path.clone());
                pending.push(path);
            }
        }
    }
    folders.sort();
    files.sort();
    assert!(files.iter().any(|file| file == "tests/tidy.rs"), "this is not our repository");
    (folders, files)
}

/// Tells a build folder of any name by the tag that cargo lays in it.
fn is_left_by_tools(path: &str, name: &str) -> bool {
    path == "data"
        || [".git", ".venv", "node_modules"].contains(&name)
        || root().join(path).join("CACHEDIR.TAG").exists()
}

/// Returns the files whose name ends in `extension`, with their texts.
fn sources(extension: &str) -> Vec<Source> {
    let (_, files) = walk();
    files
        .into_iter()
        .filter(|path| Path::new(path).extension().is_some_and(|found| found == extension))
        .map(|path| Source { text: fs::read_to_string(root().join(&path)).unwrap(), path })
        .collect()
}

fn members() -> Vec<Member> {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .unwrap();
    let member = |package: cargo_metadata::Package| Member {
        name: package.name.to_string(),
        dependencies: package
            .dependencies
            .into_iter()
            .map(|dependency| Dependency {
                name: dependency.name,
                ours: dependency.path.is_some(),
                for_tests: dependency.kind == DependencyKind::Development,
            })
            .collect(),
    };
    metadata.packages.into_iter().map(member).collect()
}

#[track_caller]
fn assert_none(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

// ---------------------------------------------------------------------------------------------
// Dependencies

/// Finds the lines of a picture that name a crate which no line above them describes.
fn arrows_up(picture: &[(&str, &[&str])]) -> Vec<String> {
    let mut findings = Vec::new();
    for (row, (name, below)) in picture.iter().enumerate() {
        for other in *below {
            if !picture[..row].iter().any(|(lower, _)| lower == other) {
                findings.push(format!("the picture lets `{name}` use `{other}`, not below it"));
            }
        }
    }
    findings
}

/// Finds dependencies between our crates that the picture does not have.
fn arrows_outside(picture: &[(&str, &[&str])], members: &[Member]) -> Vec<String> {
    let mut findings = Vec::new();
    for Member { name, dependencies } in members {
        if name == END_TO_END {
            continue;
        }
        let Some((_, below)) = picture.iter().find(|(known, _)| known == name) else {
            findings.push(format!(
                "`{name}` has no place in the picture: give it a line in tests/tidy.rs and a \
                 paragraph in docs/architecture.md"
            ));
            continue;
        };
        for dependency in dependencies.iter().filter(|dependency| dependency.ours) {
            let other = dependency.name.as_str();
            let in_code = below.contains(&other) && !ONLY_FOR_TESTS.contains(&other);
            let in_tests = dependency.for_tests && FOR_TESTS.contains(&other);
            if !in_code && !in_tests {
                findings.push(format!(
                    "`{name}` depends on `{other}`; it may depend on: {}. Move the code down, \
                     or let the upper crate hand it in",
                    if below.is_empty() { "no crate of ours".to_owned() } else { below.join(", ") }
                ));
            }
        }
    }
    findings
}

/// Finds dependencies that belong to other crates.
fn dependencies_without_right(members: &[Member]) -> Vec<String> {
    let mut findings = Vec::new();
    for Member { name, dependencies } in members.iter().filter(|member| member.name != END_TO_END) {
        for dependency in dependencies.iter().filter(|dependency| !dependency.ours) {
            for Ownership { what, matches, owners } in OWNERSHIPS {
                // A test may damage a file on purpose.
                let damages = dependency.for_tests && dependency.name == "rusqlite";
                if matches(&dependency.name) && !owners.contains(&name.as_str()) && !damages {
                    findings.push(format!(
                        "`{name}` depends on `{}`, but {what} is for {} only",
                        dependency.name,
                        owners.join(", ")
                    ));
                }
            }
            if PURE.contains(&name.as_str())
                && IMPURE_DEPENDENCIES.contains(&dependency.name.as_str())
                && !dependency.for_tests
            {
                findings.push(format!(
                    "`{name}` depends on `{}`, but is pure: what it needs arrives as arguments",
                    dependency.name
                ));
            }
        }
    }
    findings
}

#[test]
fn the_picture_of_the_crates_has_no_arrow_that_turns_back() {
    assert_none(&arrows_up(PICTURE));
}

#[test]
fn crates_depend_only_on_crates_below_them() {
    assert_none(&arrows_outside(PICTURE, &members()));
}

#[test]
fn frameworks_and_clients_stay_in_the_crates_that_own_them() {
    assert_none(&dependencies_without_right(&members()));
}

#[test]
fn an_arrow_up_in_the_picture_is_found() {
    let picture: &[(&str, &[&str])] = &[("scim", &["domain"]), ("domain", &["scim"])];
    assert_eq!(arrows_up(picture), ["the picture lets `scim` use `domain`, not below it"]);
}

/// A member whose only dependency is on `other`.
fn user_of(name: &str, other: &str, ours: bool, for_tests: bool) -> [Member; 1] {
    let dependencies = vec![Dependency { name: other.to_owned(), ours, for_tests }];
    [Member { name: name.to_owned(), dependencies }]
}

#[test]
fn an_arrow_that_turns_back_is_found() {
    let found = |name, other, for_tests| {
        !arrows_outside(PICTURE, &user_of(name, other, true, for_tests)).is_empty()
    };
    assert!(found("scim", "domain", false));
    assert!(found("domain", "projections", true), "a test may not turn it back either");
    assert!(found("event-log", "domain", false));
    assert!(found("simulate", "scim", false));
    assert!(found("app", "reactor", false));
    assert!(found("ingress", "admin", false));
    assert!(found("app", "testkit", false), "the test kit is for tests");
    assert!(found("gateway", "app", false), "a new crate needs a place");

    assert!(!found("app", "testkit", true));
    assert!(!found("app", "domain", false));
    assert!(!found("tests", "cli", true));
}

#[test]
fn a_crate_of_the_same_name_from_elsewhere_is_no_arrow() {
    assert_none(&arrows_outside(PICTURE, &user_of("domain", "console", false, false)));
}

#[test]
fn a_dependency_without_right_is_found() {
    let found = |name, other, for_tests| {
        !dependencies_without_right(&user_of(name, other, false, for_tests)).is_empty()
    };
    assert!(found("app", "actix-web", false));
    assert!(found("app", "actix-http", false));
    assert!(found("admin", "rusqlite", false));
    assert!(found("admin", "libsqlite3-sys", true));
    assert!(found("projections", "tokio-postgres", false));
    assert!(found("reactor", "cqrs-es", false));
    assert!(found("domain", "tokio", false));

    assert!(!found("ingress", "actix-web", false));
    assert!(!found("projections", "rusqlite", false));
    assert!(!found("domain", "tokio", true));
    assert!(!found("tests", "rusqlite", true));
}

// ---------------------------------------------------------------------------------------------
// Source files

/// Finds files that do not begin with a sentence about themselves.
fn files_without_docs(sources: &[Source]) -> Vec<String> {
    let begins_with_docs = |source: &Source| {
        let first = source.text.lines().next().unwrap_or_default();
        first.strip_prefix("//!").is_some_and(|sentence| !sentence.trim().is_empty())
    };
    sources
        .iter()
        .filter(|source| !begins_with_docs(source))
        .map(|Source { path, .. }| {
            format!("{path}:1: begin with `//!` and what this file is, as one sentence")
        })
        .collect()
}

/// Returns the numbered lines of a file, without an inline module of tests.
fn lines_without_tests(text: &str) -> Vec<(usize, &str)> {
    let mut kept = Vec::new();
    let mut lines = text.lines().enumerate().map(|(row, line)| (row + 1, line)).peekable();
    while let Some((row, line)) = lines.next() {
        if line != "#[cfg(test)]" {
            kept.push((row, line));
            continue;
        }
        let mut head = vec![(row, line)];
        while let Some(attribute) = lines.next_if(|(_, line)| line.starts_with("#[")) {
            head.push(attribute);
        }
        match lines.next_if(|(_, line)| line.starts_with("mod ") && line.ends_with('{')) {
            // Formatted code closes a module in the first column.
            Some(_) => while lines.next().is_some_and(|(_, line)| line != "}") {},
            None => kept.append(&mut head),
        }
    }
    kept
}

/// Whether a path is code of one of our crates, and not a file of tests.
fn is_crate_code(path: &str) -> bool {
    let inside = |folder| path.split('/').any(|part| part == folder);
    path.starts_with("crates/") && inside("src") && !inside("tests") && !inside("tests.rs")
}

fn files_too_long(sources: &[Source]) -> Vec<String> {
    sources
        .iter()
        .filter(|source| is_crate_code(&source.path))
        .map(|source| (&source.path, lines_without_tests(&source.text).len()))
        .filter(|(_, lines)| *lines > FILE_LINES_MAX)
        .map(|(path, lines)| {
            format!("{path}: {lines} lines without tests, of {FILE_LINES_MAX}: split it by concept")
        })
        .collect()
}

/// Finds `word` where it does not go on from another one.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_')
    })
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

fn unfinished_code(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for Source { path, text } in sources {
        for (row, line) in text.lines().enumerate().filter(|(_, line)| !is_comment(line)) {
            for word in UNFINISHED.iter().filter(|word| has_word(line, word)) {
                findings.push(format!("{path}:{}: `{word}`: finish it, or leave it out", row + 1));
            }
        }
    }
    findings
}

fn impure_code(sources: &[Source]) -> Vec<String> {
    let is_pure = |path: &str| {
        PURE.iter().any(|name| path.starts_with(&format!("crates/{name}/"))) && is_crate_code(path)
    };
    let mut findings = Vec::new();
    for Source { path, text } in sources.iter().filter(|source| is_pure(&source.path)) {
        for (row, line) in lines_without_tests(text).iter().filter(|(_, line)| !is_comment(line)) {
            for word in IMPURE_CODE.iter().filter(|word| has_word(line, word)) {
                findings.push(format!("{path}:{row}: `{word}` in a pure crate: take an argument"));
            }
        }
    }
    findings
}

/// Finds folders, and so crates, that are named after nothing.
fn folders_with_empty_names(folders: &[String]) -> Vec<String> {
    folders
        .iter()
        .filter(|folder| EMPTY_NAMES.contains(&folder.rsplit('/').next().unwrap_or_default()))
        .map(|folder| format!("{folder}: name the folder after what is in it"))
        .collect()
}

/// Finds manifests of crates that do not take the lints of the workspace.
fn manifests_without_lints(manifests: &[Source]) -> Vec<String> {
    manifests
        .iter()
        .filter(|manifest| manifest.path.contains('/'))
        .filter(|manifest| manifest.path.ends_with("Cargo.toml"))
        .filter(|manifest| !manifest.text.contains("[lints]\nworkspace = true"))
        .map(|manifest| format!("{}: add `[lints]` with `workspace = true`", manifest.path))
        .collect()
}

#[test]
fn every_file_begins_with_what_it_is() {
    assert_none(&files_without_docs(&sources("rs")));
}

#[test]
fn every_file_is_short_enough_to_read() {
    assert_none(&files_too_long(&sources("rs")));
}

#[test]
fn nothing_is_left_unfinished_or_ignored() {
    // This file has to name what it looks for.
    let others = sources("rs").into_iter().filter(|source| source.path != "tests/tidy.rs");
    assert_none(&unfinished_code(&others.collect::<Vec<_>>()));
}

#[test]
fn pure_crates_reach_for_nothing_outside() {
    assert_none(&impure_code(&sources("rs")));
}

#[test]
fn every_folder_is_named_after_what_is_in_it() {
    assert_none(&folders_with_empty_names(&walk().0));
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    assert_none(&manifests_without_lints(&sources("toml")));
}

fn source(path: &str, text: impl Into<String>) -> [Source; 1] {
    [Source { path: path.to_owned(), text: text.into() }]
}

#[test]
fn a_file_without_docs_is_found() {
    assert_eq!(files_without_docs(&source("a.rs", "use std::fs;\n//! Late.\n")).len(), 1);
    assert_eq!(files_without_docs(&source("a.rs", "//!\n")).len(), 1);
    assert_eq!(files_without_docs(&source("a.rs", "")).len(), 1);
    assert_none(&files_without_docs(&source("a.rs", "//! A file.\n")));
}

#[test]
fn a_long_file_is_found() {
    let long = "//! Long.\n".to_owned() + &"fn f() {}\n".repeat(FILE_LINES_MAX);
    assert_eq!(files_too_long(&source("crates/scim/src/a.rs", &*long)).len(), 1);
    assert_none(&files_too_long(&source("crates/scim/src/a/tests.rs", &*long)));
    assert_none(&files_too_long(&source("crates/scim/tests/a.rs", &*long)));
}

#[test]
fn inline_tests_do_not_count_and_code_after_them_does() {
    let text = "use a;\n#[cfg(test)]\n#[expect(x)]\nmod tests {\n    fn t() {\n    }\n}\nfn f() {}";
    assert_eq!(lines_without_tests(text), [(1, "use a;"), (8, "fn f() {}")]);

    let elsewhere = "#[cfg(test)]\nmod tests;\n#[cfg(test)]\nfn helper() {}";
    assert_eq!(lines_without_tests(elsewhere).len(), 4);
}

#[test]
fn unfinished_code_is_found() {
    let found = |line: &str| !unfinished_code(&source("a.rs", line)).is_empty();
    assert!(found("    #[ignore]"));
    assert!(found("#[ignore = \"slow\"]"));
    assert!(found("fn f() { todo!() }"));
    assert!(found("    unimplemented!(\"later\")"));
    assert!(found("let x = dbg!(y);"));
    assert!(!found("    // Never a `todo!` here."));
    assert!(!found("let x = my_todo!();"));
}

#[test]
fn impure_code_is_found() {
    let found = |path: &str, text: &str| !impure_code(&source(path, text)).is_empty();
    assert!(found("crates/scim/src/a.rs", "let text = std::fs::read(path);"));
    assert!(found("crates/domain/src/a.rs", "let now = Instant::now();"));
    assert!(!found("crates/domain/src/a.rs", "#[cfg(test)]\nmod tests {\n    use std::fs;\n}"));
    assert!(!found("crates/domain/tests/a.rs", "use std::fs;"));
    assert!(!found("crates/event-log/src/a.rs", "use std::fs;"));
}

#[test]
fn an_empty_name_is_found() {
    let folders = ["crates/utils", "crates/scim/src/types", "crates/commons"].map(str::to_owned);
    assert_eq!(folders_with_empty_names(&folders).len(), 2);
}

#[test]
fn a_manifest_without_lints_is_found() {
    assert_eq!(manifests_without_lints(&source("crates/a/Cargo.toml", "[package]\n")).len(), 1);
    let good = "[package]\n\n[lints]\nworkspace = true\n";
    assert_none(&manifests_without_lints(&source("crates/a/Cargo.toml", good)));
}

// ---------------------------------------------------------------------------------------------
// Quirks

/// Whether a text holds a date like 2026-01-31.
fn has_date(text: &str) -> bool {
    text.as_bytes().windows(10).any(|window| {
        window.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
    })
}

/// Finds quirks that do not say how we know of them.
fn quirks_without_source(sources: &[Source]) -> Vec<String> {
    sources
        .iter()
        .filter(|source| source.path.starts_with("crates/ingress/src/quirks/"))
        .filter(|source| !source.path.ends_with("/mod.rs"))
        .filter(|source| {
            let comments = source.text.lines().filter(|line| is_comment(line));
            let comments = comments.collect::<Vec<_>>().join("\n");
            !(comments.contains("Source") && has_date(&comments))
        })
        .map(|source| {
            format!(
                "{}: say in its docs after `Source` where this is known from, with a date",
                source.path
            )
        })
        .collect()
}

#[test]
fn every_quirk_names_its_source() {
    assert_none(&quirks_without_source(&sources("rs")));
}

#[test]
fn a_quirk_without_source_is_found() {
    let found = |name: &str, text: &str| {
        let path = format!("crates/ingress/src/quirks/{name}");
        !quirks_without_source(&source(&path, text)).is_empty()
    };
    assert!(found("entra_text.rs", "//! Booleans as text.\n"));
    assert!(found("entra_text.rs", "//! Source: the vendor's page.\n"));
    assert!(found("entra_text.rs", "//! A quirk.\nlet date = \"Source 2026-01-31\";\n"));
    assert!(!found("entra_text.rs", "//! Source: the vendor's page, 2026-01-31.\n"));
    assert!(!found("mod.rs", "//! The list.\n"));
}

// ---------------------------------------------------------------------------------------------
// Links

/// Returns the lines of a page outside fenced code, numbered, without their code spans.
fn prose(markdown: &str) -> Vec<(usize, String)> {
    let mut fence = None;
    let mut kept = Vec::new();
    for (row, line) in markdown.lines().enumerate() {
        let start = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| start.starts_with(mark));
        match (fence, mark) {
            (None, Some(_)) => fence = mark,
            (Some(open), Some(mark)) if open == mark => fence = None,
            (Some(_), _) => {}
            (None, None) => {
                // Between an odd and the next even backtick is code.
                let parts = line.split('`').enumerate();
                let outside = parts.map(|(part, text)| if part % 2 == 0 { text } else { "`" });
                kept.push((row + 1, outside.collect()));
            }
        }
    }
    kept
}

/// Returns the targets of the links of a page, with the line of each.
fn links(markdown: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (row, line) in prose(markdown) {
        for (at, _) in line.match_indices("](") {
            let rest = &line[at + 2..];
            let target = rest.split([')', ' ']).next().unwrap_or_default();
            found.push((row, target.trim_matches(['<', '>']).to_owned()));
        }
        let definition = line.strip_prefix('[').filter(|rest| !rest.starts_with('^'));
        if let Some((_, rest)) = definition.and_then(|rest| rest.split_once("]: ")) {
            let target = rest.split_whitespace().next().unwrap_or_default();
            found.push((row, target.trim_matches(['<', '>']).to_owned()));
        }
    }
    found
}

/// Returns the anchors of a page's headings, made as GitHub makes them.
fn anchors(markdown: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut fenced = false;
    for line in markdown.lines() {
        fenced ^= line.trim_start().starts_with("```");
        let title = line.trim_start_matches('#');
        if fenced || title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let anchor: String = title
            .trim()
            .to_lowercase()
            .replace(' ', "-")
            .chars()
            .filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter))
            .collect();
        let again = (1..).map(|number| format!("{anchor}-{number}"));
        let free = std::iter::once(anchor.clone()).chain(again).find(|name| !found.contains(name));
        found.extend(free);
    }
    found
}

/// Follows a relative path from a page; `None` when it leaves the repository.
fn follow(page: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// Finds links to paths or headings that are not there. Links to other sites are not looked at.
fn broken_links(pages: &[Source], paths: &BTreeSet<String>) -> Vec<String> {
    let mut findings = Vec::new();
    for page in pages {
        let outside = |target: &str| target.contains("://") || target.starts_with("mailto:");
        for (row, link) in links(&page.text).into_iter().filter(|(_, link)| !outside(link)) {
            let (target, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let here = &page.path;
            let path = if target.is_empty() { Some(here.clone()) } else { follow(here, target) };
            let Some(path) = path.filter(|path| paths.contains(path) && !target.starts_with('/'))
            else {
                findings.push(format!("{here}:{row}: `{link}` leads nowhere in this repository"));
                continue;
            };
            let other = pages.iter().find(|other| other.path == path);
            if !anchor.is_empty() && other.is_some_and(|to| !anchors(&to.text).contains(anchor)) {
                findings.push(format!("{here}:{row}: `{link}`: {path} has no such heading"));
            }
        }
    }
    findings
}

#[test]
fn links_in_the_documentation_lead_somewhere() {
    let (folders, files) = walk();
    assert_none(&broken_links(&sources("md"), &folders.into_iter().chain(files).collect()));
}

#[test]
fn a_broken_link_is_found() {
    let found = |text: &str| {
        let pages = source("docs/page.md", format!("# First things\n{text}\n"));
        let paths = ["docs", "docs/page.md", "README.md"].map(str::to_owned).into();
        !broken_links(&pages, &paths).is_empty()
    };
    assert!(found("See [the page](gone.md)."));
    assert!(found("See [the page](page.md \"A title\") and [another](gone.md \"A title\")."));
    assert!(found("[reference]: gone.md"));
    assert!(found("[out](../../shared/page.md)"));
    assert!(found("[root](/README.md)"));
    assert!(found("[part](#second-things)"));
    assert!(found("[part](page.md#second-things)"));

    assert!(!found(
        "[up](../README.md) and [here](page.md#first-things) and [there](#first-things)"
    ));
    assert!(!found("[folder](../docs/)"));
    assert!(!found("[site](https://example.org/gone.md)"));
    assert!(!found("In code: `[a](gone.md)`\n```\n[b](gone.md)\n```"));
}

#[test]
fn anchors_are_made_as_the_page_will_show_them() {
    let page =
        "## An event, `decide` & more\n# Same\n# Same\n```\n# no heading\n```\n#no heading\n";
    let made: Vec<_> = anchors(page).into_iter().collect();
    assert_eq!(made, ["an-event-decide--more", "same", "same-1"]);
}

// ---------------------------------------------------------------------------------------------
// Rules

/// The page that says which tests hold each rule of the product.
const RULES: &str = "docs/rules.md";

/// Returns what stands in code spans outside fenced code, with the line of each.
fn code_spans(markdown: &str) -> Vec<(usize, &str)> {
    let lines = markdown.lines().enumerate();
    lines
        .flat_map(|(row, line)| line.split('`').skip(1).step_by(2).map(move |span| (row + 1, span)))
        .collect()
}

/// Whether a code span reads as the name of a test: several words, with nothing between them.
fn names_a_test(span: &str) -> bool {
    let word = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    span.contains('_') && span.chars().all(|letter| word(letter) || letter == '_')
}

/// Finds tests that the page of rules names and nobody has written.
fn rules_without_tests(page: &str, sources: &[Source]) -> Vec<String> {
    let written = |name: &str| {
        let heads = [format!("fn {name}()"), format!("fn {name}(\n")];
        sources.iter().any(|source| heads.iter().any(|head| source.text.contains(head)))
    };
    code_spans(page)
        .into_iter()
        .filter(|(_, span)| names_a_test(span) && !written(span))
        .map(|(row, name)| format!("{RULES}:{row}: there is no test `{name}`"))
        .collect()
}

#[test]
fn every_test_that_holds_a_rule_is_there() {
    let page = fs::read_to_string(root().join(RULES)).unwrap();
    assert_none(&rules_without_tests(&page, &sources("rs")));
}

#[test]
fn a_rule_without_its_test_is_found() {
    let page = "| 1 | A rule | `domain/src/user` | `it_holds`, `it_is_gone` |";
    let sources = source("a.rs", "async fn it_holds() {}\nfn it_is_gone_now() {}");
    assert_eq!(
        rules_without_tests(page, &sources),
        ["docs/rules.md:1: there is no test `it_is_gone`"]
    );
}
