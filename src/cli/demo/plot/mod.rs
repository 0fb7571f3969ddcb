//! The story as data: what happens to whom, how many hours ago, in which act it is told.
//!
//! Everything lies in the last fifteen days, so that rules of 24 hours play; only the requests are of today. Within an act
//! requests come in disorder and about one in ten comes twice: none of that may matter.

mod apple;
pub mod mail;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use self::mail::{NEWS, News, OFFERS, Ses, SparkPost};
use super::cast::{Person, Role, cast};
use super::chance::Chance;
use super::parcel::{Parcel, Signers, attacks};
use super::world::ses::{Form, Refused, SentMail};
use crate::domain::time::Timestamp;

/// The newsletters, in hours before the present. Each takes an hour.
const CAMPAIGNS: [u64; 6] = [360, 312, 240, 168, 96, 10];

/// The offers from the unregistered domain went out twice, more than a day apart.
const OFFERS_SENT: [u64; 2] = [70, 40];

/// When those who came back with the other choice signed in again.
pub(super) const RETURNED: u64 = 6 * 24;

/// Complaints and the ESP's old list entries.
const COMPLAINED: u64 = 72;

const NOT_FOUND: &str = "550 5.1.1 <{R}>: user not found (in reply to RCPT TO command)";
const UNAUTHORIZED: &str = "550 5.1.1 <{S}>: unauthorized sender";
const UNCLEAR: &str = "550 5.7.1 Relay not permitted for user";
const SUPPRESSED: &str = "554 5.7.1 recipient address was suppressed due to system policy";
const ON_THE_LIST: &str =
    "Amazon SES did not send the message to this address because it is on the suppression list for your account.";

/// One part of the story.
pub struct Act {
    /// A sentence for whoever watches.
    pub title: &'static str,
    /// The requests.
    pub parcels: Vec<Parcel>,
}

/// The story being written.
pub struct Story {
    /// The present.
    pub now: Timestamp,
    /// Everybody.
    pub people: Vec<Person>,
    /// Who bounced at least once, whatever the reason, as indices.
    pub bounced: BTreeSet<usize>,
    chance: Chance,
}

/// So many hours.
pub(super) fn hours(n: u64) -> Duration {
    Duration::from_secs(n * 3_600)
}

impl Story {
    /// The same story every time, told as of `now`.
    pub fn new(now: Timestamp) -> Self {
        let mut chance = Chance::new(2026);
        Self { now, people: cast(&mut chance, now), bounced: BTreeSet::new(), chance }
    }

    /// When those who came back signed in again.
    pub fn returned(&self) -> Timestamp {
        self.now.minus(hours(RETURNED))
    }

    /// The acts in their order.
    pub fn acts(&mut self, signers: &Signers) -> Vec<Act> {
        let act = |title, parcels| Act { title, parcels };
        vec![
            act("Two weeks of newsletters and receipts", self.ordinary_weeks()),
            act("People leave, and Apple says so", apple::notifications(self)),
            act("Offers from a domain Apple does not know", self.incident()),
            act("Dead addresses, complaints, lists of the ESPs", self.other_answers()),
            act("Forged, foreign and unreadable requests", self.hostile(signers)),
        ]
    }

    /// A time in the hour that begins so many hours ago.
    fn within(&mut self, ago: u64) -> Timestamp {
        self.now.minus(hours(ago)).plus(Duration::from_secs(self.chance.below(3_600)))
    }

    /// Everything that Apple accepted. It is also what proves that a `user not found` of the same hour is about its user.
    fn ordinary_weeks(&mut self) -> Vec<Parcel> {
        let (mut sparkpost, mut ses) = (SparkPost::new(1), Ses::new(1));
        let people = self.people.clone();
        for ago in CAMPAIGNS {
            for person in people.iter().filter(|p| p.role != Role::NeverSeen && takes_mail(p.role, ago)) {
                let at = self.within(ago);
                sparkpost.note(NEWS, person.address_at(at, self.returned()), at, News::Delivered);
            }
        }
        for person in people.iter().filter(|p| p.is_user()) {
            let ago = 2 + self.chance.below(14 * 24);
            if self.chance.below(10) < 8 && takes_mail(person.role, ago) {
                let at = self.within(ago);
                ses.delivered(person.address_at(at, self.returned()), at);
            }
        }
        let mut parcels = sparkpost.batches(&mut self.chance, &[]);
        parcels.extend(ses.messages(&mut self.chance));
        self.chance.shuffle(&mut parcels);
        parcels
    }

