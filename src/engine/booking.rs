//! Booking, as the page and the console ask for it: the calendars of those who interview are asked
//! first, then one transaction decides.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fulcrum_domain::booking::{Booked, Booking, EventType, Over, State};
use fulcrum_domain::slots::{Day, Span, offer, zone_or};
use fulcrum_domain::{Activity, ActivityKind, Actor, BookingId, ConversationId, OpportunityId, Sight};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::changes::{self, BookError, Busy, Choice, LinkError, Pick};
use super::health::{HealthStatus, Part};
use super::turns::Turns;
use super::{Engine, Settings};
use crate::calendar::Calendars;
use crate::store::tables::OPPORTUNITIES;
use crate::store::{Read, StoreError};

/// What the page of a booking shows. Nothing of the candidate but their first name, and nothing of
/// those who interview.
#[derive(Clone, Debug)]
pub struct BookingView {
    /// The candidate's first name; may be empty.
    pub first_name: String,
    /// Who asks them.
    pub organisation: String,
    /// What is met for.
    pub name: String,
    /// How long, in minutes; none where nothing is known of it any more.
    pub minutes: Option<u32>,
    /// In which zone times are shown.
    pub zone: TimeZone,
    /// Where it takes place.
    pub location: String,
    /// Stands in the page's forms.
    pub revision: u32,
    /// Which booking it is, for the candidate's calendar.
    pub id: BookingId,
    /// Grows with each change of what is booked, here or in Lever.
    pub sequence: u32,
    /// How far it is.
    pub state: BookingState,
}

/// How far a booking is, as its page shows it.
#[derive(Clone, Debug)]
pub enum BookingState {
    /// These times can be taken.
    Open(Vec<Day>),
    /// One is taken.
    Booked {
        /// Which.
        booked: Booked,
        /// The times that can be taken instead; none where it must stay.
        others: Option<Vec<Day>>,
        /// Whether it can be called off.
        may_call_off: bool,
    },
    /// Nothing can be done with it any more.
    Over(Over),
}

/// What somebody does on the page.
#[derive(Clone, Debug)]
pub enum BookingAct {
    /// Take a time, or another one.
    Take {
        /// When it begins.
        start: Timestamp,
        /// The candidate's zone, an IANA name.
        timezone: String,
    },
    /// Call it off.
    CallOff,
    /// Say which times would suit.
    Suggest(String),
}

impl Engine {
    /// The kinds of meeting that candidates can book: id and name.
    pub fn event_types(&self) -> Vec<(String, String)> {
        let settings = self.settings.load();
        let types = settings.rules.booking.event_types.iter();
        types.map(|event| (event.id.clone(), event.name.clone())).collect()
    }

    /// A link with which a candidate books, for a person who puts it into a text.
    ///
    /// # Errors
    /// [`LinkError`]; what the caller may not see is not known to them.
    pub async fn booking_link(
        &self,
        opportunity: OpportunityId,
        event_type: String,
        sight: Sight,
        by: Actor,
    ) -> Result<String, LinkError> {
        let settings = self.settings.load_full();
        let mut moment = self.clock.moment();
        self.change_once(move |tx| {
            may_see(tx, &opportunity, sight)?;
            let link = changes::booking_link(tx, &opportunity, &event_type, &settings.rules, &mut moment)?;
            let what = format!("a booking link was made: {event_type}");
            let activity = Activity::new(moment.now, by, ActivityKind::Booking, what);
            changes::note(tx, &activity.about(Some(opportunity)))?;
            Ok(link)
        })
        .await
    }

    /// Offers a candidate times by text, since a person asks for it. Its first text follows once the
    /// calendars of those who interview are asked.
    ///
    /// # Errors
    /// [`LinkError`]; what the caller may not see is not known to them.
    pub async fn offer_times(
        &self,
        opportunity: OpportunityId,
        event_type: String,
        sight: Sight,
        by: Actor,
    ) -> Result<ConversationId, LinkError> {
        let settings = self.settings.load_full();
        let mut moment = self.clock.moment();
        self.change_once(move |tx| {
            may_see(tx, &opportunity, sight)?;
            let thread = changes::offer_times(tx, &opportunity, &event_type, &settings.rules, &mut moment)?;
            let what = format!("times were offered by text: {event_type}");
            let activity = Activity::new(moment.now, by, ActivityKind::Booking, what);
            changes::note(tx, &activity.of(thread).about(Some(opportunity)))?;
            Ok(thread)
        })
        .await
    }

