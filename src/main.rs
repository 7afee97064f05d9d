//! fulcrum, the link between Lever and text messages.

use std::process::ExitCode;

use fulcrum::cli;

fn main() -> ExitCode {
    let arguments = cli::arguments();
    let outcome = cli::carry_out(arguments);
    cli::report(outcome)
}
