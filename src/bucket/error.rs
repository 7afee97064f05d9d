//! What can go wrong with a bucket, by what an operator can do about it. Neither addresses nor what the
//! storage answered are repeated; only the code of the answer, which is S3's own word.

use std::error::Error as _;
use std::io;

use object_store::Error;
use object_store::client::HttpError;

/// Codes are CamelCase words; none of S3's is longer.
const CODE_MAX: usize = 64;

/// What S3 says of a key that is wrong, or of what it may not do.
const OF_THE_KEY: [&str; 6] = [
    "AccessDenied",
    "AuthorizationHeaderMalformed",
    "InvalidAccessKeyId",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "UnauthorizedAccess",
];

/// Why a bucket did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// The settings.
    #[error("endpoint, bucket and prefix make no address")]
    Settings,
    /// The way out.
    #[error("the connection cannot be set up by what [network] says")]
    Connection(#[source] reqwest::Error),
    /// The file that was to be put there.
    #[error("the file cannot be read")]
    File(#[source] io::Error),
    /// No answer.
    #[error("the storage does not answer")]
    Unreachable,
    /// The key.
    #[error("the storage refuses it ({0}): is the access key right, and may it do this?")]
    Refused(String),
    /// The bucket.
    #[error("there is no such bucket ({0})")]
    Missing(String),
    /// Anything else.
    #[error("the storage does not do it ({0})")]
    Failed(String),
}

impl From<Error> for BucketError {
    fn from(error: Error) -> Self {
        let answer = error.to_string();
        let code = code_in(&answer);
        let word = |otherwise: &str| code.unwrap_or(otherwise).to_owned();
        match (&error, code) {
            (_, Some("NoSuchBucket")) => Self::Missing(word("")),
            (Error::PermissionDenied { .. } | Error::Unauthenticated { .. }, _) => {
                Self::Refused(word("no reason was given"))
            }
            (_, Some(code)) if OF_THE_KEY.contains(&code) => Self::Refused(word("")),
            (_, None) if never_answered(&error) => Self::Unreachable,
            _ => Self::Failed(word("no reason was given")),
        }
    }
}

fn never_answered(error: &Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<HttpError>() || error.is::<reqwest::Error>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// S3's word for what is wrong, out of its answer.
fn code_in(answer: &str) -> Option<&str> {
    let (_, rest) = answer.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let is_word = code.len() <= CODE_MAX && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_word.then_some(code)
}
