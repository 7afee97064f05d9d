//! The table: what, goal, measured, and the limit or the rival from the same run beside it.

/// A figure.
pub(crate) struct Row {
    what: String,
    goal: String,
    measured: String,
    beside: String,
    /// None where there is no goal.
    met: Option<bool>,
}

impl Row {
    /// A figure with a goal.
    pub(crate) fn new(what: impl Into<String>, goal: &str, measured: impl Into<String>, met: bool) -> Self {
        Self {
            what: what.into(),
            goal: goal.into(),
            measured: measured.into(),
            beside: String::new(),
            met: Some(met),
        }
    }

    /// A figure that only tells.
    pub(crate) fn told(what: impl Into<String>, measured: impl Into<String>) -> Self {
        Self { met: None, ..Self::new(what, "", measured, true) }
    }

    /// What it is to be compared with.
    #[must_use]
    pub(crate) fn beside(mut self, limit: impl Into<String>) -> Self {
        self.beside = limit.into();
        self
    }
}

/// The rows as a table.
pub(crate) fn render(rows: &[Row]) -> String {
    let lines: Vec<_> = rows
        .iter()
        .map(|row| {
            let met = row.met.map_or("", |met| if met { "yes" } else { "NO" });
            [row.what.clone(), row.goal.clone(), row.measured.clone(), row.beside.clone(), met.to_owned()]
        })
        .collect();
    markdown(["what", "goal", "measured", "beside it, same run", "met"], &lines)
}

/// A table of Markdown, whose columns also stand below one another on a terminal.
pub(crate) fn markdown<const N: usize>(head: [&str; N], lines: &[[String; N]]) -> String {
    let head = head.map(str::to_owned);
    let all = || std::iter::once(&head).chain(lines);
    let width = |column: usize| all().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let write = |line: &[String; N]| {
        let cells: Vec<String> =
            line.iter().zip(widths).map(|(text, width)| format!(" {text:width$} ")).collect();
        format!("|{}|\n", cells.join("|"))
    };
    let rule = widths.map(|width| "-".repeat(width + 2)).join("|");
    let mut text = write(&head);
    text.push_str(&format!("|{rule}|\n"));
    lines.iter().for_each(|line| text.push_str(&write(line)));
    text
}

/// A count with its thousands apart.
pub(crate) fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes as megabytes.
pub(crate) fn megabytes(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}

/// The value below which this share of `sorted` lies.
pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get(((last as f64) * share).round() as usize).copied().unwrap_or(f64::NAN)
}
