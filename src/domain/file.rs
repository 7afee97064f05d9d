//! Pictures and other files that come with a text: which are taken, and what is told of one that is not
//! here.
//!
//! What a file is, its own bytes say: what a carrier or a sender calls it is a stranger's word. Only kinds
//! are taken that browsers show as a picture, or that are saved and opened elsewhere.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// A kind of file that is taken. Stored by position: new kinds go to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileKind {
    /// A picture.
    Jpeg,
    /// A picture.
    Png,
    /// A picture.
    Gif,
    /// A picture.
    Webp,
    /// A document.
    Pdf,
    /// An address card.
    Vcard,
}

impl FileKind {
    /// What these bytes are, if it is a kind that is taken.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match infer::get(bytes).map(|found| found.mime_type()) {
            Some("image/jpeg") => Some(Self::Jpeg),
            Some("image/png") => Some(Self::Png),
            Some("image/gif") => Some(Self::Gif),
            Some("image/webp") => Some(Self::Webp),
            Some("application/pdf") => Some(Self::Pdf),
            Some(_) => None,
            // A card is text, which has no mark but its first line.
            None => is_card(bytes).then_some(Self::Vcard),
        }
    }

    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Pdf => "application/pdf",
            Self::Vcard => "text/vcard",
        }
    }

    /// The end of a file name.
    #[must_use]
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Gif => "gif",
            Self::Webp => "webp",
            Self::Pdf => "pdf",
            Self::Vcard => "vcf",
        }
    }

    /// Whether it is shown; what is not is saved.
    #[must_use]
    pub const fn is_picture(self) -> bool {
        matches!(self, Self::Jpeg | Self::Png | Self::Gif | Self::Webp)
    }
}

fn is_card(bytes: &[u8]) -> bool {
    const MARK: &[u8] = b"BEGIN:VCARD";
    let begins = bytes.get(..MARK.len()).is_some_and(|first| first.eq_ignore_ascii_case(MARK));
    begins && std::str::from_utf8(bytes).is_ok()
}

/// How far a file has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileState {
    /// It is yet to be fetched.
    Waiting,
    /// It is here.
    Here {
        /// What it is, by its bytes.
        kind: FileKind,
        /// Its size in bytes.
        size: u64,
    },
    /// It is not here and will not be.
    Missing(FileTrouble),
}

/// Why a file is not here. Stored by position: new reasons go to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileTrouble {
    /// Larger than what is taken, and by how much if the carrier says so.
    TooLarge {
        /// Its size in bytes.
        size: Option<u64>,
    },
    /// Its bytes are of no kind that is taken.
    Kind,
    /// The carrier has it no more, or never had.
    Gone,
    /// The carrier does not let us read it.
    Refused,
    /// The carrier could not be reached for days.
    Unreachable,
    /// It lies elsewhere than at the carrier.
    Elsewhere,
    /// Files are not fetched, by the config.
    Off,
}

impl FileTrouble {
    /// For people.
    #[must_use]
    pub fn reason(self) -> String {
        match self {
            Self::TooLarge { size: Some(size) } => format!("too large: {}", size_in_words(size)),
            Self::TooLarge { size: None } => "too large".to_owned(),
            Self::Kind => "of a kind that is not taken".to_owned(),
            Self::Gone => "the carrier does not have it".to_owned(),
            Self::Refused => "the carrier does not let us read it".to_owned(),
            Self::Unreachable => "the carrier could not be reached for days".to_owned(),
            Self::Elsewhere => "it lies elsewhere than at the carrier".to_owned(),
            Self::Off => "files are not fetched here".to_owned(),
        }
    }
}

/// A number of bytes, for people.
#[must_use]
pub fn size_in_words(bytes: u64) -> String {
    if bytes < 1_000_000 {
        format!("{} kB", bytes.div_ceil(1000))
    } else {
        format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
    }
}

