//! What Twilio makes of the answer to an inbound webhook.
//!
//! XML is run as TwiML, and **plain text is texted to the person who wrote**, which is how an
//! innocent `OK` reaches a candidate (carriers.md 1.5). Of TwiML only `<Message>` is known
//! here, with or without a `<Body>`; the small reader checks that tags nest and that the root
//! is `<Response>`, which tells a document from a page of HTML.

use super::delivery::Answer;

/// What follows from an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    /// Texts asked for by TwiML, usually none.
    Reply(Vec<String>),
    /// A plain text that is sent to whoever wrote to us.
    PlainText(String),
    /// Not understood: 12100 or 12300.
    Error(u32),
}

pub(super) fn react(answer: &Answer) -> Reaction {
    let text = String::from_utf8_lossy(&answer.body);
    let text = text.trim();
    let essence = answer.content_type.split(';').next().unwrap_or_default().trim().to_lowercase();
    match essence.as_str() {
        "text/xml" | "application/xml" | "text/html" => match twiml(text) {
            Some(texts) => Reaction::Reply(texts),
            None => Reaction::Error(12100),
        },
        "text/plain" if text.is_empty() => Reaction::Reply(Vec::new()),
        "text/plain" => Reaction::PlainText(text.to_owned()),
        _ => Reaction::Error(12300),
    }
}

/// The texts that a TwiML document sends, none if it is no such document.
fn twiml(document: &str) -> Option<Vec<String>> {
    let (mut texts, mut text) = (Vec::new(), String::new());
    let mut open: Vec<&str> = Vec::new();
    let mut rest = document;
    let mut rooted = false;
    while let Some((before, after)) = rest.split_once('<') {
        match open.as_slice() {
            ["Response", "Message"] | ["Response", "Message", "Body"] => text.push_str(before),
            // Between documents there is nothing.
            [] if !before.trim().is_empty() => return None,
            _ => {}
        }
        let (tag, after) = after.split_once('>')?;
        rest = after;
        if tag.starts_with(['?', '!']) {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name.trim()) {
                return None;
            }
            if name.trim() == "Message" {
                texts.push(unescape(text.trim()));
                text.clear();
            }
            continue;
        }
        let name = tag.trim_end_matches('/').split_whitespace().next()?;
        if open.is_empty() {
            if rooted || name != "Response" {
                return None;
            }
            rooted = true;
        }
        if !tag.ends_with('/') {
            open.push(name);
        }
    }
    (rooted && open.is_empty() && rest.trim().is_empty()).then_some(texts)
}

fn unescape(text: &str) -> String {
    let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    plain.replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content_type: &str, body: &str, expected: &Reaction) {
        let answer = Answer { content_type: content_type.into(), body: body.to_owned().into() };
        assert_eq!(react(&answer), *expected, "{content_type} {body}");
    }

    #[test]
    fn empty_twiml_says_nothing() {
        for body in ["<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response/>", "<Response></Response>\n"] {
            check("text/xml; charset=utf-8", body, &Reaction::Reply(vec![]));
        }
    }

    #[test]
    fn plain_text_is_texted() {
        check("text/plain; charset=utf-8", "OK", &Reaction::PlainText("OK".into()));
        check("text/plain", "", &Reaction::Reply(vec![]));
    }

    #[test]
    fn twiml_messages_are_replies() {
        let body = "<Response><Message>a &amp; b</Message><Message><Body>c</Body></Message></Response>";
        check("application/xml", body, &Reaction::Reply(vec!["a & b".into(), "c".into()]));
    }

    #[test]
    fn what_is_no_twiml_is_an_error() {
        check("text/xml", "", &Reaction::Error(12100));
        check("text/html", "<!doctype html><html><body>hi</body></html>", &Reaction::Error(12100));
        check("text/xml", "<Response><Message>hi</Response>", &Reaction::Error(12100));
        check("text/xml", "<Response/>!", &Reaction::Error(12100));
        check("application/json", "{}", &Reaction::Error(12300));
        check("", "", &Reaction::Error(12300));
    }
}
