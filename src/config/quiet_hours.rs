//! `[quiet_hours]`: when texts may start (behaviour.md 2, "Quiet hours").

use fulcrum_domain::quiet::{Hours, Window};
use serde::Deserialize;

use super::check::{Check, Checked};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawQuietHours {
    window: String,
    monday: String,
    tuesday: String,
    wednesday: String,
    thursday: String,
    friday: String,
    saturday: String,
    sunday: String,
}

impl RawQuietHours {
    pub(super) fn check(&self, check: &mut Check<'_>) -> Checked<Hours> {
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
