//! A person's week: when they interview, by the clock of their zone.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::Span;

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// Hours of each day of the week in one zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Week {
    zone: TimeZone,
    /// From Monday: begin and end in minutes of the day, in order, apart from each other.
    days: [Vec<(u16, u16)>; 7],
}

/// Days whose hours cannot be read, 0 for Monday.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not hours of a day, such as \"09:00-12:00, 13:00-17:00\"")]
pub struct BadHours(pub Vec<usize>);

impl Week {
    /// A week by what is written for its days, Monday first: hours as `09:00-12:00, 13:00-17:00`, or
    /// nothing.
    ///
    /// # Errors
    /// [`BadHours`] with every day that cannot be read.
    pub fn parse(zone: TimeZone, days: [&str; 7]) -> Result<Self, BadHours> {
        let mut read = <[Vec<(u16, u16)>; 7]>::default();
        let mut bad = Vec::new();
        for (index, text) in days.iter().enumerate() {
            match hours(text) {
                Some(hours) => read[index] = hours,
                None => bad.push(index),
            }
        }
        if bad.is_empty() { Ok(Self { zone, days: read }) } else { Err(BadHours(bad)) }
    }

    /// Whose clock it goes by.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Whether it has no hours at all.
    pub fn is_empty(&self) -> bool {
        self.days.iter().all(Vec::is_empty)
    }

    fn on(&self, day: Weekday) -> &[(u16, u16)] {
        &self.days[usize::from(day.to_monday_zero_offset().unsigned_abs())]
    }

    /// When they interview within `window`, in order; what touches is one.
    pub(super) fn spans(&self, window: Span) -> Vec<Span> {
        let last = self.zone.to_datetime(window.end).date();
        let mut date = self.zone.to_datetime(window.start).date();
        let mut spans: Vec<Span> = Vec::new();
        loop {
            for (open, close) in self.on(date.weekday()) {
                let (Some(start), Some(end)) = (self.moment(date, *open), self.moment(date, *close)) else {
                    continue;
                };
                // Hours that a clock change leaves out come to nothing.
                if start >= end {
                    continue;
                }
                match spans.last_mut() {
                    Some(before) if before.end >= start => before.end = before.end.max(end),
                    _ => spans.push(Span { start, end }),
                }
            }
            match date.checked_add(1.day()) {
                Ok(next) if date < last => date = next,
                _ => return spans,
            }
        }
    }

    fn moment(&self, date: Date, minute: u16) -> Option<Timestamp> {
        let (date, minute) =
            if minute == DAY { (date.checked_add(1.day()).ok()?, 0) } else { (date, minute) };
        let part = |minutes: u16| i8::try_from(minutes).unwrap_or(0);
        self.zone.to_timestamp(date.at(part(minute / 60), part(minute % 60), 0, 0)).ok()
    }
}

fn hours(text: &str) -> Option<Vec<(u16, u16)>> {
    let mut spans = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (open, close) = part.split_once('-')?;
        spans.push((minute(open)?, minute(close)?));
    }
    let in_order =
        spans.iter().all(|(open, close)| open < close) && spans.windows(2).all(|pair| pair[0].1 <= pair[1].0);
    in_order.then_some(spans)
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |digits: &str| {
        let plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<u16>().ok().filter(|_| plain)
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    let whole = hour * 60 + minute;
    (minute < 60 && whole <= DAY).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_in_order_and_apart() {
        assert_eq!(hours("09:00-12:00, 13:00-17:30"), Some(vec![(540, 720), (780, 1050)]));
        assert_eq!(hours(""), Some(vec![]));
        assert_eq!(hours("00:00-24:00"), Some(vec![(0, 1440)]));
        for wrong in ["9-12", "12:00-09:00", "09:00-12:00,11:00-13:00", "09:00", "09:60-10:00", "23:00-24:30"]
        {
            assert_eq!(hours(wrong), None, "{wrong}");
        }
    }
}
