//! What fuzzing starts from: the shared tables and the requests of the transcripts.
//!
//! None of it is committed twice: what is added to a table or a transcript is a seed from then on.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use serde_json::{Value, json};

/// The variable that names the folder of the seeds.
const FOLDER: &str = "FUZZ_SEEDS";

/// Writes the seeds of a target into the folder that `FUZZ_SEEDS` names, if it does.
///
/// # Panics
/// If the tables or the transcripts cannot be read, or the folder not be written.
pub fn write(target: &str) {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let mut seeds = Seeds::default();
    let table = |text| serde_json::from_str(text).expect("the table is JSON");
    seeds.filters(&table(include_str!("../conformance/filters.json")));
    seeds.patches(&table(include_str!("../conformance/patches.json")));
    seeds.circle();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../transcripts");
    for path in transcripts(&root).expect("the transcripts are there") {
        seeds.transcript(&fs::read_to_string(path).expect("a transcript is text"));
    }
    let texts = seeds.0.iter().filter(|(of, _)| *of == target).map(|(_, text)| text);
    for (index, text) in texts.enumerate() {
        fs::write(folder.join(format!("{index:03}")), text).expect("the folder can be written");
    }
}

/// The texts for each target.
#[derive(Default)]
struct Seeds(Vec<(&'static str, String)>);

impl Seeds {
    fn add(&mut self, target: &'static str, text: impl Into<String>) {
        self.0.push((target, text.into()));
    }

    /// The filters, and the documents that they are tried on.
    fn filters(&mut self, table: &Value) {
        for case in list(&table["cases"]) {
            let Some(filter) = case["filter"].as_str() else { continue };
            self.add("filter", filter);
            self.add(
                "query",
                format!("filter={filter}&sortBy=userName&attributes=emails.value&count=5"),
            );
        }
        for document in list(&table["documents"]) {
            self.add("body", document.to_string());
        }
    }

    /// The operations, and what they leave.
    fn patches(&mut self, table: &Value) {
        for case in list(&table["cases"]) {
            let operations = &case["operations"];
            let schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
            let request = json!({"schemas": schemas, "Operations": operations});
            let mut on_its_own = request.clone();
            on_its_own["before"] = case["before"].clone();
            self.add("patch", on_its_own.to_string());
            let bulk = json!({"method": "PATCH", "path": "/Users/1", "data": request});
            self.add("bulk", json!({"Operations": [bulk]}).to_string());
            self.add("body", case["after"].to_string());
            for path in list(operations).filter_map(|operation| operation["path"].as_str()) {
                self.add("path", path);
            }
        }
    }

    /// The requests of a transcript: lines with `>`, then the body, then the answer with `<`. A path may
    /// have spaces in its query; behind ` as ` stands what the answer is called.
    fn transcript(&mut self, text: &str) {
        let (mut request, mut body) = (None, String::new());
        for line in text.lines() {
            match line.strip_prefix("> ").map(|line| line.split_once(' ')) {
                Some(Some((method, path))) if !method.ends_with(':') => {
                    let path = path.rsplit_once(" as ").map_or(path, |(path, _)| path);
                    request = Some((method.to_owned(), path.to_owned()));
                    body.clear();
                }
                Some(_) => {}
                None if line.starts_with('<') => {
                    if let Some((method, path)) = request.take() {
                        self.request(&method, &path, &body);
                    }
                }
                None => body += line,
            }
        }
    }

    fn request(&mut self, method: &str, path: &str, body: &str) {
        if let Some((_, parameters)) = path.split_once('?') {
            self.add("query", decoded(parameters));
        }
        let target = match method {
            _ if body.is_empty() => return,
            _ if path.ends_with("/.search") => "query",
            _ if path.starts_with("/Bulk") => "bulk",
            "PATCH" => "patch",
            _ => "body",
        };
        self.add(target, body);
    }

    /// Circles of references, which nothing else has.
    fn circle(&mut self) {
        let group = |name: &str, member: &str| {
            let data =
                json!({"displayName": name, "members": [{"value": format!("bulkId:{member}")}]});
            json!({"method": "POST", "path": "/Groups", "bulkId": name, "data": data})
        };
        let patch = json!({"method": "PATCH", "path": "/Groups/bulkId:a", "data": {"Operations": [
            {"op": "remove", "path": "members[value eq \"bulkId:b\"]"}
        ]}});
        let operations =
            [patch, group("a", "b"), group("b", "c"), group("c", "a"), group("d", "d")];
        self.add("bulk", json!({"failOnErrors": 1, "Operations": operations}).to_string());
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The parameters of a URL as they are meant.
fn decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut plain = Vec::new();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits: String = bytes.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&digits, 16).unwrap_or(b'?')
            }
            byte => byte,
        });
    }
    String::from_utf8_lossy(&plain).into_owned()
}

fn transcripts(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(transcripts(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "txt") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
