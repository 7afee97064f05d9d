//! fulcrum, the link between Lever and text messages.
fn main() {}