/// Why an attempt to fetch a file failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchFailure {
    /// More than what is taken.
    TooLarge {
        /// Its size in bytes, if it was told.
        size: Option<u64>,
    },
    /// Its address leads away from the carrier.
    Elsewhere,
    /// The carrier does not know it.
    Gone,
    /// The carrier refuses.
    Refused,
    /// The carrier cannot be reached, or is not itself.
    Unreachable,
}

/// A file may be a little later than the webhook that tells of it (carriers.md 1.10).
const MAY_BE_LATE: SignedDuration = SignedDuration::from_mins(15);
/// Somebody puts the credentials in order meanwhile, or the carrier itself.
const MAY_BE_MENDED: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What is told of a file that has been tried for `tried_for`; none while it is tried again.
#[must_use]
pub fn give_up(failure: FetchFailure, tried_for: SignedDuration) -> Option<FileTrouble> {
    let (patience, trouble) = match failure {
        FetchFailure::TooLarge { size } => return Some(FileTrouble::TooLarge { size }),
        FetchFailure::Elsewhere => return Some(FileTrouble::Elsewhere),
        FetchFailure::Gone => (MAY_BE_LATE, FileTrouble::Gone),
        FetchFailure::Refused => (MAY_BE_MENDED, FileTrouble::Refused),
        FetchFailure::Unreachable => (MAY_BE_MENDED, FileTrouble::Unreachable),
    };
    (tried_for > patience).then_some(trouble)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

    #[test]
    fn the_bytes_say_what_a_file_is() {
        assert_eq!(FileKind::of(PNG), Some(FileKind::Png));
        assert_eq!(FileKind::of(b"\xff\xd8\xff\xe0\0\x10JFIF\0"), Some(FileKind::Jpeg));
        assert_eq!(FileKind::of(b"GIF89a\x01\0\x01\0"), Some(FileKind::Gif));
        assert_eq!(FileKind::of(b"RIFF\x24\0\0\0WEBPVP8 "), Some(FileKind::Webp));
        assert_eq!(FileKind::of(b"%PDF-1.7\n"), Some(FileKind::Pdf));
        assert_eq!(FileKind::of(b"begin:vcard\r\nVERSION:3.0\r\n"), Some(FileKind::Vcard));
    }

    #[test]
    fn what_a_browser_would_run_or_nobody_knows_is_not_taken() {
        let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script/></svg>";
        let others: [&[u8]; 8] = [
            b"",
            b"<!DOCTYPE html><script>alert(1)</script>",
            svg,
            b"MZ\x90\0",
            b"PK\x03\x04",
            b"\0\0\0\x18ftypheic",
            b"BEGIN:VCARD\xff",
            b"plain words",
        ];
        for bytes in others {
            assert_eq!(FileKind::of(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn a_size_is_told_in_words() {
        assert_eq!(size_in_words(1), "1 kB");
        assert_eq!(size_in_words(240_000), "240 kB");
        assert_eq!(size_in_words(12_345_678), "12.3 MB");
        assert_eq!(FileTrouble::TooLarge { size: Some(12_000_000) }.reason(), "too large: 12.0 MB");
    }

    #[test]
    fn what_may_be_mended_is_tried_again_and_given_up_in_the_end() {
        let after = |failure, minutes| give_up(failure, SignedDuration::from_mins(minutes));
        assert_eq!(
            after(FetchFailure::TooLarge { size: None }, 0),
            Some(FileTrouble::TooLarge { size: None })
        );
        assert_eq!(after(FetchFailure::Elsewhere, 0), Some(FileTrouble::Elsewhere));
        assert_eq!(after(FetchFailure::Gone, 15), None);
        assert_eq!(after(FetchFailure::Gone, 16), Some(FileTrouble::Gone));
        let week = 7 * 24 * 60;
        assert_eq!(after(FetchFailure::Unreachable, week), None);
        assert_eq!(after(FetchFailure::Unreachable, week + 1), Some(FileTrouble::Unreachable));
        assert_eq!(after(FetchFailure::Refused, week + 1), Some(FileTrouble::Refused));
    }
}
