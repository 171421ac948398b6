//! What is typed at boot.

use std::time::Duration;

/// What is typed at boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// `boot_wait`: from power-on to the first key. Default 10 s; a negative
    /// duration in the template is zero here.
    pub wait: Duration,
    /// `boot_command` joined to one step, or `boot_steps`.
    pub steps: Vec<BootStep>,
    /// `boot_key_interval`: pause after each key event. `None`:
    /// `PACKER_KEY_INTERVAL`, else 100 ms, as in Packer.
    pub key_interval: Option<Duration>,
}

impl Default for Boot {
    fn default() -> Self {
        Self { wait: Duration::from_secs(10), steps: Vec::new(), key_interval: None }
    }
}

/// One row of `boot_steps`, or all of `boot_command`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootStep {
    /// Keys in Packer's notation, before `{{ }}` is rendered.
    pub keys: String,
    /// What the step is for, if the template says it.
    pub description: Option<String>,
}
