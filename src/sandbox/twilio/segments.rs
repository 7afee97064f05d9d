//! Counts the segments of a text the way Twilio's own calculator does.
//!
//! What a text costs hangs on its alphabet: if every character is in GSM 03.38 it costs one
//! septet each (the extension table two), otherwise the whole text is UCS-2 and costs UTF-16
//! units. One segment holds 160 or 70; of a longer text each holds 153 or 67, filled greedily,
//! and neither an escape pair nor a grapheme cluster is ever split, so the count is not a
//! rounded-up division. Source: carriers.md 4.1 to 4.3. This is an implementation of the
//! sandbox's own on purpose: one shared with the daemon could not catch its mistakes. The other
//! simulated carriers count by it, too.

use unicode_segmentation::UnicodeSegmentation as _;

/// The basic table without escape; letters and digits are matched by range in [`septets`].
const GSM_BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà";
const GSM_EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// How many segments Twilio bills for `text`; an empty text (a picture alone) is one.
pub(crate) fn segments(text: &str) -> usize {
    match text.chars().map(septets).collect::<Option<Vec<_>>>() {
        Some(costs) => fill(&costs, 160, 153),
        None => fill(&cluster_costs(text), 70, 67),
    }
}

/// Whether every character is in GSM 03.38.
pub(crate) fn is_gsm(text: &str) -> bool {
    text.chars().all(|character| septets(character).is_some())
}

/// What a character costs in GSM-7, none if that alphabet lacks it.
fn septets(character: char) -> Option<usize> {
    if character.is_ascii_alphanumeric() || GSM_BASIC.contains(character) {
        Some(1)
    } else if GSM_EXTENSION.contains(character) {
        Some(2)
    } else {
        None
    }
}

/// The UTF-16 units of each piece that must stay whole. A cluster that no segment can hold has
/// to be split after all, at its characters; CR LF counts as two pieces at Twilio.
fn cluster_costs(text: &str) -> Vec<usize> {
    let mut costs = Vec::new();
    for cluster in text.graphemes(true) {
        let cost = cluster.encode_utf16().count();
        if cost > 67 || cluster == "\r\n" {
            costs.extend(cluster.chars().map(char::len_utf16));
        } else {
            costs.push(cost);
        }
    }
    costs
}

fn fill(costs: &[usize], single: usize, each: usize) -> usize {
    if costs.iter().sum::<usize>() <= single {
        return 1;
    }
    let (mut count, mut used) = (1, 0);
    for cost in costs {
        if used + cost > each {
            count += 1;
            used = 0;
        }
        used += cost;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_like_the_calculator_of_twilio() {
        let family = "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}\u{200d}\u{1f466}";
        let vectors: Vec<(String, usize)> = vec![
            ("a".repeat(160), 1),
            ("a".repeat(161), 2),
            ("a".repeat(306), 2),
            ("a".repeat(307), 3),
            ("a".repeat(459), 3),
            ("a".repeat(460), 4),
            ("a".repeat(158) + "€", 1),
            ("a".repeat(159) + "€", 2),
            ("a".repeat(152) + "€" + &"a".repeat(152), 3),
            ("€".repeat(80), 1),
            ("€".repeat(81), 2),
            ("{[~]}|^\\".into(), 1),
            ("ΔΦΓΛΩΠΨΣΘΞ".into(), 1),
            ("α".into(), 1),
            ("e\u{301}".into(), 1),
            ("ж".repeat(70), 1),
            ("ж".repeat(71), 2),
            ("ж".repeat(134), 2),
            ("ж".repeat(135), 3),
            ("a".repeat(68) + "👍", 1),
            ("a".repeat(69) + "👍", 2),
            ("a".repeat(66) + "👍" + &"a".repeat(66), 3),
            ("👍".repeat(35), 1),
            ("👍".repeat(36), 2),
            ("👍".repeat(66), 2),
            ("👍".repeat(67), 3),
            ("Don\u{2019}t forget".into(), 1),
            ("Hi José, are you free at 9am?".into(), 1),
            ("a".repeat(1530), 10),
            ("a".repeat(1531), 11),
            ("a".repeat(1600), 11),
            ("ж".repeat(1600), 24),
            ("a".repeat(61) + family + &"a".repeat(62), 3),
            ("\r\n".repeat(80), 1),
            ("\r\n".repeat(81), 2),
            (String::new(), 1),
        ];
        for (text, expected) in vectors {
            assert_eq!(segments(&text), expected, "{} characters", text.chars().count());
        }
    }

    #[test]
    fn the_basic_table_is_whole() {
        let basic = (GSM_BASIC.chars().count(), GSM_EXTENSION.chars().count());
        assert_eq!(basic, (127 - 62, 10));
        for character in ['`', 'ç', '\t', '\u{a0}', '–', '…'] {
            assert_eq!(septets(character), None, "{character:?}");
        }
        assert_eq!(septets('Ç'), Some(1));
    }
}
