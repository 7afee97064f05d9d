//! The simulated Lever, asked by hand: the limit of fetching, and how many pages there are.

use std::time::Instant;

use fulcrum_sandbox::Sandbox;
use serde_json::Value;

/// All pages of a list, one after the other, thrown away.
pub(crate) struct Fetched {
    pub(crate) seconds: f64,
    pub(crate) bytes: f64,
    pub(crate) pages: u64,
}

/// Fetches all pages of a list.
pub(crate) async fn fetch_all(sandbox: &Sandbox, path: &str) -> anyhow::Result<Fetched> {
    let client = reqwest::Client::builder().no_proxy().http1_only().build()?;
    let url = format!("{}/{path}", sandbox.lever_url());
    let mut query = vec![("limit", "100".to_owned())];
    if path == "opportunities" {
        query.extend([("expand", "applications".into()), ("confidentiality", "non-confidential".into())]);
    }
    let began = Instant::now();
    let (mut bytes, mut pages, mut offset) = (0.0, 0, None);
    loop {
        let offset_too = offset.iter().map(|offset: &String| ("offset", offset.clone()));
        let query: Vec<_> = query.iter().cloned().chain(offset_too).collect();
        let request = client.get(&url).basic_auth(sandbox.api_key(), None::<&str>).query(&query);
        let page = request.send().await?.error_for_status()?.bytes().await?;
        bytes += page.len() as f64;
        pages += 1;
        offset = next_of(&page)?;
        if offset.is_none() {
            return Ok(Fetched { seconds: began.elapsed().as_secs_f64(), bytes, pages });
        }
    }
}

/// The offset of the next page, without reading the rest of this one.
fn next_of(page: &[u8]) -> anyhow::Result<Option<String>> {
    let tail = String::from_utf8_lossy(&page[page.len().saturating_sub(400)..]);
    let Some((_, rest)) = tail.rsplit_once("\"next\":") else { return Ok(None) };
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
    Ok(values.next().transpose()?.and_then(|next| next.as_str().map(str::to_owned)))
}
