//! Deletes our own old canaries on the server, each by itself.

use std::collections::BTreeMap;

use super::session::{self, Mail};
use super::{Imap, instant};
use crate::domain::time::Timestamp;
use crate::mail::mailbox::{Place, Spot, Unreadable};
use crate::mail::way;

impl Imap {
    pub(in crate::mail) async fn tidy(&self, places: &[Place], before: Timestamp) -> Result<usize, Unreadable> {
        let mut by_folder: BTreeMap<&str, Vec<(u32, u32, &str)>> = BTreeMap::new();
        for Place { token, spot } in places {
            if let Spot::Imap { folder, validity, uid } = spot {
                by_folder.entry(folder).or_default().push((*validity, *uid, token));
            }
        }
        self.within(self.deadline, async {
            let mut session = session::open(&self.server, &self.login, &self.tls).await?;
            let mut gone = 0;
            for (folder, mails) in by_folder {
                let opened = session.select(folder, true).await?;
                // Under another UIDVALIDITY the same UID is another message.
                for (_, uid, token) in mails.into_iter().filter(|mail| mail.0 == opened.validity) {
                    let mut fits = false;
                    let each = |mail: Mail| {
                        let old = mail.received.as_deref().and_then(instant).is_some_and(|at| at < before);
                        let read = way::read(&mail.bytes, None);
                        let holds = read.is_some_and(|(tokens, _)| tokens.iter().any(|found| found == token));
                        fits |= mail.uid == uid && old && holds;
                    };
                    session.fetch(&format!("UID FETCH {uid}"), self.read_limit, 1, each).await?;
                    if fits {
                        session.delete(uid).await?;
                        gone += 1;
                    }
                }
            }
            session.leave().await;
            Ok(gone)
        })
        .await
    }
}
