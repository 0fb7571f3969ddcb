//! The canaries for people: what is broken first, then every route on one line.

use std::fmt::Write as _;

use crate::cli::paint::Paint;
use crate::intake::{Matrix, RouteStanding};

/// The whole answer.
pub(super) fn matrix(matrix: &Matrix, paint: Paint) -> String {
    let mut out = String::new();
    if matrix.rounds.is_empty() {
        return "no canaries are configured; see [[canaries.routes]]\n".to_owned();
    }
    for (i, round) in matrix.rounds.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{}{}  broken: {}",
            if i > 0 { "\n" } else { "" },
            paint.bold(&round.round),
            round.broken.as_str()
        );
        let _ = writeln!(out, "  {}", round.because);
        let told = round
            .told_by
            .map_or_else(|| "no round tells yet".to_owned(), |n| format!("told by round {n} of {}", round.n));
        let next = format!("{told}; next {}; the budget bears {} more now", round.next_at, round.rounds_left);
        let _ = writeln!(out, "  {}", paint.faint(&next));
        for route in &round.routes {
            let _ = writeln!(out, "  {:<10} {:<24} {}", route.role.as_str(), route.route, standing(route));
            if let Some(error) = &route.mailbox_error {
                let _ = writeln!(out, "  {:<10} {:<24} its mailbox cannot be read: {error}", "", "");
            }
        }
    }
    out
}

fn standing(route: &RouteStanding) -> String {
    let mut text = route.state.unwrap_or("never sent").to_owned();
    if let Some(seconds) = route.seconds {
        let _ = write!(text, " after {seconds:.0} s");
    }
    if let Some(refused) = &route.refused {
        let code = refused.code.map(|code| format!("{code} ")).unwrap_or_default();
        let _ = write!(text, " by {}: {code}{}", refused.rule, refused.text.as_deref().unwrap_or_default());
    }
    if let Some(sent_at) = route.sent_at {
        let _ = write!(text, " (sent {sent_at})");
    }
    text
}
