//! Wires the canaries: their routes, the servers that take them, the mailboxes where they should arrive.

use std::collections::BTreeMap;

use anyhow::Context as _;

use super::{Core, sources};
use crate::config::Config;
use crate::domain::keyring::Keyring;
use crate::intake::CanaryBook;
use crate::jobs::Post;
use crate::mail::{Mailbox, Submission};

/// What intake must know of them.
pub(super) fn book(config: &Config, keyring: &Keyring) -> CanaryBook {
    CanaryBook::new(config.canaries.routes(&config.streams, keyring), &config.canaries)
}

/// What they are sent with.
///
/// # Errors
/// Names the submission that cannot be used, or the bounce rule that is none.
pub(super) fn post(core: &Core) -> anyhow::Result<Post> {
    let config = &core.config;
    let mut submissions = BTreeMap::new();
    for section in &config.submissions.0 {
        let name = &section.name;
        let submission = Submission::new(section).with_context(|| format!("submission {name}"))?;
        submissions.insert(name.clone(), submission);
    }
    let keyring = &core.intake.context().keyring;
    let own = config.canaries.addresses.iter().map(|own| &own.address.0);
    Ok(Post {
        submissions,
        senders: config.canaries.senders(&config.streams),
        addresses: own.map(|address| (keyring.address(address), address.clone())).collect(),
        rules: sources::rules(config)?,
    })
}

/// Where they should arrive.
///
/// # Errors
/// Names the mailbox that cannot be used.
pub(super) fn mailboxes(core: &Core) -> anyhow::Result<BTreeMap<String, Mailbox>> {
    let mut mailboxes = BTreeMap::new();
    for section in &core.config.mailboxes.0 {
        let name = &section.name;
        let mailbox = Mailbox::new(section, core.clock.clone()).with_context(|| format!("mailbox {name}"))?;
        mailboxes.insert(name.clone(), mailbox);
    }
    Ok(mailboxes)
}
