//! Why a delivery failed, and whether trying again can help. Holds no URL, no secret and no address.

use std::time::Duration;

/// Whether the same delivery may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It may; not before this time has passed, if the destination named one.
    Later(Option<Duration>),
    /// It will not, until a person changes something.
    Never,
}

/// A delivery that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OutputError {
    /// It answered with this HTTP status.
    #[error("it answered {status}")]
    Status {
        /// The status.
        status: u16,
        /// What its `Retry-After` said.
        retry_after: Option<Duration>,
    },
    /// It did not answer in time.
    #[error("it did not answer in time")]
    Timeout,
    /// No connection could be made.
    #[error("no connection could be made")]
    Connect,
    /// Its host name has no address.
    #[error("its host name was not resolved")]
    Resolve,
    /// Its host name leads to an address inside a network.
    #[error("its host name leads to an address inside a network, which allow_private_addresses does not allow")]
    PrivateAddress,
    /// The connection broke before the answer.
    #[error("the connection broke before the answer")]
    Broken,
    /// Whom it is about cannot be opened: the root key is not configured, or the seal is damaged.
    #[error("whom it is about cannot be opened with the configured keys")]
    Sealed,
    /// Nothing is kept of whom it is about, so the destination could not find its user.
    #[error("nothing is kept of whom it is about")]
    Nobody,
    /// The configuration cannot be used: no HTTP client could be built, or the URL is not allowed.
    #[error("it cannot be reached as configured")]
    Unusable,
}

impl OutputError {
    /// Whether trying again can help. Of the answers: a server's fault, 408, 425, 429 and a redirect, which is never followed and
    /// may be a maintenance page. 410 and any other 4xx stay what they are. A name may lead elsewhere tomorrow, and a
    /// key may be put back.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Status { status: 408 | 425 | 429 | 300..=399 | 500..=599, retry_after } => Retry::Later(*retry_after),
            Self::Timeout | Self::Connect | Self::Resolve | Self::PrivateAddress | Self::Broken | Self::Sealed => {
                Retry::Later(None)
            }
            Self::Status { .. } | Self::Nobody | Self::Unusable => Retry::Never,
        }
    }

    /// The word in metrics: a closed set, so that no destination can make new series.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Status { status: 408 | 425 | 429, .. } => "asked_to_wait",
            Self::Status { status: 401 | 403, .. } => "not_authorized",
            Self::Status { status: 410, .. } => "gone",
            Self::Status { status: 300..=399, .. } => "redirect",
            Self::Status { status: 400..=499, .. } => "refused",
            Self::Status { .. } => "server_error",
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::Resolve => "resolve",
            Self::PrivateAddress => "private_address",
            Self::Broken => "broken",
            Self::Sealed => "sealed",
            Self::Nobody => "nobody",
            Self::Unusable => "unusable",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_decides_whether_to_try_again() {
        for (status, later, label) in [
            (302, true, "redirect"),
            (400, false, "refused"),
            (401, false, "not_authorized"),
            (404, false, "refused"),
            (408, true, "asked_to_wait"),
            (410, false, "gone"),
            (425, true, "asked_to_wait"),
            (429, true, "asked_to_wait"),
            (500, true, "server_error"),
            (503, true, "server_error"),
            (599, true, "server_error"),
            (600, false, "server_error"),
        ] {
            let error = OutputError::Status { status, retry_after: Some(Duration::from_secs(9)) };
            let want = if later { Retry::Later(Some(Duration::from_secs(9))) } else { Retry::Never };
            assert_eq!((error.retry(), error.label()), (want, label), "{status}");
        }
        assert_eq!(OutputError::Unusable.retry(), Retry::Never);
        assert_eq!(OutputError::PrivateAddress.retry(), Retry::Later(None));
    }
}
