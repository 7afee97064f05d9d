//! The figures of fulcrum, each beside its limit measured in the same run, since machines differ.
//!
//! `tests/bench/run` builds this and runs all parts, or those that are named. Each part gives rows
//! of one table. What is measured for its memory or its time on the processor runs in a process of
//! its own: this program again, as `bench child JOB ARGUMENTS`, which answers with a line of JSON.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a table is what this program is for")]
#![allow(clippy::disallowed_methods, reason = "a client of a test, outside of the daemon")]

mod backfill;
mod child;
mod daemon;
mod floor;
mod ingest;
mod lever;
mod limit;
mod live;
mod load;
mod pace;
mod pages;
mod process;
mod scale;
mod sealed;
mod search;
mod table;
mod tenant;
mod wheel;

use anyhow::bail;

use table::Row;

/// A part of the table.
type Part = fn() -> anyhow::Result<Vec<Row>>;

/// The parts, in the order of the table.
const PARTS: [(&str, Part); 7] = [
    ("ingest", ingest::rows),
    ("pace", pace::rows),
    ("backfill", backfill::rows),
    ("wheel", wheel::rows),
    ("live", live::rows),
    ("scale", scale::rows),
    ("sealed", sealed::rows),
];

fn main() -> anyhow::Result<()> {
    // Cargo passes `--bench` to whatever it runs as a benchmark.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [child, job, with] = arguments.as_slice()
        && child == "child"
    {
        return child::run(job, with);
    }
    if let Some(unknown) = arguments.iter().find(|name| PARTS.iter().all(|(part, _)| part != name)) {
        bail!("there is no part {unknown}: {}", PARTS.map(|(part, _)| part).join(", "));
    }
    let mut rows = Vec::new();
    for (name, part) in PARTS {
        if arguments.is_empty() || arguments.iter().any(|wanted| wanted == name) {
            eprintln!("{name} ...");
            rows.extend(part()?);
        }
    }
    println!("{}", table::render(&rows));
    Ok(())
}
