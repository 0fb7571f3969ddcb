//! The keys that stand between a person and the database: keyed hashes to look up, sealed values to read back.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;

use super::address::Address;
use super::event::Identity;
use super::ids::{AddressKey, EventKey, Sub, SubKey};

/// Bytes of one root key.
pub const ROOT_LEN: usize = 32;

/// A root secret with its number. Everything else is derived from it.
#[derive(Clone)]
pub struct Root {
    /// The number stored beside whatever this root sealed or hashed.
    pub id: u32,
    /// The secret.
    pub secret: [u8; ROOT_LEN],
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Root {{ id: {}, secret: *** }}", self.id)
    }
}

/// The hash key in force, the other ones for tombstones, and the seals of every root.
pub struct Keyring {
    hash: HashKey,
    others: Vec<HashKey>,
    identity: hmac::Key,
    canary: hmac::Key,
    seals: Vec<(u32, LessSafeKey)>,
}

struct HashKey {
    id: u32,
    key: hmac::Key,
}

/// A sealed value: who sealed it, and the ciphertext with its nonce in front.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The root's number.
    pub key_id: u32,
    /// Nonce, ciphertext, tag.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed {{ key_id: {}, {} bytes }}", self.key_id, self.bytes.len())
    }
}

/// Why a sealed value cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It was sealed under a root that is not configured any more.
    #[error("sealed under key {0}, which is not configured")]
    UnknownKey(u32),
    /// It is damaged, or belongs to another place.
    #[error("the sealed value is damaged or belongs elsewhere")]
    Damaged,
}

impl Keyring {
    /// Builds the ring. The first root seals; the *last* is the oldest, and addresses, subjects and event identities are hashed under
    /// it: a rotation must neither lose a record nor let an old event in twice. What was hashed under a root that has since become a
    /// younger one is still found among the tombstones.
    ///
    /// Returns `None` when there is no root or two share a number.
    pub fn new(roots: &[Root]) -> Option<Self> {
        let (oldest, younger) = roots.split_last()?;
        let mut ids: Vec<u32> = roots.iter().map(|r| r.id).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.len() != roots.len() {
            return None;
        }
        Some(Self {
            hash: HashKey::of(oldest),
            others: younger.iter().map(HashKey::of).collect(),
            identity: hmac::Key::new(hmac::HMAC_SHA256, &derive(oldest, b"identity")),
            canary: hmac::Key::new(hmac::HMAC_SHA256, &derive(oldest, b"canary")),
            seals: roots
                .iter()
                .map(|root| {
                    let key = UnboundKey::new(&AES_256_GCM, &derive(root, b"seal")).ok()?;
                    Some((root.id, LessSafeKey::new(key)))
                })
                .collect::<Option<Vec<_>>>()?,
        })
    }

    /// The number of the hash key in force.
    pub fn hash_key_id(&self) -> u32 {
        self.hash.id
    }

    /// How records, indexes and answers name an address.
    pub fn address(&self, address: &Address) -> AddressKey {
        AddressKey(self.hash.short(b"address", address.expose().as_bytes()))
    }

    /// How records name a subject. Apple's `sub` is scoped to a team already.
    pub fn sub(&self, sub: &Sub) -> SubKey {
        SubKey(self.hash.short(b"sub", sub.expose().as_bytes()))
    }

    /// The address under every hash key, the one in force first: a tombstone may lie under an old one.
    pub fn address_under_all(&self, address: &Address) -> Vec<(u32, AddressKey)> {
        let text = address.expose().as_bytes();
        self.hash_keys().map(|h| (h.id, AddressKey(h.short(b"address", text)))).collect()
    }

    /// The subject under every hash key, the one in force first.
    pub fn sub_under_all(&self, sub: &Sub) -> Vec<(u32, SubKey)> {
        self.hash_keys().map(|h| (h.id, SubKey(h.short(b"sub", sub.expose().as_bytes())))).collect()
    }

    /// The stored name of an event. Keyed, because an identity may hold a guessable address.
    pub fn event(&self, identity: &Identity) -> EventKey {
        EventKey(short(&self.identity, &[b"event", identity.bytes()]))
    }

    /// What proves that a canary's token is ours. Under the oldest root: what is on its way when keys are rotated is still known when it arrives.
    pub fn canary(&self, claim: &[u8]) -> [u8; 16] {
        short(&self.canary, &[b"token", claim])
    }

