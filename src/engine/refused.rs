//! What the key turned out not to allow, so that it is not asked for again and again. Tick-boxes
//! change, so all of it is forgotten once a day and with each start; health tells it meanwhile.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::lever::Endpoint;

/// What the key turned out not to allow.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    /// Applications within opportunities.
    pub(crate) expand: AtomicBool,
    /// Confidential records.
    pub(crate) confidential: AtomicBool,
    /// Listing notes.
    pub(crate) list_notes: AtomicBool,
    /// Whether some single opportunity could be read: then a refusal is about the record.
    pub(crate) single_read_works: AtomicBool,
    endpoints: Mutex<BTreeSet<Endpoint>>,
}

impl Refused {
    fn endpoints(&self) -> MutexGuard<'_, BTreeSet<Endpoint>> {
        self.endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the key lacks the tick-box for this.
    pub(crate) fn has(&self, endpoint: Endpoint) -> bool {
        self.endpoints().contains(&endpoint)
    }

    /// The key lacks the tick-box for this.
    pub(crate) fn refuse(&self, endpoint: Endpoint) {
        if self.endpoints().insert(endpoint) {
            tracing::warn!("the key lacks \u{201c}{}\u{201d}: {}", endpoint.tick_box(), endpoint.without());
        }
    }

    /// It may all be allowed by now.
    pub(crate) fn forget(&self) {
        for flag in [&self.expand, &self.confidential, &self.list_notes] {
            flag.store(false, Ordering::Relaxed);
        }
        self.endpoints().clear();
    }

    /// What an operator should know of it. Deletions are not told: their box is none of those that
    /// we ask for (lever-api.md 1.4).
    pub(crate) fn in_words(&self) -> Option<String> {
        let mut words: Vec<String> = Vec::new();
        if self.confidential.load(Ordering::Relaxed) {
            words.push("it shows no confidential records: they are left out".into());
        }
        if self.expand.load(Ordering::Relaxed) {
            words.push("it shows no applications within opportunities: each is read alone".into());
        }
        let told = |endpoint: &&Endpoint| **endpoint != Endpoint::DeletedOpportunities;
        words.extend(self.endpoints().iter().filter(told).map(|endpoint| {
            format!("it lacks \u{201c}{}\u{201d}: {}", endpoint.tick_box(), endpoint.without())
        }));
        (!words.is_empty()).then(|| format!("the api key does not allow all: {}", words.join("; ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_tells_what_is_missing_until_it_is_tried_again() {
        let refused = Refused::default();
        refused.refuse(Endpoint::DeletedOpportunities);
        assert_eq!(refused.in_words(), None);
        refused.refuse(Endpoint::ArchiveReasons);
        assert!(refused.in_words().unwrap().contains("Find all archive reasons"));
        refused.forget();
        assert!(!refused.has(Endpoint::ArchiveReasons) && refused.in_words().is_none());
    }
}
