//! Progress bars of the initial sync: one for each phase, with its rate and the time left.
//!
//! For `status --watch`, and for the demo. Lever tells no totals, so a phase whose size is not known
//! has a spinner and a count instead of a bar. On no terminal indicatif draws nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::screen;
use super::shapes::{Backfill, Phase};

const KNOWN: &str = "{prefix:16} {wide_bar} {human_pos:>9} of {human_len:9} {msg:20}";
const UNKNOWN: &str = "{prefix:16} {spinner} {human_pos:>9} {msg}";
const OVER: &str = "{prefix:16}   {human_pos:>9}";

/// The bars of a sync.
pub struct Bars {
    screen: MultiProgress,
    bars: BTreeMap<String, ProgressBar>,
    remark: ProgressBar,
}

impl Bars {
    /// None yet. Lines about other things go through [`Self::say`], so that they do not break the bars.
    pub fn new() -> Self {
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let remark = screen.add(ProgressBar::no_length().with_style(style("{msg}")));
        Self { screen, bars: BTreeMap::new(), remark }
    }

    /// Shows how far each phase is.
    pub fn show(&mut self, backfill: &Backfill) {
        for phase in &backfill.phases {
            if phase.state == "waiting" {
                continue;
            }
            let bar = self.bars.entry(phase.name.clone()).or_insert_with(|| {
                let bar = ProgressBar::no_length().with_prefix(phase.name.clone()).with_position(phase.done);
                let bar = self.screen.insert_before(&self.remark, bar);
                // What was done before we looked says nothing about the rate.
                bar.reset_eta();
                bar.enable_steady_tick(Duration::from_millis(200));
                bar
            });
            if !bar.is_finished() {
                update(bar, phase);
            }
        }
    }

    /// The line below the bars.
    pub fn remark(&self, text: impl Into<String>) {
        self.remark.set_message(text.into());
    }

    /// A line above the bars.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn say(&self, text: &str) -> std::io::Result<()> {
        if self.screen.is_hidden() { screen::line(text) } else { self.screen.println(text) }
    }
}

impl Default for Bars {
    fn default() -> Self {
        Self::new()
    }
}

fn update(bar: &ProgressBar, phase: &Phase) {
    bar.set_position(phase.done);
    if phase.state == "complete" {
        bar.set_style(style(OVER));
        bar.abandon();
        return;
    }
    bar.set_style(style(if phase.known.is_some() { KNOWN } else { UNKNOWN }));
    if let Some(known) = phase.known {
        bar.set_length(known);
    }
    let left = phase.seconds_left.map(|left| format!(", {} left", screen::span(left)));
    bar.set_message(format!("{:.0}/s{}", bar.per_sec(), left.unwrap_or_default()));
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are constants that a test reads")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_can_be_read() {
        for template in [KNOWN, UNKNOWN, OVER, "{msg}"] {
            style(template);
        }
    }

    #[test]
    fn a_phase_gets_a_bar_when_its_turn_comes_and_keeps_it() {
        let mut bars = Bars::new();
        let phase =
            |state: &str, done| Phase { name: "users".into(), state: state.into(), done, ..Phase::default() };
        let mut backfill = Backfill { state: "running".into(), phases: vec![phase("waiting", 0)] };
        bars.show(&backfill);
        assert!(bars.bars.is_empty());
        backfill.phases = vec![phase("running", 7)];
        bars.show(&backfill);
        backfill.phases = vec![phase("complete", 9)];
        bars.show(&backfill);
        assert!(bars.bars["users"].is_finished());
        assert_eq!(bars.bars["users"].position(), 9);
    }
}
