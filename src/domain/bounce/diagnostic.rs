//! The remote server's words: code and status found, every address replaced by its role.

use super::parties::Parties;
use super::{Report, redact, reply_code};
use crate::domain::address::Address;

/// The longest text a diagnostic keeps, in bytes. What lies beyond is dropped after the redaction, never before it.
pub const LONGEST: usize = 2048;

/// A reply text that holds no address any more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diagnostic {
    /// SMTP reply code, e.g. `550`.
    pub code: Option<u16>,
    /// Enhanced status code (RFC 3463), e.g. `5.1.1`.
    pub status: Option<String>,
    /// The text on one line, with `<recipient>`, `<sender>` or `<other>` where an address stood. An address that the ESP
    /// had masked already stands as `...@...`. Code and status stay where they were.
    pub text: String,
}

/// Whose address stood in a place of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The recipient.
    Recipient,
    /// The envelope sender, or a VERP form of it that contains the recipient.
    Sender,
    /// Somebody else.
    Other,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Recipient, Self::Sender, Self::Other];

    /// What stands in a redacted text in place of the address.
    pub const fn marker(self) -> &'static str {
        match self {
            Self::Recipient => "<recipient>",
            Self::Sender => "<sender>",
            Self::Other => "<other>",
        }
    }
}

impl Diagnostic {
    /// Reads a reply text, given who the recipient and the envelope sender are. Never fails; takes time in proportion to
    /// the text. Reading its own text again gives the same.
    pub fn read(text: &str, recipient: Option<&Address>, mail_from: Option<&Address>) -> Self {
        let text = cut(redact::redact(text, &Parties::new(recipient, mail_from)));
        let found = reply_code::find(&text);
        Self { code: found.code, status: found.status.map(str::to_owned), text }
    }

    /// Reads a report: its text, and the code and status beside it where the text has none of its own.
    pub fn of(report: &Report<'_>) -> Self {
        let said = Self::read(report.text.unwrap_or_default(), report.recipient, report.mail_from);
        Self {
            code: said.code.or(report.code),
            status: said.status.or_else(|| report.status.and_then(reply_code::status_alone).map(str::to_owned)),
            text: said.text,
        }
    }

    /// 4 for "not now", 5 for "no", by the remote server's own reply. A status that the ESP wrote beside the text is no
    /// reply (Amazon's own example of a permanent bounce has `4.0.0` there), so it does not count.
    pub fn smtp_class(&self) -> Option<u8> {
        match self.code {
            Some(code) => u8::try_from(code / 100).ok(),
            None => reply_code::find(&self.text).status.and_then(|s| s.bytes().next()).map(|b| b - b'0'),
        }
    }
}

