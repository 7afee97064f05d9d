//! The inbox: webhooks that were stored, and wait to become effects. Apart from where they come in, since there each
//! row more costs their sender time; and in batches, so that many of one candidate become one read.

use std::collections::BTreeMap;

use fulcrum_domain::{Activity, ActivityKind, Actor, Effect, HookEvent, Lane, OpportunityId};
use jiff::Timestamp;

use super::{Engine, changes};
use crate::store::tables::{HOOKS_VERIFIED, INBOX};
use crate::store::{HookRow, Keys, Read, Seen, StoreError, Tx};

/// Webhooks that are turned into effects at a time.
const BATCH: usize = 256;

impl Engine {
    /// Turns waiting webhooks into effects.
    pub(crate) async fn run_inbox(self) -> Result<(), StoreError> {
        loop {
            let mut news = std::pin::pin!(self.wake.inbox.notified());
            news.as_mut().enable();
            let now = self.clock.now();
            let waiting = self.store.read(|snapshot| snapshot.len(INBOX)).await?;
            if waiting == 0 {
                news.await;
                continue;
            }
            let about_nobody = self
                .store
                .change(move |tx| {
                    let rows = tx.list(INBOX, &Keys::all(), BATCH)?;
                    note_webhooks(tx, &rows)?;
                    let mut about_nobody = Vec::new();
                    for (number, row) in rows {
                        match row.opportunity {
                            Some(id) => ask_for(tx, row.event, id, now)?,
                            None => about_nobody.push(row.event),
                        }
                        tx.remove(INBOX, &number)?;
                    }
                    Ok::<_, StoreError>(about_nobody)
                })
                .await?;
            for event in about_nobody {
                self.metrics.webhook(event.as_key(), "no_opportunity");
                tracing::warn!(
                    event = event.as_key(),
                    "a webhook names no opportunity: looking will find it"
                );
            }
        }
    }
}

/// Writes down that webhooks came.
fn note_webhooks(tx: &mut Tx<'_>, rows: &[(u64, HookRow)]) -> Result<(), StoreError> {
    let (mut activities, mut last) = (Vec::with_capacity(rows.len()), BTreeMap::new());
    for (_, HookRow { event, opportunity, received_at, .. }) in rows {
        let what = Activity::new(*received_at, Actor::lever(), ActivityKind::Webhook, event.as_key());
        activities.push(what.about(opportunity.clone()));
        last.insert(event.as_key(), *received_at);
    }
    changes::note_all(tx, &activities)?;
    for (event, at) in last {
        tx.put(HOOKS_VERIFIED, &event.to_owned(), &Seen(at))?;
    }
    Ok(())
}

/// What a webhook asks for. Only ids were taken from it, so everything is fetched.
fn ask_for(tx: &mut Tx<'_>, event: HookEvent, id: OpportunityId, now: Timestamp) -> Result<(), StoreError> {
    match event {
        HookEvent::CandidateDeleted => changes::ask_after_deletion(tx, &Effect::Hydrate(id), now),
        HookEvent::InterviewCreated | HookEvent::InterviewUpdated | HookEvent::InterviewDeleted => {
            changes::ask(tx, &Effect::Interviews(id), Lane::Live, now)
        }
        HookEvent::ApplicationCreated
        | HookEvent::CandidateStageChange
        | HookEvent::CandidateArchiveChange
        | HookEvent::CandidateHired => changes::ask(tx, &Effect::Hydrate(id), Lane::Live, now),
    }
}
