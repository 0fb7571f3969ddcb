//! One row of history: the last success, a bounce, a complaint, an opt-out or an entry of a suppression list, from before there was a
//! feed. A bounce is read by the same rules as one that comes today, so an old list of bounces convicts nobody by itself.

use std::borrow::Cow;

use serde::Deserialize;

use super::scalar::{Flag, Number, When};
use super::{Defaults, Directory, past};
use crate::domain::address::{Address, domain_of};
use crate::domain::bounce::{Diagnostic, EspClass, Reading, Report, RuleBook};
use crate::domain::event::{Event, Evidence, Identity, Kind, Origin, Scope, Source, Who};
use crate::domain::ids::{Esp, StreamName, TeamId};
use crate::domain::stream::StreamBook;
use crate::domain::time::Timestamp;
use crate::sources::written::Wrong;

/// A row as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    team: Option<String>,
    address: String,
    kind: Happened,
    date: When,
    source: String,
    stream: Option<String>,
    from_domain: Option<String>,
    text: Option<String>,
    status: Option<String>,
    code: Option<Number>,
    is_private_email: Option<Flag>,
}

/// What a row says happened.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Happened {
    /// The next hop took a mail.
    Accepted,
    /// A mail was refused for good.
    HardBounce,
    /// The recipient called a mail spam.
    Complaint,
    /// The recipient left a stream, or all of them.
    Unsubscribed,
    /// The source's own suppression list held the address on that day.
    EspListed,
}

/// Reads rows of history.
pub struct History<'a> {
    /// The teams there are.
    pub directory: &'a Directory,
    /// What a row means that leaves them out.
    pub defaults: &'a Defaults,
    /// The registered streams.
    pub streams: &'a StreamBook,
    /// How bounces are read.
    pub rules: &'a RuleBook,
    /// When the import began.
    pub received_at: Timestamp,
}

impl History<'_> {
    /// The fields of a row, as the columns of CSV are named.
    pub const FIELDS: [&'static str; 11] = [
        "team",
        "address",
        "kind",
        "date",
        "source",
        "stream",
        "from_domain",
        "text",
        "status",
        "code",
        "is_private_email",
    ];

    /// The event that a row is. Its own values identify it: sending it again changes nothing.
    ///
    /// # Errors
    /// Names the field.
    pub fn event(&self, row: Row) -> Result<Event, Wrong> {
        let team = self.directory.team(row.team.as_deref().or(self.defaults.team.as_deref()))?;
        let address = Address::parse(&row.address).ok_or_else(|| Wrong::field("address", "is not a mail address"))?;
        let at = past("date", row.date.0, self.received_at)?;
        let esp = source_name(&row.source)?;
        let origin = self.origin(&row, team, esp)?;
        let Number(code) = row.code.unwrap_or(Number(0));
        let report = Report {
            recipient: Some(&address),
            mail_from: None,
            text: row.text.as_deref(),
            status: row.status.as_deref(),
            code: (200..600).contains(&code).then_some(code),
            class: EspClass::Hard,
            class_rule: "history.hard_bounce",
        };
        let said = Diagnostic::of(&report);
        let fact = |kind, scope, fresh, rule| Reading { kind, scope, fresh, rule: Cow::Borrowed(rule) };
        let reading = match row.kind {
            Happened::Accepted => fact(Kind::Delivered, Scope::Recipient, true, "history.accepted"),
            Happened::HardBounce => self.rules.read(&report),
            Happened::Complaint => fact(Kind::Complaint, Scope::Recipient, true, "history.complaint"),
            Happened::Unsubscribed => fact(Kind::Unsubscribed, Scope::Recipient, true, "history.unsubscribed"),
            Happened::EspListed => fact(Kind::HardBounce, Scope::Esp, false, "history.esp_listed"),
        };
        let identity = Identity::new(
            "history",
            &[
                &format!("{:?}", row.kind),
                origin.team.as_str(),
                address.expose(),
                &row.source,
                origin.stream.as_ref().map_or("", StreamName::as_str),
                &at.micros().to_string(),
            ],
        );
        let is_private = row.is_private_email.map(|Flag(flag)| flag);
        Ok(Event {
            identity,
            source: Source::History,
            kind: reading.kind,
            scope: reading.scope,
            fresh: reading.fresh,
            rule: reading.rule,
            who: Who { address: Some(address), sub: None, is_private, named: 1 },
            origin,
            evidence: Evidence {
                status: said.status,
                code: said.code,
                diagnostic: (!said.text.is_empty()).then_some(said.text),
                provider_id: None,
                message_id: None,
                detail: None,
            },
            occurred_at: at,
            decision: None,
        })
    }

    /// By which way it was sent, as far as the row says. A stream that is named brings its own domain.
    fn origin(&self, row: &Row, team: TeamId, esp: Esp) -> Result<Origin, Wrong> {
        let mut from_domain = row
            .from_domain
            .as_deref()
            .map(|text| domain_of(text).ok_or_else(|| Wrong::field("from_domain", "is not a domain name")))
            .transpose()?;
        let mut stream = None;
        if let Some(name) = &row.stream {
            let known = self.streams.get(name).filter(|stream| stream.team == team);
            let known = known.ok_or_else(|| Wrong::field("stream", "is not a stream of this team"))?;
            from_domain.get_or_insert_with(|| known.from_domain.clone());
            stream = Some(known.name.clone());
        }
        Ok(Origin { esp: Some(esp), from_domain, stream, ..Origin::of_team(team) })
    }
}

