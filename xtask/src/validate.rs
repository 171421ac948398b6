//! Every check that needs no build.

pub mod links;
