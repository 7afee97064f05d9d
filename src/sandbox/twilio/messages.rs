//! All messages of the simulated account, and the listing of them.
//!
//! A listing goes newest first. Its page token names the message at the edge of the page
//! before, so pages neither repeat nor skip when texts come in meanwhile. A message becomes
//! visible in listings only after the account's list delay, though it can be read singly at
//! once: that is the eventual consistency that carriers.md 1.9 warns of.

use std::collections::{BTreeMap, HashMap};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::error::ApiError;
use super::message::{Message, account_path};

/// The messages in the order of their creation.
#[derive(Default)]
pub(super) struct Messages {
    in_order: BTreeMap<u64, Message>,
    /// Kept for deleted ones too, so that a page token of theirs still works.
    order_of: HashMap<String, u64>,
    /// Of deleted ones what does not go with them: their media, without the words.
    left: HashMap<String, Message>,
}

impl Messages {
    pub(super) fn insert(&mut self, message: Message) {
        let order = self.order_of.len() as u64;
        self.order_of.insert(message.sid.clone(), order);
        self.in_order.insert(order, message);
    }

    pub(super) fn get(&self, sid: &str) -> Option<&Message> {
        self.in_order.get(self.order_of.get(sid)?)
    }

    pub(super) fn get_mut(&mut self, sid: &str) -> Option<&mut Message> {
        self.in_order.get_mut(self.order_of.get(sid)?)
    }

    /// Deletes a message, but not its media: who knows their names still finds them (carriers.md 1.10, 1.11).
    pub(super) fn remove(&mut self, sid: &str) {
        let removed = self.order_of.get(sid).and_then(|order| self.in_order.remove(order));
        if let Some(message) = removed.filter(|message| !message.media.is_empty()) {
            self.left.insert(sid.to_owned(), Message { body: String::new(), ..message });
        }
    }

    /// A message or what is left of it, for its media.
    pub(super) fn with_media(&self, sid: &str) -> Option<&Message> {
        self.get(sid).or_else(|| self.left.get(sid))
    }

    /// The same, to be changed.
    pub(super) fn with_media_mut(&mut self, sid: &str) -> Option<&mut Message> {
        match self.left.get_mut(sid) {
            Some(left) => Some(left),
            None => self.in_order.get_mut(self.order_of.get(sid)?),
        }
    }

    /// One page as the API shows it; `visible_before` hides what is too young to be listed.
    pub(super) fn page(&self, account: &str, query: &Query, visible_before: Timestamp) -> Value {
        let edge = |sid: &String| self.order_of.get(sid).copied();
        let wanted = |message: &&Message| message.created <= visible_before && query.matches(message);
        let mut rows: Vec<&Message> = match &query.token {
            Some(Token::Newer(sid)) => {
                let after = edge(sid).map_or(u64::MAX, |order| order + 1);
                let newer = self.in_order.range(after..).map(|(_, message)| message);
                newer.filter(wanted).take(query.size).collect()
            }
            token => {
                let end = match token {
                    Some(Token::Older(sid)) => edge(sid).unwrap_or(0),
                    _ => u64::MAX,
                };
                let older = self.in_order.range(..end).rev().map(|(_, message)| message);
                older.filter(wanted).take(query.size + 1).collect()
            }
        };
        let more = match query.token {
            Some(Token::Newer(_)) => {
                rows.reverse();
                true
            }
            _ => rows.len() > query.size,
        };
        rows.truncate(query.size);
        let next = rows.last().filter(|_| more).map(|last| format!("PA{}", last.sid));
        let previous = rows.first().filter(|_| query.page > 0);
        let previous = previous.map(|first| format!("PB{}", first.sid));
        let uri = |page, token| query.uri(account, page, token);
        let start = query.page * query.size;
        json!({
            "messages": rows.iter().map(|message| message.to_json(account)).collect::<Vec<_>>(),
            "page": query.page,
            "page_size": query.size,
            "start": start,
            "end": (start + rows.len()).saturating_sub(1),
            "uri": uri(query.page, query.token.as_ref().map(Token::wire)),
            "first_page_uri": uri(0, None),
            "next_page_uri": next.map(|token| uri(query.page + 1, Some(token))),
            "previous_page_uri": previous.map(|token| uri(query.page.saturating_sub(1), Some(token))),
        })
    }
}

