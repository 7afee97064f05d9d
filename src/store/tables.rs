//! Every table of the file: what it is for, its key, its value.
//!
//! The number at the end of a name is the version of the key. A changed key is a new table and a
//! migration; a changed value is a new version of the value ([`super::Stored`]).

use std::marker::PhantomData;

use fulcrum_domain::automation::{AutomationState, Card, Enrolment, EnrolmentId, Event, RunLine};
use fulcrum_domain::booking::{Booking, Talk};
use fulcrum_domain::bulk::{Bulk, BulkId, Recipient};
use fulcrum_domain::file::FileState;
use fulcrum_domain::template::Version;
use fulcrum_domain::zones::KnownZone;
use fulcrum_domain::{
    Account, Activity, Appointment, AppointmentId, ArchiveReason, ArchiveReasonId, BookingId, Consent,
    ContactId, Conversation, ConversationId, Effect, EffectRow, Erasure, ErasureId, Filing, FilingId,
    Interview, InterviewId, Message, MessageId, Number, Opportunity, OpportunityId, Posting, PostingId,
    Reminders, Searchable, SessionId, Shelf, SignIn, Stage, StageId, Suppression, User, UserId,
};
use jiff::Timestamp;

use super::codec::{Key, Stored, decode};
use super::error::StoreError;
use super::records::{
    AppointmentNews, AuditEntry, BackfillState, Deleted, DeskRow, Engagement, Erased, FileBytes, FloodRow,
    Hold, HookRow, Idempotent, Lifted, Muted, Place, RefusedHook, SecretKey, Seen, Subject,
};

/// A table with keys `K` and values `V`.
pub struct Table<K, V> {
    pub(super) index: usize,
    types: PhantomData<fn(K) -> V>,
}

impl<K, V> Clone for Table<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for Table<K, V> {}

impl<K: Key, V: Stored> Table<K, V> {
    /// What the file calls it.
    #[cfg(test)]
    pub(crate) fn name(self) -> &'static str {
        self.text()
    }

    pub(super) fn text(self) -> &'static str {
        ALL[self.index]
    }

    pub(super) fn decode(self, bytes: &[u8]) -> Result<V, StoreError> {
        decode(bytes).map_err(|version| StoreError::Row { table: ALL[self.index], version })
    }

    pub(super) fn key(self, mut bytes: &[u8]) -> Result<K, StoreError> {
        let key = K::read(&mut bytes).filter(|_| bytes.is_empty());
        key.ok_or(StoreError::Row { table: ALL[self.index], version: 0 })
    }
}

/// The place of a message in its thread, as a key.
pub type MessageKey = (ConversationId, Timestamp, MessageId);
/// An effect by remote, lane, time and name, as a key.
pub type DueKey = (u8, (u8, Timestamp, Effect));
/// When something happened, and its number among all that did, as a key.
pub type ActivityKey = (Timestamp, u64);
/// When something happened to a candidate, and its number among all that did, as a key.
pub type EventKey = (Timestamp, u64);
/// A keyed hash or a digest, as a key.
pub type Digest = [u8; 16];

/// Tables of older schemas that migrations have emptied; an older backup still holds them.
pub(super) const RETIRED: [&str; 1] = ["made-appointments-1"];

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident = $text:literal : $key:ty => $value:ty;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Index { $($name),* }

        /// The names of all tables, by index.
        pub(super) const ALL: &[&str] = &[$($text),*];

        $(
            $(#[$doc])*
            pub const $name: Table<$key, $value> =
                Table { index: Index::$name as usize, types: PhantomData };
        )*
    };
}

