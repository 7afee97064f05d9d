//! What Twilio says by number, in the few classes on which anybody acts (carriers.md 1.3). One that is not in
//! the table is [`SendFailure::Unknown`]: carriers add codes without notice.

use fulcrum_domain::SendFailure;

/// The class of one of Twilio's codes, from an answer or a status .
///
/// 21408 and 21608 are about one recipient (a country, an unverified number of a trial account),
/// and 21212 and 21606 about one sender, so they do not pause the rest. After 30008, 30017 and 30410 the text may have arrived.
pub(super) const fn class_of(code: u32) -> SendFailure {
    match code {
        20003 | 20404 | 21609 | 21655 | 21656 | 21701 | 21703 | 21704 => SendFailure::Config,
        30002 | 30029 | 30030 | 30032..=30035 => SendFailure::Config,
        21212 | 21606 => SendFailure::Sender,
        20429 => SendFailure::Throttled,
        20500 | 20503 => SendFailure::CarrierDown,
        21211 | 30005 => SendFailure::BadNumber,
        21408 | 21608 | 21612 => SendFailure::NotPermitted,
        21602..=21604 | 21620 | 21623 | 21624 | 35114 | 35115 | 35117 | 35125 | 63016 => {
            SendFailure::Rejected
        }
        21610 => SendFailure::OptedOut,
        21611 | 30001 | 30022 | 30450 => SendFailure::Congested,
        21614 | 30006 => SendFailure::Landline,
        21617 | 21658 | 30019 => SendFailure::TooLong,
        30003 => SendFailure::Unreachable,
        30004 => SendFailure::Blocked,
        30007 => SendFailure::Filtered,
        30023 | 30027 => SendFailure::DailyCap,
        30036 => SendFailure::Expired,
        _ => SendFailure::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fulcrum_domain::Remedy;

    use super::*;

    #[test]
    fn each_code_leads_to_what_the_table_says() {
        let check = |codes: &[u32], remedy: Remedy| {
            for &code in codes {
                assert_eq!(class_of(code).remedy(), remedy, "{code}");
            }
        };
        check(&[21610], Remedy::Suppress);
        check(
            &[20003, 20404, 21609, 21701, 21703, 21704, 30002, 30032, 30033, 30034, 30035],
            Remedy::PauseSending,
        );
        check(
            &[
                21211, 21408, 21608, 21612, 21614, 21617, 21658, 30003, 30004, 30005, 30006, 30007, 30008,
                30017, 30019, 30410, 63016, 99999,
            ],
            Remedy::GiveUp,
        );
        let pause = |seconds| Remedy::RetryAfter(Duration::from_secs(seconds));
        check(&[21212, 21606, 20429, 20500, 20503], pause(10));
        check(&[21611, 30001, 30022, 30036, 30450], pause(10 * 60));
        check(&[30023, 30027], pause(24 * 60 * 60));
    }

    #[test]
    fn only_what_lies_in_the_number_condemns_it() {
        for code in [21211, 21610, 21614, 30004, 30005, 30006] {
            assert!(class_of(code).condemns_number(), "{code}");
        }
        for code in [20003, 21612, 30003, 30007, 30008, 30034] {
            assert!(!class_of(code).condemns_number(), "{code}");
        }
    }
}
