//! Bulk texts: made from a template and an audience, looked at, confirmed, and sent one by one.
//!
//! ```text
//! audience, list ─> make ─> recipients ─> preview ─> confirm (a second person above 250) ─> turns ─> texts
//!                            each waits or says why not                        pause, stop <──┘   nudges
//! ```

mod list;
mod turn;
mod words;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

use fulcrum_domain::bulk::{
    AUDIENCE_MAX, Audience, BadRow, Bulk, BulkId, BulkState, Exclusion, Nudge, Recipient, RecipientState,
    Step,
};
use fulcrum_domain::{Actor, Delivery, Folder, Message, OpportunityId, Shelf, Sight, UserId, target};
use jiff::Timestamp;

pub use list::{Listed, Who, read_list};
#[cfg(test)]
pub(super) use turn::{meet, round};
use words::words_for;

use super::changes::{self, BulkError};
use super::repeats::{KeyReused, Once, made_before, remember};
use super::view::{Gaze, Page};
use super::{Engine, Settings};
use crate::store::tables::{BULKS, CONVERSATIONS, OPPORTUNITIES, POSTINGS, RECIPIENTS, SHELVES, STAGES};
use crate::store::{Created, Keys, Read, StoreError};

/// A bulk text as somebody wants it.
#[derive(Clone, Debug)]
pub struct NewBulk {
    /// What people call it.
    pub name: String,
    /// The id of its template.
    pub template: String,
    /// The id of the template for those who do not answer, and after how many days.
    pub nudge: Option<(String, u16)>,
    /// Whom it is for, by what Lever says.
    pub audience: Audience,
    /// Whom it is for, by a list; then the audience narrows that.
    pub listed: Vec<Listed>,
    /// Lines of that list that were not understood.
    pub bad_rows: Vec<BadRow>,
    /// E-mail of the Lever user who signs.
    pub on_behalf_of: Option<String>,
    /// Who signs if none is named.
    pub user: Option<UserId>,
    /// The same, by name.
    pub name_of_user: String,
    /// Who makes it.
    pub by: Actor,
    /// What they may see: nobody texts whom they may not.
    pub sight: Sight,
    /// The caller's `Idempotency-Key`.
    pub once: Option<Once>,
}

/// Why a bulk text is not made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// No such template.
    #[error("no such template is configured")]
    UnknownTemplate,
    /// No such template for those who do not answer.
    #[error("no such template is configured for those who do not answer")]
    UnknownNudge,
    /// No active Lever user has that e-mail.
    #[error("no active Lever user has that e-mail")]
    UnknownSender,
    /// It would be for everybody.
    #[error("a bulk text is for somebody: name postings, stages, tags or a list")]
    Everybody,
    /// More than an audience.
    #[error("it would be for more than {AUDIENCE_MAX} people: narrow it")]
    TooMany,
    /// The same key came with another request.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A bulk text with how far it is.
#[derive(Clone, Debug)]
pub struct BulkView {
    /// Which.
    pub id: BulkId,
    /// The row.
    pub bulk: Bulk,
    /// How many are how far.
    pub counts: BulkCounts,
    /// Why some get none, and how many for each reason, the most first.
    pub reasons: Vec<(String, usize)>,
}

/// How many recipients are how far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BulkCounts {
    /// Their turn has not come.
    pub waiting: usize,
    /// Of those: they may have opted out, so nothing leaves to them until somebody decides.
    pub in_doubt: usize,
    /// They get none.
    pub excluded: usize,
    /// Their text was written; those of the next three are among them.
    pub written: usize,
    /// It arrived.
    pub delivered: usize,
    /// It did not.
    pub failed: usize,
    /// They have written since.
    pub answered: usize,
    /// They were reminded.
    pub nudged: usize,
    /// It was stopped before.
    pub called_off: usize,
}

/// A recipient with what they get.
#[derive(Clone, Debug)]
pub struct RecipientView {
    /// Who.
    pub opportunity: OpportunityId,
    /// Their name, while they are known.
    pub name: Option<String>,
    /// How far it is; excluded, too, if they would be by now.
    pub state: RecipientState,
    /// The words as they would leave, or have left.
    pub words: Option<String>,
    /// The text, once it was written.
    pub message: Option<Message>,
    /// Whether they have written something that nobody has answered, while their turn has not come.
    pub unanswered: bool,
    /// Whether they may have opted out, while their turn has not come: until somebody decides, it does not.
    pub in_doubt: bool,
}

