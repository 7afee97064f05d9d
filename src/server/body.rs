//! Reading a body that a stranger sends: no more than so many bytes, in no more than so much time, and no
//! more of all together than the process has room for.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body as _;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Shared;
use super::problem::{Kind, Problem};

/// What bodies may hold together while they are read. Each alone is small, but a stranger may begin
/// thousands. Room is taken by what has arrived and not by what is announced, which costs nothing to say.
const TOGETHER: usize = 64 * 1024 * 1024;

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the body did not arrive in time")]
    TooSlow,
    #[error("the body broke off")]
    Broken,
    #[error("too much is being sent at the moment")]
    NoRoom,
}

/// The room for bodies.
pub(super) struct Bodies(Semaphore);

impl Default for Bodies {
    fn default() -> Self {
        Self(Semaphore::new(TOGETHER))
    }
}

impl Bodies {
    /// Room for so many bytes more, beside what one body `held` already.
    fn more<'a>(&'a self, held: &mut Option<SemaphorePermit<'a>>, bytes: usize) -> Result<(), BodyError> {
        let permits = u32::try_from(bytes).map_err(|_| BodyError::NoRoom)?;
        let more = self.0.try_acquire_many(permits).map_err(|_| BodyError::NoRoom)?;
        match held {
            Some(held) => held.merge(more),
            None => *held = Some(more),
        }
        Ok(())
    }

    async fn read(&self, body: Body, max: usize) -> Result<Bytes, BodyError> {
        let mut body = Limited::new(body, max);
        let mut held = None;
        let (mut first, mut rest) = (Bytes::new(), BytesMut::new());
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|error| broken(&*error, max))?.into_data() else { continue };
            self.more(&mut held, data.len())?;
            if first.is_empty() {
                first = data;
            } else {
                rest.extend_from_slice(&data);
            }
        }
        if rest.is_empty() {
            return Ok(first);
        }
        Ok([first, rest.freeze()].concat().into())
    }
}

fn broken(error: &(dyn std::error::Error + 'static), max: usize) -> BodyError {
    if error.is::<LengthLimitError>() { BodyError::TooLarge(max) } else { BodyError::Broken }
}

impl Shared {
    /// The whole body, of at most `max` bytes. One that announces more is refused before a byte of it is read.
    pub(super) async fn read_body(&self, body: Body, max: usize) -> Result<Bytes, BodyError> {
        if body.size_hint().lower() > max as u64 {
            return Err(BodyError::TooLarge(max));
        }
        let time = self.limits.load().body_time;
        tokio::time::timeout(time, self.bodies.read(body, max)).await.unwrap_or(Err(BodyError::TooSlow))
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        let kind = match error {
            BodyError::TooLarge(_) => Kind::TooLarge,
            BodyError::TooSlow => Kind::TooSlow,
            BodyError::Broken => Kind::Malformed,
            BodyError::NoRoom => Kind::Unavailable,
        };
        Self::new(kind, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{StreamExt, stream};

    use super::*;

    /// As one that never ends, after these bytes.
    fn unfinished(bytes: &'static str) -> Body {
        let arrived = stream::iter([Ok::<_, Infallible>(Bytes::from_static(bytes.as_bytes()))]);
        Body::from_stream(arrived.chain(stream::pending()))
    }

    #[tokio::test]
    async fn what_has_arrived_of_all_bodies_has_one_bound() {
        let bodies = Bodies(Semaphore::new(10));
        let read = |body| bodies.read(body, 100);
        assert_eq!(read(Body::from("0123456789")).await.unwrap(), "0123456789");
        let mut slow = Box::pin(read(unfinished("0123456")));
        assert!(futures_util::poll!(&mut slow).is_pending());
        assert_eq!(read(Body::from("0123")).await, Err(BodyError::NoRoom));
        assert_eq!(read(Body::from("012")).await.unwrap(), "012");
        drop(slow);
        assert_eq!(read(Body::from("0123")).await.unwrap(), "0123");
    }

    #[tokio::test]
    async fn a_body_in_pieces_is_put_together() {
        let pieces = stream::iter(["a", "", "bc", "d"].map(|piece| Ok::<_, Infallible>(Bytes::from(piece))));
        let read = Bodies::default().read(Body::from_stream(pieces), 4).await;
        assert_eq!(read.unwrap(), "abcd");
        let read = Bodies::default().read(Body::from("abcde"), 4).await;
        assert_eq!(read, Err(BodyError::TooLarge(4)));
    }
}
