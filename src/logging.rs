//! The log: text or JSON lines on stderr, filtered by target, with a last seal against addresses.
//!
//! The first fence is that an address has no `Display` and its `Debug` shows nothing. Two more stand here, for what other
//! crates may say (a database's error detail, a panic's words): foreign targets never log below `info`, and whatever
//! looks like a mail address is replaced before a line is written.

use std::io::{self, Write};
use std::panic::PanicHookInfo;

use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry};

use crate::config::log::{Log, LogFormat};

/// Makes this process log as configured, panics included. Once per process.
///
/// # Errors
/// When the process logs already.
pub fn install(log: &Log) -> Result<(), tracing::subscriber::SetGlobalDefaultError> {
    tracing::subscriber::set_global_default(subscriber(log, io::stderr))?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// The subscriber that [`install`] installs, writing its lines to `writer`.
pub fn subscriber<W>(log: &Log, writer: W) -> impl Subscriber + Send + Sync + use<W>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = log.level.targets().clone().and(filter_fn(is_ours_or_terse));
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(Sealing(writer));
    let lines = match log.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    Registry::default().with(lines.with_filter(filter))
}

/// Other crates may print what they handle when asked for more than `info`: SMTP dialogues, queries, headers.
fn is_ours_or_terse(event: &Metadata<'_>) -> bool {
    event.target().starts_with(env!("CARGO_PKG_NAME")) || *event.level() <= LevelFilter::INFO
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let words = panic.payload_as_str().unwrap_or("no words");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(place, "panicked: {words}");
}

/// Writes whole lines with every address replaced.
struct Sealing<W>(W);

struct Sealed<W>(W);

impl<'w, W: MakeWriter<'w>> MakeWriter<'w> for Sealing<W> {
    type Writer = Sealed<W::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        Sealed(self.0.make_writer())
    }
}

impl<W: Write> Write for Sealed<W> {
    /// The formatting layer hands over one whole event per call, so an address is never cut in two.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(line) {
            Ok(text) if text.contains('@') => self.0.write_all(seal(text).as_bytes())?,
            _ => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Replaces what looks like `local@domain.tld`, generously: a word too many is a smaller loss than an address.
fn seal(text: &str) -> String {
    let is_local = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let is_domain = |c: char| c.is_alphanumeric() || c == '.' || c == '-';
    let mut sealed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        let local = before.trim_end_matches(is_local).len();
        let domain = after.find(|c| !is_domain(c)).unwrap_or(after.len());
        if local < at && after[..domain].trim_matches('.').contains('.') {
            sealed.push_str(&before[..local]);
            sealed.push_str("<address>");
            rest = &after[domain..];
        } else {
            sealed.push_str(&rest[..=at]);
            rest = after;
        }
    }
    sealed + rest
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, level: &str, speak: impl FnOnce()) -> String {
        let lines = Lines::default();
        let log = Log { format, level: level.parse().unwrap() };
        let writer = lines.clone();
        tracing::subscriber::with_default(subscriber(&log, move || writer.clone()), speak);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn text_and_json_carry_message_and_fields() {
        let speak = || tracing::info!(events = 3, "committed");
        let text = logged(LogFormat::Text, "info", speak);
        assert!(text.contains("INFO") && text.contains("committed events=3"), "{text}");
        let json: serde_json::Value = serde_json::from_str(&logged(LogFormat::Json, "info", speak)).unwrap();
        assert_eq!(
            (&json["level"], &json["message"], &json["events"]),
            (&"INFO".into(), &"committed".into(), &3.into())
        );
    }

    #[test]
    fn the_filter_goes_by_target_and_foreign_detail_is_never_shown() {
        let text = logged(LogFormat::Text, "trace,relaywatch::dns=warn", || {
            tracing::debug!("ours");
            tracing::info!(target: "relaywatch::dns", "quiet");
            tracing::info!(target: "sqlx", "foreign news");
            tracing::debug!(target: "lettre", "foreign dialogue");
        });
        assert!(text.contains("ours") && text.contains("foreign news"), "{text}");
        assert!(!text.contains("quiet") && !text.contains("foreign dialogue"), "{text}");
    }

    #[test]
    fn an_address_that_slips_through_is_sealed() {
        let text = logged(LogFormat::Json, "info", || {
            tracing::warn!(
                detail = "Key (address)=(abc123@privaterelay.appleid.com) exists",
                "cannot <x.y@mail.example>"
            );
        });
        assert!(!text.contains("abc123") && !text.contains("x.y@"), "{text}");
        assert_eq!(text.matches("<address>").count(), 2, "{text}");
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
    }

    #[test]
    fn sealing_leaves_the_rest_alone() {
        for (text, want) in [
            ("to=<a@b.example>, from=b+a=c.example@d.example.", "to=<<address>>, <address>"),
            ("postgres://relay:***@db:5432/x", "postgres://relay:***@db:5432/x"),
            ("at @ 12", "at @ 12"),
            ("@a.b", "@a.b"),
            ("ü.ö@bücher.example!", "<address>!"),
            ("a@b@c.example", "a@<address>"),
            ("", ""),
        ] {
            assert_eq!(seal(text), want, "{text}");
        }
    }
}
