//! The messages of a thread, from its beginning or from its end.

use fulcrum_domain::file::FileState;
use fulcrum_domain::template::Version;
use fulcrum_domain::{ConversationId, Delivery, Effect, FilingState, Message, MessageId, Sight};
use jiff::Timestamp;

use super::Page;
use super::gaze::Gaze;
use crate::engine::Engine;
use crate::engine::changes::{desk_of, files_of, message};
use crate::store::tables::{FILINGS, MADE_FROM, MESSAGES, MessageKey, OUTBOX};
use crate::store::{Keys, Read, StoreError};

/// A message.
#[derive(Clone, Debug)]
pub struct MessageView {
    /// The row.
    pub message: Message,
    /// When it leaves, if it waits for its time.
    pub send_at: Option<Timestamp>,
    /// The words of the template that it was made from, where it was.
    pub made_from: Option<Version>,
    /// How far its attachments are, in their order; none for one that was never asked for.
    pub files: Vec<Option<FileState>>,
    /// How far the transcript is that it stands in, if it does.
    pub filing: Option<FilingState>,
}

impl Engine {
    /// Whether there is a text with this id for whoever sees so much.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sees_text(&self, id: MessageId, sight: Sight) -> Result<bool, StoreError> {
        self.store
            .read(move |snapshot| {
                let Some(text) = message(snapshot, id)? else { return Ok(false) };
                let gaze = Gaze::new(snapshot, sight);
                Ok(gaze.conversation(text.conversation)?.is_some()
                    && gaze.reaches(text.opportunity.as_ref())?)
            })
            .await
    }

    /// The messages of a conversation in order, from after `after` on; on the last page, after
    /// all others, those that wait for their time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn messages(
        &self,
        id: ConversationId,
        after: Option<(Timestamp, MessageId)>,
        limit: usize,
        sight: Sight,
    ) -> Result<Page<MessageView, (Timestamp, MessageId)>, StoreError> {
        self.store.read(move |snapshot| messages(snapshot, id, after, limit, sight)).await
    }

    /// The messages of a conversation that come before `before`, in order, as many of the newest as
    /// fit; without it, those that wait for their time as well. `next` leads to older ones.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn messages_before(
        &self,
        id: ConversationId,
        before: Option<(Timestamp, MessageId)>,
        limit: usize,
        sight: Sight,
    ) -> Result<Page<MessageView, (Timestamp, MessageId)>, StoreError> {
        self.store.read(move |snapshot| messages_before(snapshot, id, before, limit, sight)).await
    }
}

type MessagePage = Page<MessageView, (Timestamp, MessageId)>;

/// See [`Engine::messages`].
pub(crate) fn messages(
    read: &impl Read,
    id: ConversationId,
    after: Option<(Timestamp, MessageId)>,
    limit: usize,
    sight: Sight,
) -> Result<MessagePage, StoreError> {
    let all = Keys::beginning(&id);
    let keys = match after {
        Some((at, message)) => all.after(&(id, at, message)),
        None => all,
    };
    let gaze = Gaze::new(read, sight);
    let mut page = page(&gaze, &keys, limit, |keys, limit| read.list(MESSAGES, keys, limit))?;
    if page.next.is_none() {
        page.rows.extend(waiting(&gaze, id)?);
    }
    Ok(page)
}

fn messages_before(
    read: &impl Read,
    id: ConversationId,
    before: Option<(Timestamp, MessageId)>,
    limit: usize,
    sight: Sight,
) -> Result<MessagePage, StoreError> {
    let all = Keys::beginning(&id);
    let keys = match before {
        Some((at, message)) => all.before(&(id, at, message)),
        None => all,
    };
    let gaze = Gaze::new(read, sight);
    let mut page = page(&gaze, &keys, limit, |keys, limit| read.list_back(MESSAGES, keys, limit))?;
    page.rows.reverse();
    if before.is_none() {
        page.rows.extend(waiting(&gaze, id)?);
    }
    Ok(page)
}

/// Messages that do not wait for their time, in the order in which `list` gives them.
fn page(
    gaze: &Gaze<'_, impl Read>,
    keys: &Keys,
    limit: usize,
    list: impl FnOnce(&Keys, usize) -> Result<Vec<(MessageKey, Message)>, StoreError>,
) -> Result<MessagePage, StoreError> {
    let Page { rows, next } =
        Page::read(limit, |most| list(keys, most), |((_, at, message), _)| (*at, *message))?;
    Ok(Page { rows: gone(gaze, rows.into_iter().map(|(_, message)| message))?, next })
}

/// Those that do not wait for their time.
fn gone(
    gaze: &Gaze<'_, impl Read>,
    messages: impl Iterator<Item = Message>,
) -> Result<Vec<MessageView>, StoreError> {
    let gone = messages.filter(|message| message.delivery != Delivery::Scheduled).collect();
    gaze.of_messages(gone)?.into_iter().map(|message| view(gaze, message, None)).collect()
}

fn view(
    gaze: &Gaze<'_, impl Read>,
    message: Message,
    send_at: Option<Timestamp>,
) -> Result<MessageView, StoreError> {
    let made_from = gaze.read.get(MADE_FROM, &message.id)?;
    let filing = match &message.filing {
        Some(id) => gaze.read.get(FILINGS, id)?.map(|filing| filing.state),
        None => None,
    };
    Ok(MessageView { made_from, files: files_of(gaze.read, &message)?, message, send_at, filing })
}

/// The texts of a thread that wait for their time, in order of that.
pub(super) fn waiting(
    gaze: &Gaze<'_, impl Read>,
    id: ConversationId,
) -> Result<Vec<MessageView>, StoreError> {
    const CHUNK: usize = 100;
    let count = desk_of(gaze.read, id)?.said.scheduled;
    let mut left = usize::try_from(count).unwrap_or(usize::MAX);
    let (mut views, mut keys) = (Vec::new(), Keys::beginning(&id));
    // They were written of late, as a rule.
    while left > 0 {
        let rows = gaze.read.list_back(MESSAGES, &keys, CHUNK)?;
        let Some((oldest, _)) = rows.last() else { break };
        keys = keys.before(oldest);
        let scheduled: Vec<Message> = rows
            .into_iter()
            .map(|(_, message)| message)
            .filter(|message| message.delivery == Delivery::Scheduled)
            .collect();
        left = left.saturating_sub(scheduled.len());
        for message in gaze.of_messages(scheduled)? {
            let send_at = gaze.read.get(OUTBOX, &Effect::Send(message.id))?.map(|row| row.due_at);
            views.push(view(gaze, message, send_at)?);
        }
    }
    views.sort_by_key(|view| (view.send_at, view.message.id));
    Ok(views)
}
