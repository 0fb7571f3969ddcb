//! Opens the seals of those who are to be delivered: only here, only then, and only so far as the destination needs to find its user.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::domain::address::Address;
use crate::domain::ids::{AddressKey, Sub, SubKey, TeamId};
use crate::domain::keyring::{Keyring, SealError, Sealed};
use crate::outputs::{OutputError, Subject, SubjectKind};
use crate::store::{Due, Result, Tx};

/// Each (team, who) of `claimed` as the destination is to be told of them. [`OutputError::Sealed`] when a seal cannot be opened,
/// [`OutputError::Nobody`] when nothing is kept under the key any more.
pub(super) async fn open(
    tx: &mut Tx,
    keyring: &Keyring,
    claimed: &[Due],
) -> Result<HashMap<(TeamId, String), std::result::Result<Subject, OutputError>>> {
    let mut by_team: BTreeMap<&TeamId, Vec<&str>> = BTreeMap::new();
    for due in claimed {
        by_team.entry(&due.row.team).or_default().push(&due.row.who);
    }
    let mut people = HashMap::new();
    for (team, whos) in by_team {
        let addresses: Vec<AddressKey> =
            whos.iter().filter_map(|who| AddressKey::parse(who.strip_prefix("a:")?)).collect();
        let places: Vec<_> = addresses.iter().map(|key| (team.clone(), *key)).collect();
        let subject_of: HashMap<String, SubKey> = tx
            .addresses(&places)
            .await?
            .into_iter()
            .filter_map(|((_, key), row)| Some((key.to_string(), row.record.subject()?)))
            .collect();
        let named = whos.iter().filter_map(|who| SubKey::parse(who.strip_prefix("s:")?));
        let subs: BTreeSet<String> = named.chain(subject_of.values().copied()).map(|key| key.to_string()).collect();
        let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let sealed_addresses = tx.sealed(team, "address", &texts).await?;
        let sealed_subs = tx.sealed(team, "sub", &subs.into_iter().collect::<Vec<_>>()).await?;
        let opener = Opener { keyring, team };
        for who in whos {
            let Some((kind, key)) = kind_and_key(who) else { continue };
            let sub_key = match kind {
                SubjectKind::Sub => Some(key.to_owned()),
                SubjectKind::Address => subject_of.get(key).map(ToString::to_string),
            };
            let sub = sub_key.and_then(|key| Some((sealed_subs.get(&key)?, key)));
            let sub = sub.map(|(sealed, key)| opener.text("sub", &key, sealed)).transpose();
            let address = sealed_addresses.get(key).filter(|_| kind == SubjectKind::Address);
            let address = address.map(|sealed| opener.text("address", key, sealed)).transpose();
            let subject = match (sub, address) {
                (Ok(None), Ok(None)) => Err(OutputError::Nobody),
                (Ok(sub), Ok(address)) => Ok(Subject {
                    kind,
                    key: key.to_owned(),
                    sub: sub.and_then(|text| Sub::parse(&text)),
                    address: address.and_then(|text| Address::parse(&text)),
                }),
                (Err(_), _) | (_, Err(_)) => Err(OutputError::Sealed),
            };
            people.insert((team.clone(), who.to_owned()), subject);
        }
    }
    Ok(people)
}

fn kind_and_key(who: &str) -> Option<(SubjectKind, &str)> {
    match who.split_once(':')? {
        ("a", key) => Some((SubjectKind::Address, key)),
        ("s", key) => Some((SubjectKind::Sub, key)),
        _ => None,
    }
}

struct Opener<'a> {
    keyring: &'a Keyring,
    team: &'a TeamId,
}

impl Opener<'_> {
    fn text(&self, kind: &str, key: &str, sealed: &Sealed) -> std::result::Result<String, SealError> {
        let place = format!("{}/{kind}/{key}", self.team);
        String::from_utf8(self.keyring.open(place.as_bytes(), sealed)?).map_err(|_| SealError::Damaged)
    }
}
