//! Lists of tags, `name=value; name=value`, as DKIM (RFC 6376 section 3.2) and DMARC (RFC 9989 section 4.8) write them.

use std::fmt;

/// Whose rules a list follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// RFC 6376 section 3.2: names of letters, digits and `_`; values may be empty and may be folded over lines.
    Dkim,
    /// RFC 9989 section 4.8: names of letters only, of either case; no value is empty; white space is space and tab.
    Dmarc,
}

/// One tag and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag<'a> {
    /// The name, as written.
    pub name: &'a [u8],
    /// The value, without the white space around it.
    pub value: &'a [u8],
    /// The first byte of the name.
    pub at: usize,
    /// The first byte of the value; the byte after `=` where the value is empty.
    pub value_at: usize,
}

/// What is wrong at a byte of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A piece between semicolons without `=`.
    NoEquals,
    /// Nothing between two semicolons.
    Empty,
    /// A name that starts or goes on with a byte that names do not have.
    Name,
    /// A value with a byte that values do not have.
    Value,
    /// No value, where the dialect needs one.
    NoValue,
}

/// A list that was taken apart. Tags with a faulty name or value are in it as well: what is wrong stands in `faults`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagList<'a> {
    dialect: Dialect,
    /// The tags, in their order.
    pub tags: Vec<Tag<'a>>,
    /// What is wrong, and at which byte.
    pub faults: Vec<(usize, Fault)>,
}

impl<'a> TagList<'a> {
    /// Takes a record apart, by the rules of that dialect.
    pub fn parse(record: &'a [u8], dialect: Dialect) -> Self {
        let mut list = Self { dialect, tags: Vec::new(), faults: Vec::new() };
        let mut at = 0;
        let mut pieces = record.split(|&b| b == b';').peekable();
        while let Some(piece) = pieces.next() {
            let (start, text) = trimmed(piece, at, dialect);
            // One semicolon may end the list.
            if !text.is_empty() {
                list.piece(start, text);
            } else if pieces.peek().is_some() || at == 0 {
                list.faults.push((at, Fault::Empty));
            }
            at += piece.len() + 1;
        }
        list
    }

    fn piece(&mut self, start: usize, text: &'a [u8]) {
        let Some(equals) = text.iter().position(|&b| b == b'=') else {
            self.faults.push((start, Fault::NoEquals));
            return;
        };
        let (_, name) = trimmed(&text[..equals], start, self.dialect);
        let (value_at, value) = trimmed(&text[equals + 1..], start + equals + 1, self.dialect);
        if let Some(bad) = bad_in_name(name, self.dialect) {
            self.faults.push((start + bad, Fault::Name));
        }
        if value.is_empty() && self.dialect == Dialect::Dmarc {
            self.faults.push((value_at, Fault::NoValue));
        }
        if let Some(bad) = bad_in_value(value, self.dialect) {
            self.faults.push((value_at + bad, Fault::Value));
        }
        self.tags.push(Tag { name, value, at: start, value_at });
    }

    /// The first tag of that name.
    pub fn get(&self, name: &str) -> Option<&Tag<'a>> {
        self.tags.iter().find(|tag| self.is_named(tag, name.as_bytes()))
    }

    /// The tags whose name has stood before.
    pub fn repeated(&self) -> impl Iterator<Item = &Tag<'a>> {
        let mut seen = std::collections::BTreeSet::new();
        self.tags.iter().filter(move |tag| {
            !seen.insert(match self.dialect {
                Dialect::Dkim => tag.name.to_vec(),
                Dialect::Dmarc => tag.name.to_ascii_lowercase(),
            })
        })
    }

    /// Names of DKIM are compared byte by byte; the ones of DMARC are literals of an ABNF, which have no case.
    fn is_named(&self, tag: &Tag<'_>, name: &[u8]) -> bool {
        match self.dialect {
            Dialect::Dkim => tag.name == name,
            Dialect::Dmarc => tag.name.eq_ignore_ascii_case(name),
        }
    }
}

/// The items of a value that is a list, without the white space around them, each with its first byte.
pub fn items<'a>(tag: &Tag<'a>, separator: u8, dialect: Dialect) -> Vec<(usize, &'a [u8])> {
    let mut at = tag.value_at;
    let mut items = Vec::new();
    for item in tag.value.split(|&b| b == separator) {
        items.push(trimmed(item, at, dialect));
        at += item.len() + 1;
    }
    items
}

/// Whether the byte is white space there.
pub fn is_space(byte: u8, dialect: Dialect) -> bool {
    matches!(byte, b' ' | b'\t') || (dialect == Dialect::Dkim && matches!(byte, b'\r' | b'\n'))
}

fn trimmed(text: &[u8], at: usize, dialect: Dialect) -> (usize, &[u8]) {
    let space = |b: &&u8| is_space(**b, dialect);
    let before = text.iter().take_while(space).count();
    let rest = &text[before..];
    let after = rest.iter().rev().take_while(space).count();
    (at + before, &rest[..rest.len() - after])
}

fn bad_in_name(name: &[u8], dialect: Dialect) -> Option<usize> {
    let follows = |b: &u8| match dialect {
        Dialect::Dkim => b.is_ascii_alphanumeric() || *b == b'_',
        Dialect::Dmarc => b.is_ascii_alphabetic(),
    };
    match name.first() {
        Some(first) if first.is_ascii_alphabetic() => name.iter().position(|b| !follows(b)),
        _ => Some(0),
    }
}

