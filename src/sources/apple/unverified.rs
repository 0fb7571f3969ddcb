//! What a notification would mean if it were Apple's: for the explain command without a key set. No hook comes here.

use std::time::Duration;

use super::jws::Token;
use super::notification::Reading;
use super::{Audiences, explained, payload};
use crate::domain::time::Timestamp;
use crate::sources::{Refusal, Translation};

/// Translates a body without checking its signature; `authentic` stays `None`.
///
/// # Errors
/// As the hook, except for what the signature would tell.
pub fn translate_unverified(
    body: &[u8],
    audiences: &Audiences,
    max_age: Duration,
    received_at: Timestamp,
) -> Result<Translation, Refusal> {
    let payload = payload(body)?;
    let token = Token::parse(&payload)?;
    let mut translation = Reading { audiences, max_age, received_at, body }.translate(token.claims_unverified())?;
    translation.because = explained("signature not checked: no key set was given", &translation.because);
    Ok(translation)
}
