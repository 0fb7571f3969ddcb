//! The real daemon sends canaries through real servers: Postfix signs and relays, Dovecot keeps the mail. Each state has a real cause, and is
//! seen in the API, in the command and in the metrics.

mod killed;
mod overdue;
mod within;

use std::time::Duration;

use http::Method;
use relaywatch::clock::Stopwatch;
use serde_json::Value;

use crate::daemon::Home;
use crate::feeds::TEAM;
use crate::mail::real_world::{World, world};
use crate::stage::Stage;

/// How long a state may take to come: a ceiling, a look, and a relay that tries again every few seconds, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// A configuration under construction: streams of two teams, the servers, and what a test adds.
struct Setup {
    toml: String,
    addresses: String,
}

impl Setup {
    /// `ceiling`: how long canaries are waited for.
    fn new(ceiling: &str) -> Self {
        let stream = |name, team, domain| {
            format!("[[streams]]\nname = \"{name}\"\nteam = \"{team}\"\nfrom_domain = \"{domain}\"\n")
        };
        let toml = [
            "[[teams]]\nid = \"TEAM2\"\n".to_owned(),
            stream("shop", TEAM, "sender.test"),
            stream("stranger", TEAM, "unregistered.test"),
            stream("other", "TEAM2", "sender.test"),
            format!("[canaries]\nidle = \"6h\"\nburst_for = \"4m\"\nceiling = \"{ceiling}\"\n"),
        ];
        Self { toml: toml.concat(), addresses: String::new() }
    }

    /// A server that takes canaries; `more`: its port, and what else there is to say.
    fn submission(mut self, name: &str, envelope: &str, more: &str) -> Self {
        self.toml += &format!(
            "[[submissions]]\nname = \"{name}\"\nhello = \"probe.sender.test\"\nenvelope_from = \"{envelope}\"\ntimeout = \"9s\"\n{more}\n"
        );
        self
    }

    /// The sender's own server (STARTTLS, login), and the relay's own, which refuses who is not registered.
    fn servers(self) -> Self {
        let World { ip, authority } = world();
        let server = format!("host = \"{ip}\"\nca_file = \"{authority}\"\n");
        self.submission(
            "own",
            "probe@sender.test",
            &format!("{server}port = 2587\nusername = \"probe\"\npassword = \"secret\""),
        )
        .submission("relay", "probe@unregistered.test", &format!("{server}port = 2525"))
    }

    /// A user's mailbox, by IMAP over TLS.
    fn mailbox(self, user: &str) -> Self {
        self.mailbox_by(user, &world().ip, 2993)
    }

    fn mailbox_by(mut self, user: &str, host: &str, port: u16) -> Self {
        let authority = &world().authority;
        self.toml += &format!(
            "[[mailboxes]]\nname = \"{user}\"\nkind = \"imap\"\nhost = \"{host}\"\nport = {port}\nca_file = \"{authority}\"\n\
             username = \"{user}\"\npassword = \"secret\"\nauthserv_id = \"mx.mailbox.test\"\ntimeout = \"9s\"\npoll = \"3s\"\n"
        );
        self
    }

    /// An address by name.
    fn address(mut self, name: &str, address: &str) -> Self {
        self.addresses += &format!("[[canaries.addresses]]\nname = \"{name}\"\naddress = \"{address}\"\n");
        self
    }

    /// A route `round.role`: of which stream, by which submission, to which address, in which mailbox.
    fn route(mut self, round: &str, role: &str, [stream, submission, address, mailbox]: [&str; 4]) -> Self {
        self.addresses += &format!(
            "[[canaries.routes]]\nname = \"{round}.{role}\"\nround = \"{round}\"\nrole = \"{role}\"\nstream = \"{stream}\"\n\
             submission = \"{submission}\"\nmailbox = \"{mailbox}\"\naddresses = [\"{address}\"]\n"
        );
        self
    }

    /// The daemon, on a SQLite database of its own. It sends at once.
    async fn start(self) -> Stage {
        self.start_in(Home::new()).await
    }

    /// The same, in a home where its database may be already.
    async fn start_in(self, home: Home) -> Stage {
        let url = home.sqlite_url();
        // The feeds' own sections come first; a table that was begun goes on in a list of its own.
        Stage::on(home, &url, &format!("\n{}{}", self.toml, self.addresses)).await
    }
}

/// How the API tells the canaries.
async fn told(stage: &Stage) -> Value {
    stage.api(Method::GET, "/v1/canaries").expect(200).await.json()
}

/// One route of it.
fn route<'a>(told: &'a Value, name: &str) -> &'a Value {
    let routes = told["rounds"].as_array().into_iter().flatten().flat_map(|round| round["routes"].as_array()).flatten();
    routes.into_iter().find(|route| route["route"] == name).unwrap_or_else(|| panic!("no {name} in {told}"))
}

fn round<'a>(told: &'a Value, name: &str) -> &'a Value {
    let rounds = told["rounds"].as_array().expect("rounds");
    rounds.iter().find(|round| round["round"] == name).unwrap_or_else(|| panic!("no {name} in {told}"))
}

/// Waits until each of these routes is in its state (or in one of several: `arrived|late`) by the API, and then asks the command and the metrics
/// for the same. Gives what was told.
async fn expect_states(stage: &Stage, wanted: &[(&str, &str)]) -> Value {
    let began = Stopwatch::start();
    let now = loop {
        let now = told(stage).await;
        let is_in = |name, wanted: &str| wanted.split('|').any(|state| route(&now, name)["state"] == state);
        let wrong: Vec<_> = wanted.iter().filter(|(name, wanted)| !is_in(name, wanted)).collect();
        if wrong.is_empty() {
            break now;
        }
        assert!(began.elapsed() < PATIENCE, "{wrong:?} did not come: {now:#}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let command: Value = serde_json::from_str(&stage.command(&["canary", "status", "--format", "json"])).expect("JSON");
    for (name, _) in wanted {
        let state = &route(&now, name)["state"];
        assert_eq!(route(&command, name)["state"], *state, "{command:#}");
        let metric = format!("relaywatch_canary_state{{route=\"{name}\",state={state}}}");
        assert!((stage.metric(&metric).await - 1.0).abs() < f64::EPSILON, "{metric}");
    }
    assert!(!now.to_string().contains('@'), "no address is told: {now}");
    now
}

/// Waits until a counter of a route has come to 1: what time alone decides is counted when it is settled.
async fn expect_counted(stage: &Stage, metric: &str) {
    let began = Stopwatch::start();
    while (stage.metric(metric).await - 1.0).abs() > f64::EPSILON {
        assert!(began.elapsed() < PATIENCE, "{metric} is {}", stage.metric(metric).await);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
