//! fulcrum, the link between Lever and text messages.

use std::process::ExitCode;

use fulcrum::cli;
use tikv_jemallocator::Jemalloc;

/// It gives back to the system what a backfill and the building of the search's index took. The C
/// library's keeps it, in an arena for each thread: ten times as much, for as long as the daemon runs.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let arguments = cli::arguments();
    let outcome = cli::carry_out(arguments);
    cli::report(outcome)
}
