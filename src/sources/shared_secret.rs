//! The secret of a provider that signs nothing: Basic, bearer or a header of its own, compared in constant time.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use ring::digest::{SHA256, digest};
use subtle::{Choice, ConstantTimeEq};

use super::Refusal;
use crate::config::hook_auth::{HookAuth, Rotation};

/// Some clients leave the padding off.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a request has to bring. Keeps digests, not the secrets.
pub struct SharedSecret(Way);

enum Way {
    Open,
    Basic(Accepted),
    Bearer(Accepted),
    Header(HeaderName, Accepted),
}

impl SharedSecret {
    /// Takes the secrets out of the configuration.
    pub fn new(auth: &HookAuth) -> Self {
        Self(match auth {
            HookAuth::None => Way::Open,
            HookAuth::Basic { user, passwords } => {
                Way::Basic(Accepted::new(passwords, |password| format!("{user}:{password}")))
            }
            HookAuth::Bearer { tokens } => Way::Bearer(Accepted::new(tokens, str::to_owned)),
            HookAuth::Header { name, values } => Way::Header(name.clone(), Accepted::new(values, str::to_owned)),
        })
    }

    /// Looks for the secret in the headers of a request.
    ///
    /// # Errors
    /// 401 with `missing_secret` or `bad_secret`.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let (name, accepted) = match &self.0 {
            Way::Open => return Ok(()),
            Way::Basic(accepted) | Way::Bearer(accepted) => (&AUTHORIZATION, accepted),
            Way::Header(name, accepted) => (name, accepted),
        };
        let mut brought = headers.get_all(name).iter().peekable();
        if brought.peek().is_none() {
            return Err(Refusal::new(401, "missing_secret", format!("no `{name}` header")));
        }
        if brought.any(|value| self.presented(value).is_some_and(|secret| accepted.holds(&secret))) {
            return Ok(());
        }
        Err(Refusal::new(401, "bad_secret", format!("the `{name}` header does not hold the secret")))
    }

    /// The secret inside one header value; `None` for another scheme or what is no Base64.
    fn presented(&self, value: &HeaderValue) -> Option<Vec<u8>> {
        let bytes = value.as_bytes();
        match &self.0 {
            Way::Open => None,
            Way::Basic(_) => BASE64.decode(after_scheme(bytes, b"basic")?).ok(),
            Way::Bearer(_) => after_scheme(bytes, b"bearer").map(<[u8]>::to_vec),
            Way::Header(..) => Some(bytes.to_vec()),
        }
    }

    /// What an admitted request has proved: nothing where no secret is asked for.
    pub fn proves(&self) -> Option<bool> {
        match self.0 {
            Way::Open => None,
            _ => Some(true),
        }
    }

    /// Why an admitted request is believed, for a person.
    pub fn because(&self) -> &'static str {
        match self.0 {
            Way::Open => "no secret is configured, so nothing could be checked",
            Way::Basic(_) => "the Basic credentials match",
            Way::Bearer(_) => "the bearer token matches",
            Way::Header(..) => "the secret header matches",
        }
    }
}

/// The rest of `Scheme credentials`. The scheme is case-insensitive (RFC 9110 section 11.1).
fn after_scheme<'a>(value: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = value.split_at_checked(scheme.len())?;
    let (b' ', rest) = rest.split_first()? else { return None };
    head.eq_ignore_ascii_case(scheme).then(|| rest.trim_ascii())
}

/// SHA-256 of the accepted secrets: comparing digests leaks neither the place of a difference nor a length.
struct Accepted(Vec<[u8; 32]>);

impl Accepted {
    fn new(secrets: &Rotation, form: impl Fn(&str) -> String) -> Self {
        Self(secrets.secrets().iter().map(|secret| fingerprint(form(secret.expose()).as_bytes())).collect())
    }

    /// Compares with every accepted secret, also after one has matched.
    fn holds(&self, presented: &[u8]) -> bool {
        let presented = fingerprint(presented);
        self.0.iter().fold(Choice::from(0), |found, accepted| found | accepted.ct_eq(&presented)).into()
    }
}

