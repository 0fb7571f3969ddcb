//! SPF (RFC 7208): what a record says, whom it passes, and what is wrong with it.

mod evaluate;
mod explain;
mod lint;
mod macros;
mod matching;
mod network;
mod publication;
mod record;
mod rewrite;
mod sender;
mod syntax;
mod term;
mod tree;
#[cfg(test)]
mod zone;

pub use evaluate::{Evaluation, SpfResult, evaluate};
pub use lint::{Lint, lint};
pub use macros::{Letter, MacroString, Place};
pub use network::DualCidr;
pub use record::{Record, is_spf};
pub use sender::Sender;
pub use syntax::SyntaxError;
pub use term::{Mechanism, Qualifier, Term, TermKind};
pub use tree::{Counts, Tree};
