//! The signed token: JWS compact serialization (RFC 7515 section 7.1), RS256 and nothing else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::keys::Key;
use crate::sources::Refusal;

/// A token whose form is right and whose signature is not yet checked.
pub(super) struct Token<'a> {
    kid: String,
    signing_input: &'a str,
    claims: Vec<u8>,
    signature: Vec<u8>,
}

/// The claims of a token whose signature was checked. Only [`Token::verify`] makes one.
pub(super) struct Verified(Vec<u8>);

impl Verified {
    pub(super) fn claims(&self) -> &[u8] {
        &self.0
    }
}

impl<'a> Token<'a> {
    /// Takes a token apart. What the header says may refuse it, and picks the key; it never picks the algorithm.
    ///
    /// # Errors
    /// 403 for anything but three base64url segments with a header that asks for RS256, names a `kid` and demands no
    /// extension.
    pub(super) fn parse(text: &'a str) -> Result<Self, Refusal> {
        let refused = |reason, because: &'static str| Err(Refusal::new(403, reason, because));
        let mut segments = text.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (segments.next(), segments.next(), segments.next(), segments.next())
        else {
            return refused("malformed_token", "/payload is not three segments with two dots between");
        };
        let signing_input = &text[..header.len() + 1 + claims.len()];
        // Strict: no padding, no line ends, no stray bits, so one token has one spelling (RFC 7515 section 2).
        let decode = |segment: &str| URL_SAFE_NO_PAD.decode(segment).ok();
        let (Some(header), Some(claims), Some(signature)) = (decode(header), decode(claims), decode(signature)) else {
            return refused("malformed_token", "a segment of /payload is not base64url without padding");
        };
        let Ok(header) = serde_json::from_slice::<Map<String, Value>>(&header) else {
            return refused("malformed_token", "the token's header is not a JSON object");
        };
        if header.get("alg").and_then(Value::as_str) != Some("RS256") {
            return refused("bad_algorithm", "/alg of the token's header is not RS256");
        }
        if header.contains_key("crit") {
            return refused("bad_algorithm", "/crit of the token's header demands an extension");
        }
        let Some(kid) = header.get("kid").and_then(Value::as_str) else {
            return refused("malformed_token", "/kid of the token's header is missing");
        };
        Ok(Self { kid: kid.to_owned(), signing_input, claims, signature })
    }

    /// The id of the key that the token says signed it.
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// Checks the signature and gives the claims.
    ///
    /// # Errors
    /// 403 when `key` did not sign this.
    pub(super) fn verify(self, key: &Key) -> Result<Verified, Refusal> {
        if key.verifies(self.signing_input.as_bytes(), &self.signature) {
            Ok(Verified(self.claims))
        } else {
            Err(Refusal::new(403, "bad_signature", "the token's RS256 signature does not match"))
        }
    }

    /// The claims as they stand, proved by nothing. For showing what a body would mean, never for believing it.
    pub(super) fn claims_unverified(&self) -> &[u8] {
        &self.claims
    }
}
