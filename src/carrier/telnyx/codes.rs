//! What Telnyx says by number, in the few classes on which anybody acts (carriers.md 2.1).
//!
//! Telnyx documents its codes at <https://developers.telnyx.com/docs/messaging/messages/error-codes>. One that is
//! not in the table is [`SendFailure::Unknown`]: carriers add codes without notice. They are numbers of
//! their own: 20003 is something else at Twilio.

use fulcrum_domain::SendFailure;

/// The class of one of Telnyx' codes, from an answer or a report.
///
/// 40300 is the profile's own list of opt-outs. A text that ends with 40002 or 40008 may have arrived.
pub(super) const fn class_of(code: u32) -> SendFailure {
    match code {
        // The credentials, the account and its money.
        10009 | 10010 | 20000..=20999 => SendFailure::Config,
        // The profile, the registration of its numbers, the spending limit.
        40010 | 40311..=40314 | 40321 | 40329 | 40331 | 40333 => SendFailure::Config,
        40013 | 40100 | 40305 | 40306 | 40308 | 40315 | 40320 => SendFailure::Sender,
        10011 => SendFailure::Throttled,
        10007 | 10008 | 40006 => SendFailure::CarrierDown,
        10002 | 10016 | 40012 | 40310 => SendFailure::BadNumber,
        40001 => SendFailure::Landline,
        40309 | 40319 => SendFailure::NotPermitted,
        40300 => SendFailure::OptedOut,
        40004 => SendFailure::Blocked,
        40002 | 40003 | 40015 | 40017 | 40322 => SendFailure::Filtered,
        40005 | 40014 => SendFailure::Expired,
        40011 | 40318 => SendFailure::Congested,
        40016 | 40018 => SendFailure::DailyCap,
        40302 => SendFailure::TooLong,
        10003..=10006 | 10014 | 10015 | 40009 | 40301 | 40304 | 40316 | 40317 => SendFailure::Rejected,
        _ => SendFailure::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use fulcrum_domain::Remedy;

    use super::*;

    #[test]
    fn each_code_leads_to_what_it_means() {
        let check = |codes: &[u32], remedy: fn(Remedy) -> bool| {
            for &code in codes {
                assert!(remedy(class_of(code).remedy()), "{code}");
            }
        };
        check(&[40300], |remedy| remedy == Remedy::Suppress);
        check(&[10009, 20100, 40010, 40312, 40331], |remedy| remedy == Remedy::PauseSending);
        check(&[40001, 40002, 40003, 40004, 40008, 40310, 40302, 99999], |remedy| remedy == Remedy::GiveUp);
        check(&[10011, 40005, 40006, 40011, 40318, 40305, 40018], |remedy| {
            matches!(remedy, Remedy::RetryAfter(_))
        });
    }

    #[test]
    fn only_what_lies_in_the_number_condemns_it() {
        for code in [40001, 40004, 40300, 40310] {
            assert!(class_of(code).condemns_number(), "{code}");
        }
        for code in [10009, 40002, 40003, 40005, 40008, 40305] {
            assert!(!class_of(code).condemns_number(), "{code}");
        }
    }
}
