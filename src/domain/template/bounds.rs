//! What minijinja does not bound by itself, and a text for people never wants: chains of operators, which
//! its compiler follows down the stack, and lists, of which a few lines make more than any memory holds.
//!
//! A text is looked through for what stands in its tags, outside of their strings; where a tag ends is
//! decided as minijinja does. Bulk texts are typed by any recruiter, and a stack that overflows ends the
//! process.

use minijinja::{Error, ErrorKind};

/// Operators, accesses and words between them in all tags of a text. A long one with conditions has some
/// dozens; a thousand are too many for the stack of a thread.
const KNOTS: usize = 300;

/// Bytes of a text with all its tags; filled in it has some hundreds. minijinja counts columns in 16 bits, and
/// where a line is longer one of its errors overflows.
const BYTES: usize = 16 * 1024;

/// Words that join two values, or go before one.
const JOINING: [&str; 7] = ["not", "and", "or", "if", "elif", "is", "in"];

/// The statements of a text. Whoever can name a value can double it a hundred times; and what a `raw` block
/// holds could not be told from tags.
const STATEMENTS: [&str; 6] = ["if", "elif", "else", "endif", "for", "endfor"];

/// Refuses a text that could take more than its share of memory or stack.
pub(super) fn check(text: &str) -> Result<(), Error> {
    if text.len() > BYTES {
        return Err(refused("the text is too long for a template"));
    }
    let mut knots = 0;
    let mut rest = text;
    while let Some(start) = next_tag(rest) {
        let (opening, inside) = rest[start..].split_at(2);
        if opening == "{#" {
            rest = inside.split_once("#}").map_or("", |(_, after)| after);
            continue;
        }
        let closing = if opening == "{{" { "}}" } else { "%}" };
        rest = tag(inside, closing, &mut knots)?;
    }
    if knots > KNOTS { Err(refused("too many operators in one text")) } else { Ok(()) }
}

fn next_tag(text: &str) -> Option<usize> {
    let tag = |(at, _): &(usize, &str)| text[at + 1..].starts_with(['{', '%', '#']);
    text.match_indices('{').find(tag).map(|(at, _)| at)
}

/// Counts in one tag; what comes behind it.
fn tag<'t>(inside: &'t str, closing: &str, knots: &mut usize) -> Result<&'t str, Error> {
    let (mut rest, mut balance, mut calls) = (inside, 0i32, Vec::new());
    let mut is_first = closing == "%}";
    let mut after_word = false;
    while let Some(c) = rest.chars().next() {
        if balance == 0
            && let Some(after) = rest.strip_prefix(closing)
        {
            return Ok(after);
        }
        let word = rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or(rest);
        let len = if matches!(c, '"' | '\'') { quoted(rest, c) } else { word.len().max(c.len_utf8()) };
        match c {
            '"' | '\'' => {}
            _ if !word.is_empty() => {
                if is_first && !STATEMENTS.contains(&word) {
                    return Err(refused("a text has no statements but if and for"));
                }
                is_first = false;
                *knots += usize::from(JOINING.contains(&word));
            }
            '*' => return Err(refused("nothing is multiplied in a text")),
            '[' | '{' => return Err(refused("there are no lists in a text")),
            // Between the values of a call, not of a list.
            ',' if calls.last() != Some(&true) => return Err(refused("there are no lists in a text")),
            ',' => {}
            _ => {
                *knots += usize::from(!c.is_whitespace());
                balance += match c {
                    '(' => 1,
                    ')' | ']' | '}' => -1,
                    _ => 0,
                };
                match c {
                    '(' => calls.push(after_word),
                    ')' => drop(calls.pop()),
                    _ => {}
                }
            }
        }
        after_word = !word.is_empty() && !JOINING.contains(&word);
        rest = &rest[len..];
    }
    Ok(rest)
}

/// The length of a string in quotes, or of all there is when it does not end.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn refused(why: &'static str) -> Error {
    Error::new(ErrorKind::SyntaxError, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused_for(text: &str) -> Option<String> {
        check(text).err().and_then(|error| error.detail().map(str::to_owned))
    }

    #[test]
    fn a_chain_of_operators_has_an_end() {
        for link in ["-", "not ", "1 or ", "1 if 1 else ", "1~", "1+", "1<", "1 is defined and "] {
            assert_eq!(refused_for(&format!("{{{{ {}1 }}}}", link.repeat(100))), None, "{link}");
            assert!(refused_for(&format!("{{{{ {}1 }}}}", link.repeat(301))).is_some(), "{link}");
        }
        for link in [".a", "()", "|title"] {
            assert!(refused_for(&format!("{{{{ a{} }}}}", link.repeat(301))).is_some(), "{link}");
        }
        assert!(refused_for(&format!("{{% if 1 %}}{}{{% endif %}}", "{% elif 1 %}".repeat(301))).is_some());
        assert!(refused_for(&"{{ -1 }}".repeat(301)).is_some());
    }

    #[test]
    fn a_text_has_a_longest_length() {
        assert_eq!(refused_for(&"a".repeat(BYTES)), None);
        assert!(refused_for(&format!("{{{{\"{}", "a".repeat(BYTES))).is_some());
    }

    #[test]
    fn there_are_no_lists_and_nothing_is_multiplied_outside_of_strings() {
        for text in [
            "{{ [a, a] }}",
            "{{ {'a': {}} }}",
            "{{ (a, a) }}",
            "{{ a, a }}",
            "{{ a|default((a, a)) }}",
            "{% for a in a, a %}{% endfor %}",
            "{% if (a) and (a, a) %}{% endif %}",
            "{{ (a}} * 9 ) }}",
            "{{ [0] * 9 }}",
            "{{ '}}' * 9 }}",
            "{{ \"\\\"}}\" * 9 }}",
            "{{ 2 ** 9 }}",
            "{%- set a = [0]*9 %}",
        ] {
            assert!(refused_for(text).is_some(), "{text}");
        }
        for text in
            ["4 * 5 {{ '*' }}", "{# * #}{ * {{ a }} * }}", "{{ '\\'*' }}", "{% if a == '*' %}*{% endif %}"]
        {
            assert_eq!(refused_for(text), None, "{text}");
        }
    }

    #[test]
    fn there_are_no_statements_but_if_and_for() {
        for statement in ["set a = b", "with a = b", "macro a()", "+ filter upper", "include 'a'", "-do a"] {
            assert!(refused_for(&format!("{{%{statement} %}}")).is_some(), "{statement}");
        }
        let all = "{% for a in b -%}{%+if a%}1{% elif b %}2{%- else -%}3{%endif%}{% endfor %}";
        assert_eq!(refused_for(all), None);
        assert!(refused_for("{%- raw %}{{ ' {% endraw %}{{ [0] * 9 }}").is_some());
        assert_eq!(refused_for("{{ raw }}, raw"), None);
    }

    #[test]
    fn prose_has_as_many_points_as_it_likes() {
        let prose = "Not if, and or in... is it? ".repeat(60);
        assert_eq!(refused_for(&format!("{prose}{{{{ job.name }}}}{prose}")), None);
    }
}
