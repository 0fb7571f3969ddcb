//! `relaywatch migrate`: brings the store's schema up to date without starting the daemon.

use std::process::ExitCode;

use clap::Args;

use super::ConfigFile;
use crate::clock::Clock;
use crate::store::{MIGRATIONS, Store};

/// Bring the store's schema up to date.
#[derive(Debug, Args)]
pub struct Migrate {
    #[command(flatten)]
    config: ConfigFile,
}

impl Migrate {
    pub(super) async fn run(self, _: Clock) -> anyhow::Result<ExitCode> {
        let config = self.config.load()?;
        let store = Store::open(config.store.url.expose()).await?;
        store.migrate().await?;
        println!("the schema is at {}", MIGRATIONS.last().map_or("nothing", |m| m.name));
        store.close().await;
        Ok(ExitCode::SUCCESS)
    }
}
