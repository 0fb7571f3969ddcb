//! What the store can fail with, and whose fault that is: the data's, or nobody's who sent any.

/// What the store can fail with.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL names no database we know.
    #[error("store.url: {0}")]
    Url(String),
    /// The database cannot be reached, is full, does not answer in time or does not let us: no fault of the data, and the same
    /// statement may succeed later, if need be after somebody has mended the database.
    #[error("the store is not available: {}", code(.0))]
    Unavailable(sqlx::Error),
    /// The database refused the data: the same rows will never go in.
    #[error("the store refused the data: {}", code(.0))]
    Refused(sqlx::Error),
    /// A row does not say what its column must say.
    #[error("corrupt row in {table}, column {column}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// The schema is not this version's.
    #[error("the schema is not up to date: {0}")]
    Schema(String),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let of_the_data = match &error {
            sqlx::Error::Database(db) => blames_the_data(db.code().as_deref().unwrap_or("")),
            sqlx::Error::Encode(_)
            | sqlx::Error::Decode(_)
            | sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::TypeNotFound { .. } => true,
            _ => false,
        };
        if of_the_data { Self::Refused(error) } else { Self::Unavailable(error) }
    }
}

/// The short list is that of the data's faults; whatever else goes wrong must not send events to quarantine one by one. SQLSTATE classes
/// 22 (data), 23 (constraint), 54 (a limit of the program); and SQLite's too big, constraint, mismatch, out of range.
fn blames_the_data(code: &str) -> bool {
    if code.len() == 5 {
        return ["22", "23", "54"].iter().any(|class| code.starts_with(class));
    }
    let primary = code.parse::<i64>().map_or(0, |c| c & 0xff);
    matches!(primary, 18 | 19 | 20 | 25)
}

impl StoreError {
    /// It did not answer in time.
    pub fn silent() -> Self {
        Self::Unavailable(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))
    }

    /// Whether the same statement may succeed later.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// Whether the database says that it has no such table.
    pub(super) fn is_missing_table(&self) -> bool {
        let Self::Unavailable(sqlx::Error::Database(db)) = self else { return false };
        // PostgreSQL's undefined table, and SQLite's only code for whatever does not compile.
        matches!(db.code().as_deref(), Some("42P01" | "1"))
    }
}

/// What can be told of a database error: a database's own message may quote the row, and so an address; its code does not.
fn code(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(db) => format!("database error {}", db.code().unwrap_or_default()),
        sqlx::Error::Io(io) => format!("{}", io.kind()),
        sqlx::Error::PoolTimedOut => "no connection is free".to_owned(),
        sqlx::Error::PoolClosed => "it is closed".to_owned(),
        sqlx::Error::Tls(_) => "TLS failed".to_owned(),
        sqlx::Error::RowNotFound => "no such row".to_owned(),
        sqlx::Error::Protocol(_) => "the connection broke".to_owned(),
        sqlx::Error::Configuration(_) => "it is not configured".to_owned(),
        _ => "a value does not fit".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wrong_with_the_data_blames_it() {
        for code in ["22P05", "22021", "23505", "54000", "19", "1555", "1811", "2067", "18", "20", "25"] {
            assert!(blames_the_data(code), "{code}");
        }
        for code in [
            "40P01", "53100", "53300", "57P01", "55P03", "25P03", "25006", "42P01", "42501", "XX001", "", "5", "517",
            "6", "8", "10", "13", "11", "26", "1",
        ] {
            assert!(!blames_the_data(code), "{code}");
        }
    }

    #[test]
    fn an_error_of_the_connection_is_told_without_its_words() {
        for error in [
            sqlx::Error::Protocol("ann@privaterelay.appleid.com".into()),
            sqlx::Error::Configuration("ann@privaterelay.appleid.com".into()),
            sqlx::Error::PoolTimedOut,
            sqlx::Error::WorkerCrashed,
        ] {
            let told = StoreError::from(error);
            assert!(told.is_unavailable() && !told.to_string().contains('@'), "{told}");
        }
    }
}
