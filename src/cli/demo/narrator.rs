//! What the demo says: a line for each thing that happens, above the bars of the sync.

use std::fmt::Display;
use std::io::{self, IsTerminal};
use std::time::Instant;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::screen;

/// Says what happens.
pub(super) struct Narrator {
    began: Instant,
    bars: MultiProgress,
    sync: ProgressBar,
}

impl Narrator {
    pub(super) fn new() -> Self {
        let target =
            if io::stdout().is_terminal() { ProgressDrawTarget::stdout() } else { ProgressDrawTarget::hidden() };
        let bars = MultiProgress::with_draw_target(target);
        let sync = bars.add(ProgressBar::new(0));
        Self { began: Instant::now(), bars, sync }
    }

    /// A plain text.
    pub(super) fn say(&self, text: impl Display) -> io::Result<()> {
        self.bars.suspend(|| screen::line(text))
    }

    /// Something happened, at `place`.
    pub(super) fn event(&self, place: &str, text: impl Display) -> io::Result<()> {
        let seconds = self.began.elapsed().as_secs();
        self.say(format_args!("{:02}:{:02}  {place:<8} {text}", seconds / 60, seconds % 60))
    }

    /// A text as somebody else would see it, set off from the rest.
    pub(super) fn quote(&self, heading: &str, text: &str) -> io::Result<()> {
        let mut quoted = format!("       ┌─ {heading}");
        for line in text.lines() {
            quoted.push_str("\n       │ ");
            quoted.push_str(line);
        }
        quoted.push_str("\n       └─");
        self.say(quoted)
    }

    /// How far the sync is: rows read, interviews of how many opportunities, of how many.
    pub(super) fn sync(&self, rows: u64, interviews: u64, wanted: u64, rate_used: f64) {
        // The template is a constant that indicatif takes.
        if let Ok(style) = ProgressStyle::with_template("sync   [{bar:32}] {msg}") {
            self.sync.set_style(style.progress_chars("=> "));
        }
        self.sync.set_length(wanted.max(1));
        self.sync.set_position(interviews);
        let left = wanted.saturating_sub(interviews) / 10;
        self.sync.set_message(format!(
            "{rows} records, interviews of {interviews}/{wanted}, {:.0} % of Lever's rate used, {} left",
            rate_used * 100.0,
            screen::span(left),
        ));
    }

    /// No bar any more.
    pub(super) fn done(&self) {
        self.sync.finish_and_clear();
    }
}
