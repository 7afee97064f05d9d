//! A tenant of full shape in a file: as many opportunities and interviews as a sandbox has, read by the
//! daemon itself; a conversation of 25 texts with every fifth person, whose words are as common as those of
//! people are (Zipf); and a deadline for each opportunity.

use std::ops::ControlFlow;

use fulcrum::engine::changes;
use fulcrum::engine::clock::Clock;
use fulcrum::store::tables::{
    BY_NUMBER, CONVERSATIONS, COUNTERS, DEADLINES, INTERVIEWS, MESSAGES, OPPORTUNITIES, PLACES, THREADS,
};
use fulcrum::store::{self, Keys, Place, Read, Store, StoreError, Tx};
use fulcrum_domain::{
    Account, Author, Body, Conversation, ConversationId, DeadlineKey, Delivery, Desk, Direction, Message,
    MessageId, Number, OpportunityId, Purpose,
};
use fulcrum_sandbox::Sandbox;
use jiff::{SignedDuration, Timestamp};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::backfill::unlimited;
use crate::daemon::{Home, Setup};

/// Of so many people one was texted.
const ONE_TEXTED_IN: u64 = 5;
const TEXTS_EACH: u64 = 25;
const WORDS_EACH: usize = 12;
pub(crate) const VOCABULARY: usize = 50_000;
/// Conversations, or deadlines, in one commit.
const BATCH: usize = 1_000;
/// So many people's names are kept, to ask for.
const NAMES: usize = 2_000;

/// It, and the Lever that it is of.
pub(crate) struct Tenant {
    pub(crate) home: Home,
    pub(crate) sandbox: Sandbox,
    /// Whose conversations are on a desk of their own.
    pub(crate) reader: Account,
    pub(crate) opportunities: u64,
    pub(crate) interviews: u64,
    pub(crate) conversations: u64,
    /// Names of some.
    pub(crate) names: Vec<String>,
    /// Some who were not texted, each with a number of their own.
    pub(crate) untexted: Vec<(Number, OpportunityId)>,
}

impl Tenant {
    /// One of so many opportunities.
    pub(crate) async fn of(opportunities: u32) -> anyhow::Result<Self> {
        let sandbox = unlimited(opportunities).await?;
        let home = Home::new()?;
        home.configure(&sandbox, Setup { interviews: true, poll_interval: "20s", ..Setup::FREE })?;
        let daemon = home.start().await?;
        daemon.synced().await?;
        daemon.stop()?;
        let reader: Account = sandbox.lasting_user().1.parse()?;
        let store = Store::open(store::Options::file(home.store()), Box::new(|_| ()))?;
        let (mut people, mut names) = (Vec::new(), Vec::new());
        let mut interviews = 0;
        store.read_here(|snapshot| {
            snapshot.scan(OPPORTUNITIES, &Keys::all(), |id, row| {
                // Some are empty, or longer than anybody types.
                if names.len() < NAMES && (3..100).contains(&row.name.trim().chars().count()) {
                    names.push(row.name);
                }
                people.push(id);
                Ok::<_, StoreError>(ControlFlow::Continue(()))
            })?;
            snapshot.scan(INTERVIEWS, &Keys::all(), |_, _| {
                interviews += 1;
                Ok::<_, StoreError>(ControlFlow::Continue(()))
            })
        })?;
        let known = people.len() as u64;
        let is_texted = |place: u64| place.is_multiple_of(ONE_TEXTED_IN);
        let (texted, others): (Vec<_>, Vec<_>) = (0..).zip(people).partition(|(place, _)| is_texted(*place));
        let mut untexted = Vec::new();
        for (place, id) in others.into_iter().take(NAMES) {
            untexted.push((Number::from_u64(digits(place))?, id));
        }
        let conversations = texted.len() as u64;
        for batch in texted.chunks(BATCH) {
            let batch = batch.to_vec();
            store.change(move |tx| put_threads(tx, &batch)).await?;
        }
        put_deadlines(&store, known).await?;
        let numbers = untexted.clone();
        store
            .change(move |tx| numbers.into_iter().try_for_each(|key| tx.put(BY_NUMBER, &key, &()).map(drop)))
            .await?;
        place(&store, &reader).await?;
        store.close().await;
        Ok(Self { home, sandbox, reader, opportunities: known, interviews, conversations, names, untexted })
    }

    /// Texts.
    pub(crate) fn texts(&self) -> u64 {
        self.conversations * TEXTS_EACH
    }

    /// All that people would count: opportunities, interviews, conversations, texts, deadlines.
    pub(crate) fn records(&self) -> u64 {
        2 * self.opportunities + self.interviews + self.conversations + self.texts()
    }

    /// One of the conversations.
    pub(crate) fn thread(&self, rng: &mut SmallRng) -> ConversationId {
        thread_of(rng.random_range(0..self.conversations) * ONE_TEXTED_IN)
    }

    /// The digits of a number that was texted.
    pub(crate) fn digits(&self, rng: &mut SmallRng) -> String {
        digits(rng.random_range(0..self.conversations) * ONE_TEXTED_IN).to_string()
    }
}

