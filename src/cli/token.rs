//! `relaywatch token`: makes, lists and revokes tokens of the API.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::Subcommand;

use super::{ConfigFile, Format, print_json};
use crate::app::{Core, mint_token};
use crate::clock::Clock;
use crate::http::api::auth::Scope;
use crate::store::AuditRow;

/// Make, list and revoke tokens of the API.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token and print it: it is shown this once.
    Create {
        #[command(flatten)]
        config: ConfigFile,
        /// What it is for; stands in the audit trail.
        #[arg(long)]
        name: String,
        /// What it may do: sendability, changes, users, erase, streams, admin. May be given several times.
        #[arg(long = "scope", required = true, value_parser = scope)]
        scopes: Vec<Scope>,
        /// After how many days it ends. Without it: never.
        #[arg(long, value_name = "DAYS")]
        days: Option<u64>,
    },
    /// List all tokens, without their secrets.
    List {
        #[command(flatten)]
        config: ConfigFile,
        /// How to answer.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Revoke a token; a running daemon refuses it within seconds.
    Revoke {
        #[command(flatten)]
        config: ConfigFile,
        /// Its id, `tok_…`.
        id: String,
    },
}

fn scope(word: &str) -> Result<Scope, String> {
    Scope::parse(word).ok_or_else(|| "takes sendability, changes, users, erase, streams or admin".to_owned())
}

impl TokenCommand {
    pub(super) async fn run(self, clock: Clock) -> anyhow::Result<ExitCode> {
        let (Self::Create { config, .. } | Self::List { config, .. } | Self::Revoke { config, .. }) = &self;
        let core = Core::open(config.load()?, clock, true).await?;
        let done = self.with(&core).await;
        core.close().await;
        done.map(|()| ExitCode::SUCCESS)
    }

    async fn with(self, core: &Core) -> anyhow::Result<()> {
        let now = core.clock.now();
        let mut tx = core.store.write().await?;
        let audit = |action: &str, detail: serde_json::Value| AuditRow {
            id: uuid::Uuid::now_v7().to_string(),
            at: now,
            who: "command line".to_owned(),
            action: action.to_owned(),
            detail: detail.to_string(),
        };
        match self {
            Self::Create { name, scopes, days, .. } => {
                let (token, digest) = mint_token();
                let scopes = scopes.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(" ");
                let mut row = core.token_row(&name, digest, &scopes);
                row.expires_at = days.map(|days| now.plus(Duration::from_secs(days.saturating_mul(86_400))));
                tx.put_token(&row).await?;
                tx.put_audit(&audit("token_create", serde_json::json!({"id": row.id, "scopes": scopes}))).await?;
                tx.commit().await?;
                println!("{token}");
            }
            Self::List { format, .. } => {
                for row in tx.tokens().await? {
                    let line = serde_json::json!({
                        "id": row.id, "name": row.name, "scopes": row.scopes.split(' ').collect::<Vec<_>>(),
                        "created_at": row.created_at, "expires_at": row.expires_at, "revoked_at": row.revoked_at,
                    });
                    if format == Format::Json {
                        print_json(&line)?;
                        continue;
                    }
                    let ends = match (row.revoked_at, row.expires_at) {
                        (Some(at), _) => format!("revoked {at}"),
                        (None, Some(at)) => format!("ends {at}"),
                        (None, None) => "good".to_owned(),
                    };
                    println!("{}  {:<24}  {:<32}  {ends}", row.id, row.name, row.scopes);
                }
            }
            Self::Revoke { id, .. } => {
                if !tx.revoke_token(&id, now).await? {
                    bail!("no good token has the id {id}");
                }
                tx.put_audit(&audit("token_revoke", serde_json::json!({"id": id}))).await?;
                tx.commit().await?;
                println!("revoked {id}");
            }
        }
        Ok(())
    }
}
