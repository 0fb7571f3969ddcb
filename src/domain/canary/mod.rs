//! Canaries: mail of our own to our own relay addresses, and what its ways say about everybody else's.
//!
//! A provider's "delivered" says that the relay took the message. Only a canary that is read in the mailbox behind the relay proves that it
//! was forwarded. A *route* is one way to one mailbox; the routes of a *round* are sent together, and their results name the broken part.

mod budget;
mod delays;
mod diagnosis;
mod facts;
mod pace;
mod route;
mod state;
pub mod token;

pub use budget::{DAILY, Ledger, SEND_WITHIN, WINDOW, choose};
pub use delays::{Delays, ENOUGH};
pub use diagnosis::{Diagnosis, Negative, Part, Sight, diagnose};
pub use facts::{Arrival, Facts, Folder, Instant, Refusal};
pub use pace::{Load, Pace};
pub use route::{Role, Route};
pub use state::{Looks, State};
pub use token::{NotAToken, RouteKey, Token};
