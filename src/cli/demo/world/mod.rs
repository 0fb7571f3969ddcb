//! The loopback world of the demo: it signs what the providers would sign, and takes the mail that they would take. Tests and bench use it too.

pub mod apple;
pub mod braze;
pub mod relay;
pub mod ses;
pub mod sns;
pub mod sparkpost;
