//! What the configuration alone tells: hooks that believe everybody, feeds that are missing, names that nobody checks.

use super::finding::Finding;
use crate::config::Config;
use crate::config::hook_auth::HookAuth;
use crate::domain::time::Timestamp;

/// Everything to say about a configuration that is valid.
pub fn findings(config: &Config, now: Timestamp) -> Vec<Finding> {
    let mut found = hooks(config);
    found.extend(sns(config));
    found.extend(apple(config, now));
    found.extend(teams_and_streams(config));
    found
}

fn hooks(config: &Config) -> Vec<Finding> {
    let places = places(config);
    if places.is_empty() {
        let finding = "no hook is configured, so nothing is ever taken in";
        return vec![Finding::warn(
            "hooks",
            finding,
            "add [[endpoints.ses]], [[endpoints.sparkpost]] or another source",
        )];
    }
    let paths: Vec<_> = places.iter().map(|(source, name)| format!("/hooks/{source}/{name}")).collect();
    let mut found = vec![Finding::ok("hooks", paths.join(", "))];
    let e = &config.endpoints;
    let open = |auth: &HookAuth| matches!(auth, HookAuth::None);
    let sparkpost = e.sparkpost.iter().filter(|e| open(&e.auth)).map(|e| ("sparkpost", &e.name));
    let braze = e.braze.iter().filter(|e| open(&e.auth)).map(|e| ("braze", &e.name));
    for (source, name) in sparkpost.chain(braze) {
        let finding = format!("/hooks/{source}/{name} believes anybody who knows its URL (auth is \"none\")");
        found.push(Finding::warn(
            "hooks",
            finding,
            format!("set endpoints.{source}.auth, and the same secret at {source}"),
        ));
    }
    for endpoint in e.ses.iter().filter(|e| e.topics.is_empty()) {
        let finding =
            format!("/hooks/ses/{} lists no topic: it takes raw delivery only, and nothing signed", endpoint.name);
        found.push(Finding::info("hooks", finding));
    }
    found
}

/// Source and name of every hook.
pub fn places(config: &Config) -> Vec<(&'static str, &str)> {
    let e = &config.endpoints;
    let mut places: Vec<(&'static str, &str)> = e.ses.iter().map(|e| ("ses", e.name.as_str())).collect();
    places.extend(e.sparkpost.iter().map(|e| ("sparkpost", e.name.as_str())));
    places.extend(e.braze.iter().map(|e| ("braze", e.name.as_str())));
    places.extend(e.apple.iter().map(|e| ("apple", e.name.as_str())));
    places
}

fn sns(config: &Config) -> Vec<Finding> {
    if config.endpoints.ses.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    if let Some(emulator) = &config.sns.emulator {
        let finding = format!("messages signed by the stand-in at {} are believed", emulator.endpoint);
        found.push(Finding::warn("sns", finding, "remove [sns.emulator] where real mail is watched"));
    }
    if config.sns.allow_signature_version_1 {
        let remedy =
            "set the attribute SignatureVersion of every topic to 2, then sns.allow_signature_version_1 = false";
        found.push(Finding::warn("sns", "signatures of version 1 (SHA-1) are still taken", remedy));
    } else {
        found.push(Finding::ok("sns", "only signatures of version 2 are taken"));
    }
    found
}

fn apple(config: &Config, now: Timestamp) -> Vec<Finding> {
    if config.endpoints.apple.is_empty() {
        let finding = "no hook takes Apple's notifications: who revokes consent or turns forwarding off stays unknown";
        let remedy =
            "add [[endpoints.apple]] and [[teams.apps]], and give Apple its URL or have the owner of it forward";
        return vec![Finding::warn("apple", finding, remedy)];
    }
    let mut found = Vec::new();
    let (mut apps, mut valid) = (0, 0);
    for (team, app) in config.teams.iter().flat_map(|team| team.apps.iter().map(move |app| (team, app))) {
        let now_valid = app.audiences.iter().filter(|span| span.contains(now)).count();
        (apps, valid) = (apps + 1, valid + now_valid);
        if now_valid == 0 {
            let finding = format!("no audience of app {} of team {} is valid now", app.id, team.id);
            found.push(Finding::warn(
                "apple",
                finding,
                "check `from` and `until` of its audiences; remove an app that has left",
            ));
        }
    }
    if valid > 0 {
        let finding = format!("{apps} app{}, {valid} audience{} valid now", s(apps), s(valid));
        found.push(Finding::ok("apple", finding));
    }
    if let Some(file) = &config.apple.keys_file {
        let finding = format!("Apple's keys come from {} and are never fetched", file.display());
        found.push(Finding::info("apple", finding));
    }
    found
}

fn teams_and_streams(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    let teams: Vec<_> = config.teams.iter().map(|team| team.id.as_str()).collect();
    if teams.is_empty() && !places(config).is_empty() {
        let finding = "[[teams]] is empty: a misspelled team of an endpoint goes unnoticed";
        found.push(Finding::warn("teams", finding, "add a [[teams]] for each Apple developer team"));
    } else if !teams.is_empty() {
        found.push(Finding::ok("teams", teams.join(", ")));
    }
    match config.streams.0.len() {
        0 => {
            let finding = "the file registers none: what the API does not register counts as stream `unregistered`";
            found.push(Finding::info("streams", finding));
        }
        n => found.push(Finding::ok("streams", format!("{n} registered in the file"))),
    }
    found
}

fn s(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
