//! The few places where the two databases need two spellings, and the batch: many rows in one bound JSON array.
//!
//! A batch binds one text parameter whatever the number of rows, so its SQL is constant and its statement stays prepared; on both
//! databases it beats rows bound one by one.

/// One statement in both spellings.
#[derive(Debug, Clone, Copy)]
pub struct Twin {
    /// For SQLite.
    pub sqlite: &'static str,
    /// For PostgreSQL.
    pub postgres: &'static str,
}

/// One column of a batch element, by position and type, as SQLite reads it out of `value`. Named in full: a table that is looked
/// up in may have a column of that name.
macro_rules! sqlite_column {
    (int $i:literal) => {
        concat!("batch.element->>", $i)
    };
    (text $i:literal) => {
        concat!("batch.element->>", $i)
    };
    (bytes $i:literal) => {
        concat!("unhex(batch.element->>", $i, ")")
    };
}

/// The same, as PostgreSQL reads it out of the array.
macro_rules! postgres_column {
    (int $i:literal) => {
        concat!("CAST(batch.element->>", $i, " AS BIGINT)")
    };
    (text $i:literal) => {
        concat!("batch.element->>", $i)
    };
    (bytes $i:literal) => {
        concat!("decode(batch.element->>", $i, ", 'hex')")
    };
}

/// `batch!("INSERT INTO t (a, b)", [bytes 0, int 1], "ON CONFLICT DO NOTHING")`: the statement that inserts every element of the
/// JSON array bound as `$1`, each element an array of its columns.
macro_rules! batch {
    ($head:literal, [$kind:ident $i:literal $(, $kinds:ident $is:literal)*], $tail:literal) => {
        $crate::store::dialect::Twin {
            // Materialized, and in binary: each element would otherwise be written out and parsed anew for every column read from it.
            sqlite: concat!(
                $head, " SELECT ",
                $crate::store::dialect::sqlite_column!($kind $i)
                $(, ", ", $crate::store::dialect::sqlite_column!($kinds $is))*,
                // SQLite's parser needs the WHERE before an ON CONFLICT.
                " FROM (SELECT value AS element FROM jsonb_each($1) LIMIT -1 OFFSET 0) AS batch WHERE true ", $tail
            ),
            postgres: concat!(
                $head, " SELECT ",
                $crate::store::dialect::postgres_column!($kind $i)
                $(, ", ", $crate::store::dialect::postgres_column!($kinds $is))*,
                " FROM jsonb_array_elements(CAST($1 AS jsonb)) AS batch(element) ", $tail
            ),
        }
    };
}

/// `lookup!("SELECT r.x", "t AS r", ["r.team" = text 0, "r.key" = bytes 1], "")`: the rows of `t` that the elements of the JSON array
/// bound as `$1` name. `batch.n` is the element's position, from 1.
///
/// Where many rows are expected they are best packed into one text, columns apart by a tab and rows by a line feed (JSON has neither raw):
/// on both databases handing over a row costs more than reading it. See [`packed`].
macro_rules! lookup {
    ($head:expr, $table:literal, [$($column:literal = $kind:ident $i:literal),+], $tail:literal) => {
        $crate::store::dialect::Twin {
            sqlite: concat!(
                $head, " FROM (SELECT value AS element, key + 1 AS n FROM jsonb_each($1) LIMIT -1 OFFSET 0) AS batch CROSS JOIN ", $table, " WHERE true",
                $(" AND ", $column, " = ", $crate::store::dialect::sqlite_column!($kind $i)),+, " ", $tail
            ),
            postgres: concat!(
                $head, " FROM jsonb_array_elements(CAST($1 AS jsonb)) WITH ORDINALITY AS batch(element, n) CROSS JOIN ", $table, " WHERE true",
                $(" AND ", $column, " = ", $crate::store::dialect::postgres_column!($kind $i)),+, " ", $tail
            ),
        }
    };
}

/// `packed!("x", "y")`: these expressions of every row in one text, after the row's `batch.n`. NULL stands as nothing.
macro_rules! packed {
    ($($column:literal),+) => {
        concat!("string_agg(concat_ws('\t', batch.n", $(", coalesce(CAST(", $column, " AS TEXT), '')"),+, "), '\n')")
    };
}

/// The rows of a packed text: each its position in the batch, from 0, and its columns.
pub(crate) fn unpack<const N: usize>(packed: Option<&str>) -> impl Iterator<Item = Option<(usize, [&str; N])>> {
    packed.into_iter().flat_map(|text| text.split('\n')).map(|row| {
        let mut columns = row.split('\t');
        let n: usize = columns.next()?.parse().ok()?;
        let mut read = [""; N];
        for column in &mut read {
            *column = columns.next()?;
        }
        columns.next().is_none().then_some((n.checked_sub(1)?, read))
    })
}

pub(crate) use {batch, lookup, packed, postgres_column, sqlite_column};
