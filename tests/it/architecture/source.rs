//! One Rust file as the checks see it: its code without comments, strings and test items, and its string literals.

use std::ops::Range;

/// A source file.
pub struct Source {
    /// Path from the repository's root.
    pub path: String,
    /// The text as written.
    pub text: String,
    /// The text with comments, literals and test items blanked out; every byte keeps its line.
    pub code: String,
    /// The text string literals outside test items, with their offsets.
    pub literals: Vec<(usize, String)>,
    /// Lines outside inline test modules.
    pub lines: usize,
    test_modules: Vec<String>,
}

impl Source {
    /// Reads one file.
    pub fn new(path: &str, text: &str) -> Self {
        let (mut code, mut literals) = blank(text);
        let mut lines = text.lines().count();
        let mut test_modules = Vec::new();
        for range in test_items(&code) {
            let item = code[range.clone()].to_owned();
            if let Some(name) = item.strip_suffix(';').and_then(|item| item.rsplit("mod ").next()) {
                test_modules.push(name.trim().to_owned());
            }
            if item.contains("mod ") {
                lines -= item.matches('\n').count();
            }
            literals.retain(|(offset, _)| !range.contains(offset));
            code.replace_range(range, &hollow(&item));
        }
        Self { path: path.to_owned(), text: text.to_owned(), code, literals, lines, test_modules }
    }

    /// The line of an offset, counted from 1.
    pub fn line(&self, offset: usize) -> usize {
        self.text.as_bytes()[..offset].iter().filter(|&&byte| byte == b'\n').count() + 1
    }

    /// The module path of the file inside the crate: `src/store/mod.rs` is `["store"]`, `src/lib.rs` is empty.
    pub fn module(&self) -> Vec<&str> {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let mut module: Vec<_> = inside.trim_end_matches(".rs").split('/').collect();
        if module == ["lib"] || module == ["main"] || module.last() == Some(&"mod") {
            module.pop();
        }
        module
    }

    /// The first part of the path under `src`: the room the file belongs to.
    pub fn room(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs")
    }

    /// The files of `#[cfg(test)] mod name;` lines.
    pub fn test_files(&self) -> Vec<String> {
        let folder = match self.path.rsplit_once('/') {
            Some((folder, "mod.rs" | "lib.rs" | "main.rs")) => folder.to_owned(),
            _ => self.path.trim_end_matches(".rs").to_owned(),
        };
        let files = |name| [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")];
        self.test_modules.iter().flat_map(files).collect()
    }
}

/// The same number of lines and bytes, with nothing in them.
fn hollow(text: &str) -> String {
    text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect()
}

/// Blanks comments and literals; also gives the string literals.
fn blank(text: &str) -> (String, Vec<(usize, String)>) {
    let mut code = String::with_capacity(text.len());
    let mut literals = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let before = code.as_bytes();
        let end = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(hashes) = raw_string(rest, before) {
            let close = format!("\"{}", "#".repeat(hashes));
            let open = hashes + 2;
            let end = rest[open..].find(&close).map_or(rest.len(), |found| open + found + close.len());
            literals.push((at, rest[open..end.saturating_sub(close.len()).max(open)].to_owned()));
            end
        } else if rest.starts_with('"') {
            let end = quoted(rest, '"');
            literals.push((at, rest[1..end.saturating_sub(1).max(1)].to_owned()));
            end
        } else if is_char_literal(rest) {
            quoted(rest, '\'')
        } else {
            let char = rest.chars().next().expect("not at the end");
            code.push(char);
            at += char.len_utf8();
            continue;
        };
        code.push_str(&hollow(&rest[..end]));
        at += end;
    }
    (code, literals)
}

/// The end of a block comment, which may hold others.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// The number of `#` of a raw string that begins here (`r"`, `r#"`, and after a `b` or `c`).
fn raw_string(rest: &str, before: &[u8]) -> Option<usize> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let standing = match before {
        [.., two, b'b' | b'c'] => !is_word(two),
        [.., one] => !is_word(one),
        [] => true,
    };
    let after = rest.strip_prefix('r').filter(|_| standing)?;
    let hashes = after.bytes().take_while(|&byte| byte == b'#').count();
    after[hashes..].starts_with('"').then_some(hashes)
}

/// A quote that opens a character, and not a lifetime.
fn is_char_literal(rest: &str) -> bool {
    let mut chars = rest.chars();
    chars.next() == Some('\'') && (chars.next() == Some('\\') || chars.next() == Some('\''))
}

/// The end of a literal in quotes, escapes minded.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, char) in rest.char_indices().skip(1) {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if char == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Where the items under `#[cfg(test)]` stand, from the attribute to the closing brace or semicolon.
fn test_items(code: &str) -> Vec<Range<usize>> {
    let mut items = Vec::new();
    let mut from = 0;
    while let Some(found) = code[from..].find("#[cfg(test)]") {
        let begin = from + found;
        let mut depth = 0;
        let mut end = code.len();
        for (at, byte) in code.bytes().enumerate().skip(begin) {
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                b';' if depth == 0 => {}
                _ => continue,
            }
            if depth == 0 {
                end = at + 1;
                break;
            }
        }
        items.push(begin..end);
        from = end;
    }
    items
}

mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_no_code() {
        let text = concat!(
            "/// crate::a\nuse x; /* crate::b /* */ crate::c */ let s = \"crate::d \\\" {\"; let c = '\"';\n",
            "let r = r#\"crate::e \" \"#; let b = br\"crate::f\"; fn f<'a>(x: &'a str) { '\\'' } // crate::g",
        );
        let source = Source::new("src/x.rs", text);
        assert_eq!(source.code.len(), text.len());
        assert!(!source.code.contains("crate"), "{}", source.code);
        assert!(source.code.contains("fn f<'a>(x: &'a str) {"), "{}", source.code);
        let literals: Vec<_> =
            source.literals.iter().map(|(offset, text)| (source.line(*offset), text.as_str())).collect();
        assert_eq!(literals, [(2, "crate::d \\\" {"), (3, "crate::e \" "), (3, "crate::f")]);
    }

    #[test]
    fn test_items_are_no_code() {
        let text = "use a;\n#[cfg(test)]\nmod tests {\n fn f() { \"x\" }\n}\n#[cfg(test)]\nmod more;\nuse b;\n";
        let source = Source::new("src/dns/mod.rs", text);
        assert_eq!(source.code.split_whitespace().collect::<Vec<_>>(), ["use", "a;", "use", "b;"]);
        assert_eq!((source.lines, source.line(text.find("use b").unwrap())), (4, 8));
        assert!(source.literals.is_empty());
        assert_eq!(source.test_files(), ["src/dns/more.rs", "src/dns/more/mod.rs"]);
        assert_eq!(Source::new("src/dns/spf.rs", text).test_files()[0], "src/dns/spf/more.rs");
    }

    #[test]
    fn a_file_knows_its_room_and_module() {
        let of = |path| {
            let source = Source::new(path, "");
            (source.room().to_owned(), source.module().join("::"))
        };
        assert_eq!(of("src/lib.rs"), ("lib".into(), String::new()));
        assert_eq!(of("src/intake.rs"), ("intake".into(), "intake".into()));
        assert_eq!(of("src/domain/bounce/mod.rs"), ("domain".into(), "domain::bounce".into()));
        assert_eq!(of("src/cli/demo/world.rs"), ("cli".into(), "cli::demo::world".into()));
    }
}