/// A rank below `many`, as often as one over it.
pub(crate) fn zipf(rng: &mut SmallRng, many: usize) -> usize {
    let share: f64 = rng.random();
    ((many as f64).powf(share) as usize).saturating_sub(1).min(many - 1)
}

/// The word of a rank: made of syllables, the common ones short.
pub(crate) fn word(rank: usize) -> String {
    const SYLLABLES: [&str; 20] = [
        "ta", "re", "mi", "so", "lu", "ne", "ka", "do", "vi", "pe", "sha", "bro", "gi", "fu", "zan", "ho",
        "wy", "ce", "jo", "qui",
    ];
    let (mut left, mut text) = (rank, String::new());
    loop {
        text.push_str(SYLLABLES[left % SYLLABLES.len()]);
        left /= SYLLABLES.len();
        if left == 0 {
            return text;
        }
        left -= 1;
    }
}

/// The conversation with a person.
fn thread_of(person: u64) -> ConversationId {
    ConversationId::new(person + 1)
}

/// The number of a person: all over North America, none twice.
fn digits(person: u64) -> u64 {
    12_000_000_000 + person * 7_919_003 % 7_999_999_993
}

/// A transcript that is due tomorrow, for as many as there are opportunities.
async fn put_deadlines(store: &Store, many: u64) -> anyhow::Result<()> {
    let tomorrow = Clock::System.now() + SignedDuration::from_hours(24);
    for first in (0..many).step_by(BATCH * 10) {
        let numbers = first..many.min(first + BATCH as u64 * 10);
        store
            .change(move |tx| {
                numbers.into_iter().try_for_each(|number| {
                    let at = tomorrow + SignedDuration::from_millis((number * 7919 % 3_600_000) as i64);
                    let key = DeadlineKey::Transcript(ConversationId::new(number + 1)).to_u64();
                    tx.put(DEADLINES, &(at, key), &()).map(drop)
                })
            })
            .await?;
    }
    Ok(())
}

fn put_threads(tx: &mut Tx<'_>, people: &[(u64, OpportunityId)]) -> Result<(), StoreError> {
    let mut rng = SmallRng::seed_from_u64(people.first().map_or(0, |(place, _)| *place));
    people.iter().try_for_each(|(place, id)| put_thread(tx, *place, id, &mut rng))
}

fn put_thread(
    tx: &mut Tx<'_>,
    person: u64,
    about: &OpportunityId,
    rng: &mut SmallRng,
) -> Result<(), StoreError> {
    let number = Number::from_u64(digits(person)).map_err(|_| StoreError::Closed)?;
    let mut conversation = Conversation::new(thread_of(person), number);
    conversation.opportunity = Some(about.clone());
    for text in 0..TEXTS_EACH {
        let at =
            Timestamp::UNIX_EPOCH + SignedDuration::from_secs(rng.random_range(1_650_000_000..1_750_000_000));
        let is_ours = text.is_multiple_of(2);
        let words: Vec<String> = (0..WORDS_EACH).map(|_| word(zipf(rng, VOCABULARY))).collect();
        let message = Message {
            id: MessageId::new(at, &rng.random()),
            conversation: conversation.id,
            direction: if is_ours { Direction::Out } else { Direction::In },
            at,
            author: if is_ours { Author::Automatic("bench".into()) } else { Author::Candidate },
            body: Body::new(words.join(" ")),
            attachments: Vec::new(),
            our_number: number,
            purpose: Purpose::Conversation,
            opportunity: Some(about.clone()),
            delivery: if is_ours { Delivery::Delivered } else { Delivery::Received },
            failure: None,
            sid: None,
            rule: None,
            filing: None,
            submitted_at: None,
        };
        conversation.last_message_at = conversation.last_message_at.max(Some(at));
        tx.put(PLACES, &message.id, &Place { conversation: conversation.id, at })?;
        tx.put(MESSAGES, &(conversation.id, at, message.id), &message)?;
    }
    tx.put(THREADS, &number, &conversation.id)?;
    tx.put(COUNTERS, &"conversations".to_owned(), &conversation.id.number())?;
    tx.put(CONVERSATIONS, &conversation.id, &conversation)?;
    Ok(())
}

/// Puts the conversations on their shelves, as the first start with a file of old does, and one in a
/// hundred on the reader's own.
async fn place(store: &Store, reader: &Account) -> anyhow::Result<()> {
    const ONE_OF_MINE_IN: u64 = 100 * ONE_TEXTED_IN;
    let mut last = None;
    loop {
        let reader = reader.clone();
        let next = store
            .change(move |tx| {
                let next = changes::place_older(tx, last, BATCH)?;
                let first = last.map_or(1, |id: ConversationId| id.number() + 1);
                for number in
                    (first..=next.map_or(0, ConversationId::number)).filter(|n| n % ONE_OF_MINE_IN == 1)
                {
                    let mine = |desk: &mut Desk| desk.assigned = Some(reader.clone());
                    changes::change_desk(tx, ConversationId::new(number), mine)?;
                }
                Ok::<_, StoreError>(next)
            })
            .await?;
        if next.is_none() {
            break;
        }
        last = next;
    }
    Ok(())
}
