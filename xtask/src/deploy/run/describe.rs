//! What a run was like, in words.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Settings;
use crate::deploy::config::Network;
use crate::deploy::curtin::Curtin;
use crate::deploy::maas::Seen;

impl Settings {
    /// What the machine was like, for reports.
    pub(super) fn machine(&self) -> BTreeMap<String, String> {
        let whole = self.source.starts_with("dd-");
        let system = self.system.to_string();
        let mut machine = vec![
            ("firmware", self.firmware.name()),
            // A whole disk brings its own.
            ("layout", if whole { "image" } else { self.layout.name() }),
            ("disk", self.disk.name()),
            ("accelerator", &self.accelerator),
            ("installer", installer(self)),
            ("sent as", &system),
        ];
        if self.network == Network::V1 {
            machine.push(("network", "v1"));
        }
        let clock = format!("{:+} s", self.adversity.clock);
        let worse = [
            (self.adversity.air_gap, ("reach", "air-gapped")),
            (self.adversity.clock != 0, ("clock", clock.as_str())),
            (self.adversity.slow_disk, ("speed", "slow disk")),
        ];
        machine.extend(worse.iter().filter(|(on, _)| *on).map(|(_, pair)| *pair));
        machine.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }
}

/// What an operator should know although it did no harm.
pub fn notes(seen: &Seen, facts: &BTreeMap<String, Value>) -> Vec<String> {
    let skew = seen.skew.map(|by| {
        format!(
            "the machine's clock was off by {by} s: MAAS refused its first requests, and cloud-init \
             went on with the time of MAAS's answers"
        )
    });
    let left = facts.get("left_out").and_then(Value::as_str).map(str::to_owned);
    skew.into_iter().chain(left).collect()
}

/// Who deploys, for people.
#[must_use]
pub fn installer(settings: &Settings) -> &'static str {
    settings.curtin.as_ref().map_or("built-in, not curtin", Curtin::name)
}
