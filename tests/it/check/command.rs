//! How `check` is called, what it checks, in which order it answers, and how it ends.

use serde_json::json;

use super::{codes_in, document, documents, run};
use crate::daemon::Home;
use crate::dns_server::shared;

fn said(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn wrong_usage_ends_64() {
    for arguments in [
        &["check"][..],
        &["check", "--all", "example.com"],
        &["check", "--all", "--stream-file", "-"],
        &["check", "example.com", "--stream-file", "-"],
        &["check", "example.com", "--resolver", "resolver.example"],
        &["check", "example.com", "--resolver", "192.0.2.53:0"],
        &["check", "example.com", "--format", "xml"],
        // Neither a registered stream nor a domain.
        &["check", "newsletter", "--resolver", "127.0.0.1:9"],
    ] {
        let output = run(arguments, "");
        assert_eq!((output.status.code(), said(&output.stdout).as_str()), (Some(64), ""), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
}

/// 1 would say that a stream is failing.
#[test]
fn what_cannot_be_checked_ends_2() {
    for arguments in [
        &["check", "--stream-file", "/nowhere/streams.ndjson"][..],
        &["check", "example.com", "--config", "/nowhere/config.toml"],
    ] {
        let output = run(arguments, "");
        assert_eq!((output.status.code(), said(&output.stdout).as_str()), (Some(2), ""), "{arguments:?}");
        assert!(said(&output.stderr).contains("/nowhere/"));
    }
}

#[test]
fn the_exit_code_is_the_worst_of_the_postures() {
    let server = shared().to_string();
    for (domains, want) in [
        (&["sound.spf.test"][..], 0),
        (&["several.spf.test"], 0),
        (&["sound.spf.test", "servfail.domain.test"], 2),
        (&["gone.domain.test"], 1),
        (&["servfail.domain.test", "gone.domain.test", "sound.spf.test"], 1),
    ] {
        let arguments = [&["check"], domains, &["--resolver", &server]].concat();
        let (exit, documents) = documents(&arguments, "");
        assert_eq!((exit, documents.len()), (want, domains.len()), "{domains:?}");
        let names: Vec<_> = documents.iter().map(|document| document["stream"].as_str().unwrap()).collect();
        assert_eq!(names, domains, "in their order");
    }
}

#[test]
fn a_domain_is_its_own_from_and_envelope_and_leaves_nothing_behind() {
    let (server, home) = (shared().to_string(), Home::new());
    let output = home.run(&["check", "Sound.SPF.test.", "--resolver", &server, "--format", "json"]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&document["stream"], &document["mail_from_domain"]),
        (&json!("sound.spf.test"), &json!("sound.spf.test"))
    );
    assert_eq!((&document["posture"], codes_in(&document)), (&json!("pass"), vec!["dkim_not_configured"]));
    assert_eq!(document["apple"]["verdict"], "accept");
    assert_eq!(document["spf"][0]["counts"], json!({"lookups": 1, "voids": 0}));
    assert_eq!(document["spf"][0]["tree"]["domain"], "sound.spf.test.");
    assert_eq!(document["dmarc"]["policy"], "reject");
    let queries = document["queries"].as_u64().unwrap();
    assert!((5..=16).contains(&queries), "{queries}");
    assert!(document["checked_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(std::fs::read_dir(home.folder()).unwrap().count(), 0, "no store, no keys");
}

const CONFIG: &str = "\n[[teams]]\nid = \"T1\"\n\n[[streams]]\nname = \"news\"\nteam = \"T1\"\nfrom_domain = \"relay.test\"\nmail_from_domain = \"bounce.relay.test\"\n\
    apple_sources = [\"relay.test\"]\n[[streams.dkim]]\ndomain = \"relay.test\"\nselector = \"k\"\n\n\
    [[streams]]\nname = \"sound.spf.test\"\nteam = \"T1\"\nfrom_domain = \"domain.test\"\n";

#[tokio::test]
async fn registered_streams_come_from_the_file_and_from_the_store() {
    let server = shared().to_string();
    let home = Home::new();
    let toml = home.toml(&home.sqlite_url()) + CONFIG;
    let file = home.folder().join("check.toml");
    std::fs::write(&file, &toml).unwrap();
    let check = |home: &Home, arguments: &[&str]| {
        let common = ["check", "--config", file.to_str().unwrap(), "--resolver", &server, "--format", "json"];
        let output = home.run(&[&common, arguments].concat());
        let documents: Vec<serde_json::Value> =
            said(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (output.status.code(), documents)
    };
    // Before there is a store, the file's are known, and none is made.
    let (exit, news) = check(&home, &["news"]);
    assert_eq!((exit, &news[0]["posture"]), (Some(0), &json!("at_risk")), "{news:?}");
    let wanted = ["relay_mailfrom_unregistered", "relay_spf_path_broken"];
    assert_eq!(codes_in(&news[0]), wanted);
    assert_eq!(news[0]["apple"]["dkim_path"], "pass");
    // A stream's name wins over a domain of that name.
    assert_eq!(check(&home, &["sound.spf.test"]).1[0]["from_domain"], "domain.test");
    assert!(!home.folder().join("relaywatch.db").exists());

    let mut daemon = crate::daemon::Daemon::start(home, &toml).await;
    let token = std::fs::read_to_string(daemon.home().folder().join("data/admin.token")).unwrap();
    let receipts = json!({"name": "receipts", "team": "T1", "from_domain": "servfail.domain.test"});
    daemon.api(http::Method::PUT, "/v1/streams").bearer(token.trim()).json(&receipts).expect(200).await;
    daemon.terminate();
    let home = daemon.home();
    assert_eq!(check(home, &["receipts"]).1[0]["stream"], "receipts");
    let (exit, all) = check(home, &["--all"]);
    let names: Vec<_> = all.iter().map(|document| document["stream"].as_str().unwrap()).collect();
    assert_eq!((exit, names), (Some(2), vec!["news", "sound.spf.test", "receipts"]));
}

#[test]
fn a_domain_is_checked_although_the_store_cannot_be_read() {
    let (server, home) = (shared().to_string(), Home::new());
    std::fs::write(home.folder().join("relaywatch.db"), "no database").unwrap();
    let file = home.folder().join("check.toml");
    std::fs::write(&file, home.toml(&home.sqlite_url()) + CONFIG).unwrap();
    let check = |target: &str| {
        let common = ["check", "--config", file.to_str().unwrap(), "--resolver", &server, "--format", "json"];
        home.run(&[&common[..], &[target]].concat())
    };
    let output = check("tilde.spf.test");
    assert!(output.status.success() && said(&output.stderr).contains("is checked as a domain"), "{output:?}");
    assert!(said(&output.stdout).starts_with("{\"stream\":\"tilde.spf.test\""));
    // What the file names needs no store; what only the store can know does.
    let output = check("news");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let output = check("receipts");
    assert_eq!((output.status.code(), said(&output.stdout).as_str()), (Some(2), ""), "{output:?}");
}

#[test]
fn a_bad_line_is_answered_in_its_place_and_stops_no_other() {
    let server = shared().to_string();
    let lines = [
        r#"{"name":"one","from_domain":"sound.spf.test","mail_from_domain":"sound.spf.test"}"#,
        r#"{"name":"two","from_domain":"no domain"}"#,
        "",
        "not json",
        r#"{"name":"three","from_domain":"domain.test","dkim":[{"domain":"domain.test","selector":"k"}]}"#,
        &format!(r#"{{"name":"four","from_domain":"{}"}}"#, "a".repeat(70_000)),
        r#"{"name":"five","from_domain":"domain.test","colour":"red"}"#,
    ];
    let (exit, rows) = documents(&["check", "--stream-file", "-", "--resolver", &server], &lines.join("\r\n"));
    assert_eq!((exit, rows.len()), (2, 6));
    assert_eq!([&rows[0]["stream"], &rows[0]["posture"]], [&json!("one"), &json!("pass")]);
    assert_eq!([&rows[3]["stream"], &rows[3]["apple"]["dkim_path"]], [&json!("three"), &json!("pass")]);
    for (row, name, line, field) in [
        (1, json!("two"), 2, json!("from_domain")),
        (2, json!(null), 4, json!(null)),
        (4, json!(null), 6, json!(null)),
        (5, json!("five"), 7, json!("colour")),
    ] {
        let error = &rows[row]["error"];
        assert_eq!((&rows[row]["stream"], &rows[row]["posture"]), (&name, &json!("unknown")), "{error}");
        assert_eq!((&error["line"], &error["field"]), (&json!(line), &field), "{error}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()));
    }
    let (exit, none) = documents(&["check", "--stream-file", "-", "--resolver", &server], "\n\n");
    assert_eq!((exit, none.len()), (0, 0));
}

#[test]
fn people_read_apples_paths_first_then_the_findings_then_the_tree() {
    let server = shared().to_string();
    let output = run(&["check", "syntax.spf.test", "--resolver", &server], "");
    let text = said(&output.stdout);
    assert!(output.status.success() && output.stderr.is_empty());
    let order = [
        "syntax.spf.test: at risk\n",
        "  Whether Apple's relay would take this mail is not known.\n",
        "    SPF  path  closed   syntax.spf.test. does not pass (spf_syntax)\n",
        "    DKIM path  unknown ",
        "\nApple\n  warning  relay_spf_path_broken",
        "\nSPF\n  error    spf_syntax  syntax.spf.test. (RFC 7208 4.6)\n",
        "           v=spf1 ip4:192.0.2.300 -all\n",
        "^ at byte ",
        "           -> ",
        "\nDKIM\n",
        "\nSPF records (0 of 10 lookups, 0 of 2 empty answers)\n",
        "problem: ",
        " questions, ",
    ];
    let mut rest = text.as_str();
    for part in order {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part:?} is not in\n{rest}\nof\n{text}"));
        rest = &rest[at + part.len()..];
    }
    assert!(!text.contains('\x1b'), "no colour where nobody looks");
    // The caret stands under the byte of which the document tells.
    let (_, document) = document(&["check", "syntax.spf.test", "--resolver", &server]);
    let offset =
        document["findings"].as_array().unwrap().iter().find_map(|finding| finding["offset"].as_u64()).unwrap();
    let caret = text.lines().find(|line| line.trim_start().starts_with('^')).unwrap();
    assert_eq!(caret.find('^').unwrap() as u64, 11 + offset);
}

#[test]
fn many_are_told_shortly_and_counted() {
    let server = shared().to_string();
    let output =
        run(&["check", "sound.spf.test", "gone.domain.test", "servfail.domain.test", "--resolver", &server], "");
    let text = said(&output.stdout);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.starts_with("sound.spf.test: pass\n  Apple's relay would take this mail.\n"), "{text}");
    assert!(text.contains("\ngone.domain.test: failing\n") && text.contains("critical domain_nxdomain"), "{text}");
    assert!(text.ends_with("\n3 streams: 1 failing, 1 unknown, 1 pass\n"), "{text}");
    assert!(!text.contains("dkim_not_configured"), "no remarks on what works: {text}");
}

#[test]
fn what_is_published_cannot_steer_the_terminal() {
    let zone = "@ TXT \"v=spf1 ip4:192.0.2.1 \\027[2J -all\"\n";
    let server = crate::dns_server::zones(&[("steer.test", zone)]);
    let output = run(&["check", "steer.test", "--resolver", &server.address().to_string()], "");
    let text = said(&output.stdout);
    assert!(!text.contains('\x1b') && text.contains("\\027[2J"), "{text}");
}
