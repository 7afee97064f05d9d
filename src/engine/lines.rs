//! In which line of a file something stands. A CSV's row is not its line: rows have line ends within quotes,
//! and csv's own count is off after blank lines and with the line ends of Windows.

use std::io::{self, BufRead};

/// The lines of a text, which is read as far as it is asked about.
#[derive(Debug)]
pub struct Lines<R> {
    text: R,
    at: u64,
    line: u64,
}

impl<R: BufRead> Lines<R> {
    /// Those of this text.
    pub fn new(text: R) -> Self {
        Self { text, at: 0, line: 1 }
    }

    /// The line, from 1, of what begins at this byte, or behind the line ends there. Bytes are asked about in
    /// their order.
    ///
    /// # Errors
    /// The text cannot be read.
    pub fn of(&mut self, byte: u64) -> io::Result<u64> {
        loop {
            let Some(&next) = self.text.fill_buf()?.first() else { return Ok(self.line) };
            if self.at >= byte && !matches!(next, b'\r' | b'\n') {
                return Ok(self.line);
            }
            self.line += u64::from(next == b'\n');
            self.text.consume(1);
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_over_blank_ones_and_line_ends_of_windows() {
        let text = "a\r\n\"b\nb\"\n\n\r\nc\n";
        let mut lines = Lines::new(text.as_bytes());
        // Where rows begin: `b` at the line feed before it, `c` at the blank lines before it.
        let found: Vec<u64> = [0, 2, 9, 14, 99].map(|byte| lines.of(byte).unwrap()).into();
        assert_eq!(found, [1, 2, 6, 7, 7]);
    }
}
