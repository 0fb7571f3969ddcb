//! Reading a JWK Set (RFC 7517): which of its keys may sign a notification. A key that may not costs the others nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde_json::Value;

/// Keys read from one set at most. Apple publishes a handful.
const MOST_KEYS: usize = 100;

/// An RSA public key that may sign with RS256.
pub(super) struct Key {
    kid: String,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl Key {
    /// Whether `signature` is this key's RS256 signature over `message` (RFC 7518 section 3.3).
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = RsaPublicKeyComponents { n: &self.modulus, e: &self.exponent };
        key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
    }
}

/// The usable keys of one set.
pub(super) struct Keys {
    usable: Vec<Key>,
    /// The keys left out: JSON pointer and reason.
    pub(super) left_out: Vec<String>,
}

/// A document that gives no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeySetError(pub(super) String);

impl Keys {
    /// Reads a JWK Set.
    ///
    /// # Errors
    /// When the document is not one, or holds no usable key: a set without keys is a fault of the server, not news.
    pub(super) fn parse(document: &[u8]) -> Result<Self, KeySetError> {
        let wrong = |problem: &str| Err(KeySetError(problem.to_owned()));
        let Ok(document) = serde_json::from_slice::<Value>(document) else { return wrong("the key set is not JSON") };
        let Some(written) = document.get("keys").and_then(Value::as_array) else {
            return wrong("/keys of the key set is not an array");
        };
        let mut keys = Self { usable: Vec::new(), left_out: Vec::new() };
        for (i, jwk) in written.iter().take(MOST_KEYS).enumerate() {
            match read(jwk) {
                Ok(key) if keys.find(&key.kid).is_some() => keys.left_out.push(format!("/keys/{i}/kid: repeated")),
                Ok(key) => keys.usable.push(key),
                Err(problem) => keys.left_out.push(format!("/keys/{i}{problem}")),
            }
        }
        if keys.usable.is_empty() {
            let why = keys.left_out.first().map_or("/keys is empty", String::as_str);
            return Err(KeySetError(format!("the key set holds no usable key: {why}")));
        }
        Ok(keys)
    }

    /// The key of that id. By `kid` only: never the first, never by trial.
    pub(super) fn find(&self, kid: &str) -> Option<&Key> {
        self.usable.iter().find(|key| key.kid == kid)
    }
}

fn read(jwk: &Value) -> Result<Key, String> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    if text("kty") != Some("RSA") {
        return Err("/kty: not RSA".to_owned());
    }
    // RFC 7517 lets both be absent; present, they must allow an RS256 signature.
    for (name, want) in [("use", "sig"), ("alg", "RS256")] {
        if jwk.get(name).is_some() && text(name) != Some(want) {
            return Err(format!("/{name}: not {want}"));
        }
    }
    let kid = text("kid").filter(|kid| !kid.is_empty() && kid.len() <= 255).ok_or("/kid: missing")?;
    let modulus = number(text("n")).ok_or("/n: not a base64url number")?;
    let exponent = number(text("e")).ok_or("/e: not a base64url number")?;
    let bits = modulus.len() * 8 - modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    if !(2048..=8192).contains(&bits) {
        return Err(format!("/n: {bits} bits, want 2048 to 8192"));
    }
    let odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    if !odd(&modulus) {
        return Err("/n: even".to_owned());
    }
    if !odd(&exponent) || exponent == [1] || exponent.len() > 4 {
        return Err("/e: want an odd number from 3 to 32 bits".to_owned());
    }
    Ok(Key { kid: kid.to_owned(), modulus, exponent })
}

/// A `Base64urlUInt` (RFC 7518 section 2), without the leading zero bytes that some write all the same.
fn number(text: Option<&str>) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text?).ok()?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).filter(|rest| !rest.is_empty()).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key(kid: &str) -> Value {
        json!({"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": URL_SAFE_NO_PAD.encode([0xff; 256]), "e": "AQAB"})
    }

    fn with(mut key: Value, name: &str, value: Value) -> Value {
        key[name] = value;
        key
    }

    #[test]
    fn a_bad_key_costs_the_others_nothing() {
        let bad = [
            json!(7),
            json!({}),
            with(key("b"), "kty", json!("EC")),
            with(key("b"), "use", json!("enc")),
            with(key("b"), "alg", json!("RS512")),
            with(key("b"), "alg", json!(null)),
            with(key("b"), "kid", json!("")),
            with(key("b"), "n", json!("AQAB")),
            with(key("b"), "n", json!("not base64")),
            with(key("b"), "n", json!(format!("{}=", URL_SAFE_NO_PAD.encode([0xff; 257])))),
            with(key("b"), "n", json!(URL_SAFE_NO_PAD.encode([0xfe; 256]))),
            with(key("b"), "n", json!(URL_SAFE_NO_PAD.encode([0x7f; 256]))),
            with(key("b"), "e", json!("AQ")),
            with(key("b"), "e", json!("Ag")),
            with(key("b"), "e", json!("")),
            with(key("b"), "e", json!("AQABAQABAQAB")),
            key("a"),
        ];
        let count = bad.len();
        let mut all = vec![key("a")];
        all.extend(bad);
        all.push(key("c"));
        let keys = Keys::parse(json!({ "keys": all }).to_string().as_bytes()).unwrap();
        assert!(keys.find("a").is_some() && keys.find("c").is_some() && keys.find("b").is_none());
        assert_eq!(keys.left_out.len(), count);
        assert!(keys.left_out.contains(&"/keys/8/n: 17 bits, want 2048 to 8192".to_owned()), "{:?}", keys.left_out);
        assert!(keys.left_out.contains(&"/keys/17/kid: repeated".to_owned()), "{:?}", keys.left_out);
    }

    #[test]
    fn absent_use_and_alg_and_a_leading_zero_are_taken() {
        let mut jwk = key("a");
        jwk.as_object_mut().unwrap().retain(|name, _| name != "use" && name != "alg");
        let padded: Vec<u8> = std::iter::once(0).chain([0xff; 256]).collect();
        jwk["n"] = json!(URL_SAFE_NO_PAD.encode(padded));
        assert!(Keys::parse(json!({ "keys": [jwk] }).to_string().as_bytes()).is_ok());
    }

    #[test]
    fn a_set_without_keys_is_no_set() {
        for document in ["", "{}", "[]", r#"{"keys":{}}"#, r#"{"keys":[]}"#, r#"{"keys":[{"kty":"EC"}]}"#] {
            assert!(Keys::parse(document.as_bytes()).is_err(), "{document}");
        }
    }
}
