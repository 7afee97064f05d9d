//! Reading a body that a stranger sends: no more than so many bytes, in no more than so much time, and no
//! more of all together than the process has room for.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Shared;
use super::problem::{Kind, Problem};

/// What bodies may hold together while they are read. Each alone is small, but a stranger may begin
/// thousands. Room is taken by what has arrived and not by what is announced, which costs nothing to say.
const TOGETHER: usize = 64 * 1024 * 1024;

/// So much of a body that is too large is let come all the same, since many clients hear no answer while they send.
const THROWN_AWAY: usize = 8 * 1024 * 1024;

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

    async fn read(&self, body: &mut Body, max: usize) -> Result<Bytes, BodyError> {
        if body.size_hint().lower() > max as u64 {
            return Err(BodyError::TooLarge(max));
        }
        let mut held = None;
        let (mut first, mut rest) = (Bytes::new(), BytesMut::new());
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
            if data.len() > max - first.len() - rest.len() {
                return Err(BodyError::TooLarge(max));
            }
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

/// Lets the rest of a body come, if that is not much, and keeps nothing of it.
async fn throw_away(body: &mut Body) {
    let mut left = THROWN_AWAY;
    while body.size_hint().lower() <= left as u64
        && let Some(Ok(frame)) = body.frame().await
    {
        let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { return };
        left = rest;
    }
}

impl Shared {
    /// The whole body, of at most `max` bytes.
    pub(super) async fn read_body(&self, mut body: Body, max: usize) -> Result<Bytes, BodyError> {
        let time = self.limits.load().body_time;
        let read = tokio::time::timeout(time, self.bodies.read(&mut body, max)).await;
        let read = read.unwrap_or(Err(BodyError::TooSlow));
        if let Err(BodyError::TooLarge(_)) = read {
            // However long that takes, it is too large.
            let _ = tokio::time::timeout(time, throw_away(&mut body)).await;
        }
        read
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
        let read = |body: Body| {
            let bodies = &bodies;
            async move {
                let mut body = body;
                bodies.read(&mut body, 100).await
            }
        };
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
        let read = Bodies::default().read(&mut Body::from_stream(pieces), 4).await;
        assert_eq!(read.unwrap(), "abcd");
        let read = Bodies::default().read(&mut Body::from("abcde"), 4).await;
        assert_eq!(read, Err(BodyError::TooLarge(4)));
        let pieces = stream::iter(["abc", "de"].map(|piece| Ok::<_, Infallible>(Bytes::from(piece))));
        let read = Bodies::default().read(&mut Body::from_stream(pieces), 4).await;
        assert_eq!(read, Err(BodyError::TooLarge(4)));
    }

    /// Clients that send all before they listen met a closed connection instead of the answer.
    #[tokio::test]
    async fn what_is_too_large_is_let_come_up_to_a_bound() {
        let of = |megabytes: usize| {
            let piece = Ok::<_, Infallible>(Bytes::from(vec![b' '; 1024 * 1024]));
            Body::from_stream(stream::iter(vec![piece; megabytes]))
        };
        let mut body = of(3);
        throw_away(&mut body).await;
        assert!(body.frame().await.is_none(), "to its end");
        let mut body = of(20);
        throw_away(&mut body).await;
        assert!(body.frame().await.is_some(), "not for ever");
        let mut announced = Body::from(vec![b' '; THROWN_AWAY + 1]);
        throw_away(&mut announced).await;
        assert!(announced.frame().await.is_some(), "and nothing of what is announced to be more");
    }
}
