//! Plays the dialogues of `tests/transcripts` against a server and compares the answers.
//!
//! `make bless` writes the answers that come now into the files; review them like any other change.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod server;

use std::{fs, path::PathBuf};

use domain::workspace::Idp;
use expect_test::expect_file;

use crate::server::Server;

/// The kinds of IdPs, by the folders of their transcripts.
const FOLDERS: [(&str, Idp); 5] = [
    ("entra", Idp::Entra),
    ("okta", Idp::Okta),
    ("onelogin", Idp::OneLogin),
    ("generic", Idp::Generic),
    ("strict", Idp::Strict),
];

fn folder() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../../tests/transcripts")
}

/// What is in a folder, sorted; pages of documentation are not.
fn entries(folder: &PathBuf) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_none_or(|found| found != "md")).collect();
    paths.sort();
    paths
}

async fn play(name: &str) {
    let (_, idp) = FOLDERS.into_iter().find(|(folder, _)| *folder == name).unwrap();
    let files = entries(&folder().join(name));
    assert!(!files.is_empty(), "{name} has no transcript");
    for file in files {
        let server = Server::start(idp).await;
        let text = fs::read_to_string(&file).unwrap();
        let played =
            testkit::transcript::play(&text, async |request| server.answer(request).await).await;
        let played = played.unwrap_or_else(|error| panic!("{}: {error:#}", file.display()));
        expect_file![file].assert_eq(&played);
    }
}

#[actix_web::test]
async fn entra() {
    play("entra").await;
}

#[actix_web::test]
async fn okta() {
    play("okta").await;
}

#[actix_web::test]
async fn onelogin() {
    play("onelogin").await;
}

#[actix_web::test]
async fn generic() {
    play("generic").await;
}

#[actix_web::test]
async fn strict() {
    play("strict").await;
}

#[test]
fn every_folder_is_played() {
    let found = entries(&folder()).into_iter().map(|path| path.file_name().unwrap().to_owned());
    let mut known = FOLDERS.map(|(name, _)| name);
    known.sort_unstable();
    assert_eq!(found.collect::<Vec<_>>(), known);
}
