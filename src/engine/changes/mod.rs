//! Every change of our own state, each a function on a transaction.
//!
//! The decisions themselves are pure and live in `domain`; these functions fetch what a decision
//! needs, take it, and write all its consequences: rows, effects and deadlines together. They run
//! on the store's thread, so they never wait, and a crash leaves all of one or nothing of it.

mod accounts;
mod activity;
mod appointment;
mod automations;
mod booking;
mod bulk;
mod call_off;
mod cancel;
mod cases;
mod compose;
mod consent;
mod counter;
mod deadline;
mod delivery;
mod desk;
mod enrol;
mod enrolment;
mod erase;
mod events;
mod file;
mod filing;
mod flood;
mod guard;
mod import;
mod interview_news;
mod introduce;
mod made_from;
mod mute;
mod outbox;
mod posting;
mod projection;
mod receive;
mod recheck;
mod remind;
mod retention;
mod searchable;
mod suppress;
mod thaw;
mod thread;
mod users;
mod wait;
mod zone;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use fulcrum_domain::automation::Automations;
use fulcrum_domain::booking::Offers;
use fulcrum_domain::guard::{Caps, Clockwork};
use fulcrum_domain::optout::CarrierWords;
use fulcrum_domain::quiet::Hours;
use fulcrum_domain::states::StateWindows;
use fulcrum_domain::{
    ConsentRules, DeadlineKey, FilingTimes, Number, PostingId, Region, Role, TranscriptMode,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::engine::clock::Moment;
use crate::store::{StoreError, Tx};

pub use accounts::{grant_extension, note_use, sign_in, sign_ins, sign_out, sign_out_everywhere, withdraw};
pub(crate) use activity::about_whom;
pub use activity::{forget_activity, note, note_all, note_in_thread};
pub use appointment::{
    AppointmentError, appointment_at, appointments_of, call_off_appointment, change_appointment,
    make_appointment, release_performer, see_appointment, unblock_appointments,
};
pub(crate) use appointment::{NextWrite, Settled, adopt_listed, begin_write, block_write, settle_write};
pub use automations::{SwitchError, Waiting, align, decide_card, look_at_held, pause, resume};
pub(crate) use booking::end_talk;
pub use booking::{
    BookError, Busy, Choice, LinkError, Pick, SlotsOf, booking_link, booking_of, interviewers_of,
    offer_times, take_turn_to_talk,
};
pub(crate) use bulk::pause_refused_bulk;
pub use bulk::{
    BulkError, all_recipients, exclude, finish_bulk, give_turn, make_bulk, move_on, step_bulk, take_turn,
};
pub(crate) use bulk::{leave_bulk, leave_turn};
pub use cancel::{CancelError, cancel, give_up};
pub(crate) use cases::{Look, due_of, fits, foresee, is_for};
pub(crate) use compose::leaves_from;
pub use compose::{ComposeError, Draft, Recipient, compose, introduced};
pub use consent::{Profile, consent_of, consents_of, put_consent, put_profile, record_consent};
pub use delivery::{Report, Submission, begin_send, report, settle_send};
pub(crate) use delivery::{look_up_send, may_repeat, requeue_limited, requeue_send, rest};
pub use desk::{change_desk, desk_of, has_read, is_unanswered, mark_read, place_older};
pub(crate) use enrolment::STALE;
pub(crate) use erase::{
    ERASED, certify_copy, certify_file, certify_kept, certify_note, opportunities_of, owe_new_file,
    sweep_vanished_numbers,
};
pub use erase::{EraseError, erase_opportunity, erase_person, mark_invisible};
pub(crate) use events::events_of;
pub use events::forget_events;
pub(crate) use file::{Fetched, file, files_of, settle_file};
pub use filing::{attach_by_hand, file_now};
pub use guard::standing;
pub use import::{Imported, Past, import};
pub use made_from::{keep_words, made_from, made_from_present};
pub use mute::{Late, Unmuted, muted, unmute};
pub use outbox::{
    EffectCounts, Taken, ask, ask_after_deletion, ask_later, count_failed, due, effect_counts, finish,
    oldest_asked_at, postpone, put_back, recover, retry_failed, scan_due, take, tried_again, waiting_in,
};
pub(crate) use outbox::{UNREADABLE, first_due_at};
pub use posting::{
    AfterPost, NextPost, begin_post, finish_post, hold_post, may_repost, release_author, retarget,
};
pub use projection::{Arrival, ListedInterview, Put, put_interviews, put_opportunity};
pub(crate) use projection::{LEFT_FOR_NOW, want_no_interviews};
pub use receive::{Incoming, Received, receive};
pub use remind::{CALLED_OFF, InterviewTexts, MOVED, REMINDER};
pub(crate) use remind::{dropped_reminders, retime};
pub use retention::{Decision, decisions_over, erase_if_over, forget_decisions, hold, release, threads_over};
pub(crate) use suppress::HASH_KEY;
pub use suppress::{LiftError, Wish, decide_opt_out, suppression_of};
pub use thread::{candidacies, message, thread_of};
pub(crate) use users::{put_user, user_by_email};
pub use wait::{MUTED_COPY, Wait, wait_of};
pub use zone::{known_zone, set_zone, zones_of};

/// A deadline has fired. What is stored decides whether anything is due.
pub fn fire(tx: &mut Tx<'_>, key: DeadlineKey, rules: &Rules, moment: &mut Moment) -> Result<(), StoreError> {
    match key {
        DeadlineKey::Transcript(id) => filing::file_due(tx, id, rules, moment).map(drop),
        DeadlineKey::PossibleOptOut(id) => suppress::doubt_is_over(tx, id, moment.now),
        DeadlineKey::Enrolment(id) => enrol::is_due(tx, id, rules, moment),
        DeadlineKey::Card(card) => automations::card_expires(tx, card, moment.now),
        DeadlineKey::Booking(id) => booking::deadline(tx, id, moment.now),
        DeadlineKey::Reminder(number) => remind::remind(tx, number, rules, moment),
        DeadlineKey::AppointmentNews(id) => interview_news::tell_news(tx, id, rules, moment),
    }
}

/// Who answers STOP and HELP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeywordAnswers {
    /// The carrier does, where it knows the word; there we stay silent.
    Carrier(CarrierWords),
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
    /// How much consent is wanted, and where it is asked for.
    pub consent: ConsentRules,
    /// When texts may start.
    pub quiet_hours: Hours,
    /// What the laws of the recipient's state leave of that.
    pub state_windows: StateWindows,
    /// Who may say that a text cannot wait.
    pub quiet_overrides: Vec<Role>,
    /// How many texts that nobody wrote to them a person gets.
    pub caps: Caps,
    /// Our numbers; the first speaks unless another spoke before.
    pub numbers: Vec<Number>,
    /// When transcripts are filed.
    pub times: FilingTimes,
    /// Whether they are.
    pub mode: TranscriptMode,
    /// The same for some postings.
    pub mode_of: BTreeMap<PostingId, TranscriptMode>,
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
    /// What texts by itself.
    pub automations: Arc<Automations>,
    /// What candidates are texted of their interviews.
    pub interview_texts: InterviewTexts,
}

impl Rules {
    /// A time as lines for people name it: the organisation's, with the zone.
    pub(crate) fn told(&self, at: Timestamp) -> String {
        at.to_zoned_datetime(self.zone.clone()).strftime("%Y-%m-%dT%H:%M %Z").to_string()
    }

    /// When a text to this number may start, by the settings and by law.
    pub fn hours_for(&self, number: Number) -> Hours {
        self.quiet_hours.within(self.state_windows.of(number))
    }

    /// The clock's side of the guard.
    pub fn clockwork(&self) -> Clockwork<'_> {
        Clockwork { hours: &self.quiet_hours, fallback: &self.zone, caps: self.caps }
    }
}
