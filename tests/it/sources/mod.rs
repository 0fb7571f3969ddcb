//! The sources: genuine, tampered, replayed, odd.

mod apple;
mod braze;
mod sparkpost;
mod ses;
mod sns;
