//! The numbers by which verdicts are decided, each settable, and the version that names a set of them.

use std::time::Duration;

use ring::digest;
use serde::{Deserialize, Serialize};

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Password resets and the like: passes unsubscriptions and holds, but not that of a provider that would not send it; never a suppression by
    /// Apple's word.
    Security,
    /// Receipts and notices the user's own action caused.
    Transactional,
    /// Everything else, and what a question without a class means.
    #[default]
    Marketing,
}

/// The policy in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The first hold after a bounce.
    pub first_hold: Duration,
    /// The longest hold.
    pub longest_hold: Duration,
    /// How far apart two `user not found` must be to convict.
    pub conviction_gap: Duration,
    /// How long before an authorization a revocation still wins.
    pub revocation_margin: Duration,
    /// How far around a bounce accepted mail counts as its control.
    pub control_window: Duration,
    /// How many accepted mails in the window make a control.
    pub control_count: u32,
    /// How long an answer about marketing mail may be used.
    pub marketing_staleness: Duration,
    /// How long an answer about transactional mail may be used; security mail likewise.
    pub transactional_staleness: Duration,
    /// Whether a relay address never seen before may get marketing mail.
    pub send_unseen_marketing: bool,
    /// Whether a relay address never seen before may get transactional mail. Security mail always may.
    pub send_unseen_transactional: bool,
}

/// The version of the rules in this file's neighbours; raised when a verdict can come out differently for the same record.
const RULES: u32 = 2;

impl Default for Policy {
    fn default() -> Self {
        let hours = |n: u64| Duration::from_secs(n * 3_600);
        Self {
            first_hold: hours(25),
            longest_hold: hours(30 * 24),
            conviction_gap: hours(24),
            revocation_margin: Duration::from_secs(300),
            control_window: hours(6),
            control_count: 20,
            marketing_staleness: hours(4),
            transactional_staleness: hours(24),
            send_unseen_marketing: false,
            send_unseen_transactional: true,
        }
    }
}

impl Policy {
    /// The version of rules and numbers together, e.g. `1:9f2c`: equal versions decide equally.
    pub fn version(&self) -> String {
        let digest = digest::digest(&digest::SHA256, format!("{self:?}").as_bytes());
        let bytes = digest.as_ref();
        format!("{RULES}:{:02x}{:02x}", bytes[0], bytes[1])
    }

    /// Whether a relay address we know nothing of may get mail of this class.
    pub fn send_unseen(&self, class: Class) -> bool {
        match class {
            Class::Security => true,
            Class::Transactional => self.send_unseen_transactional,
            Class::Marketing => self.send_unseen_marketing,
        }
    }

    /// How long an answer for this class may be used without asking again.
    pub fn staleness(&self, class: Class) -> Duration {
        match class {
            Class::Marketing => self.marketing_staleness,
            Class::Transactional | Class::Security => self.transactional_staleness,
        }
    }

    /// How long the `level`-th hold lasts (from 1): the first doubled each time, up to the longest.
    pub fn hold(&self, level: u32) -> Duration {
        self.first_hold.saturating_mul(1 << level.saturating_sub(1).min(20)).min(self.longest_hold)
    }
}

impl Class {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Security => "security",
            Self::Transactional => "transactional",
            Self::Marketing => "marketing",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "security" => Some(Self::Security),
            "transactional" => Some(Self::Transactional),
            "marketing" => Some(Self::Marketing),
            _ => None,
        }
    }
}
