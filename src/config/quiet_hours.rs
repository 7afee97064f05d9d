//! `[quiet_hours]` and `[frequency_caps]`: when texts may start, and how many (behaviour.md 2 and 3).

use std::path::Path;

use fulcrum_domain::Role;
use fulcrum_domain::guard::Caps;
use fulcrum_domain::quiet::{Hours, Window};
use fulcrum_domain::states::StateWindows;
use serde::Deserialize;

use super::check::{Check, Checked};
use super::state_windows::Presets;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawQuietHours {
    preset: String,
    windows_file: String,
    overrides: Vec<String>,
    window: String,
    monday: String,
    tuesday: String,
    wednesday: String,
    thursday: String,
    friday: String,
    saturday: String,
    sunday: String,
}

/// When texts may start, and who may say that one cannot wait.
#[derive(Clone, Debug)]
pub struct QuietHours {
    /// The windows.
    pub hours: Hours,
    /// What laws leave of them.
    pub states: StateWindows,
    /// Whose texts may leave outside of them, with a reason.
    pub overrides: Vec<Role>,
}

impl RawQuietHours {
    pub(super) fn check(&self, check: &mut Check<'_>) -> Checked<QuietHours> {
        let roles: Vec<_> = (0..)
            .zip(&self.overrides)
            .map(|(index, role)| check.role(&format!("quiet_hours.overrides[{index}]"), role))
            .collect();
        let states = self.states(check);
        let hours = self.hours(check)?;
        Ok(QuietHours { hours, states: states?, overrides: roles.into_iter().collect::<Checked<_>>()? })
    }

    fn states(&self, check: &mut Check<'_>) -> Checked<StateWindows> {
        let presets = match self.windows_file.as_str() {
            "" => Presets::built_in(),
            path => Presets::of_file(Path::new(path), check)?,
        };
        presets.windows(&self.preset).ok_or_else(|| {
            let names: Vec<String> = presets.names().map(|name| format!("\"{name}\"")).collect();
            let expected = format!("empty, or {}", names.join(" or "));
            check.reject("quiet_hours.preset", format!("\"{}\"", self.preset), expected)
        })
    }

    fn hours(&self, check: &mut Check<'_>) -> Checked<Hours> {
        let usual = check.parse("quiet_hours.window", &self.window, "a window, such as \"08:00-20:00\"");
        let days = [
            ("monday", &self.monday),
            ("tuesday", &self.tuesday),
            ("wednesday", &self.wednesday),
            ("thursday", &self.thursday),
            ("friday", &self.friday),
            ("saturday", &self.saturday),
            ("sunday", &self.sunday),
        ];
        let own = days.map(|(day, value)| own_window(check, day, value));
        let usual = usual?;
        let mut windows = [None; 7];
        for (window, own) in windows.iter_mut().zip(own) {
            *window = own?.unwrap_or(Some(usual));
        }
        if windows.iter().all(Option::is_none) {
            return Err(check.reject(
                "quiet_hours.monday",
                "\"off\", as on all other days",
                "one day at least",
            ));
        }
        Ok(Hours::new(windows))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFrequencyCaps {
    day: usize,
    week: usize,
}

impl RawFrequencyCaps {
    pub(super) fn check(&self, check: &mut Check<'_>) -> Checked<Caps> {
        let day = check.within("frequency_caps.day", self.day, &(1..=100));
        let week = check.within("frequency_caps.week", self.week, &(1..=100));
        Ok(Caps { a_day: day?, a_week: week? })
    }
}

/// What is said of one day: nothing, that it is off, or its own window.
fn own_window(check: &mut Check<'_>, day: &str, value: &str) -> Checked<Option<Option<Window>>> {
    match value {
        "" => Ok(None),
        "off" => Ok(Some(None)),
        window => {
            let key = format!("quiet_hours.{day}");
            check
                .parse(&key, window, "\"off\", or a window, such as \"10:00-18:00\"")
                .map(|own| Some(Some(own)))
        }
    }
}
