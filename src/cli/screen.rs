//! Printing: the only door to standard output and standard error.
//!
//! `println!` would panic when a reader such as `head` has gone; these give the error to the caller,
//! who ends quietly.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table};
use serde::Serialize;

/// A line for whoever asked.
pub(super) fn line(text: impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// A JSON value on a line of its own.
pub(super) fn json(value: &impl Serialize) -> io::Result<()> {
    line(serde_json::to_string(value)?)
}

/// A remark beside the output.
pub(super) fn note(text: impl Display) -> io::Result<()> {
    writeln!(io::stderr().lock(), "{text}")
}

/// A remark for a person alone, such as what is waited for.
pub(super) fn hint(text: impl Display) -> io::Result<()> {
    if io::stderr().is_terminal() { note(text) } else { Ok(()) }
}

/// Whether a person sees the output as it comes.
pub(super) fn is_watched() -> bool {
    io::stdout().is_terminal()
}

/// A table without a frame. It fits the terminal; on none its lines do not break, for `grep`.
pub(super) fn table<const N: usize>(heads: [&str; N]) -> Table {
    let mut table = facts();
    table.set_header(heads.map(|head| Cell::new(head).add_attribute(Attribute::Bold)));
    table
}

/// The same without heads.
pub(super) fn facts() -> Table {
    let arrangement = if is_watched() { ContentArrangement::Dynamic } else { ContentArrangement::Disabled };
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(arrangement);
    table
}

/// Prints a table. Its first `whole` columns are shown in their full width on any terminal.
pub(super) fn show(table: &mut Table, whole: usize) -> io::Result<()> {
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index < whole {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    line(table.trim_fmt())
}

/// How good a word in a table is, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Good,
    Doubtful,
    Bad,
}

/// A word with its colour; comfy-table leaves that out where there is no terminal.
pub(super) fn word(text: impl Display, mood: Mood) -> Cell {
    let color = match mood {
        Mood::Good => Color::Green,
        Mood::Doubtful => Color::Yellow,
        Mood::Bad => Color::Red,
    };
    Cell::new(text).fg(color)
}

/// A stranger's words without what a terminal would take for a command.
pub(super) fn plain(words: &str) -> String {
    words.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// A number that a person reads: `12,300`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many of something, by its word for one and for several.
pub(super) fn several(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A span that a person reads: `2 d 4 h`, `3 min 20 s`. Two units are enough.
pub(super) fn span(seconds: u64) -> String {
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let first = parts.iter().position(|(amount, _)| *amount > 0).unwrap_or(parts.len() - 1);
    let shown = parts.iter().skip(first).take(2).filter(|(amount, _)| *amount > 0 || seconds == 0);
    shown.map(|(amount, unit)| format!("{amount} {unit}")).collect::<Vec<_>>().join(" ")
}

/// A number of bytes that a person reads: `1.5 MiB`.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut amount = number as f64;
    let mut unit = 0;
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{number} B") } else { format!("{amount:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_words_give_the_terminal_no_orders() {
        assert_eq!(plain("a\x1b[2Jb\nc\u{9b}1m"), "a\u{fffd}[2Jb\nc\u{fffd}1m");
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(
            ["0", "999", "1,000", "12,300", "1,234,567"],
            [0, 999, 1000, 12_300, 1_234_567].map(count)[..]
        );
    }

    #[test]
    fn one_is_not_several() {
        let rows = [0, 1, 2000].map(|number| several(number, "row", "rows"));
        assert_eq!(rows, ["0 rows", "1 row", "2,000 rows"]);
    }

    #[test]
    fn a_span_has_its_two_largest_units() {
        assert_eq!(
            [0, 59, 60, 200, 7200, 187_000].map(span),
            ["0 s", "59 s", "1 min", "3 min 20 s", "2 h", "2 d 3 h"]
        );
    }

    #[test]
    fn bytes_have_a_unit_that_suits_them() {
        assert_eq!([0, 1023, 1536, 5 << 30].map(bytes), ["0 B", "1023 B", "1.5 KiB", "5.0 GiB"]);
    }
}
