//! The wiring: the only room that names every concrete type. [`Core`] is what commands and daemon share; [`serve()`] is the daemon.

mod canaries;
pub mod explain;
mod jobs;
mod keys;
mod rerun;
mod serve;
mod sources;

pub use keys::read as read_keys;
pub use rerun::{Rerun, rerun};
pub use serve::{Bound, StoreMetrics, serve};
pub use sources::{endpoints, rules};

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::config::Config;
use crate::config::store::Backend;
use crate::domain::stream::{Stream, StreamBook};
use crate::http::api::auth::{Scope, mint};
use crate::intake::{Bounds, Context, FailingStreams, Intake};
use crate::metrics::Metrics;
use crate::store::{Store, TokenRow, with_registered};

/// About what one event waiting for the disk holds in memory, in bytes: what it counts of `limits.queue_bytes`.
const EVENT_BYTES: usize = 2_048;

/// Store, keys and door: what every command that writes goes through.
pub struct Core {
    /// The configuration it was opened with.
    pub config: Arc<Config>,
    /// Time.
    pub clock: Clock,
    /// Counters.
    pub metrics: Metrics,
    /// The store.
    pub store: Store,
    /// The door.
    pub intake: Intake,
    worker: JoinHandle<()>,
}

/// Fills the buffer with randomness from the system.
///
/// # Panics
/// When the system has none; nothing safe can be done then.
pub fn random(buffer: &mut [u8]) {
    SystemRandom::new().fill(buffer).expect("the system gives randomness");
}

impl Core {
    /// Opens store and keys and starts the intake worker. With `migrate`, brings the schema up to date; without, refuses one that is not.
    ///
    /// # Errors
    /// Names the setting that is wrong, or says that the store does not answer.
    pub async fn open(config: Config, clock: Clock, migrate: bool) -> anyhow::Result<Self> {
        // The TLS stack wants one provider, chosen before first use.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let metrics = Metrics::new(clock.now())?;
        let store = Store::open(config.store.url.expose()).await.context("opening the store")?;
        if migrate {
            store.migrate().await.context("migrating the store")?;
        } else {
            let remedy = "checking the schema (`relaywatch migrate` brings an older one up to date)";
            store.check_schema().await.context(remedy)?;
        }
        let embedded = config.store.url.backend() == Backend::Sqlite;
        let keyring = keys::load(&key_file(&config), embedded, random)?;
        let streams = StreamBook::new(all_streams(&config, &store).await?);
        let canaries = canaries::book(&config, &keyring);
        let context = Arc::new(Context {
            keyring: Arc::new(keyring),
            streams: ArcSwap::from_pointee(streams),
            policy_version: config.policy.policy().version(),
            policy: config.policy.policy(),
            index: Arc::default(),
            failing: FailingStreams::new(config.checks.enabled),
            destinations: jobs::destinations(&config),
            daily: std::sync::Mutex::default(),
            canaries,
            random,
            clock: clock.clone(),
            metrics: metrics.clone(),
        });
        context.failing.refresh(&store).await?;
        let bounds = Bounds {
            queue_events: config.limits.queue_bytes.get() / EVENT_BYTES,
            patience: config.limits.commit_timeout.get(),
            ..Bounds::default()
        };
        let (intake, worker) = Intake::open(context, store.clone(), bounds);
        let worker = tokio::spawn(worker);
        Ok(Self { config: Arc::new(config), clock, metrics, store, intake, worker })
    }

    /// Lets the door close, waits until everything taken is on disk, and closes the store.
    pub async fn close(self) {
        let Self { intake, worker, store, .. } = self;
        drop(intake);
        if worker.await.is_err() {
            tracing::error!("the intake worker did not end well");
        }
        store.close().await;
    }

    /// On the very first start, makes a token that may do everything and leaves it in the data folder, for its owner only.
    ///
    /// # Errors
    /// When the store or the folder cannot be written.
    pub async fn first_token(&self) -> anyhow::Result<Option<PathBuf>> {
        let mut tx = self.store.write().await?;
        if !tx.tokens().await?.is_empty() {
            return Ok(None);
        }
        let path = self.config.store.data_dir.join("admin.token");
        let (token, digest) = mint_token();
        tx.put_token(&self.token_row("first start", digest, Scope::Admin.as_str())).await?;
        match keys::write_private(&path, format!("{token}\n").as_bytes()) {
            Ok(()) => {}
            // Left from an earlier database: the token in it is not good any more.
            Err(_) if path.exists() => {
                std::fs::remove_file(&path)?;
                keys::write_private(&path, format!("{token}\n").as_bytes())?;
            }
            Err(e) => return Err(e),
        }
        tx.commit().await?;
        Ok(Some(path))
    }

    /// The row of a new token.
    pub fn token_row(&self, name: &str, digest: Vec<u8>, scopes: &str) -> TokenRow {
        TokenRow {
            id: format!("tok_{}", uuid::Uuid::now_v7().simple()),
            name: name.to_owned(),
            digest,
            scopes: scopes.to_owned(),
            created_at: self.clock.now(),
            expires_at: None,
            revoked_at: None,
        }
    }
}

/// A new token: its text, to be shown once, and its digest.
pub fn mint_token() -> (String, Vec<u8>) {
    let mut bytes = [0; 32];
    random(&mut bytes);
    mint(bytes)
}

/// Where the root secrets are.
pub fn key_file(config: &Config) -> PathBuf {
    config.keys.file.clone().unwrap_or_else(|| config.store.data_dir.join("keys.toml"))
}

/// The streams of the file, then those registered over the API that the file does not name.
///
/// # Errors
/// When the store fails or holds a registration that is none.
pub async fn all_streams(config: &Config, store: &Store) -> anyhow::Result<Vec<Stream>> {
    let rows = store.read().await?.streams().await?;
    Ok(with_registered(&config.streams.0, &rows)?)
}
