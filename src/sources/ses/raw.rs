//! Raw message delivery: the inner event alone, without envelope and signature. Taken only from who knows a secret.

use http::HeaderMap;
use serde_json::Value;

use crate::config::hook_auth::HookAuth;
use crate::sources::Refusal;
use crate::sources::shared_secret::SharedSecret;

/// What an endpoint says to unsigned bodies.
pub struct RawDelivery {
    secret: Option<SharedSecret>,
}

/// Whether a body is an inner event rather than an envelope. An envelope has a signature; an inner event has a type of SES
/// or the `mail` object. What has neither is judged as an envelope, and refused as one.
pub fn is_raw(body: &Value) -> bool {
    let has = |key: &str| body.get(key).is_some();
    !has("Signature") && (has("eventType") || has("notificationType") || has("mail"))
}

impl RawDelivery {
    /// Takes raw bodies from who knows the secret; none without one. "Anybody" is no secret.
    pub fn new(auth: Option<&HookAuth>) -> Self {
        Self { secret: auth.filter(|auth| !matches!(auth, HookAuth::None)).map(SharedSecret::new) }
    }

    /// Whether this endpoint takes raw bodies at all.
    pub fn is_allowed(&self) -> bool {
        self.secret.is_some()
    }

    /// Refuses a wrong secret early. None at all is no refusal here: a signed body needs none.
    ///
    /// # Errors
    /// 401 for a secret that does not fit.
    pub fn admit(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        match self.secret.as_ref().map(|secret| secret.check(headers)) {
            Some(Err(refusal)) if refusal.reason != "missing_secret" => Err(refusal),
            _ => Ok(()),
        }
    }

    /// Whether this request may bring a raw body, and why.
    ///
    /// # Errors
    /// 403 where raw delivery is not set up; 401 where the secret is missing or wrong: SNS sends the credentials of its
    /// URL only after it was asked for them.
    pub fn check(&self, headers: &HeaderMap) -> Result<&'static str, Refusal> {
        let Some(secret) = &self.secret else {
            let because = "raw delivery carries no signature, and this endpoint has no secret of its own";
            return Err(Refusal::new(403, "raw_delivery", because));
        };
        secret.check(headers)?;
        Ok(secret.because())
    }
}
