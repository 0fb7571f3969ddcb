//! Proves that an address or a `sub` stands nowhere: in no file, log or answer, in no encoding of it.
//!
//! A test marks the people it invents with a [`Marked`] stem, runs its story, and asserts that the stem is nowhere. A
//! stem is 64 random bits, so it is found only where somebody put it.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use ring::rand::{SecureRandom, SystemRandom};

/// The invented people of one test: every address and subject carries the same stem.
pub struct Marked {
    stem: String,
}

impl Marked {
    /// A stem that nobody else has.
    pub fn new() -> Self {
        let mut random = [0; 8];
        SystemRandom::new().fill(&mut random).expect("the system has randomness");
        Self { stem: format!("{:016x}", u64::from_be_bytes(random)) }
    }

    /// What must stand nowhere.
    pub fn stem(&self) -> &str {
        &self.stem
    }

    /// The relay address of person `n`.
    pub fn address(&self, n: usize) -> String {
        self.address_at(n, "privaterelay.appleid.com")
    }

    /// The address of person `n` at another domain.
    pub fn address_at(&self, n: usize, domain: &str) -> String {
        format!("{}{n}@{domain}", self.stem)
    }

    /// The `sub` of person `n`, in Apple's shape: six digits, 32 hexadecimal digits, four digits.
    pub fn sub(&self, n: usize) -> String {
        format!("{:06}.{}{n:016x}.{:04}", n % 1_000_000, self.stem, n % 10_000)
    }
}

/// Fails if a mark stands in a haystack, in the clear or in one of the encodings of [`forms`]; names all places.
pub fn assert_nowhere(marks: &[&str], haystacks: &[(&str, &[u8])]) {
    let found = places(marks, haystacks);
    assert!(found.is_empty(), "personal data in {} places:\n{}", found.len(), found.join("\n"));
}

/// Where the marks stand, as `haystack, offset, encoding`; the first place per haystack and form.
pub fn places(marks: &[&str], haystacks: &[(&str, &[u8])]) -> Vec<String> {
    places_of(marks.iter().flat_map(|mark| forms(mark)).collect(), haystacks)
}

/// Where these bytes stand, as `haystack, offset, name`; the first place of each per haystack.
pub fn places_of(forms: Vec<(&'static str, Vec<u8>)>, haystacks: &[(&str, &[u8])]) -> Vec<String> {
    let needles = Needles::new(forms.iter().map(|(_, bytes)| bytes.as_slice()).collect());
    let mut found = Vec::new();
    for (name, hay) in haystacks {
        for (which, offset) in needles.first_places(hay) {
            let around = hay[offset.saturating_sub(60)..(offset + 60).min(hay.len())].escape_ascii();
            found.push(format!("{name}, byte {offset}: {}, in {around}", forms[which].0));
        }
    }
    found
}

/// Every file under a folder, read whole: the database, its `-wal` and `-shm`, the journal, the logs.
///
/// SQLite spreads a value longer than a page over several, so one copy of a mark may be cut in two there. A test
/// therefore marks many people, not one.
pub fn files_under(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            files.extend(files_under(&path));
        } else {
            match fs::read(&path) {
                Ok(bytes) => files.push((path.display().to_string(), bytes)),
                // A running database removes its files when it likes.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => panic!("{}: {error}", path.display()),
            }
        }
    }
    files
}

/// [`assert_nowhere`] for all files under a folder; returns how many there were, so that a test can tell an empty one.
pub fn assert_nowhere_under(marks: &[&str], folder: &Path) -> usize {
    let files = files_under(folder);
    let haystacks: Vec<_> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    assert_nowhere(marks, &haystacks);
    files.len()
}

/// A mark as it may have been written, each with the name of the encoding.
fn forms(mark: &str) -> Vec<(&'static str, Vec<u8>)> {
    let mut forms = Vec::new();
    let mut add = |name, bytes: Vec<u8>| {
        if !forms.iter().any(|(_, known)| *known == bytes) {
            forms.push((name, bytes));
        }
    };
    for text in [mark.to_owned(), mark.to_lowercase(), mark.to_uppercase()] {
        add("in the clear", text.clone().into_bytes());
        let each = |write: &dyn Fn(u8) -> String| text.bytes().map(write).collect::<String>().into_bytes();
        let only_special = |escape: &dyn Fn(u8) -> String| {
            each(&|b| if is_unreserved(b) { char::from(b).to_string() } else { escape(b) })
        };
        add("percent-encoded", only_special(&|b| format!("%{b:02X}")));
        add("percent-encoded", only_special(&|b| format!("%{b:02x}")));
        add("percent-encoded in full", each(&|b| format!("%{b:02X}")));
        add("percent-encoded in full", each(&|b| format!("%{b:02x}")));
        add("JSON-escaped", only_special(&|b| format!("\\u{b:04X}")));
        add("JSON-escaped", only_special(&|b| format!("\\u{b:04x}")));
        add("JSON-escaped in full", each(&|b| format!("\\u{b:04X}")));
        add("JSON-escaped in full", each(&|b| format!("\\u{b:04x}")));
        add("hexadecimal", each(&|b| format!("{b:02X}")));
        add("hexadecimal", each(&|b| format!("{b:02x}")));
        add("UTF-16", text.encode_utf16().flat_map(u16::to_le_bytes).collect());
        for before in 0..3 {
            for (name, engine) in [("base64", &STANDARD_NO_PAD), ("base64url", &URL_SAFE_NO_PAD)] {
                add(name, inside_base64(engine, &text, before));
            }
        }
    }
    forms
}

