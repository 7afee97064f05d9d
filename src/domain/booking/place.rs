//! Where a booking link is to stand, in words that are not sent yet.
//!
//! Templates that are filled in, previews and what a recruiter types say `[booking link]`, or
//! `[booking link: ID]` for another kind of meeting than the first. The link itself is made in the
//! transaction that takes the text, so that none exists which nobody was sent. A filed note says
//! `[booking link]` again.

const OPENS: &str = "[booking link";

/// What stands for a link to the first kind of meeting, or to the one with this id.
pub fn place(event_type: Option<&str>) -> String {
    match event_type {
        None => format!("{OPENS}]"),
        Some(id) => format!("{OPENS}: {id}]"),
    }
}

/// The kinds of meeting that words have places for, in order; none for the first kind.
pub fn places(words: &str) -> impl Iterator<Item = Option<&str>> {
    split(words).filter_map(|part| match part {
        Part::Words(_) => None,
        Part::Place(event_type) => Some(event_type),
    })
}

/// The words with the links in their places. One kind of meeting gets one link, however often it stands
/// there.
///
/// # Errors
/// Those of `link`.
pub fn fill<E>(words: &str, mut link: impl FnMut(Option<&str>) -> Result<String, E>) -> Result<String, E> {
    let mut made: Vec<(Option<&str>, String)> = Vec::new();
    let mut filled = String::with_capacity(words.len());
    for part in split(words) {
        match part {
            Part::Words(words) => filled.push_str(words),
            Part::Place(event_type) => {
                if !made.iter().any(|(of, _)| *of == event_type) {
                    made.push((event_type, link(event_type)?));
                }
                filled.extend(made.iter().filter(|(of, _)| *of == event_type).map(|(_, link)| link.as_str()));
            }
        }
    }
    Ok(filled)
}

enum Part<'a> {
    Words(&'a str),
    Place(Option<&'a str>),
}

fn split(words: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = words;
    std::iter::from_fn(move || {
        let (begin, event_type, length) = next(rest).unwrap_or((rest.len(), None, 0));
        if begin > 0 {
            let (words, after) = rest.split_at(begin);
            rest = after;
            return Some(Part::Words(words));
        }
        rest = &rest[length..];
        (length > 0).then_some(Part::Place(event_type))
    })
}

/// Where the next place begins, its kind of meeting, and its length. What only begins like one is none.
fn next(words: &str) -> Option<(usize, Option<&str>, usize)> {
    words.match_indices(OPENS).find_map(|(begin, _)| {
        let (inside, _) = words[begin + OPENS.len()..].split_once(']')?;
        let event_type = match inside.strip_prefix(':') {
            Some(id) => Some(id.trim()),
            None if inside.is_empty() => None,
            None => return None,
        };
        Some((begin, event_type, OPENS.len() + inside.len() + 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(words: &str) -> String {
        let mut count = 0;
        fill(words, |event_type| {
            count += 1;
            Ok::<_, ()>(format!("<{} {count}>", event_type.unwrap_or("first")))
        })
        .unwrap()
    }

    #[test]
    fn each_kind_of_meeting_gets_one_link() {
        let words = format!("{} or {}, {}!", place(None), place(Some("onsite")), place(None));
        assert_eq!(words, "[booking link] or [booking link: onsite], [booking link]!");
        assert_eq!(filled(&words), "<first 1> or <onsite 2>, <first 1>!");
        assert_eq!(filled("[booking link:onsite][booking link]"), "<onsite 1><first 2>");
        assert_eq!(places(&words).collect::<Vec<_>>(), [None, Some("onsite"), None]);
    }

    #[test]
    fn other_words_stay_as_they_are() {
        for words in
            ["", "hi", "[booking links]", "[booking link", "[booking] [link]", "[booking link\u{301}]"]
        {
            assert_eq!(filled(words), words);
        }
        assert_eq!(filled("[booking link [booking link]"), "[booking link <first 1>");
    }

    #[test]
    fn what_keeps_a_link_from_being_made_is_said() {
        assert_eq!(fill("a [booking link]", |_| Err("archived")), Err("archived"));
    }
}
