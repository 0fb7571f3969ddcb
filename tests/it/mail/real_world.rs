//! Postfix, OpenDKIM and Dovecot on loopback, by `tests/components/mail`. Each test takes a user of its own name.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::sync::LazyLock;

use relaywatch::mail::{Mailbox, Submission};
use uuid::Uuid;

use super::{mailbox, submission};
use crate::lifeline;

const VARIABLE: &str = "RELAYWATCH_TEST_MAIL";
const AUTHORITY: &str = "RELAYWATCH_TEST_MAIL_CA";

/// Where the servers are, and who signed their certificate.
#[derive(Debug, Clone)]
pub struct World {
    /// The address of all of them.
    pub ip: String,
    /// The file with the authority of their certificate.
    pub authority: String,
}

/// The servers of `tests/run`, or those of this process, or why there are none.
static WORLD: LazyLock<Result<World, String>> = LazyLock::new(|| {
    if let (Ok(ip), Ok(authority)) = (std::env::var(VARIABLE), std::env::var(AUTHORITY)) {
        return Ok(World { ip, authority });
    }
    start()
});

/// The servers; without them the test fails.
pub fn world() -> &'static World {
    match &*WORLD {
        Ok(world) => world,
        Err(why) => panic!("no mail servers for this test: {why}\nRun the tests by tests/run, which sees to it."),
    }
}

fn start() -> Result<World, String> {
    let folder = std::env::temp_dir().join(format!("relaywatch-mail-{}", Uuid::now_v7().simple()));
    let mut command = lifeline::bound("TERM", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/components/mail"));
    command.arg(&folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = lifeline::spawn(command).map_err(|error| format!("setpriv does not run: {error}"))?;
    let output = child.stdout.take().ok_or("its output is not piped")?;
    let (mut ip, mut authority) = (None, None);
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        match line.split_once('=') {
            Some((VARIABLE, value)) => ip = Some(value.to_owned()),
            Some((AUTHORITY, value)) => authority = Some(value.to_owned()),
            // It prints nothing after this, and ends with this process.
            _ if line == "ready" => {
                let world = ip.zip(authority).map(|(ip, authority)| World { ip, authority });
                return world.ok_or_else(|| "the servers started without saying where they are".to_owned());
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

/// A user that no other test has.
pub fn user() -> String {
    format!("u{}", Uuid::now_v7().simple())
}

/// The sender's own server, which signs.
pub fn submit(port: u16, tls: &str, password: &str) -> Submission {
    let World { ip, authority } = world();
    submission(&format!(
        "host = '{ip}'\nport = {port}\ntls = '{tls}'\nca_file = '{authority}'\nusername = 'probe'\npassword = '{password}'\n"
    ))
}

/// The relay itself, as an ESP's server sees it.
pub fn relay() -> Submission {
    let World { ip, authority } = world();
    submission(&format!("host = '{ip}'\nport = 2525\nca_file = '{authority}'\n"))
}

/// A user's mailbox.
pub fn read(user: &str, password: &str) -> Mailbox {
    read_by(user, password, 2993, "implicit")
}

/// The same at another port.
pub fn read_by(user: &str, password: &str, port: u16, tls: &str) -> Mailbox {
    let World { ip, authority } = world();
    mailbox(&format!(
        "kind = 'imap'\nhost = '{ip}'\nport = {port}\ntls = '{tls}'\nca_file = '{authority}'\nusername = '{user}'\n\
         password = '{password}'\nauthserv_id = 'mx.mailbox.test'\ntimeout = '20s'\n"
    ))
}
