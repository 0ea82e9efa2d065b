//! Events as rows for people and their spreadsheets. Nothing is proved by them.
//!
//! # Source
//! RFC 4180.

use record::export::Line;

/// The first row.
pub(super) const HEAD: &str =
    "position,time,stream,version,type,actor,request,correlation,causation,rule,data\r\n";

/// The row of an event.
pub(super) fn row(line: &Line) -> String {
    let number = |number: Option<u64>| number.map(|it| it.to_string()).unwrap_or_default();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let data = if line.erased { "erased" } else { line.data.get() };
    let cells = [
        line.position.to_string(),
        line.time.clone(),
        line.stream.clone(),
        line.version.to_string(),
        line.r#type.clone(),
        line.actor.clone(),
        text(&line.request),
        line.correlation.clone(),
        number(line.causation),
        text(&line.rule),
        data.to_owned(),
    ];
    let mut row = cells.iter().map(|cell| quote(cell)).collect::<Vec<_>>().join(",");
    row.push_str("\r\n");
    row
}

/// A cell. What a spreadsheet would compute gets a quote before it, so that it is shown instead.
fn quote(cell: &str) -> String {
    let computed = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let cell = if computed { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_never_computed() {
        for (cell, quoted) in [
            ("a", "a"),
            ("", ""),
            ("{\"a\":1}", "\"{\"\"a\"\":1}\""),
            ("a,b", "\"a,b\""),
            ("=1+1", "'=1+1"),
            ("@a,b", "\"'@a,b\""),
        ] {
            assert_eq!(quote(cell), quoted);
        }
    }
}