    /// What the page of a token shows; none where the token leads nowhere. Times are shown in `zone`, or
    /// in the one that the candidate chose before, that their number tells, or the organisation's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn booking(
        &self,
        token: &str,
        zone: Option<TimeZone>,
    ) -> Result<Option<BookingView>, StoreError> {
        let settings = self.settings.load_full();
        let Some(booking) = self.booking_behind(token).await? else { return Ok(None) };
        let event = settings.rules.booking.event_type(&booking.event_type).cloned();
        let busy = match &event {
            Some(event) => self.busy(event, &settings, false).await,
            None => Busy::new(),
        };
        let now = self.clock.now();
        let token = token.to_owned();
        self.store
            .read(move |snapshot| match Choice::behind(snapshot, &token, &settings.rules, now)? {
                Some(choice) => view(snapshot, &choice, zone, &busy).map(Some),
                None => Ok(None),
            })
            .await
    }

    /// Does what somebody asks for on the page of a token, by the revision that they saw.
    ///
    /// # Errors
    /// [`BookError`]; then nothing changes.
    pub async fn act_on_booking(&self, token: &str, revision: u32, act: BookingAct) -> Result<(), BookError> {
        let settings = self.settings.load_full();
        let booking = self.booking_behind(token).await?.ok_or(BookError::Unknown)?;
        // Asked again at the moment that counts. Where a time is none that could be taken, nobody's calendar
        // is: a link alone, and be it an old one, is no right to have them all read.
        let busy = match (&act, settings.rules.booking.event_type(&booking.event_type)) {
            (BookingAct::Take { start, .. }, Some(event))
                if self.seems_free(token, revision, *start, event, &settings).await? =>
            {
                self.busy(event, &settings, true).await
            }
            _ => Busy::new(),
        };
        let mut moment = self.clock.moment();
        let token = token.to_owned();
        self.store
            .change(move |tx| {
                let choice = Choice::behind(tx, &token, &settings.rules, moment.now)?;
                let mut choice = choice.ok_or(BookError::Unknown)?;
                match act {
                    BookingAct::Take { start, timezone } => {
                        let pick = Pick { start, timezone, revision };
                        choice.take(tx, &pick, &busy, &mut moment).map(drop)
                    }
                    BookingAct::CallOff => choice.call_off(tx, revision, &mut moment),
                    BookingAct::Suggest(wish) => choice.suggest(tx, revision, &wish, &mut moment),
                }
            })
            .await
    }

    /// Whether a time can be taken, as far as is known without asking anybody.
    async fn seems_free(
        &self,
        token: &str,
        revision: u32,
        start: Timestamp,
        event: &EventType,
        settings: &Arc<Settings>,
    ) -> Result<bool, StoreError> {
        let busy = self.busy(event, settings, false).await;
        let (token, settings, now) = (token.to_owned(), settings.clone(), self.clock.now());
        self.store
            .read(move |snapshot| {
                let choice = Choice::behind(snapshot, &token, &settings.rules, now)?;
                let Some(choice) = choice.filter(|choice| choice.may_act(revision).is_ok()) else {
                    return Ok(false);
                };
                Ok(choice.free(snapshot, &busy)?.slots.iter().any(|slot| slot.start == start))
            })
            .await
    }

    /// The booking that a token leads to.
    async fn booking_behind(&self, token: &str) -> Result<Option<Booking>, StoreError> {
        let token = token.to_owned();
        let found = self.store.read(move |snapshot| changes::booking_of(snapshot, &token)).await?;
        Ok(found.map(|(_, booking)| booking))
    }

    /// What the calendars of those who interview say; `anew` asks them though they were asked just now, but
    /// not once for each of those who ask at a time.
    pub(super) async fn busy(&self, event: &EventType, settings: &Settings, anew: bool) -> Busy {
        let now = self.clock.now();
        let since = anew.then(|| self.calendars.begun.load(Ordering::Relaxed));
        let until = event.terms.horizon + event.terms.length + event.terms.buffer;
        let window = Span::new(now, until);
        let people = changes::interviewers_of(event, &settings.rules).into_iter();
        let reads = people.map(|email| async move {
            let spans = self.calendar_of(&email, settings, window, since).await;
            (email, spans)
        });
        futures_util::future::join_all(reads).await.into_iter().collect()
    }

    /// When somebody has no time by their own calendar; none where it cannot be read. What was read up to
    /// the read `since` does not do.
    async fn calendar_of(
        &self,
        email: &str,
        settings: &Settings,
        window: Span,
        since: Option<u64>,
    ) -> Option<Vec<Span>> {
        let address = settings.calendars.get(email)?;
        let turn = self.calendars.turns.of(email.to_owned());
        let _mine = turn.lock().await;
        let now = self.clock.now();
        if let Some(read) = self.calendars.cached(email, window, since, now) {
            return read;
        }
        let interviewer = settings.rules.booking.interviewers.get(email)?;
        let number = self.calendars.begun.fetch_add(1, Ordering::Relaxed) + 1;
        let read = self.calendars.client.busy(address, interviewer.week.zone(), window).await;
        let spans = match read {
            Ok(spans) => {
                self.notices.well(Part::Calendars, email, now);
                Some(spans)
            }
            Err(error) => {
                let detail = format!(
                    "the calendar of {email} cannot be read: {error}; nothing is offered in their name"
                );
                if self.notices.trouble(Part::Calendars, email, HealthStatus::Degraded, detail, now) {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "an interviewer's calendar cannot be read"
                    );
                }
                None
            }
        };
        self.calendars.keep(email, Said { number, at: now, window, spans: spans.clone() });
        spans
    }
}

