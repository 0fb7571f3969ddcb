//! The outward shape of what an IMAP server says, checked byte by byte before the parser sees it.
//!
//! The parser follows nested parentheses by recursion, as deep as a server nests them, and a stack that overflows ends the process: no one can
//! catch that. It nests only in the numbered responses (`* 5 FETCH (…)`), so there the depth is bounded. What lies in a literal does not count,
//! for it is a stranger's mail; hence a server must not be able to announce a literal where the parser sees none. One is believed
//!
//! - in a numbered response: behind a blank, outside of quotes, in the outermost parentheses. There the parser has no other reading of it;
//! - in a LIST, for the folder's name. Its parser has no other reading either.
//!
//! Every other line that ends as if a literal followed is refused, and so is a numbered response in which the parser could count otherwise than
//! this does: a parenthesis, a backslash or a control character within quotes, a quote within a word, a line that ends within parentheses. Honest
//! answers to what we ask have none of these: the nested things (ENVELOPE, BODYSTRUCTURE) are never asked for. Not covered: a server that tells
//! a text of a message in quotes, which a message of more than one line cannot be; with a parenthesis in it, the answer counts as unreadable.

/// How deep parentheses may stand in each other. What we ask for takes two.
const DEEPEST: usize = 20;
/// By these first bytes a line is told from others.
const LIST: &[u8] = b"* LIST ";

/// How far the conversation has been followed. The default is: at its beginning.
#[derive(Debug, Default)]
pub(in crate::mail) struct Shape {
    /// How many bytes of a literal are still to come.
    literal: u64,
    /// The first bytes of the line.
    head: Vec<u8>,
    depth: usize,
    quoted: bool,
    /// The byte before.
    last: u8,
    announced: Announced,
}

/// How much of the announcement of a literal has been read: `{17}`, and the end of the line.
#[derive(Debug, Default, Clone, Copy)]
enum Announced {
    #[default]
    Nothing,
    Brace {
        spaced: bool,
    },
    Digits {
        spaced: bool,
        length: u64,
    },
    Whole {
        spaced: bool,
        length: u64,
    },
}

impl Shape {
    /// Follows what was read. `false`: it must not be parsed, nor anything after it.
    pub(in crate::mail) fn takes(&mut self, mut bytes: &[u8]) -> bool {
        while let Some((byte, rest)) = bytes.split_first() {
            if self.literal > 0 {
                let within = usize::try_from(self.literal).unwrap_or(usize::MAX).min(bytes.len());
                self.literal -= within as u64;
                bytes = &bytes[within..];
                continue;
            }
            let fits = if *byte == b'\n' && self.last == b'\r' { self.ends_line() } else { self.takes_byte(*byte) };
            if !fits {
                return false;
            }
            bytes = rest;
        }
        true
    }

    fn takes_byte(&mut self, byte: u8) -> bool {
        if self.head.len() < LIST.len() {
            self.head.push(byte);
        }
        self.announced = self.announced.then(byte, self.last);
        let fits = !self.is_numbered() || self.nests(byte);
        self.last = byte;
        fits
    }

    /// Counts in a numbered response.
    fn nests(&mut self, byte: u8) -> bool {
        match byte {
            b'"' if self.quoted => self.quoted = false,
            b'"' => {
                self.quoted = true;
                return matches!(self.last, b' ' | b'(');
            }
            b'(' | b')' | b'\\' | 0..b' ' if self.quoted => return false,
            b'(' => self.depth += 1,
            b')' => self.depth = self.depth.saturating_sub(1),
            _ => (),
        }
        self.depth <= DEEPEST
    }

    fn ends_line(&mut self) -> bool {
        if let Announced::Whole { spaced, length } = self.announced {
            let outermost = self.is_numbered() && self.depth == 1 && !self.quoted && spaced;
            (self.literal, self.announced, self.last) = (length, Announced::Nothing, 0);
            return (outermost || self.head.eq_ignore_ascii_case(LIST)) && length <= u64::from(u32::MAX);
        }
        let whole = self.depth == 0 && !self.quoted;
        *self = Self::default();
        whole
    }

    fn is_numbered(&self) -> bool {
        matches!(self.head.as_slice(), [b'*', b' ', digit, ..] if digit.is_ascii_digit())
    }
}

