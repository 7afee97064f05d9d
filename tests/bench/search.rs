//! The search over a store of full size: 1,000,000 people, 200,000 conversations, 5,000,000 texts whose
//! words are as common as those of people are (Zipf). Beside it, what a scan of the texts takes. And over
//! the same store the console's pages (`pages`).
//!
//! `SEARCH_ONE_IN=20` makes all of it smaller by that, to see that it works.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use fulcrum::cli::wiring;
use fulcrum::engine::clock::Clock;
use fulcrum::engine::{Engine, SearchQuery, changes};
use fulcrum::store::tables::{CONVERSATIONS, MESSAGES, OPPORTUNITIES, PLACES, SECRETS};
use fulcrum::store::{self, Keys, Place, Read, SecretKey, Store, StoreError, Tx};
use fulcrum_domain::{
    Account, Author, Body, Conversation, ConversationId, Delivery, Desk, Direction, Message, MessageId,
    Number, Opportunity, OpportunityId, Phone, Purpose, Sight,
};
use jiff::{SignedDuration, Timestamp};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::backfill::unlimited;
use crate::daemon::{Home, Setup};
use crate::process::resident_peak;
use crate::table::{Row, megabytes, percentile, thousands};

const PEOPLE: u64 = 1_000_000;
/// Of so many people one was texted.
const ONE_TEXTED_IN: u64 = 5;
const TEXTS_EACH: u64 = 25;
const WORDS_EACH: usize = 12;
const VOCABULARY: usize = 50_000;
/// Rows in one commit.
const BATCH: u64 = 5_000;
const ASKED: usize = 400;
const GOAL_MS: f64 = 200.0;

/// The rows of this part.
pub(crate) fn rows() -> anyhow::Result<Vec<Row>> {
    tokio::runtime::Runtime::new()?.block_on(measure())
}

