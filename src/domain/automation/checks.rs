//! What is decided when an enrolment is due: the checks in their order, of which the first that fails
//! decides and is logged (behaviour.md 3, "At the due time").

use jiff::Timestamp;

use super::{HeldFor, Trigger};

/// When a text may go, by caps and quiet hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// Now.
    Now,
    /// Not before, and why.
    Later(Timestamp, String),
    /// Nobody knows when: no hour is open.
    Never,
    /// Not at all, and why: they have had enough for now.
    Refused(String),
}

/// Whether the flood guard holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// No.
    None,
    /// On this card.
    Card(u64),
}

/// What a due enrolment is decided by.
#[derive(Clone, Debug)]
pub struct Case {
    /// What set it off.
    pub trigger: Trigger,
    /// Whether the automation is active.
    pub active: bool,
    /// Why the enrolment is over, if it is.
    pub over: Option<String>,
    /// Whether scope and filter hold, else why not.
    pub fits: Result<(), String>,
    /// Whether the opportunity is archived.
    pub archived: bool,
    /// Whether the person's data was removed.
    pub anonymised: bool,
    /// What calls it off.
    pub cancelled: Option<&'static str>,
    /// Why the number must not be texted: it cannot receive, there is no consent, they opted out.
    pub refused: Option<String>,
    /// Whether nothing is sent by itself before a person has decided: they may have opted out.
    pub frozen: bool,
    /// Why the text cannot be written, such as fields without a value.
    pub missing: Option<String>,
    /// By caps and quiet hours.
    pub when: When,
    /// By the flood guard.
    pub hold: Hold,
}

/// What becomes of an enrolment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its text is written now.
    Send,
    /// It is decided again at this time, from the start.
    Later(Timestamp, String),
    /// It is decided again once something changes.
    Held(HeldFor),
    /// There will be no text.
    End(String),
}

/// Decides about an enrolment that is due.
pub fn decide(case: Case) -> Verdict {
    use Verdict::{End, Held, Later, Send};
    if !case.active {
        return Held(HeldFor::Paused);
    }
    if let Some(why) = case.over {
        return End(why);
    }
    if let Err(why) = case.fits {
        return End(why);
    }
    if case.archived && !case.trigger.is_about_archived() {
        return End("the opportunity is archived".into());
    }
    if case.anonymised {
        return End("the candidate is anonymised".into());
    }
    if let Some(why) = case.cancelled {
        return End(why.into());
    }
    if let Some(why) = case.refused {
        return End(why);
    }
    if case.frozen {
        return Held(HeldFor::Doubt);
    }
    if let Some(missing) = case.missing {
        return Held(HeldFor::NoText(missing));
    }
    match case.when {
        When::Later(at, why) => return Later(at, why),
        When::Never => return Held(HeldFor::NoHour),
        When::Refused(why) => return End(why),
        When::Now => {}
    }
    match case.hold {
        Hold::Card(card) => Held(HeldFor::Card(card)),
        Hold::None => Send,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reasons in the order of the specification, each of which hides all that follow.
    #[test]
    fn the_first_check_that_fails_decides() {
        let later = Timestamp::UNIX_EPOCH;
        let mut case = Case {
            trigger: Trigger::StageEntered,
            active: false,
            over: Some("over".into()),
            fits: Err("fits".into()),
            archived: true,
            anonymised: true,
            cancelled: Some("cancelled"),
            refused: Some("refused".into()),
            frozen: true,
            missing: Some("missing".into()),
            when: When::Refused("capped".into()),
            hold: Hold::Card(3),
        };
        let end = |why: &str| Verdict::End(why.to_owned());
        let mut check = |expected: Verdict, mend: fn(&mut Case)| {
            assert_eq!(decide(case.clone()), expected);
            mend(&mut case);
        };
        check(Verdict::Held(HeldFor::Paused), |case| case.active = true);
        check(end("over"), |case| case.over = None);
        check(end("fits"), |case| case.fits = Ok(()));
        check(end("the opportunity is archived"), |case| case.archived = false);
        check(end("the candidate is anonymised"), |case| case.anonymised = false);
        check(end("cancelled"), |case| case.cancelled = None);
        check(end("refused"), |case| case.refused = None);
        check(Verdict::Held(HeldFor::Doubt), |case| case.frozen = false);
        check(Verdict::Held(HeldFor::NoText("missing".into())), |case| case.missing = None);
        check(end("capped"), |case| case.when = When::Later(Timestamp::UNIX_EPOCH, "later".into()));
        check(Verdict::Later(later, "later".into()), |case| case.when = When::Now);
        check(Verdict::Held(HeldFor::Card(3)), |case| case.hold = Hold::None);
        check(Verdict::Send, |_| {});
    }

    #[test]
    fn who_was_archived_may_be_told_so() {
        for (trigger, told) in [(Trigger::Archived, true), (Trigger::Hired, true), (Trigger::NoReply, false)]
        {
            let case = Case {
                trigger,
                active: true,
                over: None,
                fits: Ok(()),
                archived: true,
                anonymised: false,
                cancelled: None,
                refused: None,
                frozen: false,
                missing: None,
                when: When::Now,
                hold: Hold::None,
            };
            assert_eq!(decide(case) == Verdict::Send, told);
        }
    }
}
