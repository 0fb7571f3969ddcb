//! A PostgreSQL database of its own for each test that asks.
//!
//! `tests/run` starts one throw-away server and names it in `RELAYWATCH_TEST_POSTGRES`. A plain `cargo test` starts
//! one itself when the first test asks. A test never goes without: no server is a failure.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::LazyLock;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use url::Url;
use uuid::Uuid;

use crate::lifeline;

/// The administrator's address of the server.
const VARIABLE: &str = "RELAYWATCH_TEST_POSTGRES";

/// The server of this process, or why there is none (kept, so that every test that needs it fails in the same words).
static SERVER: LazyLock<Result<Url, String>> = LazyLock::new(|| {
    let text = match std::env::var(VARIABLE) {
        Ok(text) => text,
        Err(_) => {
            let server = start()?;
            let url = server.url().to_owned();
            // It lives as long as this process.
            std::mem::forget(server);
            url
        }
    };
    Url::parse(&text).map_err(|error| format!("{VARIABLE} is not a URL: {error}"))
});

/// An empty database, dropped with this value.
pub struct TestDatabase {
    url: Url,
    name: String,
}

impl TestDatabase {
    /// Its address, as the daemon's `[store] url` takes it.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }
}

/// A fresh, empty database on the test server.
pub async fn database() -> TestDatabase {
    let server = match &*SERVER {
        Ok(server) => server,
        Err(why) => panic!("no PostgreSQL for this test: {why}\nRun the tests by tests/run, which sees to it."),
    };
    let name = format!("test_{}", Uuid::now_v7().simple());
    let mut admin = PgConnection::connect(server.as_str()).await.expect("the test server answers");
    admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE template0"))).await.expect("a new database");
    admin.close().await.expect("the connection closes");
    let mut url = server.clone();
    url.set_path(&name);
    TestDatabase { url, name }
}

impl Drop for TestDatabase {
    /// Best effort: the whole server is thrown away in the end.
    fn drop(&mut self) {
        let Ok(server) = &*SERVER else { return };
        let drop = AssertSqlSafe(format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        // A destructor cannot wait on the runtime it runs in, so it brings its own.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async { PgConnection::connect(server.as_str()).await?.execute(drop).await })?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        });
        if !matches!(dropping.join(), Ok(Ok(()))) {
            eprintln!("database {} was not dropped", self.name);
        }
    }
}

/// A server of its own, for a test that stops it or looks at its files.
pub struct TestServer {
    url: String,
    folder: PathBuf,
    child: Child,
}

impl TestServer {
    /// The administrator's address of it, and of a database to use.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // The script removes the folder before it ends.
        lifeline::signal(&self.child, "TERM");
        let _ = self.child.wait();
    }
}

/// Starts a server for the caller alone.
pub fn server() -> TestServer {
    start().unwrap_or_else(|why| panic!("no PostgreSQL for this test: {why}"))
}

/// Makes a server write what it holds in memory to its files.
pub async fn checkpoint(url: &str) {
    let mut admin = PgConnection::connect(url).await.expect("the test server answers");
    admin.execute("CHECKPOINT").await.expect("a checkpoint");
}

/// Starts a server that ends, and removes its folder, when this process is gone.
fn start() -> Result<TestServer, String> {
    let folder = std::env::temp_dir().join(format!("relaywatch-postgresql-{}", Uuid::now_v7().simple()));
    let mut command = lifeline::bound("TERM", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/components/postgresql"));
    command.arg(&folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = lifeline::spawn(command).map_err(|error| format!("setpriv does not run: {error}"))?;
    let output = child.stdout.take().ok_or("its output is not piped")?;
    let mut url = None;
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        match line.split_once('=') {
            Some((VARIABLE, value)) => url = Some(value.to_owned()),
            // It prints nothing after this, so its pipes may close.
            _ if line == "ready" => {
                let url = url.ok_or_else(|| format!("the server started without printing {VARIABLE}"))?;
                return Ok(TestServer { url, folder, child });
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
    use super::*;

    #[tokio::test]
    async fn each_database_is_its_own_and_goes_with_its_test() {
        let (one, two) = (database().await, database().await);
        let mut first = PgConnection::connect(one.url()).await.unwrap();
        first.execute("CREATE TABLE only_here (n BIGINT)").await.unwrap();
        let mut second = PgConnection::connect(two.url()).await.unwrap();
        assert!(second.execute("SELECT n FROM only_here").await.is_err());

        // Dropped although a connection to it is still open.
        let url = one.url().to_owned();
        drop(one);
        assert!(PgConnection::connect(&url).await.is_err());
        assert!(PgConnection::connect(two.url()).await.is_ok());
    }
}
