//! Prints what our engines say about a table of cases, for comparison with other implementations.
//!
//! `engines filters < filters.json` or `engines patches < patches.json` writes a JSON array with the
//! case, what is expected and what our engine says, in the table's order. `make conformance` runs it; the tables are in
//! `tests/conformance`.

use std::error::Error;
use std::io::{self, Write};

mod tables;

use tables::{Filters, Patches};

fn main() -> Result<(), Box<dyn Error>> {
    let (table, mut out) = (io::stdin().lock(), io::stdout().lock());
    match std::env::args().nth(1).as_deref() {
        Some("filters") => {
            let table: Filters = serde_json::from_reader(table)?;
            serde_json::to_writer(&mut out, &table.said())?;
        }
        Some("patches") => {
            let table: Patches = serde_json::from_reader(table)?;
            serde_json::to_writer(&mut out, &table.said())?;
        }
        _ => return Err("usage: engines filters|patches < TABLE".into()),
    }
    writeln!(out)?;
    Ok(())
}
