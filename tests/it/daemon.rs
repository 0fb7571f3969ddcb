//! The real, built daemon as a process: started on a folder of its own, killed, stopped, and started again.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use http::Method;
use relaywatch::clock::Stopwatch;
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;

use crate::client::Request;
use crate::lifeline;

/// How long a start and a stop may take on a busy machine; both are far quicker as a rule.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a daemon lives: a folder for its data, and three free addresses. It outlasts the daemon's restarts.
pub struct Home {
    folder: TempDir,
    /// Where providers post to.
    pub hooks: SocketAddr,
    /// Where the API is.
    pub api: SocketAddr,
    /// Where metrics and health are.
    pub operations: SocketAddr,
    /// The `[checks]` section. Off: a test says itself whom the daemon may ask about DNS records.
    pub checks: String,
    program: Vec<String>,
}

impl Home {
    /// A new folder, and addresses that nobody listens on.
    pub fn new() -> Self {
        // All three are held at once, so that they differ.
        let ports = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let [hooks, api, operations] = ports.map(|port| port.local_addr().expect("a bound port"));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let checks = "[checks]\nenabled = false\n".to_owned();
        Self { folder, hooks, api, operations, checks, program: vec![env!("CARGO_BIN_EXE_relaywatch").to_owned()] }
    }

    /// The data folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The config's `[checks]`, its `[server]` section with the three addresses, and its `[store]` section with `store_url`.
    pub fn toml(&self, store_url: &str) -> String {
        format!(
            "{}\n[server]\nhooks_listen = \"{}\"\napi_listen = \"{}\"\noperations_listen = \"{}\"\n\n[store]\nurl = \"{store_url}\"\n",
            self.checks, self.hooks, self.api, self.operations
        )
    }

    /// The URL of a SQLite store in the folder.
    pub fn sqlite_url(&self) -> String {
        format!("sqlite:{}", self.folder().join("relaywatch.db").display())
    }

    /// Runs another command of the same program in the folder, to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.program();
        command.args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        lifeline::spawn(command).and_then(Child::wait_with_output).expect("the program runs")
    }

    /// Runs a statement on the SQLite store in the folder, beside whoever else has it open.
    pub async fn sql(&self, statement: &'static str) {
        let mut connection = SqliteConnection::connect(&self.sqlite_url()).await.expect("the store opens");
        sqlx::query(statement).execute(&mut connection).await.expect("a statement that it takes");
        connection.close().await.expect("closed");
    }

    fn config(&self) -> PathBuf {
        self.folder().join("config.toml")
    }

    fn log(&self) -> PathBuf {
        self.folder().join("daemon.log")
    }

    /// The program, in its folder, with nothing of the developer's own settings.
    fn program(&self) -> Command {
        let mut command = lifeline::bound("KILL", &self.program[0]);
        command.args(&self.program[1..]).current_dir(self.folder());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("RELAYWATCH_") {
                command.env_remove(name);
            }
        }
        command
    }

    fn serve(&self) -> Command {
        let mut command = self.program();
        command.args(["serve", "--config"]).arg(self.config());
        // One log for all starts, as under a service manager.
        let log = File::options().create(true).append(true).open(self.log()).expect("the log opens");
        let out = log.try_clone().expect("the log opens twice");
        command.stdin(Stdio::null()).stdout(out).stderr(log);
        command
    }
}

/// A running daemon. Killed with this value; a failing test shows the end of its log.
pub struct Daemon {
    home: Home,
    child: Option<Child>,
}

impl Daemon {
    /// Starts it on this configuration and waits until `/readyz` answers 200.
    pub async fn start(home: Home, toml: &str) -> Self {
        fs::write(home.config(), toml).expect("the config can be written");
        let mut daemon = Self { home, child: None };
        daemon.restart().await;
        daemon
    }

