//! Lines out of bytes that arrive in pieces: numbered, capped, and not copied where they lie whole in one piece.

use bytes::Bytes;

/// What stands in front of a text that some programs export.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Cuts bytes into lines. Give it a piece, take lines until there is none, give it the next; then take the last.
#[derive(Debug)]
pub struct Lines {
    most: usize,
    piece: Bytes,
    /// The beginning of a line that goes on in the next piece.
    begun: Vec<u8>,
    too_long: bool,
    number: u64,
}

/// One line, without its end and the white space around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Its text. Never empty: blank lines only count.
    Text(Bytes),
    /// It is longer than allowed, and was thrown away.
    TooLong,
}

impl Lines {
    /// Lines of at most `most` bytes.
    pub fn new(most: usize) -> Self {
        Self { most, piece: Bytes::new(), begun: Vec::new(), too_long: false, number: 0 }
    }

    /// The next piece. What is left of the one before is dropped, so take its lines first.
    pub fn give(&mut self, piece: Bytes) {
        self.piece = piece;
    }

    /// The number of the line taken last, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The next line that ends in the piece, with its number.
    pub fn next_line(&mut self) -> Option<(u64, Line)> {
        while let Some(end) = self.piece.iter().position(|b| *b == b'\n') {
            let rest = self.piece.split_off(end + 1);
            let mut text = std::mem::replace(&mut self.piece, rest);
            text.truncate(end);
            if let Some(line) = self.finish(text) {
                return Some((self.number, line));
            }
        }
        let begun = std::mem::take(&mut self.piece);
        if !self.fits(&begun) {
            self.too_long = true;
            self.begun = Vec::new();
        }
        if !self.too_long {
            self.begun.extend_from_slice(&begun);
        }
        None
    }

    /// What stands behind the last line end, once all pieces were given.
    pub fn last_line(&mut self) -> Option<(u64, Line)> {
        if self.begun.is_empty() && !self.too_long {
            return None;
        }
        let line = self.finish(Bytes::new())?;
        Some((self.number, line))
    }

    fn fits(&self, more: &[u8]) -> bool {
        self.begun.len() + more.len() <= self.most
    }

    fn finish(&mut self, end: Bytes) -> Option<Line> {
        self.number += 1;
        let too_long = self.too_long || !self.fits(&end);
        self.too_long = false;
        let begun = std::mem::take(&mut self.begun);
        if too_long {
            return Some(Line::TooLong);
        }
        let text = if begun.is_empty() { end } else { [begun.as_slice(), &end].concat().into() };
        let mut bare = text.as_ref();
        if self.number == 1 {
            bare = bare.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bare);
        }
        let bare = bare.trim_ascii();
        (!bare.is_empty()).then(|| Line::Text(text.slice_ref(bare)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(most: usize, pieces: &[&[u8]]) -> Vec<(u64, Option<String>)> {
        let mut lines = Lines::new(most);
        let mut found = Vec::new();
        for piece in pieces {
            lines.give(Bytes::copy_from_slice(piece));
            while let Some(line) = lines.next_line() {
                found.push(line);
            }
        }
        found.extend(lines.last_line());
        let text = |line| match line {
            Line::Text(text) => Some(String::from_utf8_lossy(&text).into_owned()),
            Line::TooLong => None,
        };
        found.into_iter().map(|(n, line)| (n, text(line))).collect()
    }

    fn line(n: u64, text: &str) -> (u64, Option<String>) {
        (n, Some(text.to_owned()))
    }

    #[test]
    fn lines_are_numbered_trimmed_and_blank_ones_only_count() {
        let found = lines(100, &[b"\xef\xbb\xbfone\r\n\n  two \n", b"thr", b"ee\nfour"]);
        assert_eq!(found, [line(1, "one"), line(3, "two"), line(4, "three"), line(5, "four")]);
        assert!(lines(100, &[b"", b"\n\n", b"  "]).is_empty());
    }

    #[test]
    fn a_line_too_long_is_thrown_away_and_costs_no_other() {
        let found = lines(4, &[b"1234\n12345\n12", b"34", b"5\nok\n123", b"45"]);
        assert_eq!(found, [line(1, "1234"), (2, None), (3, None), line(4, "ok"), (5, None)]);
        let mut endless = Lines::new(4);
        for _ in 0..1_000 {
            endless.give(Bytes::from_static(&[b'x'; 1_000]));
            assert!(endless.next_line().is_none());
        }
        assert_eq!(endless.begun.capacity(), 0, "what is thrown away takes no memory");
        assert_eq!(endless.last_line(), Some((1, Line::TooLong)));
    }

    proptest! {
        #[test]
        fn the_cuts_do_not_matter(bytes in prop::collection::vec(prop::sample::select(b"ab \r\n".to_vec()), 0..60), cut in 1_usize..9) {
            let whole = lines(6, &[&bytes]);
            let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
            prop_assert_eq!(whole, lines(6, &pieces));
        }
    }
}