    /// Seals a value to a place (`context`, e.g. table and key), under the root in force. `nonce` must be random.
    pub fn seal(&self, context: &[u8], plain: &[u8], nonce: [u8; NONCE_LEN]) -> Sealed {
        let (key_id, key) = &self.seals[0];
        let mut bytes = Vec::with_capacity(NONCE_LEN + plain.len() + AES_256_GCM.tag_len());
        bytes.extend_from_slice(&nonce);
        let mut body = plain.to_vec();
        // Sealing fails only above 64 GiB, which no caller can hold.
        let tag = key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), &mut body);
        bytes.extend_from_slice(&body);
        if let Ok(tag) = tag {
            bytes.extend_from_slice(tag.as_ref());
        }
        Sealed { key_id: *key_id, bytes }
    }

    /// Opens what [`Keyring::seal`] sealed to the same place.
    ///
    /// # Errors
    /// [`SealError`] when the key is gone, or the value was changed or moved.
    pub fn open(&self, context: &[u8], sealed: &Sealed) -> Result<Vec<u8>, SealError> {
        let (_, key) =
            self.seals.iter().find(|(id, _)| *id == sealed.key_id).ok_or(SealError::UnknownKey(sealed.key_id))?;
        let (nonce, body) = sealed.bytes.split_at_checked(NONCE_LEN).ok_or(SealError::Damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Damaged)?;
        let mut body = body.to_vec();
        let plain = key.open_in_place(nonce, Aad::from(context), &mut body).map_err(|_| SealError::Damaged)?;
        Ok(plain.to_vec())
    }

    fn hash_keys(&self) -> impl Iterator<Item = &HashKey> {
        std::iter::once(&self.hash).chain(&self.others)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring {{ in force: {}, roots: {} }}", self.hash.id, self.seals.len())
    }
}

impl HashKey {
    fn of(root: &Root) -> Self {
        Self { id: root.id, key: hmac::Key::new(hmac::HMAC_SHA256, &derive(root, b"hash")) }
    }

    fn short(&self, label: &[u8], text: &[u8]) -> [u8; 16] {
        short(&self.key, &[label, text])
    }
}

fn derive(root: &Root, purpose: &[u8]) -> [u8; ROOT_LEN] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &root.secret);
    let tag = hmac::sign(&key, purpose);
    let mut out = [0u8; ROOT_LEN];
    out.copy_from_slice(&tag.as_ref()[..ROOT_LEN]);
    out
}

fn short(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 16] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
        context.update(&[0]);
    }
    let tag = context.sign();
    let mut out = [0u8; 16];
    out.copy_from_slice(&tag.as_ref()[..16]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(ids: &[u32]) -> Keyring {
        let roots: Vec<Root> = ids.iter().map(|&id| Root { id, secret: [id as u8; 32] }).collect();
        Keyring::new(&roots).unwrap()
    }

    #[test]
    fn a_rotation_keeps_tombstones_identities_and_seals_readable() {
        let address = Address::parse("abc@private.icloud.com").unwrap();
        let identity = Identity::new("ses", &["feedback", "x"]);
        let (old, new) = (ring(&[1]), ring(&[2, 1]));
        assert_eq!(old.address(&address), new.address(&address));
        assert!(new.address_under_all(&address).contains(&(1, old.address(&address))));
        assert_eq!(old.event(&identity), new.event(&identity));
        let sealed = old.seal(b"place", b"text", [7; NONCE_LEN]);
        assert_eq!(new.open(b"place", &sealed).unwrap(), b"text");
    }

    #[test]
    fn a_seal_holds_to_its_place() {
        let ring = ring(&[1]);
        let sealed = ring.seal(b"here", b"text", [7; NONCE_LEN]);
        assert_eq!(ring.open(b"there", &sealed), Err(SealError::Damaged));
        let mut broken = sealed.clone();
        broken.bytes[13] ^= 1;
        assert_eq!(ring.open(b"here", &broken), Err(SealError::Damaged));
        assert_eq!(ring.open(b"here", &Sealed { key_id: 9, ..sealed }), Err(SealError::UnknownKey(9)));
    }

    #[test]
    fn two_roots_with_one_number_are_refused() {
        let root = Root { id: 1, secret: [0; 32] };
        assert!(Keyring::new(&[]).is_none() && Keyring::new(&[root.clone(), root]).is_none());
    }
}
