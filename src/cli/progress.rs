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
const UNKNOWN: &str = "{prefix:16} {spinner} {human_pos:>9} {wide_msg}";
const OVER: &str = "{prefix:16}   {human_pos:>9}";
/// A line that ends where the terminal does.
const REMARK: &str = "{wide_msg}";

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
        let remark = screen.add(ProgressBar::no_length().with_style(style(REMARK)));
        Self { screen, bars: BTreeMap::new(), remark }
    }

    /// Shows how far each phase is.
    pub fn show(&mut self, backfill: &Backfill) {
        for phase in &backfill.phases {
            if phase.state == "waiting" {
                continue;
            }
            let bar = self.bars.entry(phase.name.clone()).or_insert_with(|| {
                let bar = self.screen.insert_before(&self.remark, begun(phase));
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

/// The bar of a phase that is under way already: what was done before we looked says nothing about the rate.
fn begun(phase: &Phase) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    let bar = bar.with_prefix(phase.name.clone()).with_position(phase.done);
    // It forgets the rate and keeps the position from which it goes on counting, so that one is told it before.
    bar.tick();
    bar.reset_eta();
    bar
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
    // Nothing in no time is no number.
    let rate = Some(bar.per_sec()).filter(|rate| rate.is_finite()).unwrap_or_default();
    bar.set_message(format!("{rate:.0}/s{}", left.unwrap_or_default()));
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are constants that a test reads")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_can_be_read() {
        for template in [KNOWN, UNKNOWN, OVER, REMARK] {
            style(template);
        }
    }

    #[test]
    fn what_was_done_before_somebody_looked_is_no_rate() {
        let phase = Phase { done: 900_000, known: Some(1_000_000), ..Phase::default() };
        let bar = begun(&phase);
        for _ in 0..2 {
            update(&bar, &phase);
            bar.tick();
        }
        assert_eq!(bar.position(), 900_000);
        assert!(bar.message().starts_with("0/s"), "{}", bar.message());
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
