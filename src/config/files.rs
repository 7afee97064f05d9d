//! `[files]`: pictures and the like that come with texts.

use serde::Deserialize;

use super::check::{Check, Checked};

/// A carrier takes 5 MB with a text, WhatsApp 16; what is larger is a mistake, or an attack on the disk.
const MEGABYTES: std::ops::RangeInclusive<u32> = 1..=25;

/// Which files are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Files {
    /// Whether any are.
    pub fetch: bool,
    /// The largest, in bytes.
    pub most_bytes: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFiles {
    fetch: bool,
    max_megabytes: u32,
}

impl RawFiles {
    pub(super) fn check(&self, check: &mut Check<'_>) -> Checked<Files> {
        let megabytes = check.within("files.max_megabytes", self.max_megabytes, &MEGABYTES)?;
        Ok(Files { fetch: self.fetch, most_bytes: u64::from(megabytes) * 1_000_000 })
    }
}
