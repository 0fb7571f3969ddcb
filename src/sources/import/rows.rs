//! Rows out of lines: NDJSON, or CSV (RFC 4180, one row to a line) whose first line names the columns.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::sources::written::{Wrong, read, read_value};

/// How the lines of one import are to be read. The first line tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Rows {
    /// One JSON object to a line.
    #[default]
    Ndjson,
    /// Cells under these columns; an empty cell says nothing.
    Csv(Vec<String>),
}

impl Rows {
    /// Looks at the first line. For CSV it names the columns, which must be among `known`, and is used up.
    ///
    /// # Errors
    /// When it is neither a JSON object nor names of known columns.
    pub fn begin(first: &[u8], known: &[&str]) -> Result<Self, Wrong> {
        if first.starts_with(b"{") {
            return Ok(Self::Ndjson);
        }
        let columns = cells(first)?;
        for (i, column) in columns.iter().enumerate() {
            // The first line of a file without column names may hold addresses: only its position is told.
            if !known.contains(&column.as_str()) {
                let detail = format!("column {} of the first line is none of {}", i + 1, known.join(", "));
                return Err(Wrong::whole(detail));
            }
            if columns[..i].contains(column) {
                return Err(Wrong::field(column.clone(), "names two columns"));
            }
        }
        Ok(Self::Csv(columns))
    }

    /// Whether the first line was column names and no row.
    pub fn has_header(&self) -> bool {
        matches!(self, Self::Csv(_))
    }

    /// Reads one row.
    ///
    /// # Errors
    /// Names the field where it is known.
    pub fn row<T: DeserializeOwned>(&self, line: &[u8]) -> Result<T, Wrong> {
        let columns = match self {
            Self::Ndjson => return read(line),
            Self::Csv(columns) => columns,
        };
        let cells = cells(line)?;
        if cells.len() != columns.len() {
            return Err(Wrong::whole(format!("has {} cells, the first line has {}", cells.len(), columns.len())));
        }
        let filled = columns.iter().zip(cells).filter(|(_, cell)| !cell.trim().is_empty());
        let object: Map<String, Value> = filled.map(|(column, cell)| (column.clone(), Value::String(cell))).collect();
        read_value(Value::Object(object))
    }
}

/// The cells of one line: separated by commas, in double quotes where they hold one, a double quote doubled.
fn cells(line: &[u8]) -> Result<Vec<String>, Wrong> {
    let text = std::str::from_utf8(line).map_err(|_| Wrong::whole("is not UTF-8"))?;
    let mut cells = Vec::new();
    let mut rest = text;
    loop {
        let (cell, after) = match rest.trim_start().strip_prefix('"') {
            Some(quoted) => quoted_cell(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].trim().to_owned(), &rest[end..])
            }
        };
        cells.push(cell);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok(cells),
        }
    }
}

fn quoted_cell(text: &str) -> Result<(String, &str), Wrong> {
    let mut cell = String::new();
    let mut rest = text;
    loop {
        let Some(end) = rest.find('"') else { return Err(Wrong::whole("has a quotation that does not end")) };
        cell += &rest[..end];
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                cell.push('"');
                rest = more;
            }
            None => break,
        }
    }
    let rest = rest.trim_start();
    if rest.is_empty() || rest.starts_with(',') {
        Ok((cell, rest))
    } else {
        Err(Wrong::whole("has text behind a quotation"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cells_are_read_as_rfc_4180_writes_them() {
        for (line, want) in [
            ("a,b,c", vec!["a", "b", "c"]),
            (r#""a,1", b ,"say ""hi""""#, vec!["a,1", "b", r#"say "hi""#]),
            (",,", vec!["", "", ""]),
            (r#""""#, vec![""]),
        ] {
            assert_eq!(cells(line.as_bytes()).unwrap(), want, "{line}");
        }
        for line in [&br#""open"#[..], br#""a"b,c"#, b"\xff,a"] {
            assert!(cells(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn the_first_line_tells_and_its_cells_are_not_repeated() {
        let known = ["team", "sub", "address"];
        assert_eq!(Rows::begin(br#"{"team":"T"}"#, &known), Ok(Rows::Ndjson));
        let rows = Rows::begin(b"address,\"sub\"", &known).unwrap();
        assert_eq!(rows, Rows::Csv(vec!["address".into(), "sub".into()]));
        let row: Map<String, Value> = rows.row(b"a@b.example, ").unwrap();
        assert_eq!(Value::Object(row), serde_json::json!({"address": "a@b.example"}));
        assert_eq!(rows.row::<Value>(b"1,2,3").unwrap_err().detail, "has 3 cells, the first line has 2");
        let wrong = Rows::begin(b"team,who@a.example", &known).unwrap_err();
        assert_eq!(wrong.detail, "column 2 of the first line is none of team, sub, address");
        assert_eq!(Rows::begin(b"sub,sub", &known).unwrap_err(), Wrong::field("sub", "names two columns"));
    }

    proptest! {
        #[test]
        fn any_bytes_return(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = cells(&bytes);
            let _ = Rows::Csv(vec!["sub".into()]).row::<Value>(&bytes);
            let _ = Rows::Ndjson.row::<Value>(&bytes);
        }

        #[test]
        fn what_is_written_is_read(written in prop::collection::vec("[^\r\n]{0,12}", 1..6)) {
            let line: Vec<String> = written.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
            prop_assert_eq!(cells(line.join(",").as_bytes()).unwrap(), written);
        }
    }
}
