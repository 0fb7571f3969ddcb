//! What the README shows is what the program prints.

use std::fmt::Write;

use relaywatch::domain::finding::Code;

use super::run;
use crate::dns_server::zones;

const README: &str = include_str!("../../../README.md");

#[test]
fn the_table_lists_every_finding_as_it_is() {
    let mut table = String::from("| finding | severity | when |\n|---|---|---|\n");
    for code in Code::ALL {
        let meaning = code.meaning().trim_end_matches('.');
        writeln!(table, "| `{code}` | {} | {meaning} |", code.severity().as_str()).unwrap();
    }
    assert!(README.contains(&table), "README.md has another table than this:\n{table}");
}

#[test]
fn the_report_is_a_real_one() {
    let fixture = include_str!("../../fixtures/dns/domain.test.zone");
    let key = fixture.lines().find(|line| line.starts_with("k._domainkey ")).expect("a key");
    let key = key.replacen("k._domainkey ", "s1._domainkey ", 1);
    let sender = format!(
        "@ TXT \"v=spf1 ip4:192.0.2.25 -all\"\n_dmarc TXT \"v=DMARC1; p=reject; rua=mailto:dmarc@example.com\"\n{key}\n\
         bounce TXT \"v=spf1 include:_spf.esp.example ip4:192.0.2.300 -all\"\nbounce MX 10 mx\nmx A 192.0.2.25\n"
    );
    let server = zones(&[("example.com", &sender), ("esp.example", "_spf TXT \"v=spf1 ip4:198.51.100.0/24 -all\"\n")]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("relaywatch.toml");
    let config = "[[teams]]\nid = \"A1B2C3D4E5\"\n\n[[streams]]\nname = \"news\"\nteam = \"A1B2C3D4E5\"\nfrom_domain = \"example.com\"\n\
        mail_from_domain = \"bounce.example.com\"\napple_sources = [\"bounce.example.com\", \"shop.example.com\", \"example.com\"]\n\
        dkim = [{ domain = \"example.com\", selector = \"s1\" }]\n";
    std::fs::write(&file, config).unwrap();
    let address = server.address().to_string();
    let output = run(&["check", "news", "--config", file.to_str().unwrap(), "--resolver", &address], "");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    // All but the last line, which tells the time.
    let (report, _) = said.trim_end().rsplit_once("\n\n").unwrap();
    assert!(README.contains(&format!("```\n{report}\n")), "README.md shows another report than this:\n{report}");
}
