//! Where the demo's canaries go: our addresses, what the world's relay knows of them, and the sections of the configuration.

use std::collections::BTreeMap;
use std::path::Path;

use crate::cli::demo::plot::mail::{NEWS, RECEIPTS};
use crate::cli::demo::world::relay::Known;

/// The only round: is the newsletter's mail really arriving?
pub(super) const ROUND: &str = "news";

/// Our own relay addresses: two for the newsletter, so that they take turns, and one for the control.
const RELAYED: [&str; 3] = [
    "canary-one@privaterelay.appleid.com",
    "canary-two@privaterelay.appleid.com",
    "canary-three@privaterelay.appleid.com",
];

/// Our own mailbox with no relay before it.
const PLAIN: &str = "canary@mailbox.example";

/// The Maildirs, below the world's folder.
const BEHIND_RELAY: &str = "behind-relay";
const BEHIND_NOTHING: &str = "plain";

/// What the relay knows: both envelope domains are registered, and these addresses exist.
pub fn known_to_relay(mail: &Path) -> Known {
    let relayed = RELAYED.map(|address| (address.to_owned(), mail.join(BEHIND_RELAY)));
    let mut mailboxes = BTreeMap::from(relayed);
    mailboxes.insert(PLAIN.to_owned(), mail.join(BEHIND_NOTHING));
    Known { registered: [NEWS, RECEIPTS].map(|way| way.envelope.to_owned()).into(), mailboxes }
}

/// The sections of the configuration. `mail` is the folder of the Maildirs, `authority` any file with a certificate: nothing here speaks TLS,
/// and so the system needs no authorities of its own.
pub fn sections(port: u16, mail: &Path, authority: &toml::Value) -> String {
    let folder = |name: &str| toml::Value::from(mail.join(name).to_string_lossy().into_owned());
    let (behind_relay, behind_nothing) = (folder(BEHIND_RELAY), folder(BEHIND_NOTHING));
    let [one, two, three] = RELAYED;
    let (news, receipts) = (NEWS.from, RECEIPTS.from);
    let server = |name: &str, envelope: &str| {
        format!(
            "[[submissions]]\nname = \"{name}\"\nprovider = \"{name}\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n\
             ca_file = {authority}\ntimeout = \"2s\"\nhello = \"shop.example\"\nenvelope_from = \"canary@{envelope}\"\n"
        )
    };
    let (sparkpost, ses) = (server("sparkpost", NEWS.envelope), server("ses", RECEIPTS.envelope));
    format!(
        r#"
# The provider's server, with the relay behind it: the world's.
{sparkpost}
{ses}
# Where canaries arrive.
[[mailboxes]]
name = "behind-relay"
kind = "maildir"
path = {behind_relay}
poll = "1s"

[[mailboxes]]
name = "plain"
kind = "maildir"
path = {behind_nothing}
poll = "1s"

# Seconds, so that nobody has to wait: with Apple it is minutes.
[canaries]
idle = "1d"
burst = "1s"
burst_for = "1s"
ceiling = "4s"
addresses = [
    {{ name = "relay-1", address = "{one}" }},
    {{ name = "relay-2", address = "{two}" }},
    {{ name = "relay-3", address = "{three}" }},
    {{ name = "plain", address = "{PLAIN}" }},
]

[[canaries.routes]]
name = "news"
round = "{ROUND}"
role = "production"
stream = "news"
submission = "sparkpost"
mailbox = "behind-relay"
from = "{news}"
addresses = ["relay-1", "relay-2"]

[[canaries.routes]]
name = "news.control"
round = "{ROUND}"
role = "control"
stream = "receipts"
submission = "ses"
mailbox = "behind-relay"
from = "{receipts}"
addresses = ["relay-3"]

[[canaries.routes]]
name = "news.plain"
round = "{ROUND}"
role = "plain"
stream = "news"
submission = "sparkpost"
mailbox = "plain"
from = "{news}"
addresses = ["plain"]
"#
    )
}
