//! `relaywatch explain`: what a webhook body means, without store and network.

mod effects;
mod rules;
mod text;
mod view;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{ConfigFile, Format, print_json};
use crate::app::explain::{Explainer, Given, Provider};
use crate::clock::Clock;
use crate::domain::time::Timestamp;
use crate::sources::sns::Topic;
use text::Text;
use view::View;

/// Say what a webhook body means: authenticity, the answer the hook would give, and each event with the rule that decided.
///
/// No store is opened and nothing is fetched: what is needed to check a signature is given here or stands in the configuration.
#[derive(Debug, Args)]
pub struct Explain {
    /// Whose body it is: `sns` is the whole envelope that /hooks/ses takes, `ses` the inner event.
    #[arg(long, value_enum)]
    source: Provider,
    /// The file that holds the body; `-` is standard input.
    #[arg(default_value = "-")]
    file: PathBuf,
    /// A header of the request, `Name: value`. May be given several times.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// When it was received (RFC 3339). Without it: now.
    #[arg(long, value_name = "TIME", value_parser = time)]
    now: Option<Timestamp>,
    /// A topic that is taken (sns). Without any: those of the configuration, and without that, every topic.
    #[arg(long = "topic", value_name = "ARN", value_parser = topic)]
    topics: Vec<String>,
    /// A signing certificate that is not fetched (sns).
    #[arg(long = "certificate", value_name = "URL=PEMFILE", value_parser = certificate)]
    certificates: Vec<(String, PathBuf)>,
    /// A root that signing certificates must chain to (sns).
    #[arg(long = "trust-root", value_name = "PEMFILE")]
    trust_roots: Vec<PathBuf>,
    /// Apple's key set (apple). Without one the signature is not checked.
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// An audience that is known (apple). Without any: those of the configuration, and without that, every audience.
    #[arg(long = "audience", value_name = "ID")]
    audiences: Vec<String>,
    /// Answer as this endpoint of the configuration, which also asks for its secret.
    #[arg(long, value_name = "NAME")]
    endpoint: Option<String>,
    #[command(flatten)]
    config: ConfigFile,
    /// How to answer.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("takes `Name: value`")?;
    let name = name.trim().parse().map_err(|_| "the name is not that of a header")?;
    let value = value.trim().parse().map_err(|_| "the value cannot stand in a header")?;
    Ok((name, value))
}

fn time(text: &str) -> Result<Timestamp, &'static str> {
    Timestamp::parse(text).ok_or("not an RFC 3339 time, such as 2026-05-01T10:00:00Z")
}

fn topic(text: &str) -> Result<String, &'static str> {
    Topic::parse(text).map(|_| text.to_owned()).ok_or("not the ARN of an SNS topic")
}

fn certificate(text: &str) -> Result<(String, PathBuf), &'static str> {
    let (url, file) =
        text.split_once('=').filter(|(url, file)| !url.is_empty() && !file.is_empty()).ok_or("takes URL=PEMFILE")?;
    Ok((url.to_owned(), file.into()))
}

impl Explain {
    pub(super) async fn run(self, clock: Clock) -> anyhow::Result<ExitCode> {
        for option in self.idle() {
            eprintln!("relaywatch: --{option} says nothing about {} and is not used", self.source.as_str());
        }
        let explainer = Explainer::new(self.source, self.given()?)?;
        let body = self.body(explainer.body_limit())?;
        let headers: HeaderMap = self.headers.iter().cloned().collect();
        let now = self.now.unwrap_or_else(|| clock.now());
        let explanation = explainer.explain(&headers, &body, now).await;
        match self.format {
            Format::Json => print_json(&View::of(&explanation, now))?,
            Format::Text => write!(std::io::stdout().lock(), "{}", Text(&explanation, now))?,
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The options that were given and mean nothing for this source.
    fn idle(&self) -> Vec<&'static str> {
        let (sns, apple) = (self.source == Provider::Sns, self.source == Provider::Apple);
        let options = [
            ("topic", !self.topics.is_empty(), sns),
            ("certificate", !self.certificates.is_empty(), sns),
            ("trust-root", !self.trust_roots.is_empty(), sns),
            ("jwks", self.jwks.is_some(), apple),
            ("audience", !self.audiences.is_empty(), apple),
            ("endpoint", self.endpoint.is_some(), self.source != Provider::Ses),
        ];
        options.into_iter().filter(|(_, given, used)| *given && !used).map(|(name, ..)| name).collect()
    }

    fn given(&self) -> anyhow::Result<Given> {
        // Without a file there is no configuration of an operator's to go by, whatever the environment overlays.
        let config = self.config.config.as_ref().map(|_| self.config.load()).transpose()?;
        let certificate = |(url, file): &(String, PathBuf)| Ok((url.clone(), read(file)?));
        Ok(Given {
            config,
            endpoint: self.endpoint.clone().filter(|_| self.source != Provider::Ses),
            topics: self.topics.clone(),
            certificates: self.certificates.iter().map(certificate).collect::<anyhow::Result<_>>()?,
            trust_roots: self.trust_roots.iter().map(|file| read(file)).collect::<anyhow::Result<_>>()?,
            key_set: self.jwks.as_deref().map(read).transpose()?,
            audiences: self.audiences.clone(),
        })
    }

    /// The body, and one byte more than is taken when there is more: enough to see that it is too large.
    fn body(&self, limit: usize) -> anyhow::Result<Vec<u8>> {
        let most = limit as u64 + 1;
        let mut body = Vec::new();
        let done = if self.file == Path::new("-") {
            std::io::stdin().lock().take(most).read_to_end(&mut body)
        } else {
            std::fs::File::open(&self.file).and_then(|file| file.take(most).read_to_end(&mut body))
        };
        done.with_context(|| format!("cannot read {}", self.file.display()))?;
        Ok(body)
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
