//! Would Apple accept this stream's mail? What the findings mean together.

mod report;

pub use report::{Apple, AppleVerdict, Posture, Published, Status, posture_of};
