//! Why there is no record, or not the one: what stands at the name instead.

use crate::domain::dns::{Inquiry, Kind, Name, Question, Reply, Unanswered};
use crate::domain::finding::{Code, Finding, printable};

use super::super::record::is_spf;
use super::{from_provider, publish};

/// The text without the white space before it, where that alone keeps it from being a record.
fn after_space(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let bare = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}' || c == '\u{200b}');
    (bare.len() < text.len() && is_spf(bare.as_bytes())).then(|| bare.to_owned())
}

/// The text without the quotation marks around it, where they alone keep it from being a record.
fn unquoted(text: &[u8]) -> Option<String> {
    const MARKS: [char; 8] = ['"', '\'', '\\', '`', '\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}'];
    let text = String::from_utf8_lossy(text);
    let inner = text.trim_start_matches(|c: char| c.is_whitespace());
    let bare = inner.trim_matches(|c: char| c.is_whitespace() || MARKS.contains(&c));
    (inner.starts_with(MARKS) && is_spf(bare.as_bytes())).then(|| bare.to_owned())
}

fn is_sender_id(text: &[u8]) -> bool {
    text.get(..7).is_some_and(|begin| begin.eq_ignore_ascii_case(b"spf2.0/"))
}

/// Texts that are almost SPF, or once were.
pub fn leftovers(domain: &Name, reply: &Reply) -> Vec<Finding> {
    let mut findings = Vec::new();
    let texts = reply.texts();
    let counts = texts.iter().any(|text| is_spf(text));
    let remedy = |record: &str| match counts {
        true => format!("Remove this TXT record at {domain}; the one that counts stands beside it"),
        false => publish(domain, record),
    };
    for text in texts {
        if let Some(record) = after_space(&text) {
            let evidence = "white space stands before `v=spf1`: receivers do not take the text for SPF";
            findings.push(Finding::new(Code::SpfLeadingSpace, domain, evidence, remedy(&record)).offset(&text, 0));
        } else if let Some(record) = unquoted(&text) {
            let evidence = "a typed quotation mark stands before `v=spf1`: receivers do not take the text for SPF";
            findings.push(Finding::new(Code::SpfQuoted, domain, evidence, remedy(&record)).offset(&text, 0));
        } else if is_sender_id(&text) {
            let evidence = "Sender ID was given up; no receiver reads it";
            let remedy =
                format!("Nothing has to change; the TXT record that begins with spf2.0/ at {domain} can be removed");
            findings.push(Finding::new(Code::SpfSenderid, domain, evidence, remedy).record(&text));
        }
    }
    findings
}

/// That there is no record, and what is known of why.
pub fn missing(inquiry: &mut Inquiry<'_>, domain: &Name, reply: &Reply) -> Result<Vec<Finding>, Unanswered> {
    let dead = inquiry.ask(Question::new(domain.clone(), Kind::Spf))?;
    let mut findings = Vec::new();
    let mut typed = dead.texts().into_iter().filter(|text| is_spf(text));
    let texts = reply.texts();
    let almost = texts.iter().find(|text| text.get(..5).is_some_and(|begin| begin.eq_ignore_ascii_case(b"v=spf")));
    let meant = texts.iter().find_map(|text| after_space(text).or_else(|| unquoted(text)));
    let mut evidence = match texts.len() {
        _ if reply.is_nxdomain() => "NXDOMAIN: the name does not exist".to_owned(),
        0 => "no TXT record at all".to_owned(),
        1 => "one TXT record, and it does not begin with `v=spf1` and a space".to_owned(),
        n => format!("{n} TXT records, and none begins with `v=spf1` and a space"),
    };
    if let Some(last) = reply.chain.last() {
        evidence += &format!("; a CNAME leads to {last}");
    }
    let mut remedy = match meant {
        Some(record) => publish(domain, &record),
        None => from_provider(domain),
    };
    if let Some(record) = typed.next() {
        let shown = printable(&record);
        let evidence = "a record of type SPF (99), which receivers no longer ask for";
        remedy = publish(domain, &shown).replace("as the only", "as TXT, as the only");
        findings.push(Finding::new(Code::SpfType99, domain, evidence, remedy.clone()).record(&record));
    }
    let finding = Finding::new(Code::SpfMissing, domain, evidence, remedy);
    findings.push(match almost {
        Some(text) => finding.record(text),
        None => finding,
    });
    Ok(findings)
}

/// That there are several records at a name. `remedy` is what to do where that is known.
pub fn several(name: &Name, records: &[Vec<u8>], remedy: Option<String>) -> Finding {
    let shown: Vec<_> = records.iter().map(|record| format!("`{}`", printable(record))).collect();
    let evidence =
        format!("{} SPF records, which is a permanent error at receivers: {}", records.len(), shown.join(", "));
    let remedy = remedy.unwrap_or_else(|| format!("Leave one SPF record at {name}, with the terms of all of them"));
    Finding::new(Code::SpfMultiple, name, evidence, remedy)
        .record(records.first().map_or(b"".as_slice(), Vec::as_slice))
}

/// That the answer did not fit UDP.
pub fn large(domain: &Name, reply: &Reply, raw: &[u8]) -> Finding {
    let (count, bytes) = (reply.texts().len(), reply.texts().iter().map(Vec::len).sum::<usize>());
    let evidence = format!("the answer came over TCP: {count} TXT records with {bytes} bytes at one name");
    let remedy =
        format!("Remove TXT records at {domain} that nobody reads any more; the SPF record itself need not change");
    Finding::new(Code::SpfResponseLarge, domain, evidence, remedy).record(raw)
}
