//! What may stand in a metric label: words of the code, names from the configuration, nothing a stranger sent.

use std::borrow::Cow;

use http::StatusCode;

use crate::domain::event::{Effect, Kind, Scope, Source};
use crate::domain::ids::{StreamName, TeamId};

/// A value that may be a label. Not implemented for `String` or a borrowed `str`, so that neither an address nor any
/// other text of a request can become one, and the number of series stays bounded.
pub trait Label {
    /// The label's text.
    fn text(&self) -> Cow<'_, str>;
}

/// A name that the operator wrote in the configuration, such as an endpoint's. Wrapping says so: do not wrap what came
/// in a request.
#[derive(Debug, Clone, Copy)]
pub struct Configured<'a>(pub &'a str);

impl Label for Configured<'_> {
    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.0)
    }
}

impl Label for &'static str {
    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}

impl Label for StatusCode {
    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.as_str())
    }
}

/// An HTTP status as a bare number.
impl Label for u16 {
    fn text(&self) -> Cow<'_, str> {
        Cow::Owned(self.to_string())
    }
}

macro_rules! borrowed {
    ($($type:ty),+) => {
        $(impl Label for $type {
            fn text(&self) -> Cow<'_, str> {
                Cow::Borrowed(self.as_str())
            }
        })+
    };
}

borrowed!(Source, Kind, Scope, Effect, TeamId, StreamName);
