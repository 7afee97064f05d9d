//! Where log lines go, and which. Their filter can be changed while the daemon runs.
//!
//! Libraries see secrets, texts and numbers and do not know what those are (the one that reads
//! numbers logs them), so whatever the filter says, only their plain news is let through.

use std::io::{self, IsTerminal};
use std::os::unix::fs::MetadataExt;

use anyhow::Context;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::{Log, LogFormat};

/// What is logged, for a reload to change.
pub(super) struct Filter(Handle<EnvFilter, Registry>);

/// Begins to log.
pub(super) fn start(log: &Log) -> anyhow::Result<Filter> {
    let (filter, handle) = reload::Layer::new(EnvFilter::try_new(&log.filter)?);
    let lines = match format(log.format) {
        LogFormat::Journald => tracing_journald::layer().context("reaching the journal")?.boxed(),
        LogFormat::Text => fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json | LogFormat::Auto => {
            fmt::layer().json().flatten_event(true).with_writer(io::stderr).boxed()
        }
    };
    tracing_subscriber::registry().with(filter).with(lines.with_filter(filter_fn(is_harmless))).try_init()?;
    Ok(Filter(handle))
}

impl Filter {
    /// Logs by other directives from now on.
    pub(super) fn replace(&self, directives: &str) -> anyhow::Result<()> {
        Ok(self.0.reload(EnvFilter::try_new(directives)?)?)
    }
}

/// Whether a line is ours, or of a level at which a library says nothing of what it handles.
fn is_harmless(line: &Metadata<'_>) -> bool {
    let of = |name| line.target().starts_with(name);
    // tantivy tells of each commit, and warns of segments that a merge took away meanwhile, which the search expects.
    let most = match line.target() {
        "tantivy::indexer::segment_manager" => Level::ERROR,
        _ if of("tantivy") => Level::WARN,
        _ => Level::INFO,
    };
    of("fulcrum") || *line.level() <= most && !of("rlibphonenumber")
}

/// What `auto` means here.
fn format(configured: LogFormat) -> LogFormat {
    match configured {
        LogFormat::Auto if stderr_is_the_journal() => LogFormat::Journald,
        LogFormat::Auto if io::stderr().is_terminal() => LogFormat::Text,
        other => other,
    }
}

/// systemd says which stream is the journal's. The variable alone proves nothing, since children
/// inherit it together with other streams.
fn stderr_is_the_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    std::fs::metadata("/proc/self/fd/2")
        .is_ok_and(|stderr| stream == format!("{}:{}", stderr.dev(), stderr.ino()))
}
