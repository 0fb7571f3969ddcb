//! Where the demo runs: a temporary folder, a configuration, and the daemon on free ports of this machine.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::canaries;
use super::cast::{APPS, TEAM};
use super::parcel::{ENDPOINT, SECRET, Signers, TOPIC};
use super::plot::mail::{NEWS, RECEIPTS, Way};
use super::world::relay::Relay;
use crate::app::{self, Bound};
use crate::clock::Clock;
use crate::config::{Config, environment};
use crate::shutdown::Ended;

/// Where the world's mailboxes are, below the folder.
const MAIL: &str = "mail";

/// The folder and what was put into it. The folder goes with this value.
pub struct Stage {
    folder: Folder,
    /// Takes the canaries.
    pub relay: Relay,
    /// The configuration.
    pub config: Config,
}

/// A temporary folder, removed with this value.
struct Folder(PathBuf);

impl Stage {
    /// Makes the folder, readable by its owner only, and in it the configuration and the world's public keys.
    ///
    /// # Errors
    /// When the folder cannot be written, or there is no port for the relay.
    pub fn set(signers: &Signers) -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("relaywatch-demo-{}", uuid::Uuid::now_v7().simple()));
        DirBuilder::new().mode(0o700).create(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        // From here on the folder is removed, whatever happens.
        let folder = Folder(folder);
        let relay = Relay::start(canaries::known_to_relay(&folder.0.join(MAIL))).context("cannot start the relay")?;
        let mut stage = Self { folder, relay, config: Config::default() };
        stage.write("apple-keys.json", &signers.apple.jwks())?;
        stage.write("sns-root.pem", signers.sns.root_pem().as_bytes())?;
        stage.write("sns-certificate.pem", signers.sns.certificate_pem().as_bytes())?;
        stage.write("demo.toml", stage.toml(signers)?.as_bytes())?;
        // Of the environment only the log level: a developer's own settings are not the demo's.
        let only_level = environment().filter(|(name, _)| name == "RELAYWATCH_LOG");
        stage.config = Config::load(Some(&stage.config_file()), only_level)?;
        Ok(stage)
    }

    /// The configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.folder.0.join("demo.toml")
    }

    /// The file with the token that may do everything; there once the daemon has started.
    pub fn token_file(&self) -> PathBuf {
        self.folder.0.join("admin.token")
    }

    fn write(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let path = self.folder.0.join(name);
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
    }

    fn toml(&self, signers: &Signers) -> anyhow::Result<String> {
        let path = |name: &str| -> anyhow::Result<toml::Value> {
            let path = self.folder.0.join(name);
            let text = path.to_str().ok_or_else(|| anyhow!("the temporary folder's name is not Unicode"))?;
            Ok(toml::Value::from(text))
        };
        let (folder, keys) = (path("")?, path("apple-keys.json")?);
        let (root, certificate) = (path("sns-root.pem")?, path("sns-certificate.pem")?);
        let canaries = canaries::sections(self.relay.port(), &self.folder.0.join(MAIL), &root);
        let url = signers.sns.certificate_url();
        let (header, secret) = SECRET;
        let [shop, club] = APPS;
        let (news, receipts) = (stream("news", NEWS, "sparkpost"), stream("receipts", RECEIPTS, "ses"));
        Ok(format!(
            r#"# The demo's configuration. Port 0 means any free port.
[server]
hooks_listen = "127.0.0.1:0"
api_listen = "127.0.0.1:0"
operations_listen = "127.0.0.1:0"

[store]
data_dir = {folder}

[log]
level = "error"

# The world's domains are invented; nobody is asked about them.
[checks]
enabled = false

[[teams]]
id = "{TEAM}"
[[teams.apps]]
id = "{shop}"
[[teams.apps]]
id = "{club}"

{news}
{receipts}
[[endpoints.sparkpost]]
name = "{ENDPOINT}"
team = "{TEAM}"
auth = {{ header = {{ name = "{header}", values = ["{secret}"] }} }}

[[endpoints.ses]]
name = "{ENDPOINT}"
team = "{TEAM}"
topics = ["{TOPIC}"]

[[endpoints.apple]]
name = "{ENDPOINT}"

# The world's own keys, in place of Amazon's and Apple's.
[sns]
trust_roots = [{root}]
[sns.certificates]
"{url}" = {certificate}

[apple]
keys_file = {keys}
{canaries}"#
        ))
    }
}

fn stream(name: &str, way: Way, provider: &str) -> String {
    let from_domain = way.from.rsplit('@').next().unwrap_or_default();
    let envelope = way.envelope;
    format!(
        "[[streams]]\nname = \"{name}\"\nteam = \"{TEAM}\"\nfrom_domain = \"{from_domain}\"\n\
         mail_from_domain = \"{envelope}\"\nprovider = \"{provider}\"\n"
    )
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The daemon of `relaywatch serve`, in a task of this process.
pub struct Daemon {
    /// Where it listens.
    pub bound: Bound,
    orders: mpsc::Sender<&'static str>,
    task: JoinHandle<anyhow::Result<Ended>>,
}

impl Daemon {
    /// Starts it and waits until it can answer.
    ///
    /// # Errors
    /// Why it did not start.
    pub async fn start(config: Config, clock: Clock) -> anyhow::Result<Self> {
        let (orders, inbox) = mpsc::channel(4);
        let (ready, answer) = oneshot::channel();
        let task = tokio::spawn(app::serve(config, clock, true, inbox, Some(ready)));
        match answer.await {
            Ok(bound) => Ok(Self { bound, orders, task }),
            // It dropped the sender: it has ended, and says why.
            Err(_) => Err(task.await?.err().unwrap_or_else(|| anyhow!("the daemon ended before it was ready"))),
        }
    }

    /// Passes an order on, such as a signal. One that comes after the end is lost, rightly.
    pub async fn order(&self, order: &'static str) {
        let _ = self.orders.send(order).await;
    }

    /// Waits for its end. Can be dropped and called again.
    ///
    /// # Errors
    /// When it failed.
    pub async fn ended(&mut self) -> anyhow::Result<Ended> {
        (&mut self.task).await?
    }
}