async fn measure() -> anyhow::Result<Vec<Row>> {
    let smaller: u64 = std::env::var("SEARCH_ONE_IN").map_or(Ok(1), |text| text.parse())?;
    let people = PEOPLE / smaller;
    let home = Home::new()?;
    fill(&home.store(), people).await?;
    let scans = scan(&home.store())?;

    let sandbox = unlimited(10).await?;
    home.configure(&sandbox, Setup::REAL)?;
    let reader: Account = sandbox.lasting_user().1.parse()?;
    place(&home.store(), &reader).await?;
    let config = home.read_config()?;
    let (remotes, settings) = (wiring::remotes(&config)?, wiring::settings(&config)?);
    let before = resident_peak("self")?;
    let began = Instant::now();
    let engine = Engine::start(remotes, settings, Clock::System).await?;
    loop {
        let opened = engine.search(query("x")).await.is_ok();
        if opened && engine.status().await?.health.components["search"].detail.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let built = began.elapsed();
    let more = resident_peak("self")? - before;

    let texts = people / ONE_TEXTED_IN * TEXTS_EACH;
    let of = format!("{} people, {} texts", thousands(people as f64), thousands(texts as f64));
    let mut rows = vec![Row::told(
        format!("building the index of {of}"),
        format!("{:.0} s, {:.0} MB more memory", built.as_secs_f64(), megabytes(more)),
    )];
    let mut rng = SmallRng::seed_from_u64(3);
    for (what, ask) in KINDS {
        let mut times = Vec::with_capacity(ASKED);
        let mut hits = 0;
        for _ in 0..ASKED {
            let query = query(&ask(&mut rng, people));
            let began = Instant::now();
            hits += engine.search(query).await?.len();
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        let (p50, p99) = (percentile(&times, 0.5), percentile(&times, 0.99));
        let measured = format!("{p99:.1} ms (p50 {p50:.1}), {} hits each", hits / ASKED);
        let row = Row::new(format!("search, p99: {what}"), "<= 200 ms", measured, p99 <= GOAL_MS);
        rows.push(row.beside(format!("a scan of the texts {:.0} ms", scans * 1e3)));
    }
    let threads = people / ONE_TEXTED_IN;
    let kinds = |rng: &mut SmallRng| KINDS[rng.random_range(0..KINDS.len())].1(rng, people);
    rows.extend(crate::pages::rows(&engine, &config, reader, threads, &mut rng, kinds).await?);
    engine.stop(Duration::from_secs(30)).await;
    sandbox.shutdown().await;
    Ok(rows)
}

/// What is typed, by what it is.
type Ask = fn(&mut SmallRng, u64) -> String;

const KINDS: [(&str, Ask); 6] = [
    ("a name, unfinished", |rng, _| {
        let (first, last) = (zipf(rng, 2_000), zipf(rng, VOCABULARY));
        format!("{} {}", word(first), &word(last)[..2])
    }),
    ("two letters", |rng, _| word(zipf(rng, VOCABULARY))[..2].to_owned()),
    ("a word", |rng, _| word(zipf(rng, VOCABULARY))),
    ("three words", |rng, _| (0..3).map(|_| word(zipf(rng, VOCABULARY))).collect::<Vec<_>>().join(" ")),
    ("two words in quotes", |rng, _| {
        format!("\"{} {}\"", word(zipf(rng, VOCABULARY)), word(zipf(rng, VOCABULARY)))
    }),
    ("the last four digits, or the first six", |rng, people| {
        let digits = digits(rng.random_range(0..people)).to_string();
        if rng.random() { digits[digits.len() - 4..].to_owned() } else { digits[1..7].to_owned() }
    }),
];

fn query(words: &str) -> SearchQuery {
    SearchQuery { words: words.to_owned(), limit: 20, sight: Sight::Open }
}

/// A rank below `many`, as often as one over it.
fn zipf(rng: &mut SmallRng, many: usize) -> usize {
    let share: f64 = rng.random();
    ((many as f64).powf(share) as usize).saturating_sub(1).min(many - 1)
}

/// The word of a rank: made of syllables, the common ones short.
fn word(rank: usize) -> String {
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

/// The number of a person: all over North America, none twice.
fn digits(person: u64) -> u64 {
    12_000_000_000 + person * 7_919_003 % 7_999_999_993
}

async fn fill(path: &Path, people: u64) -> anyhow::Result<()> {
    let store = Store::open(store::Options::file(path), Box::new(|_| ()))?;
    for first in (0..people).step_by(usize::try_from(BATCH)?) {
        let persons = first..people.min(first + BATCH);
        store
            .change(move |tx| {
                let mut rng = SmallRng::seed_from_u64(first);
                persons.into_iter().try_for_each(|person| put_person(tx, person, &mut rng))
            })
            .await?;
    }
    store.close().await;
    Ok(())
}

fn put_person(tx: &mut Tx<'_>, person: u64, rng: &mut SmallRng) -> Result<(), StoreError> {
    let number = Number::from_u64(digits(person)).map_err(|_| StoreError::Closed)?;
    let id: OpportunityId =
        uuid::Uuid::from_u128(rng.random()).to_string().parse().map_err(|_| StoreError::Closed)?;
    let at = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_600_000_000 + person as i64);
    let row = Opportunity {
        contact: format!("contact-{person}").parse().map_err(|_| StoreError::Closed)?,
        name: format!("{} {}", word(zipf(rng, 2_000)), word(zipf(rng, VOCABULARY))),
        phones: vec![Phone { kind: None, number: Some(number), raw: None }],
        emails: Vec::new(),
        stage: "applicant-new".parse().map_err(|_| StoreError::Closed)?,
        archived: None,
        owner: None,
        application: None,
        posting: None,
        tags: Vec::new(),
        confidential: false,
        anonymised: false,
        created_at: at,
        advanced_at: at,
        updated_at: None,
        // So that no page asks Lever, which does not have them.
        as_of: Clock::System.now() + SignedDuration::from_hours(24),
        interviews_as_of: None,
    };
    tx.put(OPPORTUNITIES, &id, &row)?;
    if person.is_multiple_of(ONE_TEXTED_IN) { put_thread(tx, person, number, &id, rng) } else { Ok(()) }
}

fn put_thread(
    tx: &mut Tx<'_>,
    person: u64,
    number: Number,
    about: &OpportunityId,
    rng: &mut SmallRng,
) -> Result<(), StoreError> {
    let mut conversation = Conversation::new(ConversationId::new(person + 1), number);
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
    tx.put(CONVERSATIONS, &conversation.id, &conversation)?;
    Ok(())
}

/// Puts the conversations on their shelves, as the first start with a file of old does, and one in a
/// hundred on the reader's own.
async fn place(path: &Path, reader: &Account) -> anyhow::Result<()> {
    const BATCH: usize = 1_000;
    const ONE_OF_MINE_IN: u64 = 100;
    let store = Store::open(store::Options::file(path), Box::new(|_| ()))?;
    // The key that a first start makes: with it a number's opt-out is looked up.
    store.change(|tx| tx.put(SECRETS, &"suppressions".to_owned(), &SecretKey([7; 32])).map(drop)).await?;
    let mut last = None;
    loop {
        let reader = reader.clone();
        let next = store
            .change(move |tx| {
                let next = changes::place_older(tx, last, BATCH)?;
                let first = last.map_or(1, |id: ConversationId| id.number() + 1);
                for number in
                    (first..=next.map_or(0, ConversationId::number)).filter(|n| n % ONE_OF_MINE_IN == 0)
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
    store.close().await;
    Ok(())
}

/// Seconds to look through all texts for a word.
fn scan(path: &Path) -> anyhow::Result<f64> {
    let store = Store::open(store::Options::file(path), Box::new(|_| ()))?;
    let rare = word(VOCABULARY - 1);
    let began = Instant::now();
    store.read_here(|snapshot| {
        snapshot.scan(MESSAGES, &Keys::all(), |_, message| {
            black_box(message.body.reveal().to_lowercase().contains(&rare));
            Ok::<_, StoreError>(ControlFlow::Continue(()))
        })
    })?;
    Ok(began.elapsed().as_secs_f64())
}
