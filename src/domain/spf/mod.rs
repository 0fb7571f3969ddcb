//! SPF (RFC 7208): what a record says, whom it passes, and what is wrong with it.

mod macros;
mod network;
mod record;
mod syntax;
mod term;

pub use macros::{Letter, MacroString, Place};
pub use network::DualCidr;
pub use record::{Record, is_spf};
pub use syntax::SyntaxError;
pub use term::{Mechanism, Qualifier, Term, TermKind};
