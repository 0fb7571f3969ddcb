//! The mark that a canary carries in its subject and its body, by which it is known again behind the relay.
//!
//! The relay rewrites the sender and may drop headers, so the mark is plain text: `rwc1-` and 52 characters of base32 (RFC 4648 section 6, lower
//! case, without padding). It says which canary this is and proves with a keyed hash that we made it. It holds no address.
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | the route |
//! | 4..8 | the number of the canary on its route |
//! | 8..12 | when it was planned, in seconds since 1970 |
//! | 12..16 | zero: room for a later version |
//! | 16..32 | the keyed hash of the bytes before |

use std::fmt;

use subtle::ConstantTimeEq;

use crate::domain::keyring::Keyring;
use crate::domain::time::Timestamp;

/// What every token begins with.
pub const PREFIX: &str = "rwc1-";

/// Characters behind the prefix: 32 bytes in groups of five bits.
pub const CODE_LEN: usize = 52;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const CLAIM_LEN: usize = 16;
const LEN: usize = 32;

/// A route as a token names it: the first bytes of a hash of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteKey(pub u32);

/// Which canary a token speaks of. Only [`Token::read`] and whoever plans a canary make one that can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    /// The route it goes.
    pub route: RouteKey,
    /// Its number on that route, from 1.
    pub sequence: u32,
    /// When it was planned, in whole seconds.
    pub planned_at: u32,
}

/// Why a text is no token of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAToken {
    /// It does not have the shape of one.
    #[error("it does not have the shape of a canary's token")]
    Shape,
    /// It has the shape, and was made by somebody else, or changed on its way.
    #[error("it was not made with our key, or it was altered")]
    Forged,
}

impl Token {
    /// The token of a canary. A time after 2106 stands as the last second that fits.
    pub fn new(route: RouteKey, sequence: u32, planned_at: Timestamp) -> Self {
        Self { route, sequence, planned_at: u32::try_from(planned_at.secs()).unwrap_or(u32::MAX) }
    }

    /// When it was planned.
    pub fn planned_at(&self) -> Timestamp {
        Timestamp::from_secs(i64::from(self.planned_at))
    }

    /// As the letter carries it.
    pub fn write(&self, keyring: &Keyring) -> String {
        let mut bytes = [0; LEN];
        let claim = self.claim();
        bytes[..CLAIM_LEN].copy_from_slice(&claim);
        bytes[CLAIM_LEN..].copy_from_slice(&keyring.canary(&claim));
        encode(&bytes)
    }

    /// Reads a token, whatever its case, and checks that it is ours, in constant time.
    ///
    /// # Errors
    /// [`NotAToken`]. Whoever reads mail must not take such a text for an arrival.
    pub fn read(text: &str, keyring: &Keyring) -> Result<Self, NotAToken> {
        let bytes = decode(text).ok_or(NotAToken::Shape)?;
        let (claim, mac) = bytes.split_at(CLAIM_LEN);
        if !bool::from(keyring.canary(claim).as_slice().ct_eq(mac)) {
            return Err(NotAToken::Forged);
        }
        let number = |at: usize| claim[at..at + 4].iter().fold(0, |n: u32, byte| n << 8 | u32::from(*byte));
        let token = Self { route: RouteKey(number(0)), sequence: number(4), planned_at: number(8) };
        // With our key on it the rest is zero, unless a later version made it: its tokens are not ours to read.
        if token.claim() == claim { Ok(token) } else { Err(NotAToken::Shape) }
    }

    fn claim(&self) -> [u8; CLAIM_LEN] {
        let mut claim = [0; CLAIM_LEN];
        claim[..4].copy_from_slice(&self.route.0.to_be_bytes());
        claim[4..8].copy_from_slice(&self.sequence.to_be_bytes());
        claim[8..12].copy_from_slice(&self.planned_at.to_be_bytes());
        claim
    }
}

/// Whether a text is as long as a token and begins like one. Only [`Token::read`] says whether it is one.
pub fn has_shape(text: &str) -> bool {
    text.len() == PREFIX.len() + CODE_LEN && text.starts_with(PREFIX)
}

impl RouteKey {
    /// The key of a route, by its name. The configuration refuses two names with one key.
    pub fn of(name: &str) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, name.as_bytes());
        Self(digest.as_ref().iter().take(4).fold(0, |key, byte| key << 8 | u32::from(*byte)))
    }
}

