//! What is said of DMARC, asked from a zone.

mod alignment;
mod records;

use super::*;
use crate::domain::dns::zone::Zone;
use crate::domain::finding::{Area, Code, Severity, State, printable, state_of};

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// A stream on which both ways are open for its own domain.
fn sound(from: &str) -> Context {
    Context {
        mail_from: Some(name(from)),
        spf_can_pass: Some(true),
        dkim: vec![(name(from), Usable::Yes)],
        failure: None,
        bulk: false,
    }
}

fn judged(zone: &Zone, from: &str, ctx: &Context) -> Dmarc {
    zone.ask(|inquiry| lint(inquiry, &name(from), ctx)).0
}

fn of(record: &str) -> Dmarc {
    judged(&Zone::of(&[("_dmarc.example.com", record)]), "example.com", &sound("example.com"))
}

fn codes(dmarc: &Dmarc) -> Vec<Code> {
    dmarc.findings.iter().map(|f| f.code).collect()
}

const SOUND: &str = "v=DMARC1; p=reject; rua=mailto:r@example.com";
