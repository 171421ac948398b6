//! A model of MAAS's image API, for tests and `cargo xtask bench upload`. It was
//! written before the client, from measurements of the real server code.
//!
//! [`dialect`] says as data what each release does differently, [`app`] is the
//! application, [`store`] what it keeps, [`auth`] the signature check, [`front`]
//! the HTTP server and the place of nginx, [`fault`] what goes wrong there.

pub mod app;
pub mod auth;
pub mod dialect;
pub mod fault;
pub mod front;
pub mod machines;
pub mod message;
pub mod sources;
pub mod store;
