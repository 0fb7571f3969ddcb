//! Hands a canary to a server, and says no more of its fate than is known.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use lettre::transport::smtp::extension::ClientId;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::caught::caught;
use super::conversation::{Parcel, Party, Step, Stop, number};
use super::letter::{Letter, written};
use super::trust::{self, Unusable};
use crate::config::submissions::SubmissionSection;
use crate::domain::address::Address;
use crate::domain::bounce::Diagnostic;
use crate::domain::stream::Provider;

/// How long the server may take to take leave. Nothing depends on it any more.
const LEAVE: Duration = Duration::from_secs(2);

/// What became of a letter, as far as we know.
#[derive(Clone, PartialEq, Eq)]
pub enum Handed {
    /// The server took it: from here on it is answerable for it (RFC 5321 section 4.2.5).
    Accepted {
        /// Its words, with the code in front.
        reply: String,
        /// The provider's id of the message, where its answer is documented to hold one that its events repeat.
        provider_id: Option<String>,
    },
    /// The server said no to the sender, the recipient or the message.
    Refused {
        /// The reply code, 400 to 599.
        code: u16,
        /// The enhanced status code (RFC 3463), if the words hold one.
        status: Option<String>,
        /// Its words without the code. They may hold addresses; read them with [`Diagnostic`] before they go anywhere.
        text: String,
        /// Whether the same may be taken later (4xx).
        transient: bool,
    },
    /// It may have been taken: the message was on its way, and the answer did not come or made no sense.
    Uncertain {
        /// What happened.
        because: String,
    },
    /// It was surely not taken: the server never saw the message.
    NotSent {
        /// What happened.
        because: String,
    },
}

/// Without the server's words: they may hold an address.
impl fmt::Debug for Handed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted { provider_id, .. } => f.debug_struct("Accepted").field("provider_id", provider_id).finish(),
            Self::Refused { code, status, .. } => {
                f.debug_struct("Refused").field("code", code).field("status", status).finish()
            }
            Self::Uncertain { because } => f.debug_struct("Uncertain").field("because", because).finish(),
            Self::NotSent { because } => f.debug_struct("NotSent").field("because", because).finish(),
        }
    }
}

/// One server that takes canaries. Each takes a connection of its own: there are few, and a connection that is kept is one
/// more way to lose an answer.
pub struct Submission {
    party: Party,
    provider: Provider,
    envelope_from: Address,
    headers: BTreeMap<String, String>,
    deadline: Duration,
    places: Semaphore,
}

impl Submission {
    /// Ready to send. Connects to nothing.
    ///
    /// # Errors
    /// Names the field of `[[submissions]]` that cannot be used: the file of authorities.
    pub fn new(section: &SubmissionSection) -> Result<Self, Unusable> {
        let tls = trust::client(&format!("submissions {:?}", section.name), section.ca_file.as_deref())?;
        let party = Party {
            server: section.server(),
            login: section.login(),
            hello: ClientId::Domain(section.hello.clone()),
            tls,
        };
        Ok(Self {
            party,
            provider: section.provider,
            envelope_from: section.envelope_from.0.clone(),
            headers: section.headers.clone(),
            deadline: section.timeout.get(),
            places: Semaphore::new(section.connections),
        })
    }

    /// As whom it sends.
    pub fn envelope_from(&self) -> &Address {
        &self.envelope_from
    }

    /// The longest that [`Submission::send`] takes.
    pub fn longest(&self) -> Duration {
        self.deadline + LEAVE
    }