/// Which way from the named message a page lies.
enum Token {
    Older(String),
    Newer(String),
}

impl Token {
    fn parse(text: &str) -> Option<Self> {
        let (way, sid) = text.split_at_checked(2)?;
        match way {
            "PA" => Some(Self::Older(sid.to_owned())),
            "PB" => Some(Self::Newer(sid.to_owned())),
            _ => None,
        }
    }

    fn wire(&self) -> String {
        match self {
            Self::Older(sid) => format!("PA{sid}"),
            Self::Newer(sid) => format!("PB{sid}"),
        }
    }
}

/// What a listing asks for.
pub(super) struct Query {
    /// The filters as they came, for the links to further pages.
    filters: Vec<(String, String)>,
    to: Option<String>,
    from: Option<String>,
    sent_on: Option<Date>,
    sent_from: Option<Timestamp>,
    sent_until: Option<Timestamp>,
    size: usize,
    page: usize,
    token: Option<Token>,
}

impl Query {
    /// Reads the query string; unknown parameters are ignored, as Twilio does.
    pub(super) fn parse(query: &str) -> Result<Self, ApiError> {
        let mut parsed = Self {
            filters: Vec::new(),
            to: None,
            from: None,
            sent_on: None,
            sent_from: None,
            sent_until: None,
            size: 50,
            page: 0,
            token: None,
        };
        for (key, value) in form_urlencoded::parse(query.as_bytes()).into_owned() {
            let invalid = || ApiError::new(20001, format!("Invalid value for {key}"));
            match key.as_str() {
                "PageSize" => {
                    let size = value.parse().ok().filter(|size| (1..=1000).contains(size));
                    parsed.size = size.ok_or_else(invalid)?;
                    continue;
                }
                "Page" => {
                    parsed.page = value.parse().map_err(|_| invalid())?;
                    continue;
                }
                "PageToken" => {
                    parsed.token = Some(Token::parse(&value).ok_or_else(invalid)?);
                    continue;
                }
                "To" => parsed.to = Some(value.clone()),
                "From" => parsed.from = Some(value.clone()),
                "DateSent" => parsed.sent_on = Some(day(&value).ok_or_else(invalid)?),
                "DateSent>" => {
                    parsed.sent_from = Some(instant(&value, "00:00:00").ok_or_else(invalid)?);
                }
                "DateSent<" => {
                    let until = instant(&value, "23:59:59.999999999").ok_or_else(invalid)?;
                    parsed.sent_until = Some(until);
                }
                _ => continue,
            }
            parsed.filters.push((key, value));
        }
        if parsed.page > 0 && parsed.token.is_none() {
            return Err(ApiError::new(20001, "Page needs its PageToken"));
        }
        Ok(parsed)
    }

    fn matches(&self, message: &Message) -> bool {
        let dated = self.sent_on.is_some() || self.sent_from.is_some() || self.sent_until.is_some();
        let in_time = |sent: Timestamp| {
            self.sent_on.is_none_or(|day| TimeZone::UTC.to_datetime(sent).date() == day)
                && self.sent_from.is_none_or(|from| sent >= from)
                && self.sent_until.is_none_or(|until| sent <= until)
        };
        self.to.as_ref().is_none_or(|to| *to == message.to)
            && self.from.as_ref().is_none_or(|from| Some(from) == message.from.as_ref())
            && (!dated || message.sent.is_some_and(in_time))
    }

    fn uri(&self, account: &str, page: usize, token: Option<String>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.filters);
        query.append_pair("PageSize", &self.size.to_string());
        query.append_pair("Page", &page.to_string());
        query.extend_pairs(token.map(|token| ("PageToken", token)));
        format!("{}/Messages.json?{}", account_path(account), query.finish())
    }
}

/// A GMT day, also where a moment of it is given: the official clients send midnight.
fn day(text: &str) -> Option<Date> {
    text.split('T').next()?.parse().ok()
}

/// A moment, or a GMT day at `time` of it.
fn instant(text: &str, time: &str) -> Option<Timestamp> {
    if text.contains('T') {
        return text.parse().ok();
    }
    format!("{}T{time}Z", day(text)?).parse().ok()
}

