//! `[audit]`: where the audit log goes besides the store.

use std::path::PathBuf;

use serde::Deserialize;

use super::check::{Check, Checked};

/// Where the audit log goes.
#[derive(Clone, Debug)]
pub struct Audit {
    /// The file that its entries are added to; an absolute path.
    pub file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAudit {
    file: String,
}

impl RawAudit {
    pub(super) fn check(&self, check: &mut Check<'_>) -> Checked<Audit> {
        let file = match self.file.as_str() {
            "" => Ok(None),
            path if path.starts_with('/') && !path.ends_with('/') => Ok(Some(PathBuf::from(path))),
            path => {
                let expected = "a path that begins with /";
                Err(check.reject("audit.file", format!("\"{path}\""), expected))
            }
        };
        Ok(Audit { file: file? })
    }
}