fn bad_in_value(value: &[u8], dialect: Dialect) -> Option<usize> {
    (0..value.len()).find(|&i| match value[i] {
        b'!'..=b'~' | b' ' => false,
        b'\t' => dialect == Dialect::Dmarc,
        // A line may be folded: its end is followed by white space.
        b'\r' => dialect == Dialect::Dmarc || value.get(i + 1) != Some(&b'\n'),
        b'\n' => {
            dialect == Dialect::Dmarc
                || i == 0
                || value[i - 1] != b'\r'
                || !matches!(value.get(i + 1), Some(b' ' | b'\t'))
        }
        _ => true,
    })
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEquals => "a piece without \"=\"",
            Self::Empty => "nothing between two semicolons",
            Self::Name => "a byte that a tag's name cannot have",
            Self::Value => "a byte that a tag's value cannot have",
            Self::NoValue => "a tag without a value",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    fn dkim(record: &[u8]) -> TagList<'_> {
        TagList::parse(record, Dialect::Dkim)
    }

    fn dmarc(record: &[u8]) -> TagList<'_> {
        TagList::parse(record, Dialect::Dmarc)
    }

    #[test]
    fn tags_have_a_place() {
        let list = dkim(b" v = DKIM1 ;\tp=MI GE ; n=");
        let found: Vec<_> = list.tags.iter().map(|t| (t.at, t.name, t.value_at, t.value)).collect();
        let want: [(usize, &[u8], usize, &[u8]); 3] =
            [(1, b"v", 5, b"DKIM1"), (13, b"p", 15, b"MI GE"), (23, b"n", 25, b"")];
        assert_eq!(found, want);
        assert_eq!(list.faults, []);
        assert_eq!(list.get("p").unwrap().value, b"MI GE");
        assert_eq!(list.get("P"), None);
    }

    #[test]
    fn one_semicolon_may_end_a_list_and_more_may_not() {
        assert_eq!(dkim(b"v=DKIM1; p=a; ").faults, []);
        assert_eq!(dkim(b"v=DKIM1;; p=a").faults, [(8, Fault::Empty)]);
        assert_eq!(dkim(b"p=a;;").faults, [(4, Fault::Empty)]);
        assert_eq!(dkim(b";p=a").faults, [(0, Fault::Empty)]);
        assert_eq!(dkim(b"").faults, [(0, Fault::Empty)]);
        assert_eq!(dmarc(b"v=DMARC1").faults, []);
    }

    #[test]
    fn faults_are_told_at_their_byte() {
        assert_eq!(dkim(b"p=a; k rsa").faults, [(5, Fault::NoEquals)]);
        assert_eq!(dkim(b"\"v=DKIM1; p=a\"").faults, [(0, Fault::Name)]);
        assert_eq!(dkim(b"a-b=c; =d; 1=e").faults, [(1, Fault::Name), (7, Fault::Name), (11, Fault::Name)]);
        assert_eq!(dkim(b"p=a\xc3\xbc").faults, [(3, Fault::Value)]);
        assert_eq!(dkim(b"p=a=b").faults, []);
        assert_eq!(dmarc(b"v=DMARC1; rua=; x_y=1").faults, [(14, Fault::NoValue), (17, Fault::Name)]);
    }

    #[test]
    fn dkim_values_may_be_folded_and_dmarc_values_may_not() {
        assert_eq!(dkim(b"p=a\r\n b\t c").faults, []);
        assert_eq!(dkim(b"p=a\r\nb").faults, [(4, Fault::Value)]);
        assert_eq!(dkim(b"p=a\nb").faults, [(3, Fault::Value)]);
        assert_eq!(dkim(b"p=a\rb").faults, [(3, Fault::Value)]);
        assert_eq!(dmarc(b"v\t=\tDMARC1\t;\tp=none\t").faults, []);
        assert_eq!(dmarc(b"v=DMARC1; p=no\r\n ne").faults, [(14, Fault::Value)]);
        assert_eq!(dmarc(b"v=DMARC1; rua=a\tb").faults, [(15, Fault::Value)]);
    }

    #[test]
    fn a_name_that_stands_twice_is_found() {
        let repeated = |list: &TagList<'_>| list.repeated().map(|t| t.at).collect::<Vec<_>>();
        assert_eq!(repeated(&dkim(b"p=a; P=b; p=c; p=d")), [10, 15]);
        assert_eq!(repeated(&dmarc(b"v=DMARC1; p=none; P=reject")), [18]);
        assert_eq!(dmarc(b"v=DMARC1; P=none").get("p").unwrap().value, b"none");
    }

    #[test]
    fn items_have_a_place() {
        let list = dkim(b"h=sha1 : sha256:");
        let found = items(list.get("h").unwrap(), b':', Dialect::Dkim);
        assert_eq!(found, [(2, b"sha1".as_slice()), (9, b"sha256"), (16, b"")]);
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            rng_seed: RngSeed::Fixed(0x5eed),
            ..ProptestConfig::default()
        })]

        #[test]
        fn what_is_found_stands_where_it_is_said_to(record in "[ vp=;:\t\r\n\"\u{fc}a-c_1]{0,40}") {
            let record = record.as_bytes();
            for dialect in [Dialect::Dkim, Dialect::Dmarc] {
                let list = TagList::parse(record, dialect);
                for tag in &list.tags {
                    prop_assert_eq!(&record[tag.at..tag.at + tag.name.len()], tag.name);
                    prop_assert_eq!(&record[tag.value_at..tag.value_at + tag.value.len()], tag.value);
                    for (at, item) in items(tag, b':', dialect) {
                        prop_assert_eq!(&record[at..at + item.len()], item);
                    }
                }
                prop_assert!(list.faults.iter().all(|(at, _)| *at <= record.len()));
            }
        }
    }
}