    /// Sends a letter once, and never again by itself. Takes at most the configured time, and the time of taking leave.
    pub async fn send(&self, letter: &Letter) -> Handed {
        let (from, to) = (written(&self.envelope_from), written(&letter.to));
        let (Ok(bytes), Ok(from), Ok(to)) = (letter.compose(&self.headers), from, to) else {
            return Handed::NotSent { because: "the message cannot be written".to_owned() };
        };
        let parcel = Parcel { from, to, bytes: &bytes };
        let (mut step, mut connection) = (Step::Place, None);
        let ended = timeout(self.deadline, async {
            // It is never closed.
            let place = self.places.acquire().await.ok();
            (caught(self.party.converse(&parcel, &mut step, &mut connection)).await, place)
        });
        let Ok((ended, place)) = ended.await else {
            return unanswered(step, format!("no answer within {:?} {}", self.deadline, step.text()));
        };
        let ended = ended.unwrap_or(Err(Stop::Nonsense));
        if let (Ok(_) | Err(Stop::Reply { .. }), Some(mut connection)) = (&ended, connection) {
            let _ = timeout(LEAVE, caught(connection.quit())).await;
        }
        drop(place);
        let stop = match ended {
            Ok(answer) => {
                let text = answer.message().collect::<Vec<_>>().join(" ");
                let provider_id = provider_id(self.provider, &text);
                return Handed::Accepted { reply: format!("{} {text}", number(answer.code())), provider_id };
            }
            Err(stop) => stop,
        };
        match stop {
            Stop::Reply { code, text } if step >= Step::Sender => {
                let status = Diagnostic::read(&format!("{code} {text}"), Some(&letter.to), Some(&self.envelope_from));
                Handed::Refused { code, status: status.status, text, transient: code < 500 }
            }
            Stop::Reply { code, .. } => unanswered(step, format!("the server said {code} {}", step.text())),
            Stop::Nonsense => unanswered(step, format!("the server said what makes no sense {}", step.text())),
            Stop::NoLogin => unanswered(step, "the server offers no login that we know".to_owned()),
            Stop::Fault(fault) => unanswered(step, format!("{fault} {}", step.text())),
        }
    }
}

/// Without an answer to the message all depends on whether it was on its way.
fn unanswered(step: Step, because: String) -> Handed {
    if step >= Step::Content { Handed::Uncertain { because } } else { Handed::NotSent { because } }
}

/// The id under which the provider's events name the message. SES answers `Ok` and the id, which is the `messageId` of its
/// events. What SparkPost answers (`2.0.0 OK 4A/B3-…`) stands in none of its events.
fn provider_id(provider: Provider, reply: &str) -> Option<String> {
    let mut words = reply.split_whitespace();
    match provider {
        Provider::Ses => {
            let id = words.next().filter(|word| word.eq_ignore_ascii_case("Ok")).and_then(|_| words.next())?;
            let sound = id.len() <= 100 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            (sound && words.next().is_none()).then(|| id.to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_taken_where_events_repeat_it() {
        let id = "010201932f4a8c2e-6f1d2c3b-0a9b-4c8d-8e7f-000000000000-000000";
        assert_eq!(provider_id(Provider::Ses, &format!("Ok {id}")).as_deref(), Some(id));
        for (provider, reply) in [
            (Provider::Ses, "2.0.0 Ok: queued as 4ABC"),
            (Provider::Ses, "Ok"),
            (Provider::Ses, "Ok <a@b.example>"),
            (Provider::Sparkpost, "2.0.0 OK 4A/B3-01234-ABCDEF56"),
            (Provider::Other, "Ok 0102"),
        ] {
            assert_eq!(provider_id(provider, reply), None, "{reply}");
        }
    }

    #[test]
    fn what_is_said_of_it_shows_no_words_of_the_server() {
        let text = "<a.b@privaterelay.appleid.com>: user not found".to_owned();
        let handed = Handed::Refused { code: 550, status: Some("5.1.1".to_owned()), text, transient: false };
        assert_eq!(format!("{handed:?}"), "Refused { code: 550, status: Some(\"5.1.1\") }");
        let handed = Handed::Accepted { reply: "250 queued for a.b@c.example".to_owned(), provider_id: None };
        assert!(!format!("{handed:?}").contains('@'));
    }
}
