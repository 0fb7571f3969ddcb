//! Who takes part: a few thousand invented people, each with one part in the story, known before it begins.

use std::time::Duration;

use super::chance::Chance;
use crate::domain::time::Timestamp;

/// The team of the demo, in Apple's shape.
pub const TEAM: &str = "DEMOTEAM01";

/// Its two apps.
pub const APPS: [&str; 2] = ["example.shop", "example.club"];

/// How many of the team's users there are.
pub const USERS: usize = 3_000;

/// What happens to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Gets mail, and nothing else happens.
    Steady,
    /// Bounced because the sender was not registered with Apple.
    WaveHit,
    /// Likewise, and the ESP then put the address on its own list and refuses to try.
    WaveHitThenListed,
    /// On Amazon SES's account-level list for an old bounce.
    ListedBySes,
    /// Turned forwarding off and on again.
    ForwardingBackOn,
    /// Uses both apps and revoked consent for the other one.
    RevokedOtherApp,
    /// One of three names in a complaint that one of them made.
    NamedWithOthers,
    /// Bounced twice, days apart, and then took mail again.
    BouncedThenAccepted,
    /// Left the newsletter, not the shop.
    Unsubscribed,
    /// Signed in again with the other choice: a real address in place of a relay address, or the reverse.
    Returned,
    /// `user not found` once, days ago.
    BouncedOnceLongAgo,
    /// `user not found` once, today.
    BouncedOnce,
    /// Refused today with words that do not tell whose fault it was.
    BouncedUnclearly,
    /// `user not found` twice, but only on the unregistered way, where no mail got through to compare with.
    BouncedTwiceInTheWave,
    /// `user not found` twice, days apart, while the others' mail got through.
    Dead,
    /// Revoked consent; nothing bounced.
    Revoked,
    /// Revoked consent, and mail sent since has bounced.
    RevokedThenBounced,
    /// Mail bounced, and the revocation came later.
    BouncedThenRevoked,
    /// Turned forwarding off.
    ForwardingOff,
    /// Deleted the Apple Account.
    Deleted,
    /// Uses both apps, deleted the Apple Account, and only the other app's endpoint was told.
    DeletedOtherApp,
    /// Called the mail spam.
    Complained,
    /// A customer with an ordinary address, none of our business.
    Ordinary,
    /// A relay address that nobody has imported or mailed.
    NeverSeen,
}

/// How many play each part; everybody else is [`Role::Steady`].
const PARTS: &[(Role, usize)] = &[
    (Role::WaveHit, 420),
    (Role::WaveHitThenListed, 60),
    (Role::ListedBySes, 20),
    (Role::ForwardingBackOn, 25),
    (Role::RevokedOtherApp, 12),
    (Role::NamedWithOthers, 36),
    (Role::BouncedThenAccepted, 15),
    (Role::Unsubscribed, 40),
    (Role::Returned, 16),
    (Role::BouncedOnceLongAgo, 30),
    (Role::BouncedOnce, 45),
    (Role::BouncedUnclearly, 20),
    (Role::BouncedTwiceInTheWave, 6),
    (Role::Dead, 48),
    (Role::Revoked, 50),
    (Role::RevokedThenBounced, 40),
    (Role::BouncedThenRevoked, 40),
    (Role::ForwardingOff, 60),
    (Role::Deleted, 30),
    (Role::DeletedOtherApp, 6),
    (Role::Complained, 25),
];

/// Strangers beside the users.
const STRANGERS: &[(Role, usize)] = &[(Role::Ordinary, 40), (Role::NeverSeen, 10)];

/// One person. No `Debug`: the people are invented, but the habit is not.
#[derive(Clone)]
pub struct Person {
    /// The part.
    pub role: Role,
    /// Apple's id of the person for the team, in Apple's shape.
    pub sub: String,
    /// Index of the app he is asked about.
    pub app: usize,
    /// The present address.
    pub address: String,
    /// Apple's flag for it.
    pub is_private: bool,
    /// The address before, and Apple's flag for that.
    pub former: Option<(String, bool)>,
    /// When he first signed in with Apple.
    pub joined: Timestamp,
}

