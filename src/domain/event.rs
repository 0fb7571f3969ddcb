//! What a source says happened, in our own form: the one currency between sources, intake and log.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::address::Address;
use super::ids::{AppId, Esp, StreamName, Sub, TeamId};
use super::record::OverrideAction;
use super::time::Timestamp;

/// One fact about one recipient or subject, as a source reported it. Not yet numbered, not yet de-duplicated.
#[derive(Debug, Clone)]
pub struct Event {
    /// The provider's own identity of it: the same report read twice has the same identity.
    pub identity: Identity,
    /// Who reported it.
    pub source: Source,
    /// What happened.
    pub kind: Kind,
    /// Whose fault or whose affair it is.
    pub scope: Scope,
    /// False for an echo (the ESP did not try) and for whatever is no news about delivery.
    pub fresh: bool,
    /// The name of the rule that decided kind and scope, e.g. `apple.user_not_found`.
    pub rule: Cow<'static, str>,
    /// Whom it is about.
    pub who: Who,
    /// By which way it was sent, or which app it concerns.
    pub origin: Origin,
    /// What was said, redacted.
    pub evidence: Evidence,
    /// When it happened according to the source, already clamped by a signed time where there is one.
    pub occurred_at: Timestamp,
    /// What an operator decided; only for [`Kind::OperatorOverride`].
    pub decision: Option<Decision>,
}

/// An operator's decision about one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What.
    pub action: OverrideAction,
    /// Who decided, as they named themselves.
    pub who: String,
    /// Why.
    pub why: String,
    /// When it ends; `None`: until decided anew.
    pub until: Option<Timestamp>,
}

/// Whom an event is about. Consent events may carry only a `sub`, bounces only an address.
#[derive(Debug, Clone, Default)]
pub struct Who {
    /// The recipient.
    pub address: Option<Address>,
    /// Apple's user id.
    pub sub: Option<Sub>,
    /// Apple's flag, where it was given.
    pub is_private: Option<bool>,
    /// How many people the report names; a complaint that names several convicts none of them.
    pub named: usize,
}

/// The way an event came, from which its stream is found.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The team of the endpoint, or of Apple's audience.
    pub team: TeamId,
    /// The app of Apple's audience.
    pub app: Option<AppId>,
    /// The provider that sent the mail.
    pub esp: Option<Esp>,
    /// Domain of the header From.
    pub from_domain: Option<String>,
    /// Domain of the envelope sender (MAIL FROM).
    pub mail_from_domain: Option<String>,
    /// The `d=` of the DKIM signatures that the report shows.
    pub dkim_domains: Vec<String>,
    /// The address that the ESP sent it from.
    pub sending_ip: Option<IpAddr>,
    /// The stream, once intake has found it; an import may name it itself.
    pub stream: Option<StreamName>,
}

impl Origin {
    /// The origin of what concerns a team and nothing else.
    pub fn of_team(team: TeamId) -> Self {
        Self {
            team,
            app: None,
            esp: None,
            from_domain: None,
            mail_from_domain: None,
            dkim_domains: Vec::new(),
            sending_ip: None,
            stream: None,
        }
    }
}

/// What the report said, kept so that the deciding rule can be read again. Holds no address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Enhanced status code (RFC 3463), e.g. `5.1.1`.
    pub status: Option<String>,
    /// SMTP reply code, e.g. `550`.
    pub code: Option<u16>,
    /// The reply text with every address replaced by its role.
    pub diagnostic: Option<String>,
    /// The provider's own id of the event or message.
    pub provider_id: Option<String>,
    /// By what a canary's events are known: the token in the subject where an event repeats it, else the provider's id of the message. It is
    /// not stored.
    pub message_id: Option<String>,
    /// What the daemon itself found, as JSON: only in its own events.
    pub detail: Option<String>,
}

/// Who reports events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Amazon SES (over SNS, or the inner event alone).
    Ses,
    /// SparkPost event webhooks.
    Sparkpost,
    /// Braze Currents.
    Braze,
    /// Apple's server-to-server notifications.
    Apple,
    /// The user import (`PUT /v1/users`, `import users`).
    Import,
    /// The import of history.
    History,
    /// A person, by command or API.
    Operator,
    /// The daemon itself (settled holds and the like).
    Relaywatch,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The mail was refused for good.
    HardBounce,
    /// The mail was refused for now, or an automatic reply came.
    SoftBounce,
    /// The recipient called the mail spam.
    Complaint,
    /// The next hop accepted it. For the relay that is not proof of forwarding.
    Delivered,
    /// Still trying.
    Delayed,
    /// The recipient does not want this stream any more.
    Unsubscribed,
    /// Apple: the user turned forwarding on.
    ForwardingEnabled,
    /// Apple: the user turned forwarding off.
    ForwardingDisabled,
    /// Apple: the user revoked consent for the app.
    ConsentRevoked,
    /// Apple: the user deleted the Apple Account.
    AccountDeleted,
    /// The ESP took the message from the sender.
    Sent,
    /// A user signed in with Apple, as the import says.
    Authorized,
    /// An address was named as a subject's, without word of an authorization.
    Linked,
    /// A person was erased.
    Erased,
    /// A hold ended by time.
    Released,
    /// The user opted in anew, or a list entry was removed.
    OptedIn,
    /// The ESP's suppression list no longer holds the address.
    EspUnlisted,
    /// An operator decided.
    OperatorOverride,
    /// What is known of a stream's records changed: what Apple makes of its mail now.
    PostureChanged,
    /// A canary was written down.
    CanaryPlanned,
    /// A canary is being handed to its submission server.
    CanarySent,
    /// The submission server took a canary.
    CanaryAccepted,
    /// Somebody refused a canary.
    CanaryRefused,
    /// Nobody can say whether a canary left.
    CanaryUncertain,
    /// A canary surely did not leave.
    CanaryNotSent,
    /// A canary was read in its mailbox in time.
    CanaryArrived,
    /// A canary was read in its mailbox, too late.
    CanaryLate,
    /// A canary is not in its mailbox although its time is up.
    CanaryLost,
    /// A canary's time is up, and its mailbox cannot be read.
    CanaryUnknown,
    /// Known to the provider, of no effect here.
    Other,
}

