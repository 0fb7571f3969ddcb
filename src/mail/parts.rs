//! The texts of a message that its reader sees at once (RFC 2046 section 5.1). What is attached is not among them.
//!
//! The library decodes each text; the way there is ours, because it follows messages within messages as deep as a stranger
//! nests them, and then frees them by recursion: one mail would end the daemon.

use mail_parser::{ContentType, Message, MessageParser, MimeHeaders, PartType};

/// How deep multiparts may stand in each other. Honest ones take three.
const DEEPEST: usize = 8;
/// The most parts of one message that are looked at.
const MOST: usize = 100;

/// Parses the fields of a message, and nothing behind them. `None` without any.
pub(super) fn fields(bytes: &[u8]) -> Option<Message<'_>> {
    MessageParser::default().parse_headers(bytes)
}

/// Every text in the body of the message, decoded, in order.
pub(super) fn texts(bytes: &[u8]) -> Vec<String> {
    let mut found = Walk { texts: Vec::new(), left: MOST };
    found.part(bytes, DEEPEST);
    found.texts
}

struct Walk {
    texts: Vec<String>,
    left: usize,
}

impl Walk {
    /// `bytes` are the part's fields and body, `deeper` is how many multiparts may stand in it.
    fn part(&mut self, bytes: &[u8], deeper: usize) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        let fields = fields(bytes);
        let kind = fields.as_ref().and_then(|fields| fields.content_type());
        match kind.map_or("text", ContentType::ctype) {
            "text" => self.text(bytes),
            // The parts of a digest are messages (RFC 2046 section 5.1.5).
            "multipart" if deeper > 0 && kind.and_then(ContentType::subtype) != Some("digest") => {
                let boundary = kind.and_then(|kind| kind.attribute("boundary")).filter(|boundary| !boundary.is_empty());
                for part in boundary.into_iter().flat_map(|boundary| parts(bytes, boundary)) {
                    self.part(part, deeper - 1);
                }
            }
            _ => (),
        }
    }

    fn text(&mut self, bytes: &[u8]) {
        let Some(part) = MessageParser::default().parse(bytes) else {
            // A part may begin with the empty line (RFC 2046 section 5.1).
            self.texts.push(String::from_utf8_lossy(bytes).into_owned());
            return;
        };
        let attached = part.content_disposition().is_some_and(ContentType::is_attachment);
        let texts = part.parts.into_iter().filter(|_| !attached).filter_map(|part| match part.body {
            PartType::Text(text) | PartType::Html(text) => Some(text.into_owned()),
            _ => None,
        });
        self.texts.extend(texts);
    }
}

/// What stands between the lines of this boundary; the last part may be cut off.
fn parts<'b>(bytes: &'b [u8], boundary: &str) -> Vec<&'b [u8]> {
    let (mut found, mut begin, mut at) = (Vec::new(), None, 0);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let next = at + line.len();
        let delimiter = line.strip_prefix(b"--").and_then(|rest| rest.strip_prefix(boundary.as_bytes()));
        let delimiter = delimiter.map(<[u8]>::trim_ascii_end);
        if let Some(rest @ (b"" | b"--")) = delimiter {
            found.extend(begin.map(|begin| &bytes[begin..at]));
            begin = rest.is_empty().then_some(next);
            if begin.is_none() || found.len() == MOST {
                return found;
            }
        }
        at = next;
    }
    found.extend(begin.map(|begin| &bytes[begin..]));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts_of(text: &str) -> Vec<String> {
        let lines = |text: String| text.trim().replace("\r\n", "\n");
        let found = texts(text.replace('\n', "\r\n").as_bytes()).into_iter().map(lines).collect();
        assert_eq!(texts(text.as_bytes()).into_iter().map(lines).collect::<Vec<_>>(), found, "with bare line feeds");
        found
    }

    #[test]
    fn the_texts_are_found_in_order_and_decoded() {
        let text = "Content-Type: multipart/mixed; boundary=\"a b\"\n\npreamble\n--a b\nContent-Type: multipart/alternative; boundary=a\n\n\
                    --a\n\none\n--a  \nContent-Type: text/html; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n<p>zw=F6lf=\n!\n--a--\n\
                    epilogue\n--a b\nX: y\n\nthree\n--a bc\n--a b--\nafter\n";
        assert_eq!(texts_of(text), ["one", "<p>zwölf!", "three\n--a bc"]);
        assert_eq!(texts_of("Subject: x\n\nbody\nof it\n"), ["body\nof it"]);
        assert_eq!(texts_of("Content-Type: multipart/mixed; boundary=b\n\n--b\n\ncut o"), ["cut o"]);
    }

    #[test]
    fn what_is_attached_or_no_text_is_none() {
        for kind in [
            "message/rfc822",
            "message/global",
            "image/png",
            "multipart/mixed",
            "multipart/mixed; boundary=\"\"",
            "text/plain\nContent-Disposition: attachment; filename=x.txt",
        ] {
            let text = format!(
                "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: {kind}\n\nSubject: x\n\nx\n--b--\n"
            );
            assert_eq!(texts_of(&text), [""; 0], "{kind}");
        }
        assert_eq!(texts_of("Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\nx\n--b--\n"), [""; 0]);
    }

    #[test]
    fn nesting_without_end_is_followed_a_few_steps_only() {
        for (unit, within) in [
            ("Content-Type: message/rfc822\r\n\r\n", ""),
            ("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n", ""),
            ("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n", ""),
            ("--b\r\n\r\nx\r\n", "Content-Type: multipart/mixed; boundary=b\r\n\r\n"),
            (
                "--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n",
                "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
            ),
        ] {
            let message = format!("Subject: x\r\n{within}{}", unit.repeat((4 << 20) / unit.len()));
            assert!(texts(message.as_bytes()).len() < MOST, "{unit}");
        }
        let nested = |depth: usize| {
            let open: String =
                (0..depth).map(|at| format!("Content-Type: multipart/mixed; boundary=b{at}\n\n--b{at}\n")).collect();
            texts_of(&format!("{open}\nx\n"))
        };
        assert_eq!(nested(DEEPEST), ["x"]);
        assert_eq!(nested(DEEPEST + 1), [""; 0]);
    }
}
