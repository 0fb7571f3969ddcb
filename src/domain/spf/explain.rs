//! The explanation of a `fail` (RFC 7208 section 6.2).

use crate::domain::dns::{Kind, Name, Question, Unanswered};

use super::macros::{MacroString, Place};
use super::matching::Client;

/// What the domain says, `domain` being where the record with `exp=` stands. Whatever is wrong with it, there is then no explanation:
/// it never changes the result.
pub fn explanation(
    client: &mut Client<'_, '_>,
    target: &MacroString,
    domain: &Name,
) -> Result<Option<String>, Unanswered> {
    let Some(name) = client.target(target, domain)? else { return Ok(None) };
    let texts = client.inquiry.ask(Question::new(name, Kind::Txt))?.texts();
    let [text] = texts.as_slice() else { return Ok(None) };
    let Ok(text) = MacroString::parse(text, 0, Place::Explanation) else { return Ok(None) };
    let expanded = client.expand(&text, domain)?;
    // What comes out of an envelope may hold anything; it must not break the line it is printed on.
    let line = String::from_utf8_lossy(&expanded).replace(char::is_control, " ");
    Ok(Some(line))
}
