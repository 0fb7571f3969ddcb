//! What must hold for every set of events, in any order and however often each is told.

mod bounces;
mod joins;
mod oracle;
mod orders;
mod sets;

use proptest::test_runner::{Config, RngSeed};

/// So many cases, the same in every run.
fn cases(n: u32) -> Config {
    Config { cases: n, failure_persistence: None, rng_seed: RngSeed::Fixed(0x5eed), ..Config::default() }
}