impl Announced {
    fn then(self, byte: u8, last: u8) -> Self {
        match (self, byte) {
            (_, b'{') => Self::Brace { spaced: last == b' ' },
            (Self::Brace { spaced }, b'0'..=b'9') => Self::Digits { spaced, length: u64::from(byte - b'0') },
            (Self::Digits { spaced, length }, b'0'..=b'9') => {
                Self::Digits { spaced, length: length.saturating_mul(10).saturating_add(u64::from(byte - b'0')) }
            }
            (Self::Digits { spaced, length }, b'}') => Self::Whole { spaced, length },
            (Self::Whole { .. }, b'\r') if last == b'}' => self,
            _ => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use async_imap::imap_proto::Response;

    use super::*;

    /// Whether all of it is taken: at once, and byte by byte.
    fn takes(text: &str) -> bool {
        let (mut at_once, mut bit_by_bit) = (Shape::default(), Shape::default());
        let taken = at_once.takes(text.as_bytes());
        assert_eq!(text.bytes().all(|byte| bit_by_bit.takes(&[byte])), taken, "{text}");
        taken
    }

    #[test]
    fn what_honest_servers_answer_is_taken() {
        let mail = "Subject: :-(\r\n\r\n".to_owned() + &"(\"{7}\r\n".repeat(100);
        let fetch = format!("UID 3 INTERNALDATE \"20-Nov-2026 10:00:07 +0000\" BODY[]<0> {{{}}}\r\n{mail}", mail.len());
        for text in [
            "* OK [CAPABILITY IMAP4rev1] ready :-( (\"{ \\\r\n",
            "* LIST (\\HasNoChildren \\Junk) \"/\" \"Spam (old)\"\r\n* list () \"\\\\\" {3}\r\na(\"\r\n* LIST () NIL x\r\n",
            "* FLAGS (\\Seen $Junk)\r\n* OK [PERMANENTFLAGS (\\Seen \\*)] x\r\n* 5 EXISTS\r\n* SEARCH 1 2 3\r\n",
            "* 5 FETCH (UID 9 BODY[]<0> NIL)\r\n* 5 FETCH (BODY[]<0> {0}\r\n UID 9)\r\n* 5 FETCH (FLAGS ())\r\n+ idling\r\n",
        ] {
            assert!(
                takes(&format!(
                    "{text}* 5 FETCH (FLAGS (\\Seen) {fetch})\r\n* 6 FETCH ({fetch} MODSEQ (9))\r\nA1 OK x\r\n"
                )),
                "{text}"
            );
        }
    }

    /// Each of these hides the depth from who counts otherwise than the parser.
    #[test]
    fn nothing_hides_how_deep_it_nests() {
        let deep = "BODYSTRUCTURE ".to_owned() + &"(".repeat(DEEPEST + 1);
        let literal = format!("{{{}}}\r\n", 100_000);
        for text in [
            format!("* 1 FETCH ({deep}"),
            format!("* OK hello {literal}* 1 FETCH ({deep}"),
            format!("* STATUS {literal}* 1 FETCH ({deep}"),
            format!("* 1 FETCH (X ({literal}) {deep}"),
            format!("* 1 FETCH (X ( {literal}) {deep}"),
            format!("* 1 FETCH (X a{literal} {deep}"),
            format!("* 1 FETCH (X ({literal}* 1 FETCH (Y {literal}) {deep}"),
            format!("* 1 FETCH (X (\r\n* 1 FETCH (Y {literal}) {deep}"),
            format!("* 1 FETCH (X a\r\n* 1 FETCH (Y {literal} {deep}"),
            format!("* 1 FETCH (X \")\" Y ( {literal}) {deep}"),
            format!("* 1 FETCH (X (\") Y \")\" Z (\" {literal}) {deep}"),
            format!("* 1 FETCH (X \"\\\"\" Y \")\" Z \"\\\"\" W ( {literal}) {deep}"),
            format!("* 1 FETCH (X a\" Y \")\" Z a\" W ( {literal}) {deep}"),
            format!("* 1 FETCH (X \"a\rb Y \")\" Z a\" W ( {literal}) {deep}"),
            format!("* 1 FETCH (X \" {literal}\" {deep}"),
            format!("* 1 FETCH (X {{99999999999999999999999}}\r\n {deep}"),
            format!("* 1 FETCH (BODYSTRUCTURE {}", "(\"message\" \"rfc822\" (\"a)\") ".repeat(DEEPEST)),
        ] {
            assert!(!takes(&text), "{text}");
        }
        assert!(!takes("* OK {5}\r\n") && !takes("A1 OK {5}\r\n") && !takes("* 1 FETCH (UID 3\r\n"));
    }

    /// As many as are let through do not hurt the parser on a thread's usual stack, whichever way it follows them.
    #[test]
    fn the_deepest_that_is_taken_is_harmless() {
        for unit in [
            "(",
            "(\"a\" \"b\" NIL NIL NIL \"7bit\" 1 NIL NIL NIL NIL (",
            "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 1 ",
        ] {
            let text = format!("* 1 FETCH (BODYSTRUCTURE {}", unit.repeat(DEEPEST));
            let parsed = std::thread::Builder::new()
                .stack_size(1 << 20)
                .spawn(move || Response::parse(text.as_bytes()).is_err());
            assert!(parsed.unwrap().join().unwrap(), "{unit}");
        }
    }
}
