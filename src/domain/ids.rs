//! Names and keys: who a thing belongs to, and the keyed hashes that stand where an address or a subject would.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// An Apple developer team, as the operator names it (Apple's own ids are ten characters).
    TeamId
);
name!(
    /// An app group of a team: its primary App ID.
    AppId
);
name!(
    /// A registered way of sending.
    StreamName
);
name!(
    /// An email service provider: `ses`, `sparkpost`, or what Braze's `esp` says.
    Esp
);

/// The stream of an event that matches no registered stream.
pub const UNREGISTERED: &str = "unregistered";

/// Apple's team-scoped user id (`sub`). Personal: `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sub(String);

impl Sub {
    /// Takes a `sub`, trimmed. `None` when empty, longer than 255 bytes or holding control characters.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = !text.is_empty() && text.len() <= 255 && !text.chars().any(char::is_control);
        fits.then(|| Self(text.to_owned()))
    }

    /// The text. Every call is a place where a personal id leaves its seal.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Sub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<sub>")
    }
}

macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl $name {
            /// Reads 32 hexadecimal digits.
            pub fn parse(text: &str) -> Option<Self> {
                let bytes = text.as_bytes();
                if bytes.len() != 32 {
                    return None;
                }
                let mut key = [0u8; 16];
                for (i, pair) in bytes.chunks_exact(2).enumerate() {
                    let digit = |b: u8| (b as char).to_digit(16).and_then(|d| u8::try_from(d).ok());
                    key[i] = digit(pair[0])? << 4 | digit(pair[1])?;
                }
                Some(Self(key))
            }

            /// From the bytes of a row; `None` unless there are sixteen.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                <[u8; 16]>::try_from(bytes).ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let mut hex = [0; 32];
                for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
                    pair[0] = DIGITS[usize::from(byte >> 4)];
                    pair[1] = DIGITS[usize::from(byte & 0xf)];
                }
                f.write_str(std::str::from_utf8(&hex).unwrap_or_default())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not 32 hexadecimal digits"))
            }
        }
    };
}

key!(
    /// The keyed 128-bit hash of an address: how every record, index and URL names it.
    AddressKey
);
key!(
    /// The keyed 128-bit hash of a `sub`.
    SubKey
);
key!(
    /// The keyed 128-bit hash of an event's identity.
    EventKey
);

impl EventKey {
    /// The public name, `evt_` and 32 hexadecimal digits.
    pub fn public(&self) -> String {
        format!("evt_{self}")
    }
}