/// Which recipients of a bulk text are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All.
    Whole,
    /// Those who get a text, or would have.
    Texted,
    /// Those who were excluded.
    Excluded,
}

impl Part {
    fn has(self, state: &RecipientState) -> bool {
        let excluded = matches!(state, RecipientState::Excluded(_));
        match self {
            Self::Whole => true,
            Self::Texted => !excluded,
            Self::Excluded => excluded,
        }
    }
}

impl Engine {
    /// Makes a bulk text. Nothing leaves before a person has confirmed it. A repeat with the same key makes
    /// none.
    ///
    /// # Errors
    /// [`MakeError`]; then nothing is stored.
    pub async fn make_bulk(&self, new: NewBulk) -> Result<BulkId, MakeError> {
        let settings = self.settings.load_full();
        let now = self.clock.now();
        let template = settings.templates.get(&new.template).ok_or(MakeError::UnknownTemplate)?.clone();
        let nudge = match &new.nudge {
            Some((id, days)) => {
                let template = settings.templates.get(id).ok_or(MakeError::UnknownNudge)?;
                Some((template.clone(), *days))
            }
            None => None,
        };
        if new.audience.is_everybody() && new.listed.is_empty() && new.bad_rows.is_empty() {
            return Err(MakeError::Everybody);
        }
        let once = new.once;
        // Its words must be there when it is looked how they read.
        let kept = self
            .store
            .change(move |tx| {
                if let Some(made) = made_before::<MakeError>(tx, once)? {
                    return Ok(Err(made));
                }
                let nudge = match nudge {
                    Some((template, after_days)) => {
                        Some(Nudge { template: changes::keep_words(tx, &template)?, after_days })
                    }
                    None => None,
                };
                Ok::<_, MakeError>(Ok((changes::keep_words(tx, &template)?, nudge)))
            })
            .await?;
        let (version, nudge) = match kept {
            Ok(kept) => kept,
            Err(made) => return as_bulk(made),
        };
        let (bulk, recipients) = self
            .store
            .read(move |snapshot| {
                let sender = match &new.on_behalf_of {
                    Some(email) => {
                        Some(changes::user_by_email(snapshot, email)?.ok_or(MakeError::UnknownSender)?)
                    }
                    None => new.user.clone(),
                };
                let bulk = Bulk {
                    name: new.name,
                    template: version,
                    nudge,
                    audience: new.audience,
                    bad_rows: new.bad_rows,
                    sender,
                    sender_name: new.name_of_user,
                    made_by: new.by,
                    made_at: now,
                    state: BulkState::Draft,
                };
                look(snapshot, bulk, new.listed, new.sight, &settings, now)
            })
            .await?;
        self.store
            .change(move |tx| {
                if let Some(made) = made_before::<MakeError>(tx, once)? {
                    return as_bulk(made);
                }
                let id = changes::make_bulk(tx, &bulk, recipients)?;
                remember(tx, once, Created::Bulk(id), now)?;
                Ok(id)
            })
            .await
    }

    /// A person confirms a bulk text, approves it, pauses it, lets it go on, or stops it.
    ///
    /// # Errors
    /// [`BulkError`]; then nothing changes.
    pub async fn step_bulk(&self, id: BulkId, step: Step, by: Actor) -> Result<(), BulkError> {
        let settings = self.settings.load_full();
        let mut moment = self.clock.moment();
        let above = settings.second_person_above;
        self.change_once(move |tx| {
            changes::step_bulk(tx, id, step, &by, above, &settings.rules, &mut moment)
        })
        .await?;
        self.wake.bulk.notify_one();
        Ok(())
    }

