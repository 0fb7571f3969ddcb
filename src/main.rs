//! `relaywatch`: hands over to the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    relaywatch::cli::main()
}