/// Cuts a redacted text to [`LONGEST`], at a character and never inside a marker.
fn cut(mut text: String) -> String {
    if text.len() > LONGEST {
        let mut end = text.floor_char_boundary(LONGEST);
        let near = text.floor_char_boundary(end.saturating_sub(redact::LONGEST_MARKER));
        let straddling = redact::markers().filter_map(|marker| {
            text[near..].match_indices(marker).map(|(at, _)| near + at).find(|at| *at < end && end < at + marker.len())
        });
        end = straddling.min().unwrap_or(end);
        text.truncate(end);
        text.truncate(text.trim_end().len());
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RECIPIENT: &str = "zq7.marker+x9@privaterelay.appleid.com";
    const SENDER: &str = "bounces+77aa@send.shop.example";

    fn read(text: &str, recipient: &str) -> Diagnostic {
        Diagnostic::read(text, Address::parse(recipient).as_ref(), Address::parse(SENDER).as_ref())
    }

    #[test]
    fn an_address_becomes_its_role() {
        for (text, want) in [
            (
                "550 5.1.1 <6qj4xaisn4k@privaterelay.appleid.com>: user not found",
                "550 5.1.1 <recipient>: user not found",
            ),
            ("alias: 6QJ4xaisn4k@PrivateRelay.appleid.com.", "alias: <recipient>."),
            ("<6qj4xaisn4k@privaterelay.appleid.com.>", "<recipient>"),
            ("'6qj4xaisn4k@privaterelay.appleid.com'", "'<recipient>'"),
            ("to=<6qj4xaisn4k@privaterelay.appleid.com>,", "to=<recipient>,"),
            ("RCPT TO:<6qj4xaisn4k@privaterelay.appleid.com>", "RCPT TO:<recipient>"),
            ("Jane <6qj4xaisn4k@privaterelay.appleid.com", "Jane <<recipient>"),
            ("&lt;6qj4xaisn4k@privaterelay.appleid.com&gt;", "&lt;<recipient>&gt;"),
            ("6qj4xaisn4k%40privaterelay.appleid.com", "<recipient>"),
            ("6qj4xaisn4k%2540privaterelay.appleid.com", "<recipient>"),
            ("6qj4xaisn4k=privaterelay.appleid.com", "<recipient>"),
            ("6qj4xaisn4k_at_privaterelay_appleid_com", "<recipient>"),
            ("6qj4xaisn4k (at) privaterelay dot appleid dot com!", "<recipient>!"),
            ("user 6qj4xaisn4k unknown", "user <recipient> unknown"),
            ("6qj4xa\u{200b}isn4k@private\u{ad}relay.appleid.com", "<recipient>"),
            ("https://x.example/u?m=6qj4xaisn4k@privaterelay.appleid.com&k=1", "https://x.example/u?m=<recipient>&k=1"),
            ("mailto:6qj4xaisn4k%40privaterelay.appleid.com?subject=a", "mailto:<recipient>?subject=a"),
            ("<bounces+77aa@send.shop.example>: no", "<sender>: no"),
            ("<b+6qj4xaisn4k=privaterelay.appleid.com@v.example>", "<sender>"),
            ("see postmaster@apple.example, please", "see <other>, please"),
            ("\"jane roe\"@b.example \"said\" \"a\\\"b c\"@d.example", "<other> \"said\" <other>"),
            ("<用户@例子。公司> jörg@exämple.example", "<other> <other>"),
            ("jane@[192.0.2.1] a@b@c.example x@", "<other>[192.0.2.1] <other> <other>"),
            ("<...@...> ****@icloud.com j***e@icloud.com", "<...@...> ...@... ...@..."),
            ("@ @@ @example.com", "@ @@ @example.com"),
            (" a\r\n\tb\u{0}\u{1b}[31mc ", "a b [31mc"),
        ] {
            assert_eq!(read(text, "6qj4xaisn4k@privaterelay.appleid.com").text, want);
        }
    }

    #[test]
    fn a_short_local_part_is_hidden_only_with_its_domain() {
        assert_eq!(
            read("abc: abc=b.example, abc_at_b_example, abc@b.example", "abc@b.example").text,
            "abc: <recipient>, <recipient>, <recipient>"
        );
    }

    #[test]
    fn the_code_beside_the_text_counts_where_the_text_has_none() {
        let report = |text, status, code| Report {
            recipient: None,
            mail_from: None,
            text,
            status,
            code,
            class: super::super::EspClass::Hard,
            class_rule: "x",
        };
        let said = Diagnostic::of(&report(Some("421 4.7.0 later"), Some("5.0.0"), Some(550)));
        assert_eq!((said.code, said.status.as_deref(), said.smtp_class()), (Some(421), Some("4.7.0"), Some(4)));
        let said = Diagnostic::of(&report(None, Some("4.0.0"), None));
        assert_eq!((said.status.as_deref(), said.smtp_class()), (Some("4.0.0"), None));
        let said = Diagnostic::of(&report(Some("no"), Some("jane@b.example"), Some(552)));
        assert_eq!((said.code, said.status.as_deref(), said.smtp_class()), (Some(552), None, Some(5)));
    }

    #[test]
    fn a_long_text_is_cut_after_the_redaction_and_outside_of_markers() {
        for pad in LONGEST - 40..LONGEST + 4 {
            for spelling in [RECIPIENT, "zq7.marker+x9=privaterelay.appleid.com", "****@icloud.com"] {
                let said = read(&format!("{} {spelling} {}", "é".repeat(pad / 2), "tail ".repeat(20)), RECIPIENT);
                assert!(said.text.len() <= LONGEST && !said.text.contains("zq7"), "{pad}");
                assert_eq!(read(&said.text, RECIPIENT), said, "{pad}");
                assert!(!said.text.ends_with("<recip") && !said.text.ends_with("@.."), "{pad}");
            }
        }
    }

    /// Takes long if anything is quadratic: each text would then need some 10^10 steps.
    #[test]
    fn hostile_texts_of_256_kb_are_read_in_one_pass() {
        for piece in [
            "@",
            "a@",
            "@a",
            "a@b@",
            "<",
            "\"",
            "\"\\",
            "\\\"",
            "\"a\"@",
            "%",
            "%25",
            "%40",
            "=",
            "...@...",
            "a@b...",
            "//a@b/",
            "zq7.marker+x9",
            "zq7.marker+x9=private",
            "<recipient>",
            "<recipien",
            "'a@b'",
            "é",
            "\u{ff20}",
            "550-",
            "5.1.",
            "a@é.",
            "xn--a.",
            "a_at_",
            " ",
            "<a@b>",
            "...",
            "a@b.",
            "&#64;",
            "\u{200b}",
        ] {
            let text = piece.repeat(256 * 1024 / piece.len());
            let said = read(&text, RECIPIENT);
            assert!(said.text.len() <= LONGEST, "{piece}");
        }
    }

    /// Ways in which the marked address turns up.
    fn spellings() -> impl Strategy<Value = String> {
        let (local, domain) = RECIPIENT.split_once('@').unwrap();
        let encoded = local.replace('+', "%2B");
        prop::sample::select(vec![
            RECIPIENT.to_owned(),
            RECIPIENT.to_uppercase(),
            format!("<{RECIPIENT}>"),
            format!("\"{local}\"@{domain}"),
            format!("{local}%40{domain}"),
            format!("{encoded}%40{domain}"),
            format!("{encoded}%2540{domain}"),
            format!("{local}={domain}"),
            format!("{local}_at_{}", domain.replace('.', "_")),
            format!("bounce+1-{local}={domain}@send.shop.example"),
            format!("https://x.example/u?e={encoded}%40{domain}&x=1"),
            format!("mailto:{RECIPIENT}"),
            format!("{local}\u{ff20}{domain}"),
            format!("{local}&#64;{domain}"),
            format!("zq7.mar\u{200d}ker+x9@{domain}"),
            local.to_owned(),
            local.to_uppercase(),
        ])
    }

    /// Text that leans towards what matters here.
    fn surroundings() -> impl Strategy<Value = String> {
        let pieces = prop::sample::select(vec![
            "@",
            "<",
            ">",
            "\"",
            "\\",
            "%",
            "%4",
            "0",
            "=",
            " ",
            "\n",
            "'",
            ".",
            "...",
            "*",
            "/",
            "//",
            "?",
            "&",
            "_at_",
            ":",
            "a",
            "Z",
            "7",
            "é",
            "<recipient>",
            "<sender>",
            "<other>",
            "...@...",
            "x@y.example",
            "550",
            "-",
            "5.1.1",
            "\u{2026}",
            "user not found",
            "unauthorized sender",
            "mac.com",
            "%C3",
            "%B6",
            "\u{200b}",
            "zq7",
            "private",
            "Σ",
            "İ",
        ]);
        prop_oneof![prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat()), any::<String>()]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn no_spelling_of_the_recipient_survives(before in surroundings(), spelling in spellings(), behind in surroundings()) {
            let said = read(&format!("{before}{spelling}{behind}"), RECIPIENT);
            let text = said.text.to_lowercase();
            prop_assert!(!text.contains("zq7.marker"), "{}", said.text);
            prop_assert!(!text.contains("marker+x9") && !text.contains("marker%2bx9"), "{}", said.text);
        }

        #[test]
        fn no_plain_address_survives(
            before in surroundings(), local in "[a-z0-9]{1,8}", domain in "[a-z]{1,8}\\.example", behind in surroundings(),
        ) {
            let said = read(&format!("{before} q9{local}@{domain} {behind}"), RECIPIENT);
            prop_assert!(!said.text.contains(&format!("q9{local}@")), "{}", said.text);
        }

        #[test]
        fn reading_twice_is_reading_once(
            text in prop::collection::vec(surroundings(), 1..6), spelling in spellings(),
            recipient in prop::sample::select(vec![RECIPIENT, "a@mac.com", "aΣ7zQ@y.example", "sender@icloud.com"]),
        ) {
            let text = text.join(&spelling);
            let said = read(&text, recipient);
            prop_assert_eq!(&read(&said.text, recipient), &said);
            prop_assert_eq!(said.text.chars().find(|c| c.is_control()), None);
            let unknown = Diagnostic::read(&text, None, None);
            prop_assert_eq!(Diagnostic::read(&unknown.text, None, None), unknown);
            // A stored text is read again without the parties.
            prop_assert_eq!(&Diagnostic::read(&said.text, None, None), &said);
        }
    }
}