fn fingerprint(secret: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, secret).as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::secret::Secret;

    fn rotation(secrets: &[&str]) -> Rotation {
        Rotation::try_from(secrets.iter().map(|s| Secret::new(*s)).collect::<Vec<_>>()).unwrap()
    }

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap()))
            .collect()
    }

    fn answer(secret: &SharedSecret, lines: &[(&str, &str)]) -> Result<(), (u16, &'static str)> {
        secret.check(&headers(lines)).map_err(|refusal| (refusal.answer, refusal.reason))
    }

    const BAD: Result<(), (u16, &str)> = Err((401, "bad_secret"));
    const MISSING: Result<(), (u16, &str)> = Err((401, "missing_secret"));

    #[test]
    fn basic_takes_both_passwords_of_a_rotation_and_no_third() {
        let secret = SharedSecret::new(&HookAuth::Basic { user: "hook".into(), passwords: rotation(&["old", "a:b"]) });
        let with = |credentials: &str| format!("Basic {}", BASE64.encode(credentials));
        assert_eq!(answer(&secret, &[("authorization", &with("hook:old"))]), Ok(()));
        assert_eq!(answer(&secret, &[("authorization", &with("hook:a:b"))]), Ok(()));
        assert_eq!(answer(&secret, &[("authorization", with("hook:old").trim_end_matches('='))]), Ok(()));
        for wrong in ["hook:ol", "hook:older", "Hook:old", "hook:", "hook", ":old", ""] {
            assert_eq!(answer(&secret, &[("authorization", &with(wrong))]), BAD, "{wrong}");
        }
        assert_eq!(answer(&secret, &[("authorization", "Basic not*base64")]), BAD);
        assert_eq!(answer(&secret, &[]), MISSING);
        assert_eq!(secret.proves(), Some(true));
    }

    #[test]
    fn bearer_takes_its_own_scheme_only() {
        let secret = SharedSecret::new(&HookAuth::Bearer { tokens: rotation(&["t1", "t2"]) });
        for right in ["Bearer t1", "bearer t2", "BEARER  t1"] {
            assert_eq!(answer(&secret, &[("authorization", right)]), Ok(()), "{right}");
        }
        for wrong in ["Basic t1", "Bearer", "Bearer ", "Bearer t", "Bearer t11", "t1", "Bearert1"] {
            assert_eq!(answer(&secret, &[("authorization", wrong)]), BAD, "{wrong}");
        }
        assert_eq!(answer(&secret, &[("x-token", "t1")]), MISSING);
    }

    #[test]
    fn a_header_of_its_own_is_compared_whole() {
        let auth = HookAuth::Header { name: HeaderName::from_static("x-hook-secret"), values: rotation(&["v1"]) };
        let secret = SharedSecret::new(&auth);
        assert_eq!(answer(&secret, &[("X-Hook-Secret", "v1")]), Ok(()));
        assert_eq!(answer(&secret, &[("x-hook-secret", "v1 v1")]), BAD);
        assert_eq!(answer(&secret, &[("x-hook-secret", "")]), BAD);
        assert_eq!(answer(&secret, &[("authorization", "Bearer v1")]), MISSING);
    }

    #[test]
    fn without_a_secret_nothing_is_proved() {
        let secret = SharedSecret::new(&HookAuth::None);
        assert_eq!(answer(&secret, &[]), Ok(()));
        assert_eq!(secret.proves(), None);
    }

    #[test]
    fn a_match_does_not_depend_on_its_place_and_lengths_may_differ() {
        let accepted = Accepted::new(&rotation(&["first", "the second, longer one"]), str::to_owned);
        assert!(accepted.holds(b"first") && accepted.holds(b"the second, longer one"));
        assert!(!accepted.holds(b"") && !accepted.holds(b"firs") && !accepted.holds(b"first\0"));
    }

    #[test]
    fn a_refusal_repeats_nothing_of_the_secret() {
        let secret = SharedSecret::new(&HookAuth::Bearer { tokens: rotation(&["hush"]) });
        let refusal = secret.check(&headers(&[("authorization", "Bearer almost-hush")])).unwrap_err();
        assert!(!format!("{refusal} {refusal:?}").contains("hush"));
    }
}
