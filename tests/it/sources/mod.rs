//! The sources: genuine, tampered, replayed, odd.

mod apple;
mod braze;
mod ses;
mod sns;
mod sparkpost;
