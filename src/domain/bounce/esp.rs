//! What ESPs write in place of a remote reply when they did not try: the address stands on their own list.
//!
//! These texts come under classes that look like a refusal (Amazon gives them status `5.1.1`, SparkPost `554 5.7.1`), so
//! they are told by their words, for every recipient domain.

use super::Party;
use super::apple::BuiltIn;
use crate::domain::event::{Kind, Scope};

const fn echo(name: &'static str, all: &'static [&'static str]) -> BuiltIn {
    BuiltIn { name, all, party: Party::Any, code_class: None, kind: Kind::HardBounce, scope: Scope::Esp }
}

/// The rules, in the order in which they are tried.
pub(super) const RULES: [BuiltIn; 7] = [
    // SparkPost: `554 5.7.1 [internal] recipient address was suppressed due to customer policy` (or `system policy`).
    echo("esp.sparkpost_suppressed", &["recipient address was suppressed due to", "policy"]),
    // Amazon SES: the global list, the account's, a tenant's.
    echo("esp.ses_suppressed", &["amazon ses has suppressed sending to this address"]),
    echo(
        "esp.ses_suppression_list",
        &["amazon ses did not send the message to this address", "on the suppression list"],
    ),
    // Mailgun, codes 605, 606 and 607.
    echo("esp.mailgun_bounced", &["not delivering to previously bounced address"]),
    echo("esp.mailgun_unsubscribed", &["not delivering to unsubscribed address"]),
    echo("esp.mailgun_complained", &["not delivering to a user who marked your messages as spam"]),
    // SendGrid, Resend and others.
    echo("esp.suppression_list", &["address is on the suppression list"]),
];
