//! The records that an SPF record leads to, drawn with what each of them costs.

use std::fmt::{self, Display, Formatter};

use crate::cli::paint::{Harmless, Paint};
use crate::domain::finding::State;
use crate::domain::spf::{Counts, Tree};

/// What RFC 7208 section 4.6.4 allows.
const ALLOWED: Counts = Counts { lookups: 10, voids: 2 };

/// How deep a drawing goes; receivers stop at ten.
const DEEPEST: usize = 24;

/// A tree to be printed.
pub struct Drawn<'a> {
    /// Its root.
    pub tree: &'a Tree,
    /// What counts against the limits.
    pub counts: Counts,
    /// In which colours.
    pub paint: Paint,
}

impl Display for Drawn<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let part = |count: u32, allowed: u32, word: &str| {
            let state = if count > allowed { State::Fail } else { State::Pass };
            self.paint.state(state, &format!("{count} of {allowed} {word}")).to_string()
        };
        let (lookups, voids) = (
            part(self.counts.lookups, ALLOWED.lookups, "lookups"),
            part(self.counts.voids, ALLOWED.voids, "empty answers"),
        );
        writeln!(f, "{} ({lookups}, {voids})", self.paint.bold("SPF records"))?;
        self.node(f, self.tree, "  ", "  ", 0)
    }
}

impl Drawn<'_> {
    /// A record; `first` stands before its first line, `rest` before the others.
    fn node(&self, f: &mut Formatter<'_>, node: &Tree, first: &str, rest: &str, depth: usize) -> fmt::Result {
        let Tree { domain, record, via, matched, own_lookups, total_lookups, voids, problem, children } = node;
        write!(f, "{first}")?;
        if let Some(via) = via {
            write!(f, "{} -> ", Harmless(via))?;
        }
        write!(f, "{}", self.paint.bold(domain))?;
        let mut costs = match (own_lookups, total_lookups) {
            (0, 0) => String::new(),
            (own, total) if own == total => counted(*own, "lookup"),
            (own, total) => format!("{}, {total} with what it leads to", counted(*own, "lookup")),
        };
        if *voids > 0 {
            costs += &format!("{}{}", if costs.is_empty() { "" } else { ", " }, counted(*voids, "empty answer"));
        }
        if !costs.is_empty() {
            write!(f, "  {}", self.paint.faint(&format!("({costs})")))?;
        }
        writeln!(f)?;
        let below = if children.is_empty() { "   " } else { "│  " };
        if let Some(record) = record {
            writeln!(f, "{rest}{below}{}", Harmless(record))?;
        }
        if let Some(matched) = matched {
            writeln!(f, "{rest}{below}{} {}", self.paint.state(State::Pass, "matched:"), Harmless(matched))?;
        }
        if let Some(problem) = problem {
            writeln!(f, "{rest}{below}{} {}", self.paint.state(State::Fail, "problem:"), Harmless(problem))?;
        }
        if depth >= DEEPEST && !children.is_empty() {
            return writeln!(f, "{rest}└─ and so on");
        }
        for (at, child) in children.iter().enumerate() {
            let [branch, trunk] = if at + 1 == children.len() { ["└─ ", "   "] } else { ["├─ ", "│  "] };
            self.node(f, child, &format!("{rest}{branch}"), &format!("{rest}{trunk}"), depth + 1)?;
        }
        Ok(())
    }
}

fn counted(n: u32, word: &str) -> String {
    if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dns::Name;

    fn node(domain: &str, via: Option<&str>, record: &str) -> Tree {
        let mut tree = Tree::new(&Name::parse(domain).unwrap(), via.map(str::to_owned));
        tree.record = Some(record.to_owned());
        tree
    }

    fn drawn(tree: &Tree, lookups: u32) -> String {
        Drawn { tree, counts: Counts { lookups, voids: 0 }, paint: Paint::none() }.to_string()
    }

    #[test]
    fn a_tree_shows_what_leads_where_and_what_it_costs() {
        let mut root = node("example.com", None, "v=spf1 include:a.test include:b.test ~all");
        let mut a = node("a.test", Some("include:a.test"), "v=spf1 mx -all");
        (a.own_lookups, a.total_lookups, a.voids) = (1, 1, 2);
        let mut b = Tree::new(&Name::parse("b.test").unwrap(), Some("include:b.test".to_owned()));
        b.problem = Some("no SPF record".to_owned());
        root.children = vec![a, b];
        (root.own_lookups, root.total_lookups) = (2, 3);
        let wanted = "\
SPF records (3 of 10 lookups, 0 of 2 empty answers)
  example.com.  (2 lookups, 3 with what it leads to)
  │  v=spf1 include:a.test include:b.test ~all
  ├─ include:a.test -> a.test.  (1 lookup, 2 empty answers)
  │     v=spf1 mx -all
  └─ include:b.test -> b.test.
        problem: no SPF record
";
        assert_eq!(drawn(&root, 3), wanted);
    }

    #[test]
    fn a_drawing_ends() {
        let mut tree = node("end.test", None, "v=spf1 -all");
        for _ in 0..100 {
            let mut above = node("a.test", None, "v=spf1 -all");
            above.children = vec![tree];
            tree = above;
        }
        assert!(drawn(&tree, 1).contains("and so on"));
    }
}
