//! Posts the world's letters to the daemon's hooks over HTTP, a bounded number at a time.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use http::StatusCode;
use http::header::RETRY_AFTER;
use serde::Deserialize;

use super::parcel::{Letter, Parcel, Signers};
use super::progress::Progress;

/// Requests under way at once: about what a busy provider keeps open.
const AT_ONCE: usize = 32;

/// How often a 503 is answered by trying again.
const TRIES: u32 = 20;

/// The world's way to the daemon.
#[derive(Clone)]
pub struct Post {
    client: reqwest::Client,
    hooks: String,
    signers: Arc<Signers>,
}

/// What the daemon said it took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Taken {
    /// Events that were new to it.
    pub new: usize,
    /// Events that it had already.
    pub repeated: usize,
    /// Requests that it refused, as they had to be.
    pub refused: usize,
}

impl Taken {
    /// Adds another count to this one.
    pub fn add(&mut self, other: Self) {
        self.new += other.new;
        self.repeated += other.repeated;
        self.refused += other.refused;
    }
}

#[derive(Deserialize)]
struct Receipt {
    new: usize,
    repeated: usize,
}

/// A client that talks to this machine only.
///
/// # Errors
/// When the TLS stack it never uses cannot be built.
pub fn client() -> anyhow::Result<reqwest::Client> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(60));
    Ok(client.build()?)
}

impl Post {
    /// To the hooks at this address.
    pub fn new(client: reqwest::Client, hooks: std::net::SocketAddr, signers: Arc<Signers>) -> Self {
        Self { client, hooks: format!("http://{hooks}"), signers }
    }

    /// Signs and posts everything.
    ///
    /// # Errors
    /// At the first answer that is not the one it must be.
    pub async fn deliver(&self, parcels: Vec<Parcel>, progress: &Progress) -> anyhow::Result<Taken> {
        // Each in a task of its own, so that signing uses all cores.
        let send = |parcel: Parcel| {
            let (post, events) = (self.clone(), parcel.events());
            let sent = tokio::spawn(async move { post.hand_in(parcel).await });
            async move { Ok::<_, anyhow::Error>((sent.await??, events)) }
        };
        let mut answers = stream::iter(parcels).map(send).buffer_unordered(AT_ONCE);
        let mut all = Taken::default();
        while let Some((taken, events)) = answers.try_next().await? {
            all.add(taken);
            progress.advance(events);
        }
        Ok(all)
    }

    /// Signs and posts one.
    ///
    /// # Errors
    /// When the answer is not the one it must be.
    pub async fn hand_in(&self, parcel: Parcel) -> anyhow::Result<Taken> {
        self.send(parcel.seal(&self.signers)).await
    }

    async fn send(&self, letter: Letter) -> anyhow::Result<Taken> {
        let url = format!("{}{}", self.hooks, letter.path);
        for _ in 0..TRIES {
            let mut request = self.client.post(&url).body(letter.body.clone());
            for (name, value) in &letter.headers {
                request = request.header(*name, value);
            }
            let response = request.send().await.with_context(|| format!("posting to {}", letter.path))?;
            let status = response.status();
            if status == StatusCode::SERVICE_UNAVAILABLE {
                let after = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
                tokio::time::sleep(Duration::from_secs(after.unwrap_or(1).min(5))).await;
                continue;
            }
            ensure!(status == letter.answer, "{} answered {status} where {} was due", letter.path, letter.answer);
            if status != StatusCode::OK {
                return Ok(Taken { refused: 1, ..Taken::default() });
            }
            let receipt: Receipt = response.json().await.with_context(|| format!("the receipt of {}", letter.path))?;
            return Ok(Taken { new: receipt.new, repeated: receipt.repeated, refused: 0 });
        }
        bail!("{} answered 503 {TRIES} times", letter.path)
    }
}
