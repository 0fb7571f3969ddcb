//! Wires the canaries: their routes, and the servers that take them.

use std::collections::BTreeMap;

use anyhow::Context as _;

use super::{Core, sources};
use crate::config::Config;
use crate::domain::keyring::Keyring;
use crate::intake::CanaryBook;
use crate::jobs::Post;
use crate::mail::Submission;

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
