//! Signatures of outgoing webhooks, by the Standard Webhooks specification: HMAC-SHA256 over id, time and body.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// What a secret starts with.
const PREFIX: &str = "whsec_";

/// A key to sign with. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

/// Why a text is no signing secret. Holds nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a signing secret; write `whsec_` and 24 to 64 random bytes in base64")]
pub struct NotASecret;

impl SigningKey {
    /// Reads `whsec_` and base64 of 24 to 64 bytes.
    ///
    /// # Errors
    /// [`NotASecret`] for anything else.
    pub fn parse(text: &str) -> Result<Self, NotASecret> {
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX).ok_or(NotASecret)?).map_err(|_| NotASecret)?;
        if !(24..=64).contains(&bytes.len()) {
            return Err(NotASecret);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The value of `webhook-signature`: one `v1,<base64>` per key, separated by spaces, so that during a rotation the receiver may
/// check with either.
pub fn signatures(keys: &[SigningKey], id: &str, seconds: i64, body: &[u8]) -> String {
    let sign = |key: &SigningKey| {
        let mut context = hmac::Context::with_key(&key.0);
        context.update(format!("{id}.{seconds}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    };
    keys.iter().map(sign).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn signs_as_the_specification_does() {
        // The expected value was computed by another implementation of HMAC (Python's).
        let key = SigningKey::parse(SECRET).unwrap();
        let body = br#"{"type":"user.updated"}"#;
        let signed = signatures(&[key], "upd_00112233445566778899aabbccddeeff", 1_800_000_000, body);
        assert_eq!(signed, "v1,fx/12FAYiakMsDhl3rIrn1mUuV191ShpaR08VZkowKo=");
    }

    #[test]
    fn every_key_signs_and_the_first_comes_first() {
        let other = format!("whsec_{}", STANDARD.encode([7; 32]));
        let keys = [SigningKey::parse(SECRET).unwrap(), SigningKey::parse(&other).unwrap()];
        let (both, one) = (signatures(&keys, "upd_1", 1, b"x"), signatures(&keys[..1], "upd_1", 1, b"x"));
        assert!(both.starts_with(&(one + " v1,")), "{both}");
        assert_ne!(signatures(&keys, "upd_1", 1, b"x"), signatures(&keys, "upd_1", 2, b"x"));
    }

    #[test]
    fn refuses_what_is_no_secret_and_repeats_none_of_it() {
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        let short = format!("whsec_{}", STANDARD.encode([7; 23]));
        for text in ["", "whsec_", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "whsec_not base64!", &long, &short] {
            let error = SigningKey::parse(text).unwrap_err();
            assert!(!error.to_string().contains("AAEC"));
        }
        assert_eq!(format!("{:?}", SigningKey::parse(SECRET).unwrap()), "***");
    }
}
