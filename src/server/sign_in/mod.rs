//! Signing in and out.
//!
//! | route | what for |
//! | --- | --- |

mod pages;

pub(super) use pages::{path, refusal};
