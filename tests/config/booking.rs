//! `[[event_types]]` and `[[calendars]]`, and the texts that lead to them.

use fulcrum_domain::slots::Need;
use jiff::SignedDuration;

use crate::{Machine, minimal_and};

#[test]
fn event_types_and_calendars_have_the_documented_defaults() {
    let machine = Machine::new(&minimal_and(
        r#"
[[event_types]]
id = "phone"
name = "Phone interview"
interviewers = ["Ana@Acme.example"]

[[event_types]]
id = "onsite"
name = "Visit"
minutes = 90
location = "12 Main St"
pool = ["ana@acme.example", "ben@acme.example"]
notice = "1h"
horizon = "30d"
increment = "15m"
buffer = "0s"
reminders = ["2h", "30m"]

[[calendars]]
user = "ana@acme.example"

[[calendars]]
user = "ben@acme.example"
timezone = "Europe/Berlin"
weight = 3
friday = "09:00-12:00, 13:00-15:00"

[[templates]]
id = "call"
name = "Choose a time"
text = "{{ org.name }}: {{ links.booking }} or, to visit us, [booking link: onsite]"
"#,
    ));
    machine.write("credentials/calendar-ana@acme.example", "webcal://calendars.example/s3cr3t.ics", 0o400);
    let config = machine.load().unwrap();
    let [phone, onsite] = config.booking.event_types.as_slice() else { panic!("two kinds") };
    assert_eq!(
        (phone.minutes(), phone.need, phone.terms.per_day, phone.terms.per_week),
        (30, Need::All, 4, 12)
    );
    assert_eq!(phone.interviewers, ["ana@acme.example"]);
    let terms = [phone.terms.notice, phone.terms.horizon, phone.terms.increment, phone.terms.buffer];
    let minutes = |minutes| SignedDuration::from_mins(minutes);
    assert_eq!(terms, [minutes(4 * 60), minutes(14 * 24 * 60), minutes(30), minutes(10)]);
    assert_eq!((onsite.minutes(), onsite.need, onsite.terms.buffer), (90, Need::Any, SignedDuration::ZERO));
    assert_eq!((&phone.reminders, &onsite.reminders), (&None, &Some(vec![120, 30])));
    let [ana, ben] = config.booking.calendars.as_slice() else { panic!("two calendars") };
    assert_eq!(ana.address.as_ref().unwrap().expose(), "https://calendars.example/s3cr3t.ics");
    assert!(ben.address.is_none() && ben.weight == 3);
    assert_eq!(ben.week.zone().iana_name(), Some("Europe/Berlin"));
    assert!(!format!("{config:?}").contains("s3cr3t.ics"));
}

