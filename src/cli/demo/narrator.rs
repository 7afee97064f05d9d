//! What the demo says: a line for each thing that happens, above the bars of the sync.

use std::fmt::Display;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::super::progress::Bars;
use super::super::shapes::Backfill;

/// Says what happens.
pub(super) struct Narrator {
    began: Instant,
    bars: Mutex<Bars>,
}

impl Narrator {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), bars: Mutex::default() }
    }

    fn bars(&self) -> MutexGuard<'_, Bars> {
        self.bars.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A plain text.
    pub(super) fn say(&self, text: impl Display) -> io::Result<()> {
        self.bars().say(&text.to_string())
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

    /// How far the sync is.
    pub(super) fn sync(&self, backfill: &Backfill) {
        self.bars().show(backfill);
    }
}
