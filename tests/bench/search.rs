//! The search over the texts and people of a tenant. Beside it, what a scan of the texts takes.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use fulcrum::engine::{Engine, SearchQuery};
use fulcrum::store::tables::MESSAGES;
use fulcrum::store::{self, Keys, Read, Store, StoreError};
use fulcrum_domain::Sight;
use rand::RngExt;
use rand::rngs::SmallRng;

use crate::table::percentile;
use crate::tenant::{Tenant, VOCABULARY, word, zipf};

const ASKED: usize = 400;

/// What was asked, how long it took in milliseconds (99 in 100 were quicker, and half).
pub(crate) struct Asked {
    pub(crate) what: &'static str,
    pub(crate) p99: f64,
    pub(crate) p50: f64,
}

/// Asks for what people type.
pub(crate) async fn ask(engine: &Engine, tenant: &Tenant, rng: &mut SmallRng) -> anyhow::Result<Vec<Asked>> {
    let (mut all, mut hits) = (Vec::new(), 0);
    for (what, words) in KINDS {
        let mut times = Vec::with_capacity(ASKED);
        for _ in 0..ASKED {
            let query = query(&words(rng, tenant));
            let began = Instant::now();
            hits += engine.search(query).await?.len();
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        let (p50, p99) = (percentile(&times, 0.5), percentile(&times, 0.99));
        all.push(Asked { what, p99, p50 });
    }
    anyhow::ensure!(hits > ASKED, "next to nothing was found");
    Ok(all)
}

/// As the console asks.
pub(crate) fn query(words: &str) -> SearchQuery {
    SearchQuery { words: words.to_owned(), limit: 20, sight: Sight::Open }
}

/// What somebody types, of any kind.
pub(crate) fn typed(rng: &mut SmallRng, tenant: &Tenant) -> String {
    KINDS[rng.random_range(0..KINDS.len())].1(rng, tenant)
}

/// What is typed, by what it is.
type Ask = fn(&mut SmallRng, &Tenant) -> String;

const KINDS: [(&str, Ask); 6] = [
    ("a name, unfinished", |rng, tenant| {
        let name = &tenant.names[rng.random_range(0..tenant.names.len())];
        match name.rsplit_once(' ') {
            Some((first, last)) => format!("{first} {}", last.chars().take(2).collect::<String>()),
            None => name.clone(),
        }
    }),
    ("two letters", |rng, _| word(zipf(rng, VOCABULARY))[..2].to_owned()),
    ("a word", |rng, _| word(zipf(rng, VOCABULARY))),
    ("three words", |rng, _| (0..3).map(|_| word(zipf(rng, VOCABULARY))).collect::<Vec<_>>().join(" ")),
    ("two words in quotes", |rng, _| {
        format!("\"{} {}\"", word(zipf(rng, VOCABULARY)), word(zipf(rng, VOCABULARY)))
    }),
    ("the last four digits, or the first six", |rng, tenant| {
        let digits = tenant.digits(rng);
        if rng.random() { digits[digits.len() - 4..].to_owned() } else { digits[1..7].to_owned() }
    }),
];

/// Seconds to look through all texts for a word.
pub(crate) fn scan(path: &Path) -> anyhow::Result<f64> {
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
