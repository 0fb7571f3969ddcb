//! Starts processes that do not outlive this test process, however it ends.

use std::io;
use std::process::{Child, Command};
use std::sync::{LazyLock, mpsc};
use std::thread;

type Order = (Command, mpsc::Sender<io::Result<Child>>);

/// The kernel sends the signal when the *thread* that started the process ends, and a test's thread ends with its test.
/// So one thread that never ends starts them all.
static STARTER: LazyLock<mpsc::Sender<Order>> = LazyLock::new(|| {
    let (orders, inbox) = mpsc::channel::<Order>();
    thread::spawn(move || {
        for (mut command, answer) in inbox {
            // The receiver waits below; it cannot be gone.
            let _ = answer.send(command.spawn());
        }
    });
    orders
});

/// A command that gets `signal` (as `KILL` or `TERM`) when this test process is gone. To be given to [`spawn`].
pub fn bound(signal: &str, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", signal, "--"]).arg(program);
    command
}

/// Starts a command made by [`bound`].
pub fn spawn(command: Command) -> io::Result<Child> {
    let (answer, result) = mpsc::channel();
    STARTER.send((command, answer)).expect("the starter thread never ends");
    result.recv().expect("the starter thread answers")
}

/// Sends a signal by name to a process that this test started.
pub fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    let status = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &id]).status().expect("sh runs");
    assert!(status.success(), "no process {id} to send {name} to");
}

mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    use std::time::Duration;

    use relaywatch::clock::Stopwatch;

    use super::*;

    const PLAY_PARENT: &str = "RELAYWATCH_TEST_PLAY_PARENT";

    /// Runs itself a second time as the parent that dies.
    #[test]
    fn nothing_outlives_a_parent_that_aborts() {
        if std::env::var_os(PLAY_PARENT).is_some() {
            let mut sleep = bound("KILL", "sleep");
            sleep.arg("600");
            // Started from a thread that ends at once: that alone must not end the process.
            let child = thread::spawn(|| spawn(sleep).unwrap()).join().unwrap();
            thread::sleep(Duration::from_millis(100));
            println!("child {} {}", child.id(), if is_running(child.id()) { "lives" } else { "died early" });
            std::process::abort();
        }
        let name = "lifeline::tests::nothing_outlives_a_parent_that_aborts";
        let mut parent = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(PLAY_PARENT, "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(parent.stdout.take().unwrap()).lines().map_while(Result::ok);
        // libtest prints its own "test NAME ... " on the same line first.
        let words = lines.filter_map(|line| line.split_once("child ").map(|(_, rest)| rest.to_owned())).next();
        assert!(!parent.wait().unwrap().success());
        let words = words.expect("the parent names its child");
        let (id, state) = words.split_once(' ').unwrap();
        assert_eq!(state, "lives");
        let since = Stopwatch::start();
        while is_running(id.parse().unwrap()) {
            assert!(since.elapsed() < Duration::from_secs(5), "process {id} outlived its parent");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether the process exists and is no zombie.
    fn is_running(id: u32) -> bool {
        std::fs::read_to_string(format!("/proc/{id}/stat"))
            .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
    }
}
