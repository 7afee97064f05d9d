//! `[transcript]`: when and how conversations become notes in Lever (behaviour.md 1).

use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

use fulcrum_domain::{OnUnknown, PostingId, TranscriptMode};
use serde::Deserialize;

use super::check::{Check, Checked};

const DELAY: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_hours(720);
/// Below, a note is all header; Lever documents no limit, but pages of text are unreadable.
const NOTE_CHARS: RangeInclusive<usize> = 500..=50_000;

/// How transcripts are filed.
#[derive(Clone, Debug)]
pub struct Transcript {
    /// The mode of postings that have none of their own; `session` unless set.
    pub mode: TranscriptMode,
    /// From the last text to the filing, 1 h unless set.
    pub delay: Duration,
    /// From the first text to the filing at the latest, 24 h unless set; `None`: no such limit.
    pub max_wait: Option<Duration>,
    /// What happens when nobody can know whether a note was stored.
    pub on_unknown: OnUnknown,
    /// All notes are secret, not only those on confidential opportunities.
    pub secret: bool,
    /// Lever tells the opportunity's followers of each note.
    pub notify_followers: bool,
    /// Longer transcripts are split, 8,000 unless set.
    pub max_note_chars: usize,
    /// Modes of single postings, by Lever's id.
    pub postings: BTreeMap<PostingId, TranscriptMode>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTranscript {
    mode: String,
    delay: String,
    max_wait: String,
    on_unknown: String,
    secret: bool,
    notify_followers: bool,
    max_note_chars: i64,
    /// A list of tables, which no lower layer knows.
    #[serde(default)]
    postings: Vec<RawPosting>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPosting {
    posting: String,
    mode: String,
}

impl RawTranscript {
    pub(super) fn check(&self, check: &mut Check<'_>) -> Checked<Transcript> {
        let mode = transcript_mode(check, "transcript.mode", &self.mode);
        let delay = check.duration("transcript.delay", &self.delay, &DELAY);
        let max_wait = match self.max_wait.as_str() {
            "off" => Ok(None),
            wait => check.duration("transcript.max_wait", wait, &DELAY).map(Some),
        };
        let on_unknown = check.choice(
            "transcript.on_unknown",
            &self.on_unknown,
            &[("repost", OnUnknown::Repost), ("hold", OnUnknown::Hold)],
        );
        let chars = usize::try_from(self.max_note_chars).unwrap_or(0);
        let max_note_chars = check.within("transcript.max_note_chars", chars, &NOTE_CHARS);
        let postings = self.postings(check);
        let (delay, max_wait) = (delay?, max_wait?);
        if max_wait.is_some_and(|wait| wait < delay) {
            let expected = "\"off\", or as long as transcript.delay or longer";
            let found = format!("\"{}\"", self.max_wait);
            return Err(check.reject("transcript.max_wait", found, expected));
        }
        Ok(Transcript {
            mode: mode?,
            delay,
            max_wait,
            on_unknown: on_unknown?,
            secret: self.secret,
            notify_followers: self.notify_followers,
            max_note_chars: max_note_chars?,
            postings: postings?,
        })
    }

    fn postings(&self, check: &mut Check<'_>) -> Checked<BTreeMap<PostingId, TranscriptMode>> {
        let mut postings = BTreeMap::new();
        let mut noted = None;
        for (index, raw) in self.postings.iter().enumerate() {
            let at = format!("transcript.postings[{index}]");
            let key = format!("{at}.posting");
            let posting = check.parse(&key, &raw.posting, "the id of a posting in Lever");
            let mode = transcript_mode(check, &format!("{at}.mode"), &raw.mode);
            match (posting, mode) {
                (Ok(posting), Ok(mode)) => {
                    if postings.insert(posting, mode).is_some() {
                        let found = format!("\"{}\" again", raw.posting);
                        noted = Some(check.reject(&key, found, "each posting once"));
                    }
                }
                (Err(problem), _) | (_, Err(problem)) => noted = Some(problem),
            }
        }
        noted.map_or(Ok(postings), Err)
    }
}

fn transcript_mode(check: &mut Check<'_>, key: &str, value: &str) -> Checked<TranscriptMode> {
    let choices = [
        ("session", TranscriptMode::Session),
        ("instant", TranscriptMode::Instant),
        ("off", TranscriptMode::Off),
    ];
    check.choice(key, value, &choices)
}
