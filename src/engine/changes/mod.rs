//! Every change of our own state, each a function on a transaction.
//!
//! The decisions themselves are pure and live in `domain`; these functions fetch what a decision
//! needs, take it, and write all its consequences: rows, effects and deadlines together. They run
//! on the store's thread, so they never wait, and a crash leaves all of one or nothing of it.

mod accounts;
mod activity;
mod appointment;
mod booking;
mod cancel;
mod compose;
mod delivery;
mod desk;
mod erase;
mod filing;
mod guard;
mod outbox;
mod posting;
mod projection;
mod receive;
mod remind;
mod searchable;
mod suppress;
mod thread;
mod users;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use fulcrum_domain::booking::Offers;
use fulcrum_domain::guard::{Caps, Clockwork};
use fulcrum_domain::quiet::Hours;
use fulcrum_domain::{DeadlineKey, FilingTimes, Number, PostingId, Region, Role};
use jiff::tz::TimeZone;

use crate::engine::clock::Moment;
use crate::store::{StoreError, Tx};

pub use accounts::{grant_extension, note_use, sign_in, sign_ins, sign_out, sign_out_everywhere, withdraw};
pub use activity::{forget_activity, note, note_in_thread};
pub use appointment::{
    AppointmentError, appointment_at, appointments_of, call_off_appointment, change_appointment,
    make_appointment, release_performer, see_appointment, unblock_appointments,
};
pub(crate) use appointment::{NextWrite, Settled, adopt_listed, begin_write, block_write, settle_write};
pub use booking::{
    BookError, Busy, LinkError, Pick, SlotsOf, booking_link, booking_of, call_off_booking, free_slots,
    interviewers_of, offer_times, standing_of, suggest_times, take_slot, take_turn_to_talk, zone_of,
};
pub use cancel::{CancelError, cancel, give_up};
pub use compose::{ComposeError, Draft, Recipient, compose};
pub use delivery::{Report, Submission, begin_send, report, settle_send};
pub(crate) use delivery::{look_up_send, requeue_send};
pub use desk::{change_desk, desk_of, has_read, mark_read, place_older};
pub(crate) use erase::ERASED;
pub use erase::{erase_opportunity, mark_invisible};
pub use filing::file_now;
pub use guard::standing;
pub(crate) use outbox::UNREADABLE;
pub use outbox::{
    EffectCounts, Taken, ask, ask_after_deletion, ask_later, count_failed, due, effect_counts, finish,
    oldest_asked_at, postpone, put_back, recover, retry_failed, scan_due, take,
};
pub use posting::{
    AfterPost, NextPost, begin_post, finish_post, hold_post, may_repost, release_author, retarget,
};
pub use projection::{Arrival, Put, put_interviews, put_opportunity};
pub(crate) use projection::{LEFT_FOR_NOW, want_no_interviews};
pub use receive::{Incoming, Keyword, Received, receive};
pub(crate) use remind::retime;
pub use remind::{CALLED_OFF, InterviewTexts, MOVED, REMINDER, RemindOf};
pub(crate) use suppress::HASH_KEY;
pub use suppress::{LiftError, decide_opt_out, suppression_of};
pub use thread::{candidacies, message, thread_of};
pub(crate) use users::{put_user, user_by_email};

/// A deadline has fired. What is stored decides whether anything is due.
pub fn fire(tx: &mut Tx<'_>, key: DeadlineKey, rules: &Rules, moment: &mut Moment) -> Result<(), StoreError> {
    match key {
        DeadlineKey::Transcript(id) => filing::file_due(tx, id, rules, moment).map(drop),
        DeadlineKey::PossibleOptOut(id) => suppress::doubt_is_over(tx, id, moment.now),
        DeadlineKey::Reminder(number) => remind::remind(tx, number, rules, moment),
        DeadlineKey::AppointmentNews(id) => remind::tell_news(tx, id, rules, moment),
        DeadlineKey::Booking(id) => booking::deadline(tx, id, moment.now),
    }
}

/// What a transcript is for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One note for a session.
    Session,
    /// One note for each message.
    Instant,
    /// No notes.
    Off,
}

/// Who answers STOP and HELP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeywordAnswers {
    /// The carrier does; we stay silent.
    Carrier,
    /// We do.
    Fulcrum,
}

/// The settings that changes follow; replaced as a whole when the config is read again.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The organisation, as it signs.
    pub organisation: String,
    /// Its zone.
    pub zone: TimeZone,
    /// Where a number without a country code is.
    pub region: Region,
    /// The answer to HELP.
    pub help_text: String,
    /// The one text after STOP.
    pub opt_out_confirmation: String,
    /// Who sends those two.
    pub keyword_answers: KeywordAnswers,
    /// When texts may start.
    pub quiet_hours: Hours,
    /// Who may say that a text cannot wait.
    pub quiet_overrides: Vec<Role>,
    /// How many texts that nobody wrote to them a person gets.
    pub caps: Caps,
    /// Our numbers; the first speaks unless another spoke before.
    pub numbers: Vec<Number>,
    /// When transcripts are filed.
    pub times: FilingTimes,
    /// Whether they are.
    pub mode: Mode,
    /// The same for some postings.
    pub mode_of: BTreeMap<PostingId, Mode>,
    /// Whether all notes are secret.
    pub secret_notes: bool,
    /// Whether candidates of confidential opportunities are texted.
    pub text_confidential: bool,
    /// The longest note.
    pub max_note_chars: usize,
    /// Where the console is; links in notes lead there.
    pub public_url: String,
    /// What candidates can book.
    pub booking: Offers,
    /// Who signs notes that nobody here wrote: the e-mail of a Lever user.
    pub notes_as: Option<String>,
    /// What candidates are texted of their interviews.
    pub interview_texts: InterviewTexts,
}

impl Rules {
    /// The clock's side of the guard.
    pub fn clockwork(&self) -> Clockwork<'_> {
        Clockwork { hours: &self.quiet_hours, fallback: &self.zone, caps: self.caps }
    }
}
