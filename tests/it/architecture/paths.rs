//! Finds the paths that code names, with the groups of `use` trees written out: `a::{b, c::d}` is `a::b` and `a::c::d`.

/// Every path of at least one segment, with its offset.
pub fn paths(code: &str) -> Vec<(usize, Vec<&str>)> {
    let mut reader = Reader { code, at: 0, found: Vec::new() };
    while reader.at < code.len() {
        if reader.identifier_follows() {
            reader.path(&mut Vec::new());
        } else {
            // A number may have a suffix that is no path.
            let digits = reader.rest().bytes().take_while(u8::is_ascii_alphanumeric).count();
            let char = reader.rest().chars().next().map_or(1, char::len_utf8);
            reader.at += digits.max(char);
        }
    }
    reader.found
}

struct Reader<'a> {
    code: &'a str,
    at: usize,
    found: Vec<(usize, Vec<&'a str>)>,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.code[self.at..]
    }

    fn identifier_follows(&self) -> bool {
        self.rest().starts_with(|c: char| c.is_alphabetic() || c == '_')
    }

    fn identifier(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// Reads on from an identifier; `before` holds the segments of the groups around it.
    fn path(&mut self, before: &mut Vec<&'a str>) {
        let begin = self.at;
        let outer = before.len();
        loop {
            before.push(self.identifier());
            let end = self.at;
            self.skip_space();
            if !self.rest().starts_with("::") {
                self.at = end;
                break;
            }
            self.at += 2;
            self.skip_space();
            if self.rest().starts_with('{') {
                self.at += 1;
                self.group(before);
                before.truncate(outer);
                return;
            }
            if !self.identifier_follows() {
                break;
            }
        }
        self.found.push((begin, before.clone()));
        before.truncate(outer);
    }

    fn group(&mut self, before: &mut Vec<&'a str>) {
        loop {
            self.skip_space();
            match self.rest().as_bytes().first() {
                None => return,
                Some(b'}') => {
                    self.at += 1;
                    return;
                }
                Some(_) if self.identifier_follows() => {
                    self.path(before);
                    // What may follow is ` as name`.
                    self.at += self.rest().find([',', '}']).unwrap_or(self.rest().len());
                }
                Some(b'*') => {
                    self.found.push((self.at, before.clone()));
                    self.at += 1;
                }
                Some(_) => self.at += self.rest().chars().next().map_or(1, char::len_utf8),
            }
        }
    }
}

mod tests {
    use super::*;

    fn joined(code: &str) -> Vec<String> {
        paths(code).into_iter().map(|(_, path)| path.join("::")).filter(|path| path.contains("::")).collect()
    }

    #[test]
    fn writes_out_groups() {
        let code = "use crate::{store::{Store, Tx as T}, domain::*, \n clock};\npub use super :: b;";
        assert_eq!(
            joined(code),
            ["crate::store::Store", "crate::store::Tx", "crate::domain", "crate::clock", "super::b"]
        );
    }

    #[test]
    fn finds_paths_in_the_middle_of_code() {
        let code = "fn f(x: &crate::a::B<crate::c::D>) -> u8 { $crate::e!(1u8); crate::g::<crate::h::I>(); J { x } }";
        assert_eq!(joined(code), ["crate::a::B", "crate::c::D", "crate::e", "crate::g", "crate::h::I"]);
        assert_eq!(paths("  a::b\n c").iter().map(|(at, _)| *at).collect::<Vec<_>>(), [2, 8]);
    }
}