impl Person {
    /// The address that mail went to at a time, for one who came back at `returned`.
    pub fn address_at(&self, at: Timestamp, returned: Timestamp) -> &str {
        match &self.former {
            Some((former, _)) if at < returned => former,
            _ => &self.address,
        }
    }

    /// Whether he signed in to both apps.
    pub fn uses_both_apps(&self) -> bool {
        matches!(self.role, Role::RevokedOtherApp | Role::DeletedOtherApp)
    }

    /// Whether the team knows him.
    pub fn is_user(&self) -> bool {
        !matches!(self.role, Role::Ordinary | Role::NeverSeen)
    }
}

/// Everybody, users first, in no order of parts.
pub fn cast(chance: &mut Chance, now: Timestamp) -> Vec<Person> {
    let mut roles: Vec<Role> = PARTS.iter().flat_map(|(role, n)| std::iter::repeat_n(*role, *n)).collect();
    roles.resize(USERS, Role::Steady);
    chance.shuffle(&mut roles);
    roles.extend(STRANGERS.iter().flat_map(|(role, n)| std::iter::repeat_n(*role, *n)));
    roles.into_iter().enumerate().map(|(n, role)| person(chance, n, role, now)).collect()
}

fn person(chance: &mut Chance, n: usize, role: Role, now: Timestamp) -> Person {
    let relay = relay_address(chance, role);
    let real = format!("customer{n}@mail.example");
    let (address, is_private, former) = match role {
        Role::Ordinary => (real, false, None),
        Role::Returned if n.is_multiple_of(2) => (real, false, Some((relay, true))),
        Role::Returned => (relay, true, Some((real, false))),
        _ => (relay, true, None),
    };
    let sub = format!("{:06}.{:016x}{:016x}.{:04}", chance.below(1_000_000), chance.next(), chance.next(), n % 10_000);
    let days_ago = Duration::from_secs(86_400 * (20 + chance.below(300)) + chance.below(86_400));
    Person {
        role,
        sub,
        app: usize::from(chance.below(10) < 3),
        address,
        is_private,
        former,
        joined: now.minus(days_ago),
    }
}

/// Mostly the old relay domain, some the new one, and some on `icloud.com`, where only Apple's flag tells: an address that
/// nobody imported has no flag.
fn relay_address(chance: &mut Chance, role: Role) -> String {
    let domain = match chance.below(10) {
        0 if role != Role::NeverSeen => "icloud.com",
        1 | 2 => "private.icloud.com",
        _ => "privaterelay.appleid.com",
    };
    let mut local = String::new();
    for _ in 0..10 {
        local.push(char::from(b"abcdefghijkmnpqrstvwxyz23456789"[chance.index(31)]));
    }
    format!("{local}@{domain}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::address::Address;

    #[test]
    fn everybody_is_somebody_else_and_every_part_is_played() {
        let cast = cast(&mut Chance::new(7), Timestamp::from_secs(1_790_000_000));
        assert_eq!(cast.iter().filter(|p| p.is_user()).count(), USERS);
        let addresses: Vec<&str> = cast
            .iter()
            .flat_map(|p| [Some(&p.address), p.former.as_ref().map(|f| &f.0)])
            .flatten()
            .map(|a| &**a)
            .collect();
        assert!(addresses.iter().all(|a| Address::parse(a).is_some()));
        assert_eq!(addresses.iter().collect::<BTreeSet<_>>().len(), addresses.len());
        assert_eq!(cast.iter().map(|p| &p.sub).collect::<BTreeSet<_>>().len(), cast.len());
        for (role, n) in PARTS.iter().chain(STRANGERS) {
            assert_eq!(cast.iter().filter(|p| p.role == *role).count(), *n, "{role:?}");
        }
    }
}
