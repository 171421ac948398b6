//! Parse, dispatch, print the error, exit.

fn main() {}
