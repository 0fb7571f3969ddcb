//! Deletes our own old canaries among the files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{Inner, MESSAGE, each_file, modified, there, unique, unreadable};
use crate::domain::time::Timestamp;
use crate::mail::mailbox::{Place, Spot, Unreadable};
use crate::mail::way;

impl Inner {
    pub(super) fn tidy(&self, places: &[Place], before: Timestamp) -> Result<usize, Unreadable> {
        let mut by_folder: BTreeMap<&Path, BTreeMap<&str, &str>> = BTreeMap::new();
        for Place { token, spot } in places {
            if let Spot::Maildir { folder, name } = spot {
                by_folder.entry(folder).or_default().insert(name, token);
            }
        }
        let (folders, mut gone) = (self.folders()?, 0);
        for (below, wanted) in by_folder {
            if !folders.iter().any(|(known, ..)| known == below) {
                continue;
            }
            each_file(&self.path.join(below), |entry| {
                let Some(token) = wanted.get(unique(entry).as_str()) else { return Ok(()) };
                let Some(data) = there(entry.metadata(), MESSAGE)? else { return Ok(()) };
                if !data.is_file() || modified(&data) >= before {
                    return Ok(());
                }
                let Some(bytes) = self.beginning(&entry.path())? else { return Ok(()) };
                let holds = way::read(&bytes, None).is_some_and(|(tokens, _)| tokens.iter().any(|t| t == token));
                if holds {
                    fs::remove_file(entry.path()).map_err(|e| unreadable("a message cannot be deleted", &e))?;
                    gone += 1;
                }
                Ok(())
            })?;
        }
        Ok(gone)
    }
}