/// The youngest creation that a listing may show.
pub(super) fn visible_before(now: Timestamp, delay: std::time::Duration) -> Timestamp {
    let delay = SignedDuration::try_from(delay).unwrap_or(SignedDuration::MAX);
    now.saturating_sub(delay).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::super::message::sample;
    use super::*;

    fn store(count: usize) -> Messages {
        let mut messages = Messages::default();
        for index in 0..count {
            let created = Timestamp::from_second(1_700_000_000 + index as i64).unwrap();
            messages.insert(sample(&format!("SM{index}"), created));
        }
        messages
    }

    fn sids(page: &Value) -> Vec<&str> {
        let rows = page["messages"].as_array().unwrap();
        rows.iter().map(|row| row["sid"].as_str().unwrap()).collect()
    }

    fn list(messages: &Messages, query: &str) -> Value {
        messages.page("AC1", &Query::parse(query).unwrap(), Timestamp::MAX)
    }

    fn follow(messages: &Messages, page: &Value, link: &str) -> Value {
        let uri = page[link].as_str().unwrap();
        list(messages, uri.split_once('?').unwrap().1)
    }

    #[test]
    fn pages_go_newest_first_and_end_with_null() {
        let messages = store(5);
        let first = list(&messages, "PageSize=2&To=%2B14155550123");
        assert_eq!(sids(&first), ["SM4", "SM3"]);
        assert_eq!(first["previous_page_uri"], Value::Null);
        assert_eq!(
            first["next_page_uri"],
            "/2010-04-01/Accounts/AC1/Messages.json?To=%2B14155550123&PageSize=2&Page=1&PageToken=PASM3"
        );
        let second = follow(&messages, &first, "next_page_uri");
        let third = follow(&messages, &second, "next_page_uri");
        assert_eq!((sids(&second), sids(&third)), (vec!["SM2", "SM1"], vec!["SM0"]));
        assert_eq!(third["next_page_uri"], Value::Null);
        assert_eq!((&third["start"], &third["end"], &third["page"]), (&json!(4), &json!(4), &json!(2)));
        assert_eq!(sids(&follow(&messages, &third, "previous_page_uri")), ["SM2", "SM1"]);
    }

    #[test]
    fn a_text_that_comes_in_while_paging_moves_nothing() {
        let mut messages = store(4);
        let first = list(&messages, "PageSize=2");
        messages.insert(sample("SMnew", Timestamp::from_second(1_800_000_000).unwrap()));
        messages.remove("SM2");
        assert_eq!(sids(&follow(&messages, &first, "next_page_uri")), ["SM1", "SM0"]);
    }

    #[test]
    fn a_full_last_page_is_the_last() {
        let page = list(&store(2), "PageSize=2");
        assert_eq!((sids(&page).len(), &page["next_page_uri"]), (2, &Value::Null));
    }

    #[test]
    fn date_filters_hide_what_is_not_sent_and_count_whole_days() {
        let mut messages = store(3);
        for (sid, sent) in [("SM0", "2026-11-22T23:59:59Z"), ("SM1", "2026-11-23T10:00:00Z")] {
            messages.get_mut(sid).unwrap().sent = Some(sent.parse().unwrap());
        }
        assert_eq!(sids(&list(&messages, "DateSent%3E=2026-11-23")), ["SM1"]);
        assert_eq!(sids(&list(&messages, "DateSent%3C=2026-11-22")), ["SM0"]);
        assert_eq!(sids(&list(&messages, "DateSent=2026-11-23")), ["SM1"]);
        assert_eq!(sids(&list(&messages, "DateSent=2026-11-23T00:00:00Z")), ["SM1"]);
        assert_eq!(sids(&list(&messages, "DateSent%3E=2026-11-22")), ["SM1", "SM0"]);
        assert_eq!(sids(&list(&messages, "DateSent%3E=2026-11-23T10:00:01Z")), Vec::<&str>::new());
    }

    #[test]
    fn what_is_too_young_is_not_listed() {
        let messages = store(3);
        let before = Timestamp::from_second(1_700_000_001).unwrap();
        let page = messages.page("AC1", &Query::parse("").unwrap(), before);
        assert_eq!(sids(&page), ["SM1", "SM0"]);
    }

    #[test]
    fn a_bad_listing_is_refused() {
        for query in ["PageSize=0", "PageSize=1001", "Page=x", "Page=1", "PageToken=zz", "DateSent=tomorrow"]
        {
            assert_eq!(Query::parse(query).err().map(|error| error.code), Some(20001), "{query}");
        }
    }
}
