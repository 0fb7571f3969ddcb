//! Opening what is sealed: the way back from a key to the address or the subject it stands for.

use std::collections::HashMap;
use std::fmt::Display;

use super::Context;
use crate::domain::address::Address;
use crate::domain::ids::{AddressKey, Sub, SubKey, TeamId};
use crate::store::{Result, Tx};

/// The place a value is sealed to: it cannot be read as another's.
pub(super) fn place(team: &TeamId, kind: &str, key: &str) -> Vec<u8> {
    format!("{team}/{kind}/{key}").into_bytes()
}

impl Context {
    /// The addresses behind these keys of one team. Whom nobody knows, and whose seal cannot be opened any more, is missing.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn addresses(
        &self,
        tx: &mut Tx,
        team: &TeamId,
        keys: &[AddressKey],
    ) -> Result<HashMap<AddressKey, Address>> {
        let texts = self.open(tx, team, "address", keys).await?;
        Ok(keys.iter().filter_map(|key| Some((*key, Address::parse(texts.get(&key.to_string())?)?))).collect())
    }

    /// The subjects behind these keys of one team, likewise.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn subs(&self, tx: &mut Tx, team: &TeamId, keys: &[SubKey]) -> Result<HashMap<SubKey, Sub>> {
        let texts = self.open(tx, team, "sub", keys).await?;
        Ok(keys.iter().filter_map(|key| Some((*key, Sub::parse(texts.get(&key.to_string())?)?))).collect())
    }

    async fn open(
        &self,
        tx: &mut Tx,
        team: &TeamId,
        kind: &str,
        keys: &[impl Display],
    ) -> Result<HashMap<String, String>> {
        let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        let sealed = tx.sealed(team, kind, &keys).await?;
        let mut texts = HashMap::with_capacity(sealed.len());
        for (key, value) in sealed {
            match self.keyring.open(&place(team, kind, &key), &value) {
                Ok(bytes) => drop(texts.insert(key, String::from_utf8_lossy(&bytes).into_owned())),
                Err(error) => tracing::warn!(%error, kind, "a sealed value cannot be opened"),
            }
        }
        Ok(texts)
    }
}
