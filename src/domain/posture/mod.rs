//! Would Apple accept this stream's mail? What the findings mean together.

mod check;
mod document;
mod envelope;
mod examine;
mod memory;
mod observed;
mod plan;
mod provider;
mod relay;
mod report;
mod sender_policy;

pub use check::CheckReport;
pub use document::{Checked, Document};
pub use examine::{Judged, examine, examine_observed};
pub use memory::{Known, Memory, PostureChange};
pub use relay::Reasons;
pub use report::{Apple, AppleVerdict, Posture, Published, Status, posture_of};
pub use sender_policy::{SenderPolicy, Tried};

#[cfg(test)]
mod tests;
