//! The presets of `quiet_hours.preset`, from `config/us-text-windows.toml`, or from a file of its shape that an
//! operator names: what laws leave of a day is data with a version of its own, and not code.

use std::collections::BTreeMap;
use std::path::Path;

use fulcrum_domain::quiet::{Hours, Window};
use fulcrum_domain::states::{StateWindows, is_state};
use serde::Deserialize;
use toml::Spanned;

use super::check::{Check, Checked};
use super::problem::Problem;
use super::reading::line_at;
use super::secret::{Guard, read_file};

const DATA: &str = include_str!("../../config/us-text-windows.toml");

/// The preset that holds for numbers without a place, whichever is chosen: the organisation's zone stands in for
/// theirs, and may be hours off (carriers.md 5.5). Where a file has none of this name, the one that is built in.
const PLACELESS: &str = "strict-us";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    /// The day on which it was last compared with the law.
    #[allow(dead_code, reason = "it is for people who read the file")]
    version: String,
    presets: BTreeMap<String, RawPreset>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPreset {
    everywhere: Days,
    #[serde(default)]
    states: BTreeMap<String, Days>,
}

/// A window for each day, or `window` on days without their own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Days {
    window: Spanned<String>,
    saturday: Option<Spanned<String>>,
    sunday: Option<Spanned<String>>,
}

/// What is wrong: where in the text, under which key, what stands there and what should.
type Flaw = (usize, String, String, &'static str);

impl Days {
    /// Its windows; those that are none are told, and leave nothing out.
    fn hours(&self, key: &str, flaws: &mut Vec<Flaw>) -> Hours {
        let mut read = |name: &str, text: &Spanned<String>| {
            let window: Option<Window> = text.get_ref().parse().ok();
            if window.is_none() {
                let found = format!("\"{}\"", text.get_ref());
                flaws.push((text.span().start, format!("{key}.{name}"), found, A_WINDOW));
            }
            window
        };
        let usual = read("window", &self.window);
        let saturday = self.saturday.as_ref().map_or(usual, |text| read("saturday", text));
        let sunday = self.sunday.as_ref().map_or(usual, |text| read("sunday", text));
        Hours::new([usual, usual, usual, usual, usual, saturday, sunday])
    }
}

const A_WINDOW: &str = "a window, such as \"08:00-20:00\"";

/// What one preset leaves: in the whole country, and in states besides.
struct Preset {
    everywhere: Hours,
    states: BTreeMap<String, Hours>,
}

/// The presets of some data, by name, and all that is wrong with them.
fn read(data: &Data) -> (Presets, Vec<Flaw>) {
    let (mut presets, mut flaws) = (BTreeMap::new(), Vec::new());
    for (name, raw) in &data.presets {
        let key = format!("presets.{name}");
        let everywhere = raw.everywhere.hours(&format!("{key}.everywhere"), &mut flaws);
        let mut states = BTreeMap::new();
        for (state, days) in &raw.states {
            let at = days.window.span().start;
            let key = format!("{key}.states.{state}");
            if !is_state(state) {
                flaws.push((
                    at,
                    key.clone(),
                    "no state".to_owned(),
                    "the two letters of a state, such as \"TX\"",
                ));
            }
            states.insert(state.clone(), days.hours(&key, &mut flaws));
        }
        presets.insert(name.clone(), Preset { everywhere, states });
    }
    (Presets(presets), flaws)
}

/// The presets that there are.
pub(super) struct Presets(BTreeMap<String, Preset>);

impl Presets {
    /// Those that are built in.
    pub(super) fn built_in() -> Self {
        toml::from_str(DATA).map_or_else(|_| Self(BTreeMap::new()), |data| read(&data).0)
    }

    /// Those of a file. What is wrong is told with the file's own lines.
    pub(super) fn of_file(path: &Path, check: &mut Check<'_>) -> Checked<Self> {
        let text = match read_file(path, Guard::Elsewhere) {
            Ok(text) => text,
            Err(error) => {
                let found = format!("{}: {error}", path.display());
                return Err(check.reject(
                    "quiet_hours.windows_file",
                    found,
                    "a file that this user can read",
                ));
            }
        };
        let data: Data = match toml::from_str(&text) {
            Ok(data) => data,
            Err(error) => {
                let shape = "what stands in us-text-windows.toml";
                return Err(check.extend(vec![Problem::of_toml(path, &text, &error, shape)]));
            }
        };
        let (presets, flaws) = read(&data);
        if flaws.is_empty() {
            return Ok(presets);
        }
        let told = flaws.into_iter().map(|(at, key, found, expected)| {
            Problem::of_file(path, &key, Some(line_at(&text, at)), found, expected)
        });
        Err(check.extend(told.collect()))
    }

    /// The names of all of them.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The windows of a preset; without limits for an empty name but for numbers without a place, and none for an
    /// unknown one.
    pub(super) fn windows(&self, name: &str) -> Option<StateWindows> {
        let windows = match (name, self.0.get(name)) {
            ("", _) => StateWindows::default(),
            (_, Some(preset)) => StateWindows::new(preset.everywhere, preset.states.clone()),
            (_, None) => return None,
        };
        Some(windows.with_placeless(self.placeless().or_else(|| Self::built_in().placeless())?))
    }

    fn placeless(&self) -> Option<Hours> {
        self.0.get(PLACELESS).map(|preset| preset.everywhere)
    }
}

#[cfg(test)]
mod tests {
    use fulcrum_domain::Number;

    use super::*;

    fn of(preset_name: &str, number: &str) -> Hours {
        Presets::built_in().windows(preset_name).unwrap().of(Number::from_e164(number).unwrap())
    }

    fn hours(week: &str, saturday: &str, sunday: &str) -> Hours {
        let [week, saturday, sunday] = [week, saturday, sunday].map(|text| text.parse().ok());
        Hours::new([week, week, week, week, week, saturday, sunday])
    }

    #[test]
    fn every_preset_of_the_data_can_be_read() {
        let presets = Presets::built_in();
        assert_eq!(presets.names().collect::<Vec<_>>(), ["federal", "strict-us"]);
        assert_eq!(presets.windows("strickt"), None);
        let (_, flaws) = read(&toml::from_str(DATA).unwrap());
        assert!(flaws.is_empty(), "{flaws:?}");
    }

    #[test]
    fn the_presets_say_what_the_laws_say() {
        let federal = hours("08:00-21:00", "08:00-21:00", "08:00-21:00");
        assert_eq!(of("federal", "+14015550142"), federal);
        let usual = hours("09:00-20:00", "09:00-20:00", "12:00-20:00");
        assert_eq!(of("strict-us", "+12025550142"), usual);
        for preset in ["", "federal", "strict-us"] {
            assert_eq!(
                of(preset, "+18005550142"),
                usual,
                "{preset}: the zone of a toll-free number is a guess"
            );
        }
        assert_eq!(of("", "+14015550142"), Hours::always());
        // Rhode Island.
        assert_eq!(of("strict-us", "+14015550142"), hours("09:00-18:00", "10:00-17:00", "12:00-17:00"));
        assert_eq!(of("strict-us", "+14165550142"), Hours::always());
    }
}