    /// Bulk texts, the newest first. `after` is the last of the page before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn bulks(
        &self,
        after: Option<BulkId>,
        limit: usize,
    ) -> Result<Page<(BulkId, Bulk), BulkId>, StoreError> {
        let keys = after.map_or_else(Keys::all, |id| Keys::all().before(&id));
        self.store
            .read(move |snapshot| {
                Page::read(limit, |most| snapshot.list_back(BULKS, &keys, most), |(id, _)| *id)
            })
            .await
    }

    /// One bulk text.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn bulk(&self, id: BulkId) -> Result<Option<BulkView>, StoreError> {
        self.store
            .read(move |snapshot| {
                let Some(bulk) = snapshot.get(BULKS, &id)? else { return Ok(None) };
                let (counts, reasons) = counts(snapshot, id)?;
                Ok(Some(BulkView { id, bulk, counts, reasons }))
            })
            .await
    }

    /// What an audience can be chosen by, as (id, name): open postings by name, and stages in their order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audiences(
        &self,
        sight: Sight,
    ) -> Result<(Vec<(String, String)>, Vec<(String, String)>), StoreError> {
        self.store
            .read(move |snapshot| {
                let mut postings = Vec::new();
                snapshot.scan(POSTINGS, &Keys::all(), |id, row| {
                    if matches!(row.state.as_str(), "published" | "internal")
                        && sight.reaches(row.confidential)
                    {
                        postings.push((id.to_string(), row.title));
                    }
                    Ok(ControlFlow::Continue(()))
                })?;
                postings.sort_by(|one, other| one.1.cmp(&other.1));
                let mut stages = snapshot.list(STAGES, &Keys::all(), usize::MAX)?;
                stages.sort_by_key(|(_, row)| row.position);
                Ok((postings, stages.into_iter().map(|(id, row)| (id.to_string(), row.text)).collect()))
            })
            .await
    }

    /// The recipients of a bulk text with their words, in their order. `after` is the place of the last of
    /// the page before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn bulk_recipients(
        &self,
        id: BulkId,
        part: Part,
        after: Option<u64>,
        limit: usize,
        sight: Sight,
    ) -> Result<Page<RecipientView, u64>, StoreError> {
        let settings = self.settings.load_full();
        let now = self.clock.now();
        self.store
            .read(move |snapshot| recipients(snapshot, (id, part), after, limit, sight, &settings, now))
            .await
    }
}

/// What the same request came to before.
fn as_bulk(made: Created) -> Result<BulkId, MakeError> {
    match made {
        Created::Bulk(id) => Ok(id),
        _ => Err(KeyReused.into()),
    }
}

/// Why somebody of a list gets no text whom the audience leaves out.
const LEFT_OUT: &str = "not of the postings, stages and tags that it is for";