    /// Starts it again on the same folder, after [`Daemon::kill_9`] or [`Daemon::terminate`].
    pub async fn restart(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        self.child = Some(lifeline::spawn(self.home.serve()).expect("the daemon starts"));
        let began = Stopwatch::start();
        loop {
            if matches!(self.operations(Method::GET, "/readyz").send().await, Ok((200, _))) {
                return;
            }
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().expect("its state is known")) {
                self.child = None;
                panic!("the daemon ended before it was ready: {status}");
            }
            assert!(began.elapsed() < PATIENCE, "the daemon was not ready within {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Starts a daemon that must refuse its configuration, and gives its exit status and log.
    pub fn refuses(home: &Home, toml: &str) -> (ExitStatus, String) {
        fs::write(home.config(), toml).expect("the config can be written");
        let mut child = lifeline::spawn(home.serve()).expect("the daemon starts");
        let status = wait(&mut child, "end by itself");
        (status, fs::read_to_string(home.log()).expect("the log can be read"))
    }

    /// Where it lives.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// All it has written to stderr and stdout since the first start.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.home.log()).expect("the log can be read")).into_owned()
    }

    /// Ends it as a power cut would: no handler runs.
    pub fn kill_9(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("it can be killed");
        child.wait().expect("it is gone");
    }

    /// Asks it to stop (SIGTERM) and waits for its end.
    pub fn terminate(&mut self) -> ExitStatus {
        let child = self.child.as_mut().expect("it runs");
        lifeline::signal(child, "TERM");
        let status = wait(child, "stop on SIGTERM");
        self.child = None;
        status
    }

    /// A `POST` to the hooks listener, e.g. of `/hooks/ses/main`.
    pub fn hook(&self, path: &str) -> Request {
        Request::new(Method::POST, &format!("http://{}{path}", self.home.hooks))
    }

    /// A request to the API.
    pub fn api(&self, method: Method, path: &str) -> Request {
        Request::new(method, &format!("http://{}{path}", self.home.api))
    }

    /// A request to the operations listener, e.g. `/metrics`.
    pub fn operations(&self, method: Method, path: &str) -> Request {
        Request::new(method, &format!("http://{}{path}", self.home.operations))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = fs::read_to_string(self.home.log()).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            eprintln!("The daemon's log ends:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    }
}

/// Waits for the end of a process; one that does not end in time is killed, and the test fails.
fn wait(child: &mut Child, what: &str) -> ExitStatus {
    let began = Stopwatch::start();
    loop {
        if let Some(status) = child.try_wait().expect("its state is known") {
            return status;
        }
        if began.elapsed() > PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the daemon did not {what} within {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

mod tests {
    //! The harness is tested on a stand-in that does little else than be ready: this test binary, run a second time.

    use std::os::unix::process::ExitStatusExt;

    use axum::Router;
    use axum::routing::{get, post};
    use tokio::signal::unix::{SignalKind, signal};

    use super::*;

    const LISTEN: &str = "RELAYWATCH_TEST_STAND_IN";

    fn stand_in(test: &str) -> Home {
        let mut home = Home::new();
        let me = std::env::current_exe().unwrap().display().to_string();
        // `sh` takes what follows its script, "serve --config FILE", as arguments that it never looks at.
        let addresses = format!("{} {} {}", home.hooks, home.api, home.operations);
        let script = format!("{LISTEN}='{addresses}' exec '{me}' --exact daemon::tests::{test} --nocapture");
        home.program = ["sh", "-c", &script].map(str::to_owned).to_vec();
        home
    }

    /// Serves all three listeners until SIGTERM; without the variable, does nothing.
    async fn played_the_stand_in() -> bool {
        let Ok(addresses) = std::env::var(LISTEN) else { return false };
        eprintln!("the stand-in starts");
        for address in addresses.split(' ') {
            let listener = tokio::net::TcpListener::bind(address).await.unwrap();
            let routes = Router::new()
                .route("/readyz", get(async || "ready"))
                .route("/hooks/ses/main", post(async |body: String| body));
            tokio::spawn(axum::serve(listener, routes).into_future());
        }
        signal(SignalKind::terminate()).unwrap().recv().await;
        std::process::exit(7);
    }

    #[tokio::test]
    async fn starts_stops_dies_and_starts_again() {
        if played_the_stand_in().await {
            return;
        }
        let home = stand_in("starts_stops_dies_and_starts_again");
        let toml = home.toml(&home.sqlite_url());
        let mut daemon = Daemon::start(home, &toml).await;
        assert_eq!(fs::read_to_string(daemon.home().folder().join("config.toml")).unwrap(), toml);
        assert_eq!(daemon.hook("/hooks/ses/main").body("hello").expect(200).await.text(), "hello");
        daemon.api(Method::GET, "/nowhere").expect(404).await;

        let first = daemon.id();
        daemon.kill_9();
        assert!(daemon.operations(Method::GET, "/readyz").send().await.is_err(), "killed, and it still answers");
        daemon.restart().await;
        assert_ne!(daemon.id(), first);
        assert_eq!(daemon.terminate().code(), Some(7));
        assert_eq!(daemon.log().matches("the stand-in starts").count(), 2);
    }

    #[tokio::test]
    #[should_panic(expected = "the daemon ended before it was ready: exit status: 3")]
    async fn a_daemon_that_does_not_start_fails_its_test_at_once() {
        let mut home = Home::new();
        home.program = ["sh", "-c", "exit 3"].map(str::to_owned).to_vec();
        Daemon::start(home, "").await;
    }

    #[test]
    fn a_refusal_and_other_commands_run_to_their_end() {
        let mut home = Home::new();
        home.program =
            ["sh", "-c", "echo \"refused $0 $(cat config.toml)\" >&2; kill -9 $$"].map(str::to_owned).to_vec();
        let (status, log) = Daemon::refuses(&home, "key = 1");
        assert_eq!((status.signal(), log.as_str()), (Some(9), "refused serve key = 1\n"));
        home.program = ["sh", "-c", "echo \"$0 $1\"; pwd >&2"].map(str::to_owned).to_vec();
        let output = home.run(&["config", "check"]);
        assert_eq!(output.stdout, b"config check\n");
        assert_eq!(String::from_utf8_lossy(&output.stderr).trim_end(), home.folder().to_str().unwrap());
    }
}
