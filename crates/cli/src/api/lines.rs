//! Lines of groups on the command line, as access lists and publications have them (rules 16 and 17).

use clap::Args;
use serde_json::{Value, json};

/// Who is in all groups of one line.
#[derive(Args)]
pub(crate) struct Lines {
    /// A line: names of groups, such as `Sales,EMEA`, of which somebody has to be in all. A name with a
    /// comma is written as JSON: `["Sales, EMEA"]`. May be given more than once: one line is enough.
    #[arg(long = "line", value_name = "NAMES", value_parser = line)]
    lines: Vec<Value>,
}

impl Lines {
    /// As the API takes them, if there are any.
    pub(super) fn given(self) -> Option<Value> {
        (!self.lines.is_empty()).then(|| json!(self.lines))
    }
}

fn line(said: &str) -> Result<Value, String> {
    if said.trim_start().starts_with('[') {
        let names: Result<Vec<String>, _> = serde_json::from_str(said);
        return names.map(Value::from).map_err(|_| "not a JSON array of names".to_owned());
    }
    Ok(said.split(',').map(|name| Value::from(name.trim())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_between_commas_or_in_json() {
        assert_eq!(line("Sales, EMEA"), Ok(json!(["Sales", "EMEA"])));
        assert_eq!(line(r#"["Sales, EMEA", "Board"]"#), Ok(json!(["Sales, EMEA", "Board"])));
        assert!(line("[1]").is_err());
    }
}
