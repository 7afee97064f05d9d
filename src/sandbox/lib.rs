//! The simulated Lever and the simulated Twilio.
