//! Would Apple accept this stream's mail? What the findings mean together.

mod envelope;
mod examine;
mod plan;
mod provider;
mod relay;
mod report;
mod sender_policy;

pub use examine::{Judged, examine};
pub use report::{Apple, AppleVerdict, Posture, Published, Status, posture_of};
pub use sender_policy::SenderPolicy;
