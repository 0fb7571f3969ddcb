//! One fuzz target over every parser of foreign bytes: the first byte picks the parser, the rest is what it reads.
//!
//! No input may panic, hang or take memory without end (libFuzzer watches those), and what cheap invariants there are must
//! hold. `tests/fuzz/run` builds, seeds and runs it.
#![no_main]

mod documents;
mod hooks;
mod mail;
mod messages;
mod published;
mod spf;
mod values;

use libfuzzer_sys::{Corpus, fuzz_target};

/// A parser: whether the input was worth keeping.
type Parser = fn(&[u8]) -> Corpus;

/// The parsers by the byte that picks them; `tests/fuzz/run` has seeds for the same letters.
const PARSERS: [(u8, Parser); 27] = [
    (b'a', values::address),
    (b'b', values::bounce),
    (b'c', documents::certificate),
    (b'd', documents::data),
    (b'e', hooks::sns_envelope),
    (b'f', hooks::sns_fields),
    (b'g', hooks::ses_raw),
    (b'h', published::check),
    (b'i', hooks::ses_inner),
    (b'j', values::json),
    (b'k', documents::key_set),
    (b'l', values::elements),
    (b'n', hooks::apple_notification),
    (b'o', documents::configuration),
    (b'p', hooks::apple_token),
    (b'm', documents::rows),
    (b'q', documents::question),
    (b'r', hooks::braze),
    (b's', hooks::sparkpost),
    (b't', values::time),
    (b'u', hooks::apple_claims),
    (b'v', spf::records),
    (b'w', published::judges),
    (b'x', values::headers),
    (b'y', published::record),
    (b'1', mail::arrival),
    (b'z', messages::response),
];

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((letter, rest)) = input.split_first() else { return Corpus::Reject };
    match PARSERS.iter().find(|(named, _)| named == letter) {
        Some((_, parser)) => parser(rest),
        None => Corpus::Reject,
    }
});
