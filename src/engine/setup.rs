//! What the Setup page shows of the connection with Lever: what the key may do, and how each
//! webhook does.
//!
//! The permissions are asked for when a person wants to know, since that takes some 25 requests;
//! the last result stays until the next. How the webhooks do outlives the process: each is stored as
//! it is noted, and read again at the start.

use std::collections::BTreeMap;

use fulcrum_domain::{HookEvent, Lane};
use jiff::Timestamp;

use super::Engine;
use crate::lever::{Endpoint, LeverError, Verdict, probe};
pub use crate::store::HookRefusal;
use crate::store::tables::{HOOKS_REFUSED, HOOKS_VERIFIED};
use crate::store::{Read, RefusedHook, Seen, StoreError};

/// What somebody found out about the key.
#[derive(Clone, Debug)]
pub struct Probed {
    /// When.
    pub at: Timestamp,
    /// What.
    pub outcome: Result<Vec<Permission>, KeyTrouble>,
}

/// A tick-box of the key.
#[derive(Clone, Debug)]
pub struct Permission {
    /// As Lever's settings name it.
    pub name: &'static str,
    /// One of the 18 that fulcrum asks for; the others are extras.
    pub required: bool,
    /// Whether it is there; none when Lever's answer does not tell.
    pub works: Option<bool>,
    /// What breaks without it.
    pub without: &'static str,
}

/// Why nothing could be found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyTrouble {
    /// Lever does not know the key.
    Refused,
    /// Lever cannot be reached.
    Unreachable,
}

/// How the webhooks of one event do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HookRecord {
    /// The last one that was verified.
    pub verified: Option<Timestamp>,
    /// The last one that was not, and why.
    pub refused: Option<RefusedHook>,
}

impl HookRecord {
    /// Whether the last thing that happened was a refusal.
    pub fn fails(&self) -> bool {
        self.refused.is_some_and(|refused| self.verified.is_none_or(|verified| verified < refused.at))
    }
}

impl Engine {
    /// Asks Lever what the key may do, unless somebody is asking just now, and remembers it.
    pub async fn probe_key(&self) -> Probed {
        let _one_at_a_time = self.probing.lock().await;
        self.ask_lever().await
    }

    /// The same where nobody has asked yet, or is asking: whoever looks need not press a button first.
    pub async fn probe_key_once(&self) {
        let Ok(_one_at_a_time) = self.probing.try_lock() else { return };
        if self.probed().is_none() {
            self.ask_lever().await;
        }
    }

    async fn ask_lever(&self) -> Probed {
        let found = probe(&self.lever, Lane::Interactive).await;
        let outcome = match found {
            Ok(found) => {
                if found.allows(Endpoint::CreatePanel) {
                    self.retry_appointments().await;
                }
                let mut permissions: Vec<_> =
                    found.endpoints.iter().map(|(e, v)| permission(*e, v)).collect();
                permissions.sort_by_key(|permission| !permission.required);
                permissions.push(Permission {
                    name: "Applications within the list of opportunities",
                    required: false,
                    works: works(&found.expand_applications),
                    without: "the initial sync takes a request more for each opportunity",
                });
                permissions.push(Permission {
                    name: "Confidential data",
                    required: false,
                    works: works(&found.confidential),
                    without: "confidential candidates are not seen here",
                });
                Ok(permissions)
            }
            Err(LeverError::Unauthorized) => Err(KeyTrouble::Refused),
            Err(_) => Err(KeyTrouble::Unreachable),
        };
        let probed = Probed { at: self.clock.now(), outcome };
        self.probed.store(Some(std::sync::Arc::new(probed.clone())));
        probed
    }

    /// What was found out last.
    pub fn probed(&self) -> Option<Probed> {
        self.probed.load().as_deref().cloned()
    }

    /// How the webhooks do.
    pub fn hook_records(&self) -> BTreeMap<&'static str, HookRecord> {
        self.notices.hook_records()
    }

    /// Takes up how they did before this start.
    pub(super) async fn recall_hooks(&self) -> Result<(), StoreError> {
        let read = self.store.read(|snapshot| {
            let mut records = BTreeMap::new();
            for event in HookEvent::ALL.map(HookEvent::as_key) {
                let name = event.to_owned();
                let verified = snapshot.get(HOOKS_VERIFIED, &name)?.map(|Seen(at)| at);
                records.insert(event, HookRecord { verified, refused: snapshot.get(HOOKS_REFUSED, &name)? });
            }
            Ok::<_, StoreError>(records)
        });
        self.notices.recall_hooks(read.await?);
        Ok(())
    }
}

/// What the key needs, before Lever was asked whether it has it.
pub fn permissions_wanted() -> Vec<Permission> {
    Endpoint::REQUIRED.iter().map(|endpoint| permission(*endpoint, &Verdict::Odd)).collect()
}

/// The tick-box without which a phase of the sync reads nothing, if the key was found to lack it.
pub fn lacked_by(phase: &str, permissions: &[Permission]) -> Option<&'static str> {
    let endpoint = match phase {
        "users" => Endpoint::Users,
        "stages" => Endpoint::Stages,
        "archive reasons" => Endpoint::ArchiveReasons,
        "postings" => Endpoint::Postings,
        "interviews" => Endpoint::Interviews,
        _ => Endpoint::Opportunities,
    };
    let lacks =
        |permission: &&Permission| permission.name == endpoint.tick_box() && permission.works == Some(false);
    permissions.iter().find(lacks).map(|permission| permission.name)
}

fn permission(endpoint: Endpoint, verdict: &Verdict) -> Permission {
    Permission {
        name: endpoint.tick_box(),
        required: endpoint.is_required(),
        works: works(verdict),
        without: endpoint.without(),
    }
}

const fn works(verdict: &Verdict) -> Option<bool> {
    match verdict {
        Verdict::Allowed => Some(true),
        Verdict::Missing => Some(false),
        Verdict::Unknown(_) | Verdict::Odd => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_names_the_tick_box_that_it_lacks() {
        let mut permissions = permissions_wanted();
        assert_eq!(permissions.len(), 18);
        assert_eq!(lacked_by("stages", &permissions), None, "nobody has asked");
        for permission in &mut permissions {
            permission.works = Some(permission.name != "Find all stages");
        }
        assert_eq!(lacked_by("stages", &permissions), Some("Find all stages"));
        assert_eq!(lacked_by("postings", &permissions), None);
    }

    #[test]
    fn a_refusal_counts_until_the_next_webhook_is_verified() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let refused = Some(RefusedHook { at: at(5), why: HookRefusal::BadSignature });
        assert!(HookRecord { verified: None, refused }.fails());
        assert!(HookRecord { verified: Some(at(4)), refused }.fails());
        assert!(!HookRecord { verified: Some(at(6)), refused }.fails());
        assert!(!HookRecord::default().fails());
    }
}
