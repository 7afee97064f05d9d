//! `[retention]`: for how long what was said is kept.

use fulcrum_domain::Retention;
use jiff::SignedDuration;
use serde::Deserialize;

use super::check::{Check, Checked};

/// Nobody means less than a week, and a mistake must not erase what is new; 100 years are for ever.
const DAYS: std::ops::RangeInclusive<u32> = 7..=36_500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRetention {
    active_days: u32,
    archived_days: u32,
    hired_days: u32,
    unknown_days: u32,
}

impl RawRetention {
    pub(super) fn check(&self, check: &mut Check<'_>) -> Checked<Retention> {
        let mut days = |key: &str, days: u32| match days {
            0 => Ok(None),
            days => {
                if !DAYS.contains(&days) {
                    let expected =
                        format!("0, for ever, or a number from {} to {}", DAYS.start(), DAYS.end());
                    return Err(check.reject(&format!("retention.{key}"), days.to_string(), expected));
                }
                Ok(Some(SignedDuration::from_hours(24 * i64::from(days))))
            }
        };
        let active = days("active_days", self.active_days);
        let archived = days("archived_days", self.archived_days);
        let hired = days("hired_days", self.hired_days);
        let nobody = days("unknown_days", self.unknown_days);
        Ok(Retention { active: active?, archived: archived?, hired: hired?, nobody: nobody? })
    }
}
