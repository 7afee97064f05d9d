//! The pages of the console over a tenant: the time from the request to its last byte, over
//! the real router on loopback, as somebody who is signed in, and what a page weighs.
//!
//! A page's weight is its HTML with its style sheet and modules, as they are sent, before pictures.

use std::num::NonZeroU32;
use std::time::Instant;

use anyhow::{Context, ensure};
use fulcrum::cli::wiring;
use fulcrum::config::{Config, Secret};
use fulcrum::engine::Engine;
use fulcrum::server::{Given, Invitation, Server, ServerSettings};
use rand::rngs::SmallRng;

use crate::search::typed;
use crate::table::percentile;
use crate::tenant::Tenant;

/// Requests of each kind.
const ASKED: usize = 500;
/// Kilobytes of a page with all that it needs, before pictures.
const WEIGHT_MAX: f64 = 100.0;
/// The folders, in turn.
const FOLDERS: [&str; 3] = ["mine", "team", "unanswered"];

/// A browser that is signed in.
struct Browser {
    http: reqwest::Client,
    base: String,
    cookie: String,
}

impl Browser {
    async fn get(&self, path: &str) -> anyhow::Result<String> {
        let request = self.http.get(format!("{}{path}", self.base)).header("cookie", &self.cookie);
        let answer = request.send().await?;
        ensure!(answer.status().is_success(), "{path}: {}", answer.status());
        Ok(answer.text().await?)
    }

    /// The times of requests to what `path` gives, in milliseconds, and the last page.
    async fn times(&self, mut path: impl FnMut(usize) -> String) -> anyhow::Result<(Vec<f64>, String)> {
        let mut times = Vec::with_capacity(ASKED);
        let mut last = String::new();
        for n in 0..ASKED {
            let path = path(n);
            let began = Instant::now();
            last = self.get(&path).await?;
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        Ok((times, last))
    }

    /// What the page and the files of ours that it names weigh, each file once.
    async fn weight(&self, page: &str) -> anyhow::Result<f64> {
        let mut files: Vec<String> = Vec::new();
        let mut texts = vec![page.to_owned()];
        let mut bytes = 0;
        while let Some(text) = texts.pop() {
            bytes += text.len();
            for name in text.split(['"', '\'']).filter_map(asset).filter(|name| !name.ends_with(".svg")) {
                if !files.contains(&name) {
                    texts.push(self.get(&name).await?);
                    files.push(name);
                }
            }
        }
        ensure!(!files.is_empty(), "a page that names no file");
        Ok(bytes as f64)
    }
}

/// The path of a file of ours that a page or a module names.
fn asset(quoted: &str) -> Option<String> {
    let name = quoted.strip_prefix("/assets/").or_else(|| quoted.strip_prefix("./"))?;
    let is_one = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c));
    is_one.then(|| format!("/assets/{name}"))
}

/// What was measured of a page, and the most that it should be.
pub(crate) struct PageFigure {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) most: f64,
    pub(crate) value: f64,
}

/// The pages, over the engine's store.
pub(crate) async fn measure(
    engine: &Engine,
    config: &Config,
    tenant: &Tenant,
    rng: &mut SmallRng,
) -> anyhow::Result<Vec<PageFigure>> {
    let word = "0123456789abcdef0123456789abcdef";
    let invitation = Some(Invitation { account: tenant.reader.clone(), word: Secret::new(word) });
    let mut settings = ServerSettings { invitation, ..wiring::server(config)? };
    // One browser asks as quickly as a thousand.
    settings.limits.rates.pages = NonZeroU32::MAX;
    let server = Server::bind(engine.clone(), settings, Given::default()).await?;
    let base = format!("http://{}", server.addresses().public);
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
    let answer = http.get(format!("{base}/sign-in/link/{word}")).send().await?;
    let cookie = answer.headers().get("set-cookie").context("the link signs nobody in")?.to_str()?;
    let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    let browser = Browser { http, base, cookie };

    let mut figures = Vec::new();
    let mut tell = |what: &str, (times, _): &(Vec<f64>, String), most: f64| {
        let what = format!("page: {what}, p99");
        figures.push(PageFigure { what, unit: "ms", most, value: percentile(times, 0.99) });
    };
    let talk = browser.times(|_| format!("/c/{}", tenant.thread(rng))).await?;
    tell("a conversation", &talk, 20.0);
    let inbox = browser.times(|n| format!("/inbox?folder={}", FOLDERS[n % FOLDERS.len()])).await?;
    tell("the inbox", &inbox, 30.0);
    let both = browser.times(|_| format!("/inbox?folder=team&c={}", tenant.thread(rng))).await?;
    tell("the inbox with a conversation open", &both, 30.0);
    let found = browser.times(|_| format!("/inbox?{}", query(&typed(rng, tenant)))).await?;
    tell("a search", &found, 200.0);
    for (what, (_, page)) in [("a conversation", &talk), ("the inbox with one open", &both)] {
        let value = browser.weight(page).await? / 1e3;
        figures.push(PageFigure { what: format!("weight of {what}"), unit: "kB", most: WEIGHT_MAX, value });
    }
    server.stop(std::time::Duration::from_secs(10)).await;
    Ok(figures)
}

fn query(words: &str) -> String {
    form_urlencoded::Serializer::new(String::new()).append_pair("q", words).finish()
}
