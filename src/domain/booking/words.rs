//! The words of texts about times.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::spoken;

/// Offers times for a meeting of this name, each with the number that takes it; `begin` is said first.
pub fn offer(organisation: &str, name: &str, times: &[Timestamp], zone: &TimeZone, begin: &str) -> String {
    let lines: Vec<String> =
        (1..).zip(times).map(|(n, at): (u8, _)| format!("{n}) {}", spoken(*at, zone))).collect();
    format!(
        "{begin}{organisation}: times for your {name}:\n{}\nReply {}. 0 for other times.",
        lines.join("\n"),
        numbers(times.len()),
    )
}

/// Asks anew which of so many times somebody wants.
pub fn which(count: usize) -> String {
    format!("Sorry, which time? Reply {}, or 0 for other times.", numbers(count))
}

/// What the config says as a sentence: with a full stop, unless it ends like one or is a link, which a stop
/// would break.
pub fn sentence(said: &str) -> String {
    let ends = said.ends_with(|c: char| ".!?/".contains(c)) || said.contains("://");
    format!("{said}{}", if ends { "" } else { "." })
}

/// "1, 2 or 3", "1 or 2", "1".
fn numbers(count: usize) -> String {
    let names: Vec<String> = (1..=count).map(|n| n.to_string()).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_says_whose_it_is_and_what_to_answer() {
        let times = ["2025-03-04T19:30:00Z", "2025-03-05T14:00:00Z", "2025-03-06T14:00:00Z"]
            .map(|at| at.parse::<Timestamp>().unwrap());
        let zone = TimeZone::get("America/New_York").unwrap();
        let offer = |times, begin| offer("Acme", "Phone interview", times, &zone, begin);
        assert_eq!(
            offer(&times, "Sorry. "),
            "Sorry. Acme: times for your Phone interview:\n1) Tue, Mar 4 at 2:30 PM EST\n\
             2) Wed, Mar 5 at 9:00 AM EST\n3) Thu, Mar 6 at 9:00 AM EST\n\
             Reply 1, 2 or 3. 0 for other times."
        );
        assert_eq!(
            offer(&times[..1], ""),
            "Acme: times for your Phone interview:\n1) Tue, Mar 4 at 2:30 PM EST\nReply 1. 0 for other times."
        );
        assert_eq!(which(2), "Sorry, which time? Reply 1 or 2, or 0 for other times.");
    }

    #[test]
    fn a_sentence_gets_its_stop_and_a_link_none() {
        for (said, expected) in [
            ("We call you", "We call you."),
            ("Bring an ID!", "Bring an ID!"),
            ("Join at https://meet.example/abc", "Join at https://meet.example/abc"),
            ("meet.example/room/", "meet.example/room/"),
        ] {
            assert_eq!(sentence(said), expected);
        }
    }
}
