//! What others wrote, made safe to stand in a note.

use super::{LinkKind, Media};
use crate::file::size_in_words;
use crate::segments::is_unseen;

/// The longest name or reason shown, in characters: a header must fit in any note.
const MAX_NAME_CHARS: usize = 80;

/// Text without what cannot be seen and without a working "@".
///
/// Every "@" becomes its wide form, which reads the same. A space behind it would tear e-mail
/// addresses apart; an invisible character could be dropped on the way and the mention revive.
/// Those not before a letter go too, since what stands between may be dropped as well.
pub(super) fn readable(text: &str) -> String {
    text.replace("\r\n", "\n")
        .chars()
        .filter_map(|c| match c {
            '@' => Some('＠'),
            '\t' => Some(' '),
            '\n' | '\r' | '\u{2028}' | '\u{2029}' => Some('\n'),
            c if is_unseen(c) => None,
            c => Some(c),
        })
        .collect()
}

/// A name or a reason: readable, on one line, not too long.
pub(super) fn name(text: &str) -> String {
    let line = readable(text).split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_NAME_CHARS) {
        None => line,
        Some((end, _)) => format!("{}...", &line[..end]),
    }
}

/// The text with each one-person link replaced by its kind.
///
/// Whatever the case and whether or not it has its `https://`, since people and telephones
/// write both; to the next space, but for the punctuation that ends a sentence.
pub(super) fn without_links(text: &str, links: &[LinkKind]) -> String {
    text.split_inclusive(char::is_whitespace).map(|word| without_link(word, links)).collect()
}

fn without_link(word: &str, links: &[LinkKind]) -> String {
    let lower = word.to_ascii_lowercase();
    for link in links {
        let prefix = link.prefix.to_ascii_lowercase();
        let bare = without_scheme(&prefix);
        if let Some(start) = lower.find(bare) {
            let before = lower[..start]
                .strip_suffix("://")
                .map_or(start, |rest| rest.trim_end_matches(|c: char| c.is_ascii_alphanumeric()).len());
            let end =
                word.trim_end_matches(|c: char| c.is_whitespace() || ".,;:!?)]}'\"”»".contains(c)).len();
            let after = &word[end.max(start + bare.len())..];
            let before = without_link(&word[..before], links);
            return format!("{before}[{}]{after}", link.kind);
        }
    }
    word.to_owned()
}

fn without_scheme(link: &str) -> &str {
    link.split_once("://").map_or(link, |(_, rest)| rest)
}

/// A file as its kind and size, never as a link: that would be open to whoever reads the note.
pub(super) fn media(media: &Media) -> String {
    let kind = match media.content_type.split('/').next() {
        Some("image") => "picture",
        Some("video") => "video",
        Some("audio") => "recording",
        _ => "file",
    };
    let size = media.size.map_or_else(String::new, |bytes| format!(", {}", size_in_words(bytes)));
    format!("[{kind}{size}, open in fulcrum]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_link(text: &str, expected: &str) {
        let link =
            LinkKind { prefix: "https://text.acme.example/b/".to_owned(), kind: "booking link".to_owned() };
        let card = LinkKind { prefix: "https://text.acme.example/u/".to_owned(), kind: "card".to_owned() };
        assert_eq!(without_links(text, &[link, card]), expected);
    }

    #[test]
    fn a_link_that_acts_for_the_candidate_is_replaced_however_it_is_written() {
        check_link("Pick: https://text.acme.example/b/Tok-en_1 today", "Pick: [booking link] today");
        check_link("(Https://Text.Acme.example/b/Tok?x=1&y=2).", "([booking link]).");
        check_link("text.acme.example/b/Tok", "[booking link]");
        check_link("a\nhttp://text.acme.example/b/Tok,\nb", "a\n[booking link],\nb");
        check_link("https://text.acme.example/b/", "[booking link]");
        check_link("https://text.acme.example/u/x|https://text.acme.example/b/y", "[card][booking link]");
    }

    #[test]
    fn other_links_stay() {
        check_link("see https://acme.example/jobs/1", "see https://acme.example/jobs/1");
    }

    #[test]
    fn a_file_is_shown_by_kind_and_size() {
        let shown = |content_type: &str, size| media(&Media { content_type: content_type.to_owned(), size });
        assert_eq!(shown("image/jpeg", Some(240_000)), "[picture, 240 kB, open in fulcrum]");
        assert_eq!(shown("video/mp4", Some(1_250_000)), "[video, 1.2 MB, open in fulcrum]");
        assert_eq!(shown("audio/amr", Some(1)), "[recording, 1 kB, open in fulcrum]");
        assert_eq!(shown("text/vcard", None), "[file, open in fulcrum]");
        assert_eq!(shown("", None), "[file, open in fulcrum]");
    }

    #[test]
    fn a_name_is_one_short_line() {
        assert_eq!(name(" Dana\r\n\u{202E}Reyes\t"), "Dana Reyes");
        assert_eq!(name(&"é".repeat(81)), format!("{}...", "é".repeat(80)));
    }
}