/// Whom a bulk text is for, each with whether they can be texted as it stands.
pub(super) fn look(
    read: &impl Read,
    mut bulk: Bulk,
    listed: Vec<Listed>,
    sight: Sight,
    settings: &Settings,
    now: Timestamp,
) -> Result<(Bulk, Vec<Recipient>), MakeError> {
    let mut found: Vec<(OpportunityId, Option<bool>)> = Vec::new();
    // Of a list: those whom the audience leaves out. They are told of, too.
    let mut left_out = HashSet::new();
    if listed.is_empty() && !bulk.audience.is_everybody() {
        read.scan(OPPORTUNITIES, &Keys::all(), |id, row| {
            if sight.reaches(row.confidential) && bulk.audience.holds(&row) {
                found.push((id, None));
            }
            let full = found.len() > AUDIENCE_MAX;
            Ok(if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
    }
    for Listed { line, who, consents } in listed {
        let id = match who {
            Who::Opportunity(id) => Some(id),
            Who::Number(number) => target(&changes::candidacies(read, number)?, None, now),
        };
        let Some(id) = id else {
            let reason = "nobody in Lever has its number".to_owned();
            bulk.bad_rows.push(BadRow { line, reason });
            continue;
        };
        let row = read.get(OPPORTUNITIES, &id)?;
        if !bulk.audience.is_everybody() && !row.is_some_and(|row| bulk.audience.holds(&row)) {
            left_out.insert(id.clone());
        }
        found.push((id, consents));
    }
    if found.iter().filter(|(id, _)| !left_out.contains(id)).count() > AUDIENCE_MAX {
        return Err(MakeError::TooMany);
    }
    bulk.bad_rows.sort_by_key(|row| row.line);
    let mut recipients = Vec::with_capacity(found.len());
    let mut numbers = HashSet::new();
    for (opportunity, consents) in found {
        let recipient = Recipient { opportunity, consents, state: RecipientState::Waiting };
        let state = match words_for(read, &bulk, &bulk.template, &recipient, sight, settings, now)? {
            Ok(_) if left_out.contains(&recipient.opportunity) => {
                RecipientState::Excluded(Exclusion::Refused(LEFT_OUT.to_owned()))
            }
            Ok(words) if !numbers.insert(words.number) => RecipientState::Excluded(Exclusion::Repeated),
            Ok(_) => RecipientState::Waiting,
            Err(why) => RecipientState::Excluded(why),
        };
        recipients.push(Recipient { state, ..recipient });
    }
    Ok((bulk, recipients))
}

/// Those who may have opted out: nobody has decided yet.
fn in_doubt(read: &impl Read) -> Result<HashSet<OpportunityId>, StoreError> {
    let mut found = HashSet::new();
    let shelf = Keys::beginning(&Shelf::Folder(Folder::PossibleOptOut));
    for ((_, _, thread), ()) in read.list(SHELVES, &shelf, usize::MAX)? {
        let Some(thread) = read.get(CONVERSATIONS, &thread)? else { continue };
        for one in changes::candidacies(read, thread.number)? {
            if read.get(OPPORTUNITIES, &one.id)?.is_some_and(|row| row.number() == Some(thread.number)) {
                found.insert(one.id);
            }
        }
    }
    Ok(found)
}

fn counts(read: &impl Read, id: BulkId) -> Result<(BulkCounts, Vec<(String, usize)>), StoreError> {
    let mut counts = BulkCounts::default();
    let mut reasons = BTreeMap::new();
    let in_doubt = in_doubt(read)?;
    for (_, recipient) in changes::all_recipients(read, id)? {
        let text = match recipient.state {
            RecipientState::Waiting => {
                counts.waiting += 1;
                counts.in_doubt += usize::from(in_doubt.contains(&recipient.opportunity));
                continue;
            }
            RecipientState::Excluded(why) => {
                counts.excluded += 1;
                *reasons.entry(why.to_string()).or_default() += 1;
                continue;
            }
            RecipientState::CalledOff => {
                counts.called_off += 1;
                continue;
            }
            RecipientState::Written(text) => text,
            RecipientState::Nudged { first, .. } => {
                counts.nudged += 1;
                first
            }
        };
        counts.written += 1;
        // Erased since, with whom it went to.
        let Some(text) = changes::message(read, text)? else { continue };
        match text.delivery {
            Delivery::Delivered => counts.delivered += 1,
            Delivery::Failed | Delivery::Undelivered | Delivery::Canceled | Delivery::Unconfirmed => {
                counts.failed += 1;
            }
            _ => {}
        }
        let last_in = changes::desk_of(read, text.conversation)?.said.last_in_at;
        counts.answered += usize::from(last_in.is_some_and(|at| at >= text.at));
    }
    let mut reasons: Vec<(String, usize)> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| Reverse(*count));
    Ok((counts, reasons))
}

fn recipients(
    read: &impl Read,
    (id, part): (BulkId, Part),
    after: Option<u64>,
    limit: usize,
    sight: Sight,
    settings: &Settings,
    now: Timestamp,
) -> Result<Page<RecipientView, u64>, StoreError> {
    let Some(bulk) = read.get(BULKS, &id)? else { return Ok(Page { rows: Vec::new(), next: None }) };
    let all = Keys::beginning(&id);
    let keys = match after {
        Some(place) => all.after(&(id, place)),
        None => all,
    };
    let gaze = Gaze::new(read, sight);
    let in_doubt = in_doubt(read)?;
    let list = |most| {
        let mut rows = Vec::new();
        read.scan(RECIPIENTS, &keys, |key, recipient| {
            if part.has(&recipient.state) {
                rows.push((key, recipient));
            }
            Ok(if rows.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(rows)
    };
    let page = Page::read(limit, list, |((_, place), _)| *place)?;
    page.try_filter_map(|(_, recipient)| {
        // Whoever was not known when it was made is told of to everybody, by what stood in the list.
        let unknown = recipient.state == RecipientState::Excluded(Exclusion::Unknown);
        let reaches = gaze.reaches(Some(&recipient.opportunity))?;
        if !reaches && !unknown {
            return Ok(None);
        }
        let row = if reaches { read.get(OPPORTUNITIES, &recipient.opportunity)? } else { None };
        let mut view = RecipientView {
            opportunity: recipient.opportunity.clone(),
            name: row.map(|row| row.name),
            state: recipient.state.clone(),
            words: None,
            message: None,
            unanswered: false,
            in_doubt: false,
        };
        match &recipient.state {
            RecipientState::Waiting => {
                match words_for(read, &bulk, &bulk.template, &recipient, sight, settings, now)? {
                    Ok(found) => {
                        view.in_doubt = in_doubt.contains(&recipient.opportunity);
                        view.unanswered = changes::is_unanswered(read, found.number)?;
                        view.words = Some(found.words);
                    }
                    Err(why) => view.state = RecipientState::Excluded(why),
                }
            }
            RecipientState::Written(text) | RecipientState::Nudged { nudge: text, .. } => {
                view.message = changes::message(read, *text)?;
                view.words = view.message.as_ref().map(|text| text.body.reveal().to_owned());
            }
            RecipientState::Excluded(_) | RecipientState::CalledOff => {}
        }
        Ok(Some(view))
    })
}
