//! One row of the user import: whose address is which, and when they last authorized with Apple.

use serde::Deserialize;

use super::scalar::{Flag, When};
use super::{Defaults, Directory, past};
use crate::domain::address::Address;
use crate::domain::event::{Event, Evidence, Identity, Kind, Origin, Scope, Source, Who};
use crate::domain::ids::{AppId, Sub};
use crate::domain::time::Timestamp;
use crate::sources::written::Wrong;

/// A row as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    team: Option<String>,
    app: Option<String>,
    sub: Option<String>,
    address: Option<String>,
    is_private_email: Option<Flag>,
    authorized_at: Option<When>,
}

/// Reads rows of users.
#[derive(Debug, Clone)]
pub struct Users<'a> {
    /// The teams and apps there are.
    pub directory: &'a Directory,
    /// What a row means that leaves them out.
    pub defaults: &'a Defaults,
    /// When the import began.
    pub received_at: Timestamp,
}

impl Users<'_> {
    /// The fields of a row, as the columns of CSV are named.
    pub const FIELDS: [&'static str; 6] = ["team", "app", "sub", "address", "is_private_email", "authorized_at"];

    /// The event that a row is.
    ///
    /// With `authorized_at` it is an authorization, which the row's own values identify: sending it again changes nothing. Without, it
    /// only says whose address it is now, and so the time of the import belongs to its identity.
    ///
    /// # Errors
    /// Names the field.
    pub fn event(&self, row: Row) -> Result<Event, Wrong> {
        let team = self.directory.team(row.team.as_deref().or(self.defaults.team.as_deref()))?;
        let app = self.directory.app(&team, row.app.as_deref().or(self.defaults.app.as_deref()))?;
        let address = row
            .address
            .as_deref()
            .map(|text| Address::parse(text).ok_or_else(|| Wrong::field("address", "is not a mail address")));
        let address = address.transpose()?;
        let sub =
            row.sub.as_deref().map(|text| Sub::parse(text).ok_or_else(|| Wrong::field("sub", "is not a subject")));
        let sub = sub.transpose()?;
        if sub.is_none() && address.is_none() {
            return Err(Wrong::field("sub", "is missing, and so is address: one of them must be given"));
        }
        let at = row.authorized_at.map(|When(at)| past("authorized_at", at, self.received_at)).transpose()?;
        if at.is_some() && sub.is_none() {
            return Err(Wrong::field("sub", "is missing: an authorization is a subject's"));
        }
        if at.is_some() && app.is_none() {
            return Err(Wrong::field(
                "app",
                "is missing: an authorization is for an app, and the team has not just one",
            ));
        }
        let (kind, rule, occurred_at) = match at {
            Some(at) => (Kind::Authorized, "import.authorized", at),
            None => (Kind::Linked, "import.linked", self.received_at),
        };
        let identity = Identity::new(
            "import",
            &[
                kind.as_str(),
                team.as_str(),
                app.as_ref().map_or("", AppId::as_str),
                sub.as_ref().map_or("", Sub::expose),
                address.as_ref().map_or("", Address::expose),
                row.is_private_email.map_or("", |Flag(flag)| if flag { "private" } else { "real" }),
                &occurred_at.micros().to_string(),
            ],
        );
        let is_private = row.is_private_email.map(|Flag(flag)| flag);
        Ok(Event {
            identity,
            source: Source::Import,
            kind,
            scope: Scope::Recipient,
            fresh: true,
            rule: rule.into(),
            who: Who { address, sub, is_private, named: 1 },
            origin: Origin { app, ..Origin::of_team(team) },
            evidence: Evidence::default(),
            occurred_at,
            decision: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::written::read;

    fn now() -> Timestamp {
        Timestamp::from_secs(1_760_000_000)
    }

    fn event(text: &str) -> Result<Event, Wrong> {
        let directory = Directory::default();
        let defaults = Defaults { team: Some("T".into()), app: None };
        let users = Users { directory: &directory, defaults: &defaults, received_at: now() };
        users.event(read(text.as_bytes())?)
    }

    #[test]
    fn an_authorization_is_identified_by_its_row_and_a_link_by_its_import_too() {
        let row = r#"{"app":"a","sub":"001.ab.2","address":"x@private.icloud.com","authorized_at":1750000000}"#;
        let one = event(row).unwrap();
        assert_eq!((one.kind, one.occurred_at), (Kind::Authorized, Timestamp::from_secs(1_750_000_000)));
        assert_eq!(one.identity, event(row).unwrap().identity);
        let link = r#"{"sub":"001.ab.2","address":"x@private.icloud.com"}"#;
        let directory = Directory::default();
        let defaults = Defaults { team: Some("T".into()), app: None };
        let later = Users {
            directory: &directory,
            defaults: &defaults,
            received_at: now().plus(std::time::Duration::from_secs(1)),
        };
        let one = event(link).unwrap();
        assert_eq!((one.kind, one.occurred_at), (Kind::Linked, now()));
        assert_ne!(one.identity, later.event(read(link.as_bytes()).unwrap()).unwrap().identity);
    }

    #[test]
    fn a_subject_alone_and_a_flagged_address_alone_are_rows() {
        let alone = event(r#"{"app":"a","sub":"001.ab.2","authorized_at":"2025-06-01T00:00:00Z"}"#).unwrap();
        assert!(alone.who.address.is_none() && alone.who.sub.is_some());
        let flagged = event(r#"{"address":"x@icloud.com","is_private_email":"true"}"#).unwrap();
        assert_eq!((flagged.who.is_private, flagged.who.sub), (Some(true), None));
    }

    #[test]
    fn a_wrong_row_is_told_by_its_field() {
        for (row, field) in [
            (r#"{"address":"nobody"}"#, "address"),
            (r#"{"sub":""}"#, "sub"),
            (r#"{"is_private_email":true}"#, "sub"),
            (r#"{"address":"x@icloud.com","is_private_email":"perhaps"}"#, "is_private_email"),
            (r#"{"sub":"001.ab.2","authorized_at":1750000000}"#, "app"),
            (r#"{"app":"a","address":"x@icloud.com","authorized_at":1750000000}"#, "sub"),
            (r#"{"app":"a","sub":"001.ab.2","authorized_at":1760000400}"#, "authorized_at"),
            (r#"{"app":"a","sub":"001.ab.2","authorized_at":0}"#, "authorized_at"),
            (r#"{"app":"a","sub":"001.ab.2","authorized_at":"soon"}"#, "authorized_at"),
            (r#"{"app":"a","sub":"001.ab.2","authorised_at":1750000000}"#, "authorised_at"),
            (r#"{"team":"","sub":"001.ab.2"}"#, "team"),
        ] {
            assert_eq!(event(row).unwrap_err().field.as_deref(), Some(field), "{row}");
        }
    }
}
