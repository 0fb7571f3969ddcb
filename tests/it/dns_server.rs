//! DNS servers for tests: Knot DNS, dnsdist and Unbound on loopback, by `tests/components/dns`.
//!
//! To add zones, put `tests/fixtures/dns/ORIGIN.zone` there; all tests share them by [`shared`]. Records only: SOA, NS and the
//! `$ORIGIN` are put before them, and a name in no zone does not exist. A line `;fault NAME. WORD` plays a fault (`servfail`,
//! `refused`, `drop`, `slow=MS`, `truncated`, `flaky`, `bogus`), for everything at and below a name when written `*.NAME.`.
//! By [`recursive`] the same is asked of a real recursive resolver, for which `bogus.test` has broken signatures.
//! A test whose names another test has too takes zones of its own by [`zones`], in the same form. Neither needs a word to end.
//!
//! A test that counts questions or changes its answers while it runs takes [`crate::scripted_dns`].

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::LazyLock;

use relaywatch::config::dns::Dns;
use relaywatch::config::duration::Span;
use relaywatch::dns::Resolvers;
use uuid::Uuid;

use crate::lifeline;

const VARIABLE: &str = "RELAYWATCH_TEST_DNS";
const RESOLVER: &str = "RELAYWATCH_TEST_RESOLVER";

/// Where to ask.
#[derive(Debug, Clone, Copy)]
struct Addresses {
    zones: SocketAddr,
    /// Only beside the zones that all tests share.
    resolver: Option<SocketAddr>,
}

/// The servers of `tests/run`, or those of this process, or why there are none.
static SHARED: LazyLock<Result<Addresses, String>> = LazyLock::new(|| {
    let given = |name: &str| {
        let Ok(text) = std::env::var(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|error| format!("{name} is not an address: {error}"))
    };
    if let Some(zones) = given(VARIABLE)? {
        return Ok(Addresses { zones, resolver: given(RESOLVER)? });
    }
    let server = start(None)?;
    let addresses = server.addresses;
    // It lives as long as this process.
    std::mem::forget(server);
    Ok(addresses)
});

/// A server for one test, gone with this value.
pub struct ZoneServer {
    addresses: Addresses,
    child: Child,
}

impl ZoneServer {
    /// Where it is asked.
    pub fn address(&self) -> SocketAddr {
        self.addresses.zones
    }
}

impl Drop for ZoneServer {
    fn drop(&mut self) {
        // The script removes its folder before it ends.
        lifeline::signal(&self.child, "TERM");
        let _ = self.child.wait();
    }
}

/// The server with the zones of `tests/fixtures/dns`.
pub fn shared() -> SocketAddr {
    addresses().zones
}

/// Unbound, which asks the former and validates.
pub fn recursive() -> SocketAddr {
    addresses().resolver.expect("it stands beside the shared zones")
}

fn addresses() -> Addresses {
    match &*SHARED {
        Ok(addresses) => *addresses,
        Err(why) => panic!("no DNS server for this test: {why}\nRun the tests by tests/run, which sees to it."),
    }
}

/// A server with these zones: origin without the trailing dot, and records.
pub fn zones(zones: &[(&str, &str)]) -> ZoneServer {
    let folder = tempfile::tempdir().expect("a folder");
    for (origin, records) in zones {
        std::fs::write(folder.path().join(format!("{origin}.zone")), records).expect("written");
    }
    // The server has read them when it is ready.
    start(Some(folder.path())).unwrap_or_else(|why| panic!("no DNS server for this test: {why}"))
}

/// What is asked of that server only, with timeouts for tests.
pub fn resolvers(server: SocketAddr) -> Resolvers {
    let timeout = Span::secs(1);
    Resolvers::new(&Dns { resolvers: vec![server], timeout, ..Dns::default() }).expect("no system resolver is read")
}

fn start(zones: Option<&Path>) -> Result<ZoneServer, String> {
    let folder = std::env::temp_dir().join(format!("relaywatch-dns-{}", Uuid::now_v7().simple()));
    let mut command = lifeline::bound("TERM", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/components/dns"));
    command.arg(&folder).args(zones).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = lifeline::spawn(command).map_err(|error| format!("setpriv does not run: {error}"))?;
    let output = child.stdout.take().ok_or("its output is not piped")?;
    let (mut zones, mut resolver) = (None, None);
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        match line.split_once('=') {
            Some((VARIABLE, value)) => zones = value.parse().ok(),
            Some((RESOLVER, value)) => resolver = value.parse().ok(),
            // It prints nothing after this, so its pipes may close.
            _ if line == "ready" => {
                let zones = zones.ok_or_else(|| format!("the server started without printing {VARIABLE}"))?;
                return Ok(ZoneServer { addresses: Addresses { zones, resolver }, child });
            }
            _ => {}
        }
    }
    let mut said = String::new();
    if let Some(mut errors) = child.stderr.take() {
        // Whatever can be read of it is better than nothing.
        let _ = errors.read_to_string(&mut said);
    }
    let _ = child.wait();
    Err(said)
}

mod tests {
    use relaywatch::dns::Sweep;
    use relaywatch::domain::dns::{Kind, Name, Question};
    use relaywatch::domain::time::Timestamp;

    use super::*;

    #[tokio::test]
    async fn each_test_may_have_zones_of_its_own() {
        let text = |text: &str| format!("@ TXT \"{text}\"\n");
        let (one, other) = (text("one"), text("other"));
        let servers = [zones(&[("example.com", &one)]), zones(&[("example.com", &other), ("example.net", &one)])];
        for (server, want) in servers.iter().zip(["one", "other"]) {
            let sweep = Sweep::new(resolvers(server.address()), Timestamp::from_secs(0));
            let question = Question::new(Name::parse("example.com").unwrap(), Kind::Txt);
            assert_eq!(sweep.ask(&question).await.texts(), [want.as_bytes()]);
        }
    }

    #[test]
    fn a_zone_that_is_none_and_a_fault_that_is_none_fail_at_once() {
        for (records, why) in [("@ TXT \"open", "zone"), (";fault x.test. naught\n", "there is no fault called naught")]
        {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("x.test.zone"), records).unwrap();
            let said = start(Some(folder.path())).err().expect("it does not start");
            assert!(said.contains(why), "{said}");
        }
    }
}
