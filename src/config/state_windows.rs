//! The presets of `quiet_hours.preset`, from `config/us-text-windows.toml`: what laws leave of a day is
//! data with a version of its own, and not code.

use std::collections::BTreeMap;

use fulcrum_domain::quiet::Hours;
use fulcrum_domain::states::StateWindows;
use serde::Deserialize;

const DATA: &str = include_str!("../../config/us-text-windows.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    /// The day on which it was last compared with the law.
    #[allow(dead_code, reason = "it is for people who read the file")]
    version: String,
    presets: BTreeMap<String, Preset>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Preset {
    everywhere: Days,
    #[serde(default)]
    states: BTreeMap<String, Days>,
}

/// A window for each day, or `window` on days without their own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Days {
    window: String,
    saturday: Option<String>,
    sunday: Option<String>,
}

impl Days {
    fn hours(&self) -> Option<Hours> {
        let usual = self.window.parse().ok()?;
        let own = |day: &Option<String>| day.as_ref().map_or(Some(usual), |window| window.parse().ok());
        let weekend = [own(&self.saturday)?, own(&self.sunday)?];
        let [saturday, sunday] = weekend.map(Some);
        Some(Hours::new([Some(usual), Some(usual), Some(usual), Some(usual), Some(usual), saturday, sunday]))
    }
}

fn presets() -> BTreeMap<String, Preset> {
    toml::from_str(DATA).map_or_else(|_| BTreeMap::new(), |data: Data| data.presets)
}

/// The names of all presets.
pub(super) fn names() -> Vec<String> {
    presets().into_keys().collect()
}

/// The windows of a preset; without limits for an empty name, and none for an unknown one.
pub(super) fn preset(name: &str) -> Option<StateWindows> {
    if name.is_empty() {
        return Some(StateWindows::default());
    }
    let preset = presets().remove(name)?;
    let states = preset.states.into_iter().map(|(state, days)| Some((state, days.hours()?)));
    Some(StateWindows::new(preset.everywhere.hours()?, states.collect::<Option<_>>()?))
}

#[cfg(test)]
mod tests {
    use fulcrum_domain::Number;

    use super::*;

    fn of(preset_name: &str, number: &str) -> Hours {
        preset(preset_name).unwrap().of(Number::from_e164(number).unwrap())
    }

    fn hours(week: &str, saturday: &str, sunday: &str) -> Hours {
        let days = Days { window: week.into(), saturday: Some(saturday.into()), sunday: Some(sunday.into()) };
        days.hours().unwrap()
    }

    #[test]
    fn every_preset_of_the_data_can_be_read() {
        assert_eq!(names(), ["federal", "strict-us"]);
        assert!(names().iter().all(|name| preset(name).is_some()));
        assert_eq!(preset("strickt"), None);
    }

    #[test]
    fn the_presets_say_what_the_laws_say() {
        let federal = hours("08:00-21:00", "08:00-21:00", "08:00-21:00");
        assert_eq!(of("federal", "+14015550142"), federal);
        let usual = hours("09:00-20:00", "09:00-20:00", "12:00-20:00");
        assert_eq!(of("strict-us", "+12025550142"), usual);
        assert_eq!(of("strict-us", "+18005550142"), usual);
        // Rhode Island.
        assert_eq!(of("strict-us", "+14015550142"), hours("09:00-18:00", "10:00-17:00", "12:00-17:00"));
        assert_eq!(of("strict-us", "+14165550142"), Hours::always());
    }
}
