//! Messages as they lie in a mailbox: what a stranger wrote, and what every host on the way added.

use libfuzzer_sys::Corpus;
use relaywatch::mail::{Cursor, read, tokens};

/// A message, or its beginning: tokens of their shape, a way without addresses, and no more of either than is promised.
pub fn arrival(input: &[u8]) -> Corpus {
    let text = String::from_utf8_lossy(input);
    assert_eq!(Cursor::parse(&Cursor::parse(&text).to_text()), Cursor::parse(&text));
    let direct = tokens(&text);
    assert!(direct.len() <= 8 && direct.iter().all(|token| token.len() == 57));
    let Some((found, arrival)) = read(input, Some("mx.mailbox.test")) else { return Corpus::Keep };
    assert!((1..=8).contains(&found.len()));
    for token in &found {
        assert_eq!(tokens(token), [token]);
    }
    assert!(arrival.hops.len() <= 20);
    assert!(!format!("{arrival:?}").contains('@'), "an address got in");
    Corpus::Keep
}
