//! The sources: genuine, tampered, replayed, odd.

mod apple;
