//! The shapes of what is said of people, and of what became of it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};

use super::Verdict;

/// One row of users. One of `sub` and `address` must be given.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the document is made of it")]
pub(in super::super) struct User {
    /// The team; may be missing when exactly one is configured.
    team: Option<String>,
    /// The app, by its id or one of its audiences; may be missing when the team has exactly one.
    app: Option<String>,
    /// Apple's user id.
    sub: Option<String>,
    /// The address the user has now, private or real.
    address: Option<String>,
    /// Apple's flag: the only way to tell a relay address on `icloud.com`.
    #[schema(schema_with = flags, required = false)]
    is_private_email: Option<bool>,
    /// When the user last authorized with Apple (an identity token or a code exchange, never an app session): RFC 3339 text, or whole
    /// seconds or milliseconds since 1970.
    #[schema(schema_with = instants, required = false)]
    authorized_at: Option<String>,
}

/// What became of an import.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(in super::super) struct Tally {
    /// Rows that were read and taken.
    accepted: usize,
    /// Of these, rows that said something new.
    new: usize,
    /// Of these, rows that had been imported before.
    repeated: usize,
    /// Rows that were wrong. Nothing of them is stored.
    rejected: usize,
    /// The first thousand of the wrong rows.
    errors: Vec<RowError>,
    /// Wrong rows beyond those in `errors`.
    errors_left_out: usize,
    /// Whether all accepted rows are on disk.
    durable: bool,
    /// The head of the log afterwards.
    cursor: String,
}

/// One wrong row.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(in super::super) struct RowError {
    /// Its line, from 1.
    line: u64,
    /// A stable word: `bad_field`, `bad_row` or `line_too_long`.
    reason: String,
    /// The field, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// What is wrong, in words.
    detail: String,
}

/// What was erased.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(in super::super) struct Erased {
    /// Addresses forgotten.
    addresses: usize,
    /// Subjects forgotten.
    subjects: usize,
    /// The head of the log after it.
    head: i64,
}

/// A decision in force.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the document is made of it")]
pub(in super::super) struct Ruled {
    /// The event it is in the log.
    event: String,
    /// The key of the address.
    key: String,
    /// The head of the log after it.
    cursor: String,
    /// What the address's verdict is now, on marketing mail.
    verdict: Verdict,
}

fn flags() -> ObjectBuilder {
    let types = [Type::Boolean, Type::String, Type::Null];
    ObjectBuilder::new().schema_type(SchemaType::from_iter(types)).description(Some(
        "Apple's flag: the only way to tell a relay address on `icloud.com`. As a Boolean, or as text like in Apple's identity tokens.",
    ))
}

/// An instant as people's databases write it.
pub(in super::super) fn instants() -> ObjectBuilder {
    let types = [Type::String, Type::Integer, Type::Null];
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter(types))
        .description(Some("RFC 3339 text, a date, or whole seconds or milliseconds since 1970."))
}