/// The ESP or system a row comes from. It becomes a name among others, so it must look like one and cannot hold an address.
fn source_name(text: &str) -> Result<Esp, Wrong> {
    let name = text.trim().to_ascii_lowercase();
    let sound = (1..=32).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    let wrong = || {
        Wrong::field("source", "takes up to 32 letters, digits, `-` and `_`, a letter first: ses, sparkpost, braze …")
    };
    sound.then(|| Esp::new(name)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Effect;
    use crate::sources::written::read;

    fn event(rest: &str) -> Result<Event, Wrong> {
        let (directory, streams, rules) = (Directory::default(), StreamBook::default(), RuleBook::default());
        let history = History {
            directory: &directory,
            defaults: &Defaults { team: Some("T".into()), app: None },
            streams: &streams,
            rules: &rules,
            received_at: Timestamp::from_secs(1_760_000_000),
        };
        let row = format!(r#"{{"address":"x@private.icloud.com","date":"2025-05-01","source":"ses",{rest}}}"#);
        history.event(read(row.as_bytes())?)
    }

    #[test]
    fn each_kind_means_what_it_says() {
        for (rest, kind, effect, rule) in [
            (r#""kind":"accepted""#, Kind::Delivered, Effect::None, "history.accepted"),
            (r#""kind":"complaint""#, Kind::Complaint, Effect::Suppress, "history.complaint"),
            (r#""kind":"unsubscribed""#, Kind::Unsubscribed, Effect::Suppress, "history.unsubscribed"),
            (r#""kind":"esp_listed""#, Kind::HardBounce, Effect::Suppress, "history.esp_listed"),
            (r#""kind":"hard_bounce""#, Kind::HardBounce, Effect::Hold, "relay.no_text"),
            (
                r#""kind":"hard_bounce","text":"550 5.1.1 user not found""#,
                Kind::HardBounce,
                Effect::Hold,
                "apple.user_not_found",
            ),
            (
                r#""kind":"hard_bounce","code":"550","text":"5.1.1 unauthorized sender""#,
                Kind::HardBounce,
                Effect::None,
                "apple.unauthorized_sender",
            ),
        ] {
            let event = event(rest).unwrap();
            assert_eq!((event.kind, event.effect(), event.rule.as_ref()), (kind, effect, rule), "{rest}");
            assert_eq!((event.source, event.origin.esp.as_ref().map(Esp::as_str)), (Source::History, Some("ses")));
        }
    }

    #[test]
    fn a_text_keeps_no_address() {
        let said = event(r#""kind":"hard_bounce","text":"550 5.1.1 <x@private.icloud.com>: user not found""#).unwrap();
        assert_eq!(said.evidence.diagnostic.as_deref(), Some("550 5.1.1 <recipient>: user not found"));
    }

    #[test]
    fn a_wrong_row_is_told_by_its_field() {
        for (rest, field) in [
            (r#""kind":"bounced""#, "kind"),
            (r#""stream":"news""#, "kind"),
            (r#""kind":"accepted","stream":"news""#, "stream"),
            (r#""kind":"accepted","from_domain":"a b""#, "from_domain"),
            (r#""kind":"accepted","code":"many""#, "code"),
        ] {
            assert_eq!(event(rest).unwrap_err().field.as_deref(), Some(field), "{rest}");
        }
        for text in ["who@a.example", "", "1st", "a b"] {
            assert_eq!(source_name(text).unwrap_err().field.as_deref(), Some("source"), "{text}");
        }
    }
}
