//! MAAS: credentials, the HTTP API 2.0, uploads that survive faults, and a model
//! of the server that tests and `cargo xtask bench upload` run against.
//!
//! What differs between releases of MAAS is said in [`version`] and, for the
//! model, in `model::dialect`; both were measured on MAAS's server code of 3.4.10,
//! 3.5.13, 3.6.5, 3.7.3 and 3.8.0b6.

pub mod api;
pub mod artifact;
pub mod bench;
pub mod connect;
pub mod credentials;
pub mod error;
pub mod filetype;
pub mod http;
pub mod model;
pub mod oauth;
pub mod offer;
pub mod progress;
pub mod resource;
pub mod secret;
pub mod source;
pub mod sqlite;
pub mod tested;
pub mod upload;
pub mod url;
pub mod version;