tables! {
    /// The recruiting team.
    USERS = "users-1": UserId => User;
    /// Who of the active ones has an e-mail, in lower case.
    USERS_BY_EMAIL = "users-by-email-1": String => UserId;
    /// When Lever last refused one of them as the author of a note.
    REFUSED_AUTHORS = "refused-authors-1": UserId => Seen;
    /// The pipeline.
    STAGES = "stages-1": StageId => Stage;
    /// Why opportunities are archived.
    ARCHIVE_REASONS = "archive-reasons-1": ArchiveReasonId => ArchiveReason;
    /// Jobs.
    POSTINGS = "postings-1": PostingId => Posting;
    /// Candidacies.
    OPPORTUNITIES = "opportunities-1": OpportunityId => Opportunity;
    /// Which opportunities a person has.
    BY_CONTACT = "opportunities-by-contact-1": (ContactId, OpportunityId) => ();
    /// Which opportunities a number leads to.
    BY_NUMBER = "opportunities-by-number-1": (Number, OpportunityId) => ();
    /// Meetings.
    INTERVIEWS = "interviews-1": (OpportunityId, InterviewId) => Interview;
    /// Opportunities whose interviews are yet to be listed: 0 active ones, 1 the others, then those
    /// that failed.
    INTERVIEWS_WANTED = "interviews-wanted-1": (u8, OpportunityId) => ();
    /// Tombstones of opportunities.
    DELETED = "deleted-1": OpportunityId => Deleted;
    /// Certificates of erasures.
    ERASURES = "erasures-1": ErasureId => Erasure;
    /// By which of them an opportunity was erased.
    ERASED_BY = "erasures-by-opportunity-1": OpportunityId => Erased;
    /// Opportunities of which everything is kept, whoever wants it gone.
    HOLDS = "holds-1": OpportunityId => Hold;
    /// There while nothing may leave: the file was restored from a backup; one row.
    MUTED = "muted-1": () => Muted;
    /// What was done that has to be proven, in order, each entry chained to the one before.
    AUDIT = "audit-1": u64 => AuditEntry;
    /// Since when Lever shows an opportunity no more; kept for as long as an older page may arrive.
    VANISHED = "vanished-1": OpportunityId => Seen;
    /// Numbers of opportunities that Lever shows no more: where their erasure finds what stands by number.
    VANISHED_NUMBERS = "vanished-numbers-1": (OpportunityId, Number) => ();
    /// Verified webhooks that wait, in order of arrival.
    INBOX = "inbox-1": u64 => HookRow;
    /// Webhooks that were stored within 30 days, by digest of event and token.
    SEEN_HOOKS = "seen-hooks-1": Digest => Seen;
    /// The last webhook of each event that was verified.
    HOOKS_VERIFIED = "hooks-verified-1": String => Seen;
    /// The last one of each that was refused.
    HOOKS_REFUSED = "hooks-refused-1": String => RefusedHook;
    /// Threads.
    CONVERSATIONS = "conversations-1": ConversationId => Conversation;
    /// The thread of a number.
    THREADS = "threads-1": Number => ConversationId;
    /// In which threads an opportunity was spoken of: where its deletion erases, whatever number its
    /// candidate has by then, and whether or not Lever still shows them.
    SPOKEN_OF = "conversations-by-opportunity-1": (OpportunityId, ConversationId) => ();
    /// Texts, in order of their thread.
    MESSAGES = "messages-1": MessageKey => Message;
    /// Where a text stands.
    PLACES = "message-places-1": MessageId => Place;
    /// Which text a carrier's name means.
    BY_SID = "messages-by-sid-1": String => MessageId;
    /// Texts at the carrier whose end is not reported yet, and since when.
    AWAITING_RECEIPT = "awaiting-receipt-1": MessageId => Seen;
    /// How far each file is that came with a text, by its place there.
    FILES = "message-files-1": (MessageId, u8) => FileState;
    /// The files themselves.
    FILE_BYTES = "message-file-bytes-1": (MessageId, u8) => FileBytes;
    /// Texts that somebody said cannot wait for the end of quiet hours, and when they said so.
    OVERRIDES = "quiet-overrides-1": MessageId => Seen;
    /// Texts that stand in no filed transcript yet.
    UNFILED = "unfiled-1": MessageKey => ();
    /// The office's side of threads.
    DESKS = "desks-1": ConversationId => DeskRow;
    /// Which threads lie on a shelf of the inbox, by their last activity.
    SHELVES = "shelves-1": (Shelf, Timestamp, ConversationId) => ();
    /// Up to when an account has read a thread.
    READ = "read-1": (ConversationId, Account) => Seen;
    /// What happened, for 90 days.
    ACTIVITY = "activity-1": ActivityKey => Activity;
    /// What happened in a thread, or to an opportunity.
    ACTIVITY_OF = "activity-by-subject-1": (Subject, ActivityKey) => ();
    /// Numbers that have opted out, by keyed hash.
    SUPPRESSIONS = "suppressions-1": Digest => Suppression;
    /// Opt-outs that a person took back, and when.
    LIFTED = "opt-outs-lifted-1": (Number, Timestamp) => Lifted;
    /// What the owner of a number said about being texted, and when: the newest counts.
    CONSENTS = "consents-1": (Number, Timestamp) => Consent;
    /// In which zone the owner of a number is, where a person said so.
    KNOWN_ZONES = "known-zones-1": Number => KnownZone;
    /// Effects.
    OUTBOX = "outbox-1": Effect => EffectRow;
    /// Effects that wait for their time, in the order in which they are taken.
    OUTBOX_DUE = "outbox-due-1": DueKey => ();
    /// Deadlines; the wheel is a cache of this table.
    DEADLINES = "deadlines-1": (Timestamp, u64) => ();
    /// Transcripts on their way or filed.
    FILINGS = "filings-1": FilingId => Filing;
    /// The filings of a thread.
    FILINGS_OF = "filings-by-conversation-1": (ConversationId, FilingId) => ();
    /// Answers to repeated requests.
    IDEMPOTENT = "idempotent-1": Digest => Idempotent;
    /// The initial sync; one row.
    BACKFILL = "backfill-1": () => BackfillState;
    /// Up to when something has been looked at, by name.
    BOOKMARKS = "bookmarks-1": String => Seen;
    /// Counters, by name.
    COUNTERS = "counters-1": String => u64;
    /// Keys made at the first start.
    SECRETS = "secrets-1": String => SecretKey;
    /// What the search index does not know yet, in the order in which it changed. A log, not a set:
    /// what changes again while it is being indexed stands behind, and is not lost with it.
    TO_INDEX = "to-index-1": u64 => Searchable;
    /// Browsers and extensions that are signed in, by the digest of their secret.
    SIGN_INS = "sign-ins-1": SessionId => SignIn;
    /// The words that templates have or had, by hash: those that a text was made from.
    TEMPLATE_WORDS = "template-words-1": Digest => String;
    /// Which template a text was made from.
    MADE_FROM = "messages-made-from-1": MessageId => Version;
    /// Bulk texts.
    BULKS = "bulks-1": BulkId => Bulk;
    /// Those that are being sent.
    BULKS_RUNNING = "bulks-running-1": BulkId => ();
    /// Whom they are for, in their order.
    RECIPIENTS = "bulk-recipients-1": (BulkId, u64) => Recipient;
    /// When whose turn comes.
    TURNS = "bulk-turns-1": (BulkId, Timestamp, u64) => ();
    /// What happened to candidates, for 30 days: what automations go by.
    EVENTS = "events-1": EventKey => Event;
    /// The events of an opportunity.
    EVENTS_OF = "events-by-opportunity-1": (OpportunityId, EventKey) => ();
    /// How an automation stands, by its name.
    AUTOMATIONS = "automations-1": String => AutomationState;
    /// Candidates in automations.
    ENROLMENTS = "enrolments-1": EnrolmentId => Enrolment;
    /// The enrolments of an opportunity.
    ENROLMENTS_OF = "enrolments-by-opportunity-1": (OpportunityId, EnrolmentId) => ();
    /// Enrolments of which a text may still come.
    LIVE_ENROLMENTS = "live-enrolments-1": EnrolmentId => ();
    /// What automations decided about an opportunity, in order.
    RUN_LOG = "run-log-1": (OpportunityId, u64) => RunLine;
    /// Many enrolments at once, which a person lets go or not.
    CARDS = "cards-1": u64 => Card;
    /// The enrolments of a card.
    ENROLMENTS_ON = "enrolments-by-card-1": (u64, EnrolmentId) => ();
    /// Who caused how many enrolments of late.
    FLOODS = "floods-1": String => FloodRow;
    /// Interviews that were arranged here.
    APPOINTMENTS = "appointments-1": AppointmentId => Appointment;
    /// With whom they are.
    APPOINTMENTS_OF = "appointments-by-opportunity-1": (OpportunityId, AppointmentId) => ();
    /// Which of Lever's interviews are ours.
    APPOINTMENT_AT = "appointments-by-interview-1": InterviewId => AppointmentId;
    /// Those that Lever does not have as wanted, since the key lacks a tick-box.
    APPOINTMENTS_BLOCKED = "appointments-blocked-1": AppointmentId => ();
    /// Those that were changed in Lever, and of which the candidate is told when it is quiet.
    APPOINTMENT_NEWS = "appointment-news-1": AppointmentId => AppointmentNews;
    /// Reminders of interviews.
    REMINDERS = "reminders-1": u64 => Reminders;
    /// With whom those are.
    REMINDERS_OF = "reminders-by-opportunity-1": (OpportunityId, u64) => ();
    /// Meetings of each interviewer, by their start.
    MEETINGS = "meetings-by-interviewer-1": (UserId, Timestamp, InterviewId) => Engagement;
    /// Meetings that candidates choose the time of.
    BOOKINGS = "bookings-1": BookingId => Booking;
    /// Those of an opportunity.
    BOOKINGS_OF = "bookings-by-opportunity-1": (OpportunityId, BookingId) => ();
    /// What a booking link stands for, by the digest of its token.
    BOOKING_TOKENS = "booking-tokens-1": Digest => BookingId;
    /// Which bookings have taken an interviewer's time, by its start.
    TAKEN = "taken-1": (UserId, Timestamp, BookingId) => ();
    /// Threads in which times were offered, and how far that talk is.
    TALKS = "booking-talks-1": ConversationId => Talk;
    /// Talks in which it is our turn, and interviewers' calendars are to be asked first.
    TALKS_DUE = "booking-talks-due-1": ConversationId => ();
}
