//! Raw message delivery: the inner event alone, without envelope and signature. Taken only from who knows a secret.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::Value;
use subtle::ConstantTimeEq;

use crate::config::secret::Secret;
use crate::sources::Refusal;

/// What an endpoint says to unsigned bodies.
pub struct RawDelivery {
    secret: Option<Secret>,
}

/// Whether a body is an inner event rather than an envelope. An envelope has a signature; an inner event has a type of SES
/// or the `mail` object. What has neither is judged as an envelope, and refused as one.
pub fn is_raw(body: &Value) -> bool {
    let has = |key: &str| body.get(key).is_some();
    !has("Signature") && (has("eventType") || has("notificationType") || has("mail"))
}

impl RawDelivery {
    /// Takes raw bodies with this secret; none without one.
    pub fn new(secret: Option<Secret>) -> Self {
        Self { secret }
    }

    /// Whether this endpoint takes raw bodies at all.
    pub fn is_allowed(&self) -> bool {
        self.secret.is_some()
    }

    /// Refuses a wrong secret early. None at all is no refusal here: a signed body needs none.
    ///
    /// # Errors
    /// 403 for credentials that do not fit.
    pub fn admit(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        match (&self.secret, headers.get(AUTHORIZATION)) {
            (Some(secret), Some(given)) => fits(secret, given.as_bytes()),
            _ => Ok(()),
        }
    }

    /// Whether this request may bring a raw body.
    ///
    /// # Errors
    /// 403 where raw delivery is not set up or the secret is wrong; 401 where the secret is missing: SNS sends the
    /// credentials of its URL only after it was asked for them.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(secret) = &self.secret else {
            let because = "raw delivery carries no signature, and this endpoint has no secret of its own";
            return Err(Refusal::new(403, "raw_delivery", because));
        };
        let Some(given) = headers.get(AUTHORIZATION) else {
            return Err(Refusal::new(401, "missing_secret", "raw delivery without the endpoint's secret"));
        };
        fits(secret, given.as_bytes())
    }
}

/// The password of Basic (under any user name), or the token of Bearer.
fn fits(secret: &Secret, given: &[u8]) -> Result<(), Refusal> {
    let wrong = || Refusal::new(403, "bad_secret", "Authorization does not hold the endpoint's secret");
    let given = std::str::from_utf8(given).map_err(|_| wrong())?;
    let (scheme, rest) = given.split_once(' ').ok_or_else(wrong)?;
    let offered = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => rest.trim().as_bytes().to_vec(),
        "basic" => {
            let pair = STANDARD.decode(rest.trim()).map_err(|_| wrong())?;
            let colon = pair.iter().position(|b| *b == b':').ok_or_else(wrong)?;
            pair[colon + 1..].to_vec()
        }
        _ => return Err(wrong()),
    };
    if bool::from(offered.ct_eq(secret.expose().as_bytes())) { Ok(()) } else { Err(wrong()) }
}
