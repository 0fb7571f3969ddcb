//! Speed and memory, as ratios against a baseline measured in the same run on the same machine; absolute rates are for sizing only.
//!
//! `cargo bench` prints one row per number of the design. Flags after `--`: `--addresses N` (default 1,000,000), `--seconds N` of each
//! measurement (default 3), `--postgres URL` (an empty database on a throw-away server; without it those rows are left out and say so),
//! `--only WORD`.

mod checks;
mod dns;
mod intake;
mod load;
#[path = "../it/many_streams.rs"]
mod many_streams;
mod report;
#[path = "../it/scripted_dns.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod scripted_dns;
mod server;
mod world;

use std::path::PathBuf;

use report::Report;

/// What a run is asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Addresses in the store.
    pub addresses: u64,
    /// Length of each measurement, in seconds.
    pub seconds: u64,
    /// A throw-away PostgreSQL database.
    pub postgres: Option<String>,
    /// Only rows whose name holds this.
    pub only: Option<String>,
    /// Where databases are made; on a real disk, since durability is measured.
    pub folder: PathBuf,
}

impl Asked {
    fn from_arguments() -> Result<Self, String> {
        let mut asked = Self {
            addresses: 1_000_000,
            seconds: 3,
            postgres: std::env::var("RELAYWATCH_BENCH_POSTGRES").ok(),
            only: None,
            folder: PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
        };
        let mut arguments = std::env::args().skip(1).filter(|a| a != "--bench");
        while let Some(flag) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{flag} takes a value"));
            let number = |text: String| text.replace('_', "").parse().map_err(|_| format!("not a number: {text}"));
            match flag.as_str() {
                "--addresses" => asked.addresses = number(value()?)?,
                "--seconds" => asked.seconds = number(value()?)?,
                "--postgres" => asked.postgres = Some(value()?),
                "--only" => asked.only = Some(value()?),
                "--folder" => asked.folder = PathBuf::from(value()?),
                _ => return Err(format!("unknown flag {flag}")),
            }
        }
        Ok(asked)
    }

    /// Whether a group of rows is wanted.
    pub fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    }
}

fn main() {
    let asked = match Asked::from_arguments() {
        Ok(asked) => asked,
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(64);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut report = Report::default();
        if asked.wants("checks") {
            checks::run(&asked, &mut report).await;
        }
        if asked.wants("intake sparkpost") || asked.wants("intake ses") {
            intake::run(&asked, &mut report).await;
        }
        if asked.wants("dns") {
            dns::run(&mut report).await;
        }
        report.print();
    });
}
