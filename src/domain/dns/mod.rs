//! The DNS as the judges see it: names, questions, replies, and the inquiry in which they ask.

mod inquiry;
mod name;
mod reply;
#[cfg(test)]
pub(crate) mod zone;

pub use inquiry::{Inquiry, Known, Unanswered};
pub use name::{Name, NotAName};
pub use reply::{Data, Failure, Kind, Outcome, Question, Reply};
