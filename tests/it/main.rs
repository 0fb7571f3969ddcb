//! The integration tests: one binary, one folder per room.

mod sources;
