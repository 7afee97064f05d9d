//! What happened, in pages, the newest first.

use std::collections::HashSet;
use std::ops::ControlFlow;

use fulcrum_domain::{Activity, ActivityKind, Actor, ConversationId, OpportunityId, Sight};

use super::gaze::Gaze;
use super::{PAGE_MAX, Page};
use crate::engine::{Engine, changes};
use crate::store::tables::{ACTIVITY, ACTIVITY_OF, ActivityKey, CONVERSATIONS, OPPORTUNITIES, USERS};
use crate::store::{Keys, Read, Snapshot, StoreError, Subject, readable};

/// What is asked for of what happened.
#[derive(Clone, Debug)]
pub struct ActivityQuery {
    /// Only these kinds; all, if none.
    pub kinds: Vec<ActivityKind>,
    /// Only what these did.
    pub who: Option<WhoDid>,
    /// Only what happened in this thread.
    pub conversation: Option<ConversationId>,
    /// Only what happened to this opportunity.
    pub opportunity: Option<OpportunityId>,
    /// The last of the page before.
    pub before: Option<ActivityKey>,
    /// Rows of the page.
    pub limit: usize,
    /// What may be seen.
    pub sight: Sight,
    /// Whether the names of candidates are shown: not to an operator.
    pub names: bool,
}

/// Whose doing is asked for.
#[derive(Clone, Debug)]
pub enum WhoDid {
    /// The one who is written so.
    Is(String),
    /// Whoever is written like that, in part, or has such a name in Lever: as people type it.
    Like(String),
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct ActivityRow {
    /// It.
    pub activity: Activity,
    /// The candidate's name, where it is asked for and known.
    pub name: Option<String>,
}

/// Rows that one page passes over, at most: the next goes on from there.
const PASSED_OVER: usize = 5000;

impl Engine {
    /// A page of what happened. It may have fewer rows than asked for, and a next page all the same,
    /// where what fits is rare.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn activity(&self, query: ActivityQuery) -> Result<Page<ActivityRow, ActivityKey>, StoreError> {
        self.store.read(move |snapshot| activity(snapshot, &query)).await
    }

    /// Writes down what happened without a change of state: a sign-in, an act of an admin's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn note_activity(&self, activity: Activity) -> Result<(), StoreError> {
        self.store.change(move |tx| changes::note(tx, &activity)).await
    }
}

fn activity(
    snapshot: &Snapshot,
    query: &ActivityQuery,
) -> Result<Page<ActivityRow, ActivityKey>, StoreError> {
    let limit = query.limit.clamp(1, PAGE_MAX);
    let gaze = Gaze::new(snapshot, query.sight);
    let mut page = Page { rows: Vec::new(), next: None };
    let (mut seen, mut last) = (0, None);
    let doers = query.who.as_ref().map(|who| Doers::of(snapshot, who)).transpose()?;
    each_before(snapshot, query, |key, activity| {
        if page.rows.len() == limit || seen == PASSED_OVER {
            page.next = last;
            return Ok(ControlFlow::Break(()));
        }
        (seen, last) = (seen + 1, Some(key));
        if fits(&gaze, query, doers.as_ref(), &activity)? {
            let (conversation, opportunity) = (activity.conversation, activity.opportunity.as_ref());
            let name = if query.names { name(snapshot, conversation, opportunity)? } else { None };
            page.rows.push(ActivityRow { activity, name });
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(page)
}

/// Shows what happened to the query's subject, or all that did, the newest first.
fn each_before(
    snapshot: &Snapshot,
    query: &ActivityQuery,
    mut f: impl FnMut(ActivityKey, Activity) -> Result<ControlFlow<()>, StoreError>,
) -> Result<(), StoreError> {
    /// Rows that are read in one go.
    const CHUNK: usize = 256;
    let conversation = query.conversation.map(Subject::Conversation);
    let subject = conversation.or_else(|| query.opportunity.clone().map(Subject::Opportunity));
    let mut before = query.before;
    loop {
        let rows = match &subject {
            None => {
                let keys = before.map_or_else(Keys::all, |key| Keys::all().before(&key));
                snapshot.list_back(ACTIVITY, &keys, CHUNK)?
            }
            Some(subject) => {
                let all = Keys::beginning(subject);
                let keys = match before {
                    Some(key) => all.before(&(subject.clone(), key)),
                    None => all,
                };
                let mut rows = Vec::new();
                for ((_, key), ()) in snapshot.list_back(ACTIVITY_OF, &keys, CHUNK)? {
                    rows.extend(snapshot.get(ACTIVITY, &key)?.map(|activity| (key, activity)));
                }
                rows
            }
        };
        let Some((last, _)) = rows.last() else { return Ok(()) };
        before = Some(*last);
        for (key, activity) in rows {
            if f(key, activity)?.is_break() {
                return Ok(());
            }
        }
    }
}

/// Who is asked for, looked up.
enum Doers {
    Is(String),
    /// A part of what is written, and the e-mails of those who have such a name.
    Like(String, HashSet<String>),
}

impl Doers {
    fn of(read: &impl Read, who: &WhoDid) -> Result<Self, StoreError> {
        let part = match who {
            WhoDid::Is(who) => return Ok(Self::Is(who.clone())),
            WhoDid::Like(part) => part.to_lowercase(),
        };
        let mut emails = HashSet::new();
        read.scan(USERS, &Keys::all(), |_, user| {
            if user.name.to_lowercase().contains(&part) {
                emails.insert(user.email.to_lowercase());
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(Self::Like(part, emails))
    }

    fn include(&self, actor: &Actor) -> bool {
        match self {
            Self::Is(who) => actor.as_str().eq_ignore_ascii_case(who),
            Self::Like(part, emails) => {
                let actor = actor.as_str().to_lowercase();
                actor.contains(part.as_str()) || emails.contains(&actor)
            }
        }
    }
}

fn fits(
    gaze: &Gaze<'_, Snapshot>,
    query: &ActivityQuery,
    doers: Option<&Doers>,
    activity: &Activity,
) -> Result<bool, StoreError> {
    let asked = (query.kinds.is_empty() || query.kinds.contains(&activity.kind))
        && doers.is_none_or(|doers| doers.include(&activity.actor))
        && (query.conversation.is_none() || activity.conversation == query.conversation)
        && (query.opportunity.is_none() || activity.opportunity == query.opportunity);
    if !asked || query.sight == Sight::All {
        return Ok(asked);
    }
    let shown = match activity.conversation {
        Some(id) => gaze.conversation(id)?.is_some(),
        None => true,
    };
    Ok(shown && gaze.reaches(activity.opportunity.as_ref())?)
}

/// The candidate's name, where one is known.
pub(super) fn name(
    read: &impl Read,
    conversation: Option<ConversationId>,
    opportunity: Option<&OpportunityId>,
) -> Result<Option<String>, StoreError> {
    let about = match (opportunity, conversation) {
        (Some(id), _) => Some(id.clone()),
        (None, Some(id)) => readable(read.get(CONVERSATIONS, &id))?.and_then(|row| row.opportunity),
        (None, None) => None,
    };
    let row = about.map(|id| readable(read.get(OPPORTUNITIES, &id))).transpose()?.flatten();
    Ok(row.map(|row| row.name).filter(|name| !name.is_empty()))
}