/// How long what a calendar said is not asked again, unless somebody takes a time.
const FRESH: SignedDuration = SignedDuration::from_secs(60);

/// The calendars of those who interview, and what they said just now.
pub(crate) struct CalendarCache {
    client: Calendars,
    turns: Turns<String>,
    /// How many reads were begun.
    begun: AtomicU64,
    read: Mutex<HashMap<String, Said>>,
}

/// What one said.
struct Said {
    /// Which of all reads it was.
    number: u64,
    at: Timestamp,
    window: Span,
    spans: Option<Vec<Span>>,
}

impl CalendarCache {
    pub(crate) fn new(client: Calendars) -> Self {
        Self { client, turns: Turns::default(), begun: AtomicU64::new(0), read: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Said>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was read after that read and within the last minute, if that covers the window.
    #[expect(clippy::option_option, reason = "not read is not the same as read in vain")]
    fn cached(
        &self,
        email: &str,
        window: Span,
        since: Option<u64>,
        now: Timestamp,
    ) -> Option<Option<Vec<Span>>> {
        let read = self.lock();
        let found = read.get(email)?;
        // Who reads for others began a moment after them, and what is over by then is offered to nobody.
        let covers = found.window.start <= later(window.start) && window.end <= later(found.window.end);
        let is_fresh = now.duration_since(found.at).abs() < FRESH;
        let is_fresh = is_fresh && since.is_none_or(|since| found.number > since);
        (covers && is_fresh).then(|| found.spans.clone())
    }

    fn keep(&self, email: &str, said: Said) {
        self.lock().insert(email.to_owned(), said);
    }
}

fn later(end: Timestamp) -> Timestamp {
    end.saturating_add(FRESH).unwrap_or(end)
}

fn may_see(read: &impl Read, opportunity: &OpportunityId, sight: Sight) -> Result<(), LinkError> {
    let row = read.get(OPPORTUNITIES, opportunity)?;
    let sees = row.is_some_and(|row| sight.reaches(row.confidential));
    if sees { Ok(()) } else { Err(LinkError::UnknownOpportunity) }
}

fn view(
    read: &impl Read,
    choice: &Choice<'_>,
    zone: Option<TimeZone>,
    busy: &Busy,
) -> Result<BookingView, StoreError> {
    let Choice { id, booking, state, event, rules, now } = choice;
    let booked = match state {
        State::Booked(booked) => Some(booked),
        State::Open | State::Over(_) => None,
    };
    let chosen = booked.map(|booked| zone_or(&booked.timezone, &rules.zone));
    let zone = match zone.or(chosen) {
        Some(zone) => zone,
        None => choice.zone(read)?,
    };
    let days = || Ok::<_, StoreError>(offer(&choice.free(read, busy)?.slots, &zone));
    // Of a kind that the config has no more nothing can be taken; what is taken stands, and may be called off.
    let state = match state {
        State::Open if event.is_none() => BookingState::Over(Over::Gone),
        State::Open => BookingState::Open(days()?),
        State::Booked(booked) => BookingState::Booked {
            others: (event.is_some() && booked.may_move(*now).is_ok()).then(days).transpose()?,
            may_call_off: booked.may_call_off(*now).is_ok(),
            booked: booked.clone(),
        },
        State::Over(why) => BookingState::Over(*why),
    };
    let row = read.get(OPPORTUNITIES, &booking.opportunity)?;
    let name = row.map(|row| row.name).unwrap_or_default();
    Ok(BookingView {
        id: *id,
        location: choice.location(read)?,
        sequence: booking.revision + choice.interview(read)?.map_or(0, |one| one.revision),
        first_name: name.split_whitespace().next().unwrap_or_default().to_owned(),
        organisation: rules.organisation.clone(),
        zone,
        revision: booking.revision,
        state,
        name: choice.name(read)?,
        minutes: event.map(EventType::minutes).or(booked.map(|booked| booked.minutes)),
    })
}