/// What no encoding needs to escape (RFC 3986 section 2.3).
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// The part of the base64 text that is the same whatever stands around the mark, for a mark that begins `before` bytes
/// after a group of three.
fn inside_base64(engine: &impl Engine, mark: &str, before: usize) -> Vec<u8> {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(mark.as_bytes());
    let text = engine.encode(&bytes);
    // Characters that also hold bits of a neighbour are left out.
    let first = (before * 8).div_ceil(6);
    let last = bytes.len() * 8 / 6;
    text.as_bytes()[first..last].to_vec()
}

/// Many needles, looked for in one pass: those that begin with the same two bytes stand together.
struct Needles<'a> {
    all: Vec<&'a [u8]>,
    by_start: Vec<Vec<usize>>,
}

impl<'a> Needles<'a> {
    fn new(all: Vec<&'a [u8]>) -> Self {
        let mut by_start = vec![Vec::new(); 1 << 16];
        for (which, needle) in all.iter().enumerate() {
            assert!(needle.len() >= 4, "a mark this short is found by chance");
            by_start[start_of(needle)].push(which);
        }
        Self { all, by_start }
    }

    /// Needle and offset of the first place of each needle that occurs.
    fn first_places(&self, hay: &[u8]) -> Vec<(usize, usize)> {
        let mut found: Vec<(usize, usize)> = Vec::new();
        for offset in 0..hay.len().saturating_sub(1) {
            for &which in &self.by_start[start_of(&hay[offset..])] {
                if hay[offset..].starts_with(self.all[which]) && !found.iter().any(|(known, _)| *known == which) {
                    found.push((which, offset));
                }
            }
        }
        found
    }
}

fn start_of(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn marked_people_are_distinct_and_share_one_stem() {
        let (one, two) = (Marked::new(), Marked::new());
        assert_ne!(one.stem(), two.stem());
        assert_eq!(one.stem().len(), 16);
        for text in [one.address(1), one.sub(1), one.address_at(7, "icloud.com")] {
            assert!(text.contains(one.stem()) && !text.contains(two.stem()));
        }
        assert_ne!(one.address(1), one.address(2));
        let sub = one.sub(12);
        assert_eq!(sub.split('.').map(str::len).collect::<Vec<_>>(), [6, 32, 4]);
    }

    #[test]
    fn finds_a_mark_in_every_encoding() {
        let people = Marked::new();
        let address = people.address(3);
        let bytes = address.as_bytes();
        let written = [
            ("clear", format!("to=<{address}>")),
            ("upper case", address.to_uppercase()),
            ("percent", bytes.iter().map(|b| format!("%{b:02x}")).collect()),
            ("json", bytes.iter().map(|b| format!("\\u{b:04x}")).collect()),
            ("hex", bytes.iter().map(|b| format!("{b:02X}")).collect()),
            ("utf-16", String::from_utf8(address.encode_utf16().flat_map(u16::to_le_bytes).collect()).unwrap()),
        ];
        for (name, text) in &written {
            assert!(!places(&[people.stem()], &[(name, text.as_bytes())]).is_empty(), "{name}: {text}");
            assert!(places(&[Marked::new().stem()], &[(name, text.as_bytes())]).is_empty(), "{name}: somebody else");
        }
        // A whole address as the mark: its `@` is what escapes differ in.
        for text in [address.replace('@', "%40"), address.replace('@', "\\u0040")] {
            assert!(!places(&[&address], &[("escaped", text.as_bytes())]).is_empty(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn finds_a_mark_in_base64_whatever_stands_around_it(before: Vec<u8>, after: Vec<u8>, shout: bool) {
            let people = Marked::new();
            let address = if shout { people.address(1).to_uppercase() } else { people.address(1) };
            let whole = [before.as_slice(), address.as_bytes(), after.as_slice()].concat();
            for text in [STANDARD_NO_PAD.encode(&whole), URL_SAFE_NO_PAD.encode(&whole)] {
                prop_assert!(!places(&[people.stem()], &[("base64", text.as_bytes())]).is_empty(), "{}", text);
            }
        }
    }

    #[test]
    #[should_panic(expected = "personal data in 1 places:\nlog, byte 3: in the clear")]
    fn a_mark_fails_the_test_and_its_place_is_named() {
        assert_nowhere(&["0123456789abcdef"], &[("empty", b""), ("log", b"to=0123456789abcdef")]);
    }

    #[test]
    fn reads_every_file_under_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let people = Marked::new();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("store.db-wal"), b"nothing").unwrap();
        assert_eq!(assert_nowhere_under(&[people.stem()], folder.path()), 1);
        fs::write(folder.path().join("a/b/log"), [&[0, 255], people.address(9).as_bytes()].concat()).unwrap();
        let files = files_under(folder.path());
        assert_eq!(files.len(), 2);
        let result = std::panic::catch_unwind(|| assert_nowhere_under(&[people.stem()], folder.path()));
        assert!(result.is_err(), "a mark in a file two folders down was missed");
    }
}
