//! Shared by the integration tests: images, mounts and manifests to compare.

#![allow(dead_code, reason = "each test binary uses its own part of this module")]

pub mod churn;
pub mod gnu_tar;
pub mod image;
pub mod manifest;
pub mod mount;
pub mod oddities;
pub mod torture;
