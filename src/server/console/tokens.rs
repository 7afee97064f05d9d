//! The box on the Setup page that takes webhook tokens in any order, and the file that they go to.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use fulcrum_domain::HookEvent;

use super::setup::TokensRefused;
use crate::config::{Secret, WebhookTokens};

/// What was pasted.
///
/// Words are separated by blanks, commas or line ends. A word that is the key of an event, with or
/// without `=` or `:`, says whose the next token is; the others go to `any`: Lever tries none but
/// its own, so which is whose need not be known.
pub(super) fn read_pasted(pasted: &str) -> Result<WebhookTokens, TokensRefused> {
    let mut by_event: BTreeMap<&'static str, Vec<&str>> = BTreeMap::new();
    let mut event = None;
    let separate = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '=' | ':' | '"' | '\'' | '[' | ']');
    for word in pasted.split(separate).filter(|word| !word.is_empty()) {
        if let Some(named) = HookEvent::from_key(word) {
            event = Some(named.as_key());
        } else if is_token(word) {
            let tokens = by_event.entry(event.take().unwrap_or("any")).or_default();
            if !tokens.contains(&word) {
                tokens.push(word);
            }
        } else {
            return Err(TokensRefused::NotAToken { start: word.chars().take(3).collect() });
        }
    }
    if by_event.is_empty() {
        return Err(TokensRefused::Empty);
    }
    let lines: Vec<_> = by_event.iter().map(|(key, tokens)| line(key, tokens.iter().copied())).collect();
    WebhookTokens::parse(&lines.concat(), Path::new("pasted")).map_err(|_| TokensRefused::Empty)
}

/// The text of the tokens file.
fn file_text(tokens: &WebhookTokens) -> String {
    let mut text = String::from("# Signature tokens of Lever's webhooks, written by the Setup page.\n");
    for (key, tokens) in tokens.by_key().filter(|(_, tokens)| !tokens.is_empty()) {
        text.push_str(&line(key, tokens.iter().map(Secret::expose)));
    }
    text
}

fn line<'a>(key: &str, tokens: impl Iterator<Item = &'a str>) -> String {
    // Quoted, since one that was written by hand may hold anything.
    let quoted: Vec<_> = tokens.map(|token| toml::Value::from(token).to_string()).collect();
    format!("{key} = [{}]\n", quoted.join(", "))
}

/// Writes what was pasted into the file, and gives what the file holds then: where every token was named,
/// the events that were not keep theirs.
pub(super) fn take_over(path: &Path, pasted: WebhookTokens) -> io::Result<WebhookTokens> {
    let older = match fs::read_to_string(path) {
        Ok(text) => WebhookTokens::parse(&text, path).unwrap_or_default(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => WebhookTokens::default(),
        Err(error) => return Err(error),
    };
    let tokens = pasted.over(older);
    replace_file(path, &file_text(&tokens))?;
    Ok(tokens)
}

/// Nothing that would need to be quoted in the file.
fn is_token(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/' | b'+');
    (16..=128).contains(&word.len()) && word.bytes().all(plain)
}

/// Replaces a file as a whole, readable by its owner alone.
fn replace_file(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("toml.new");
    // One left over from a crash may have another mode.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    #[test]
    fn tokens_are_taken_in_any_order_with_or_without_names() {
        let tokens = read_pasted(&format!(" {A}\ncandidate_hired: {B}, {A}")).unwrap();
        assert_eq!(
            file_text(&tokens).lines().skip(1).collect::<Vec<_>>(),
            [format!("candidate_hired = [\"{B}\"]"), format!("any = [\"{A}\"]")]
        );
        assert_eq!(tokens.tokens_for(HookEvent::CandidateHired).count(), 2);
        assert_eq!(tokens.tokens_for(HookEvent::InterviewCreated).count(), 1);
    }

    #[test]
    fn the_events_that_were_not_named_keep_their_tokens_where_all_pasted_ones_were() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lever-webhooks.toml");
        let paste = |pasted: &str| {
            take_over(&path, read_pasted(pasted).unwrap()).unwrap();
            fs::read_to_string(&path).unwrap().lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
        };
        fs::write(&path, format!("candidate_deleted = '{A}'\nany = ['by \"hand\"']")).unwrap();
        let deleted = format!("candidate_deleted = [\"{A}\"]");
        let hired = format!("candidate_hired = [\"{B}\"]");
        assert_eq!(paste(&format!("candidate_hired={B}"))[..2], [hired, deleted]);
        let all = WebhookTokens::parse(&fs::read_to_string(&path).unwrap(), &path).unwrap();
        assert_eq!(all.by_key().last().unwrap().1[0].expose(), "by \"hand\"");
        assert_eq!(paste(B), [format!("any = [\"{B}\"]")], "whose it is, is not known");
    }

    #[test]
    fn what_is_no_token_is_refused_without_being_repeated() {
        assert!(matches!(read_pasted("  \n"), Err(TokensRefused::Empty)));
        let refused = read_pasted("short-secret").err().unwrap().to_string();
        assert!(refused.contains("sho") && !refused.contains("short"), "{refused}");
        for wrong in [&*"x".repeat(129), "aaaaaaaaaaaaaaaa\u{e9}", "aaaaaaaaaaaaaaaa\\n"] {
            assert!(matches!(read_pasted(wrong), Err(TokensRefused::NotAToken { .. })), "{wrong}");
        }
    }

    #[test]
    fn the_file_is_its_owners_alone_and_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lever-webhooks.toml");
        fs::write(&path, "old").unwrap();
        fs::write(folder.path().join("lever-webhooks.toml.new"), "left over").unwrap();
        replace_file(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
