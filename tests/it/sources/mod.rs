//! The sources: genuine, tampered, replayed, odd.

mod apple;
mod braze;
mod ses;
pub mod sns;
mod sparkpost;