    /// Apple refuses the unregistered sender with the very code of a dead address.
    fn incident(&mut self) -> Vec<Parcel> {
        let mut sparkpost = SparkPost::new(2);
        for n in 0..self.people.len() {
            let Person { role, address, .. } = self.people[n].clone();
            let (sent, text): (&[u64], _) = match role {
                Role::WaveHit => (&OFFERS_SENT[n % 3 / 2..1 + n % 3 / 2], UNAUTHORIZED),
                Role::WaveHitThenListed => (&OFFERS_SENT[..1], UNAUTHORIZED),
                Role::BouncedTwiceInTheWave => (&OFFERS_SENT, NOT_FOUND),
                _ => continue,
            };
            for ago in sent {
                let at = self.within(*ago);
                // SparkPost files every 5.1.1 under "invalid recipient".
                sparkpost.refuse(OFFERS, &address, at, 10, text);
                self.bounced.insert(n);
            }
        }
        sparkpost.batches(&mut self.chance, &[])
    }

    fn other_answers(&mut self) -> Vec<Parcel> {
        let (mut sparkpost, mut ses) = (SparkPost::new(3), Ses::new(3));
        let mut together: Vec<String> = Vec::new();
        for n in 0..self.people.len() {
            let Person { role, address, .. } = self.people[n].clone();
            let news_refused: &[(u64, u16, &str)] = match role {
                Role::BouncedThenAccepted => &[(CAMPAIGNS[1], 10, NOT_FOUND), (CAMPAIGNS[3], 10, NOT_FOUND)],
                Role::Dead => &[(CAMPAIGNS[2], 10, NOT_FOUND), (CAMPAIGNS[4], 10, NOT_FOUND)],
                Role::RevokedThenBounced | Role::BouncedThenRevoked => &[(CAMPAIGNS[3], 10, NOT_FOUND)],
                Role::BouncedOnceLongAgo => &[(CAMPAIGNS[4], 10, NOT_FOUND)],
                Role::BouncedOnce => &[(CAMPAIGNS[5], 10, NOT_FOUND)],
                Role::BouncedUnclearly => &[(CAMPAIGNS[5], 10, UNCLEAR)],
                Role::WaveHitThenListed => &[(CAMPAIGNS[5], 25, SUPPRESSED)],
                _ => &[],
            };
            for (ago, class, text) in news_refused {
                let at = self.within(*ago);
                // Some of the dead are found out by their receipts: the rule is the same for every ESP.
                if role == Role::Dead && n.is_multiple_of(4) && address.ends_with("@privaterelay.appleid.com") {
                    ses.refused(&address, at, "General", text);
                } else {
                    sparkpost.refuse(NEWS, &address, at, *class, text);
                }
                self.bounced.insert(n);
            }
            let (today, lately) = (self.within(CAMPAIGNS[5]), self.within(COMPLAINED));
            match role {
                Role::Unsubscribed => {
                    let left = if n.is_multiple_of(2) { News::LeftByHeader } else { News::LeftByLink };
                    sparkpost.note(NEWS, &address, today, left);
                }
                Role::ListedBySes => {
                    ses.refused(&address, lately, "OnAccountSuppressionList", ON_THE_LIST);
                    self.bounced.insert(n);
                }
                Role::Complained => ses.complained(&[&address], lately),
                Role::NamedWithOthers => together.push(address),
                _ => {}
            }
        }
        for three in together.chunks(3) {
            let at = self.within(COMPLAINED);
            ses.complained(&three.iter().map(String::as_str).collect::<Vec<_>>(), at);
        }
        let mut parcels = sparkpost.batches(&mut self.chance, &[]);
        parcels.extend(ses.messages(&mut self.chance));
        self.chance.shuffle(&mut parcels);
        parcels
    }

