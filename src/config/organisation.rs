//! `[organisation]` and `[optout]`: who texts, and what the fixed answers say.

use fulcrum_domain::Region;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::check::{Check, Checked};

/// Who texts.
#[derive(Clone, Debug)]
pub struct Organisation {
    /// Stands in the first text to a person, in notes and in fixed answers. Must be set.
    pub name: String,
    /// Times in notes, and quiet hours where the recipient's zone is not known. Must be set.
    pub timezone: TimeZone,
    /// How phone numbers without a country code are read; `US` unless set.
    pub region: Region,
    /// Answer to HELP and INFO; made from the name unless set.
    pub help_text: String,
}

/// How a STOP is answered.
#[derive(Clone, Debug)]
pub struct OptOut {
    /// Who sends the confirmation; the carrier unless set. Wrong, there are two of them or none.
    pub handled_by: OptOutHandler,
    /// The confirmation, if we send it; made from the organisation's name unless set.
    pub confirmation: String,
}

/// Who confirms an opt-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptOutHandler {
    /// The carrier, by its default keywords.
    Carrier,
    /// We.
    Fulcrum,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOrganisation {
    name: String,
    timezone: String,
    region: String,
    help_text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOptOut {
    handled_by: String,
    confirmation: String,
}

impl RawOrganisation {
    /// The name as it is written, for what must contain it.
    pub(super) fn name(&self) -> &str {
        self.name.trim()
    }

    /// The zone, if it is one.
    pub(super) fn zone(&self) -> Option<TimeZone> {
        TimeZone::get(self.timezone.trim()).ok()
    }

    /// The region, if it is one.
    pub(super) fn region(&self) -> Option<Region> {
        self.region.trim().parse().ok()
    }

    pub(super) fn check(&self, check: &mut Check<'_>) -> Checked<Organisation> {
        let name = check.text("organisation.name", &self.name, "the organisation's name");
        let timezone = check.text(
            "organisation.timezone",
            &self.timezone,
            "an IANA time zone, such as \"America/New_York\"",
        );
        let timezone = timezone.and_then(|zone| {
            TimeZone::get(&zone).map_err(|_| {
                check.reject(
                    "organisation.timezone",
                    format!("\"{zone}\""),
                    "an IANA time zone, such as \"America/New_York\"",
                )
            })
        });
        let region = check.parse("organisation.region", &self.region, "two letters, such as \"US\"");
        let name = name?;
        let help_text = or_else_made(&self.help_text, || {
            format!("{name}. Msg & data rates may apply. Reply STOP to opt out.")
        });
        Ok(Organisation { name, timezone: timezone?, region: region?, help_text })
    }
}

impl RawOptOut {
    pub(super) fn check(&self, organisation: &RawOrganisation, check: &mut Check<'_>) -> Checked<OptOut> {
        let handled_by = check.choice(
            "optout.handled_by",
            &self.handled_by,
            &[("carrier", OptOutHandler::Carrier), ("fulcrum", OptOutHandler::Fulcrum)],
        )?;
        let confirmation = or_else_made(&self.confirmation, || {
            let name = organisation.name.trim();
            format!("{name}: you will get no more texts from us. Reply START to resubscribe.")
        });
        Ok(OptOut { handled_by, confirmation })
    }
}

fn or_else_made(text: &str, make: impl FnOnce() -> String) -> String {
    if text.trim().is_empty() { make() } else { text.to_owned() }
}
