//! The tierway command.
fn main() {}
