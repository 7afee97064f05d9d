//! The whole engine over real sockets, against the simulated Lever and the simulated Twilio.

mod disk;
mod store_faults;
mod sync;
mod texts;
mod world;
