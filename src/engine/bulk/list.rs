//! A list of recipients as people paste it: CSV with a line of names, `opportunity` or `number`, and
//! `consent` if wanted. A line that cannot be meant is told with its place; the others are not lost.

use fulcrum_domain::bulk::BadRow;
use fulcrum_domain::{Number, OpportunityId, Region};

use crate::engine::Lines;

/// A recipient as a list names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Where in the list; lines count from 1.
    pub line: u64,
    /// Who.
    pub who: Who,
    /// What it says of their consent.
    pub consents: Option<bool>,
}

/// How a list names somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// By their opportunity in Lever.
    Opportunity(OpportunityId),
    /// By a number that Lever has for them.
    Number(Number),
}

/// The recipients of a list, and its lines that name none.
pub fn read_list(text: &str, region: &Region) -> (Vec<Listed>, Vec<BadRow>) {
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let names: Vec<String> =
        reader.headers().map(|names| names.iter().map(str::to_lowercase).collect()).unwrap_or_default();
    let column = |name: &str| names.iter().position(|other| other == name);
    let (opportunity, number, consent) = (column("opportunity"), column("number"), column("consent"));
    if opportunity.is_none() && number.is_none() {
        let reason = "the first line must name the columns: opportunity or number, and consent if wanted";
        return (Vec::new(), vec![BadRow { line: 1, reason: reason.to_owned() }]);
    }
    let (mut listed, mut bad) = (Vec::new(), Vec::new());
    let mut lines = Lines::new(text.as_bytes());
    // A text in memory can be read.
    let mut line_of = |at: Option<&csv::Position>| lines.of(at.map_or(0, csv::Position::byte)).unwrap_or(0);
    for record in reader.records() {
        let (line, row) = match &record {
            Ok(record) => {
                let cell = |column: Option<usize>| column.and_then(|at| record.get(at)).unwrap_or_default();
                let line = line_of(record.position());
                (line, row(cell(opportunity), cell(number), cell(consent), region))
            }
            Err(error) => (line_of(error.position()), Err("it cannot be read as CSV")),
        };
        match row {
            Ok((who, consents)) => listed.push(Listed { line, who, consents }),
            Err(reason) => bad.push(BadRow { line, reason: reason.to_owned() }),
        }
    }
    (listed, bad)
}

fn row(
    opportunity: &str,
    number: &str,
    consent: &str,
    region: &Region,
) -> Result<(Who, Option<bool>), &'static str> {
    let consents = match consent.to_lowercase().as_str() {
        "" => None,
        "yes" | "y" | "true" | "1" => Some(true),
        "no" | "n" | "false" | "0" => Some(false),
        _ => return Err("its consent is neither yes nor no nor empty"),
    };
    let who = match (opportunity, number) {
        ("", "") => return Err("it names nobody"),
        ("", number) => {
            Who::Number(Number::parse(number, region).map_err(|_| "its number is no telephone number")?)
        }
        (id, _) => Who::Opportunity(id.parse().map_err(|_| "its opportunity is no id of Lever's")?),
    };
    Ok((who, consents))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, listed: usize, bad: &[(u64, &str)]) -> Vec<Listed> {
        let (found, rows) = read_list(text, &"US".parse().unwrap());
        let rows: Vec<(u64, &str)> = rows.iter().map(|row| (row.line, row.reason.as_str())).collect();
        assert_eq!((found.len(), rows.as_slice()), (listed, bad), "{text}");
        found
    }

    #[test]
    fn good_rows_are_kept_beside_bad_ones() {
        let text =
            "Number, consent\n(202) 555-0142, YES\n12, yes\n+12025550143, maybe\n,\n\"202 555 0144\",no\n";
        let found = check(
            text,
            2,
            &[
                (3, "its number is no telephone number"),
                (4, "its consent is neither yes nor no nor empty"),
                (5, "it names nobody"),
            ],
        );
        assert_eq!((found[0].line, found[0].consents), (2, Some(true)));
        assert_eq!((found[1].line, found[1].consents), (6, Some(false)));
    }

    #[test]
    fn a_line_is_told_as_people_count_them() {
        let reason = "its number is no telephone number";
        let lines = ["number", "+12025550142", "abc", "", "+12025550143", "12", ""];
        for end in ["\n", "\r\n"] {
            let found = check(&lines.join(end), 2, &[(3, reason), (6, reason)]);
            assert_eq!([found[0].line, found[1].line], [2, 5], "{end:?}");
        }
    }

    #[test]
    fn an_opportunity_is_enough_and_comes_before_a_number() {
        let found = check("number,opportunity\n+12025550142,abc-1\n", 1, &[]);
        assert_eq!(found[0].who, Who::Opportunity("abc-1".parse().unwrap()));
        check("opportunity\nno id\n", 0, &[(2, "its opportunity is no id of Lever's")]);
    }

    #[test]
    fn columns_must_have_names() {
        let reason = "the first line must name the columns: opportunity or number, and consent if wanted";
        check("+12025550142\n+12025550143\n", 0, &[(1, reason)]);
        check("", 0, &[(1, reason)]);
    }
}