impl fmt::Display for RouteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

fn encode(bytes: &[u8; LEN]) -> String {
    let bit = |n: usize| bytes.get(n / 8).is_some_and(|byte| byte >> (7 - n % 8) & 1 == 1);
    let five = |i: usize| (0..5).fold(0, |value, n| value << 1 | usize::from(bit(i * 5 + n)));
    let code = (0..CODE_LEN).map(|i| char::from(ALPHABET[five(i)]));
    PREFIX.chars().chain(code).collect()
}

/// The bytes of a code. `None` unless there is exactly one way to write them: the four bits beyond the last byte must be zero.
fn decode(text: &str) -> Option<[u8; LEN]> {
    let (prefix, code) = text.split_at_checked(PREFIX.len())?;
    if !prefix.eq_ignore_ascii_case(PREFIX) || code.len() != CODE_LEN {
        return None;
    }
    let mut bytes = [0; LEN];
    for (i, digit) in code.bytes().enumerate() {
        let value = match digit.to_ascii_lowercase() {
            letter @ b'a'..=b'z' => letter - b'a',
            digit @ b'2'..=b'7' => digit - b'2' + 26,
            _ => return None,
        };
        for n in (0..5).filter(|n| value >> (4 - n) & 1 == 1) {
            let at = i * 5 + n;
            *bytes.get_mut(at / 8)? |= 1 << (7 - at % 8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::keyring::Root;

    fn ring(secret: u8) -> Keyring {
        Keyring::new(&[Root { id: 1, secret: [secret; 32] }]).unwrap()
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_again(route: u32, sequence: u32, planned_at: u32) {
            let token = Token { route: RouteKey(route), sequence, planned_at };
            let text = token.write(&ring(1));
            prop_assert_eq!(text.len(), PREFIX.len() + CODE_LEN);
            prop_assert!(text[PREFIX.len()..].bytes().all(|b| ALPHABET.contains(&b)), "{}", text);
            prop_assert_eq!(Token::read(&text, &ring(1)), Ok(token));
            prop_assert_eq!(Token::read(&text.to_uppercase(), &ring(1)), Ok(token));
            prop_assert_eq!(Token::read(&text, &ring(2)), Err(NotAToken::Forged));
        }

        #[test]
        fn one_changed_character_is_no_token(sequence: u32, at in 0..CODE_LEN, with in 0..32_usize) {
            let text = Token { route: RouteKey(7), sequence, planned_at: 1_800_000_000 }.write(&ring(1));
            let mut altered = text.clone().into_bytes();
            altered[PREFIX.len() + at] = ALPHABET[with];
            let altered = String::from_utf8(altered).unwrap();
            prop_assert_eq!(Token::read(&altered, &ring(1)).is_ok(), altered == text);
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            prop_assert!(Token::read(&text, &ring(1)).is_err());
            let prefixed = format!("{PREFIX}{text}");
            prop_assert!(Token::read(&prefixed, &ring(1)).is_err());
        }
    }

    #[test]
    fn a_token_of_a_later_version_is_not_read() {
        let ring = ring(1);
        let mut bytes = [0; LEN];
        bytes[15] = 1;
        let mac = ring.canary(&bytes[..CLAIM_LEN]);
        bytes[CLAIM_LEN..].copy_from_slice(&mac);
        assert_eq!(Token::read(&encode(&bytes), &ring), Err(NotAToken::Shape));
    }

    #[test]
    fn the_code_is_that_of_rfc_4648() {
        // printf '0123456789abcdef0123456789abcdef' | base32
        let want = "gaytemzugu3doobzmfrggzdfmyydcmrtgq2tmnzyhfqwey3emvta";
        assert_eq!(encode(b"0123456789abcdef0123456789abcdef"), format!("{PREFIX}{want}"));
    }

    #[test]
    fn a_token_outlives_the_rotation_of_keys() {
        let token = Token::new(RouteKey::of("news"), 1, Timestamp::from_secs(1_800_000_000));
        let root = |id: u32| Root { id, secret: [u8::try_from(id).unwrap(); 32] };
        let (old, new) = (Keyring::new(&[root(1)]).unwrap(), Keyring::new(&[root(2), root(1)]).unwrap());
        assert_eq!(Token::read(&token.write(&old), &new), Ok(token));
    }
}