#[test]
fn every_mistake_of_every_event_type_is_reported() {
    let machine = Machine::new(&minimal_and(
        r#"
[[event_types]]
id = "phone call"
name = ""
minutes = 3
increment = "25m"
horizon = "2w"
notice = "-1h"

[[event_types]]
id = "onsite"
name = "Visit"
interviewers = ["ana@acme.example", "ANA@acme.example", "eve@acme.example"]
per_day = 0
reminders = ["1m", "soon"]

[[event_types]]
id = "onsite"
name = "Visit again"
interviewers = ["ana@acme.example"]
pool = ["ana@acme.example"]
lenght = 30

[[calendars]]
user = "ana@acme.example"
timezone = "Europe/Berlyn"
monday = "9-5"
tuesday = "13:00-17:00, 09:00-12:00"

[[calendars]]
user = "Ana@acme.example"

[[calendars]]
user = "ben"

[[templates]]
id = "call"
name = "Choose a time"
text = "Choose: [booking link: video]"
"#,
    ));
    machine.write("credentials/calendar-ana@acme.example", "http://calendars.example/s3cr3t.ics", 0o400);
    let complaints = machine.complaints();
    assert!(!complaints.contains("s3cr3t"), "{complaints}");
    let complaints = complaints.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    insta::assert_snapshot!(complaints, @r#"
    23 problems in the settings
      fulcrum.toml:21: event_types[0].id: "phone call", expected letters, digits, - and _, beginning with a letter
      fulcrum.toml:22: event_types[0].name: not set, expected what candidates read, such as "Phone interview"
      fulcrum.toml:23: event_types[0].minutes: 3, expected a number from 5 to 480
      fulcrum.toml:24: event_types[0].increment: "25m", expected a part of an hour, such as "15m", "20m", "30m"
      fulcrum.toml:25: event_types[0].horizon: "2w", expected days, from "1d" to "90d"
      fulcrum.toml:26: event_types[0].notice: "-1h", expected a duration from 0s to 336h, written as "90s", "5m", "1h30m"
      fulcrum.toml:31: event_types[1].interviewers[1]: "ana@acme.example" again, expected each of them once
      fulcrum.toml:31: event_types[1].interviewers[2]: "eve@acme.example", expected people with a [[calendars]] of their own
      fulcrum.toml:32: event_types[1].per_day: 0, expected a number from 1 to 1000
      fulcrum.toml:33: event_types[1].reminders[0]: "1m", expected a duration from 5m to 336h, written as "90s", "5m", "1h30m"
      fulcrum.toml:33: event_types[1].reminders[1]: "soon", expected a duration from 5m to 336h, written as "90s", "5m", "1h30m"
      fulcrum.toml:36: event_types[2].id: "onsite" again, expected each id once
      fulcrum.toml:39: event_types[2].pool: set as well as interviewers, expected only one of interviewers and pool
      fulcrum.toml:40: event_types[2].lenght: an unknown key (this is fulcrum VERSION; a newer version may know it), expected a key of the reference, config/default.toml
      fulcrum.toml:44: calendars[0].timezone: "Europe/Berlyn", expected an IANA name, such as "America/New_York"
      fulcrum.toml:45: calendars[0].monday: "9-5", expected hours, such as "09:00-12:00, 13:00-17:00", in order
      fulcrum.toml:46: calendars[0].tuesday: "13:00-17:00, 09:00-12:00", expected hours, such as "09:00-12:00, 13:00-17:00", in order
      fulcrum.toml:49: calendars[1].user: "Ana@acme.example" again, expected each user once
      fulcrum.toml:52: calendars[2].user: "ben", expected the e-mail of a Lever user
      fulcrum.toml:57: templates[0].text: a booking link of "video", expected the id of one of [[event_types]]: phone call, onsite, onsite
      fulcrum.toml: calendars[0].address_file: something else, expected the https address of a calendar in the iCalendar format
      fulcrum.toml: calendars[1].address_file: something else, expected the https address of a calendar in the iCalendar format
      fulcrum.toml: event_types[0].interviewers: nobody, expected interviewers, who all take part, or a pool, of whom one does
    "#);
}

#[test]
fn a_link_to_nothing_is_found_before_it_is_wanted() {
    let machine = Machine::new(&minimal_and(
        r#"
[[templates]]
id = "call"
name = "Choose a time"
text = "Choose: {{ links.booking }}"

[[automations]]
name = "screen"
trigger = "hired"
text = "[booking link: phone]"
"#,
    ));
    insta::assert_snapshot!(machine.complaints(), @r#"
    2 problems in the settings
      fulcrum.toml:23: templates[0].text: a booking link, expected one of [[event_types]], of which there are none
      fulcrum.toml:28: automations[0].text: a booking link of "phone", expected one of [[event_types]], of which there are none
    "#);
}

#[test]
fn what_is_texted_of_interviews_and_bookings_is_checked_like_any_text() {
    let machine = Machine::new(&minimal_and(
        r#"
[reminders]
text = "{{ sender.first_name }}: see you on {{ interview.date }}"
moved_text = "Another time: {{ links.booking }}"
called_off_text = "Book again: [booking link: visit]"

[[event_types]]
id = "phone"
name = "Phone call"
location = "https://bit.ly/3xYz"
confirmation = "Reply CANCEL to cancel"
interviewers = ["ana@acme.example"]

[[calendars]]
user = "ana@acme.example"
monday = "09:00-17:00"
"#,
    ));
    insta::assert_snapshot!(machine.complaints(), @r#"
    5 problems in the settings
      fulcrum.toml:21: reminders.text: the field sender.first_name, which an interview does not tell, expected owner.* or org.name: nobody signs an automatic text
      fulcrum.toml:22: reminders.moved_text: the field links.booking, which an interview does not tell, expected a text without it
      fulcrum.toml:23: reminders.called_off_text: a booking link of "visit", expected the id of one of [[event_types]]: phone
      fulcrum.toml:28: event_types[0].location: line 1 of the text: a link by bit.ly, expected the whole link: carriers take those of public shorteners for spam
      fulcrum.toml:29: event_types[0].confirmation: line 1 of the text: it invites the answer CANCEL, by which people opt out, expected another word, or "to opt out" after it
    "#);
}