    /// Attacks on somebody to whom nothing happens, and two elements that cannot be read among some that can.
    fn hostile(&mut self, signers: &Signers) -> Vec<Parcel> {
        let steady: Vec<Person> = self.people.iter().filter(|p| p.role == Role::Steady).cloned().collect();
        let Some(victim) = steady.first() else { return Vec::new() };
        let mail = SentMail {
            message_id: "forged".to_owned(),
            at: self.now,
            from: mail::RECEIPTS.from.to_owned(),
            source: format!("bounces@{}", mail::RECEIPTS.envelope),
            to: vec![victim.address.clone()],
        };
        let refused = [Refused::new(&victim.address, "5.1.1", &NOT_FOUND.replace("{R}", &victim.address))];
        let bounce = mail.bounce(Form::Notification, ("Permanent", "General"), &refused, "forged", self.now);
        let mut parcels = attacks(signers, &victim.address, &victim.sub, &bounce.to_string(), self.now);
        let mut sparkpost = SparkPost::new(4);
        for person in steady.iter().take(20) {
            let at = self.within(CAMPAIGNS[5]);
            sparkpost.note(NEWS, &person.address, at, News::Delivered);
        }
        let no_recipient = json!({"msys": {"message_event": {"type": "bounce", "event_id": "1", "rcpt_to": "?"}}});
        let unreadable = no_recipient.to_string().into_bytes();
        parcels.extend(sparkpost.batches(&mut self.chance, &[&unreadable]));
        parcels
    }
}

/// Whether Apple takes a mail sent so many hours ago to somebody with this part.
fn takes_mail(role: Role, ago: u64) -> bool {
    let silence = apple::silence(role).or(match role {
        Role::WaveHit | Role::WaveHitThenListed | Role::BouncedTwiceInTheWave => Some((OFFERS_SENT[0], 0)),
        Role::ListedBySes => Some((COMPLAINED, 0)),
        Role::BouncedThenAccepted => Some((CAMPAIGNS[1], CAMPAIGNS[4])),
        Role::BouncedOnceLongAgo => Some((CAMPAIGNS[4], 0)),
        Role::BouncedOnce | Role::BouncedUnclearly => Some((CAMPAIGNS[5], 0)),
        Role::Dead => Some((CAMPAIGNS[2], 0)),
        Role::BouncedThenRevoked => Some((CAMPAIGNS[3], 0)),
        Role::Complained => Some((COMPLAINED, 0)),
        _ => None,
    });
    silence.is_none_or(|(from, until)| ago > from || ago <= until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::world::apple::AppleSigner;
    use crate::cli::demo::world::sns::SnsSigner;

    #[test]
    fn the_story_is_the_same_every_time_and_nobody_is_left_out() {
        let now = Timestamp::from_secs(1_790_000_000);
        let signers = Signers { sns: SnsSigner::new(now), apple: AppleSigner::new() };
        let tell = || {
            let mut story = Story::new(now);
            let acts = story.acts(&signers);
            let told: Vec<(usize, usize)> =
                acts.iter().map(|a| (a.parcels.len(), a.parcels.iter().map(Parcel::events).sum())).collect();
            (told, story.bounced)
        };
        let (told, bounced) = tell();
        assert_eq!((told.clone(), bounced.clone()), tell());
        assert!(told.iter().map(|(_, events)| events).sum::<usize>() > 20_000, "{told:?}");
        let story = Story::new(now);
        let hit = story.people.iter().enumerate().filter(|(_, p)| p.role == Role::WaveHit);
        assert!(hit.clone().count() > 400 && hit.clone().all(|(n, _)| bounced.contains(&n)));
        let steady = story.people.iter().enumerate().filter(|(_, p)| p.role == Role::Steady);
        assert!(steady.clone().all(|(n, _)| !bounced.contains(&n)));
    }

    #[test]
    fn mail_stops_when_the_part_says_so() {
        assert!(takes_mail(Role::Dead, 241) && !takes_mail(Role::Dead, 240) && !takes_mail(Role::Dead, 1));
        assert!(!takes_mail(Role::BouncedThenAccepted, 97) && takes_mail(Role::BouncedThenAccepted, 96));
        assert!(takes_mail(Role::Steady, 1) && takes_mail(Role::Unsubscribed, 1));
    }
}
