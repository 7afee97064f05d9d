//! The whole engine over real sockets, against the simulated Lever and the simulated Twilio.

mod sync;
mod texts;
mod world;