/// Whose fault or affair an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The recipient's mailbox or will.
    Recipient,
    /// The sender's registration or authentication.
    Sender,
    /// Apple's relay.
    Relay,
    /// The ESP, such as its own suppression list.
    Esp,
    /// The message's content or size.
    Content,
    /// Not told by what was said.
    Ambiguous,
}

/// What one event alone, on an empty store, does to whether its recipient may be mailed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing.
    None,
    /// Not now, and not for good.
    Hold,
    /// Not any more (in the event's scope).
    Suppress,
    /// May be mailed again.
    Lift,
}

impl Event {
    /// What this event alone does to whether the recipient may be mailed.
    pub fn effect(&self) -> Effect {
        match (self.kind, self.scope) {
            (Kind::HardBounce, Scope::Esp) if !self.fresh => Effect::Suppress,
            (Kind::HardBounce, Scope::Recipient | Scope::Ambiguous) if self.fresh => Effect::Hold,
            (Kind::Complaint, Scope::Recipient | Scope::Esp) => Effect::Suppress,
            (Kind::Unsubscribed, _) => Effect::Suppress,
            (Kind::ForwardingDisabled | Kind::ConsentRevoked | Kind::AccountDeleted | Kind::Erased, _) => {
                Effect::Suppress
            }
            (Kind::ForwardingEnabled | Kind::OptedIn | Kind::EspUnlisted, _) => Effect::Lift,
            _ => Effect::None,
        }
    }

    /// The relay domain the recipient is on, if its domain proves one.
    pub fn relay_domain(&self) -> Option<&str> {
        self.who.address.as_ref().filter(|a| a.on_relay_domain()).map(Address::domain)
    }
}

/// The provider's identity of an event, as length-prefixed parts. May hold an address, so `Debug` shows nothing; intake
/// stores only its keyed hash.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Identity(Vec<u8>);

impl Identity {
    /// Joins the parts so that no two lists of parts give the same bytes.
    pub fn new(namespace: &str, parts: &[&str]) -> Self {
        let mut bytes = Vec::with_capacity(namespace.len() + parts.iter().map(|p| p.len() + 4).sum::<usize>() + 4);
        for part in std::iter::once(&namespace).chain(parts) {
            bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        Self(bytes)
    }

    /// The bytes to hash.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<identity>")
    }
}

macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $type {
            /// The word that stands for it in JSON, in the store and in metrics.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Reads the word back.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words!(Source {
    Ses = "ses",
    Sparkpost = "sparkpost",
    Braze = "braze",
    Apple = "apple",
    Import = "import",
    History = "history",
    Operator = "operator",
    Relaywatch = "relaywatch",
});
words!(Kind {
    HardBounce = "hard_bounce",
    SoftBounce = "soft_bounce",
    Complaint = "complaint",
    Delivered = "delivered",
    Delayed = "delayed",
    Unsubscribed = "unsubscribed",
    ForwardingEnabled = "forwarding_enabled",
    ForwardingDisabled = "forwarding_disabled",
    ConsentRevoked = "consent_revoked",
    AccountDeleted = "account_deleted",
    Sent = "sent",
    Authorized = "authorized",
    Linked = "linked",
    Erased = "erased",
    Released = "released",
    OptedIn = "opted_in",
    EspUnlisted = "esp_unlisted",
    OperatorOverride = "operator_override",
    PostureChanged = "posture_changed",
    CanaryPlanned = "canary_planned",
    CanarySent = "canary_sent",
    CanaryAccepted = "canary_accepted",
    CanaryRefused = "canary_refused",
    CanaryUncertain = "canary_uncertain",
    CanaryNotSent = "canary_not_sent",
    CanaryArrived = "canary_arrived",
    CanaryLate = "canary_late",
    CanaryLost = "canary_lost",
    CanaryUnknown = "canary_unknown",
    Other = "other",
});
words!(Scope {
    Recipient = "recipient",
    Sender = "sender",
    Relay = "relay",
    Esp = "esp",
    Content = "content",
    Ambiguous = "ambiguous",
});
words!(Effect { None = "none", Hold = "hold", Suppress = "suppress", Lift = "lift" });
