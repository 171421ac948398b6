//! Types a boot command at the guest's keyboard through QMP.

use std::time::Duration;

use super::duration;
use super::error::Trouble;
use super::keys::{self, Key, Stroke};
use super::qmp::QmpError;
use super::spec::Boot;
use super::template::{self, Context};
use super::vm::Vm;

/// Packer's pause after each key event.
const DEFAULT_INTERVAL: Duration = Duration::from_millis(100);

/// What a step is for, if the template says it, and its keys.
pub type Typed = (Option<String>, Vec<Key>);

/// Renders and reads all steps, so that a mistake is known before the VM runs.
///
/// # Errors
/// An unknown name, or a character that cannot be typed.
pub fn prepare(boot: &Boot, context: &Context) -> Result<Vec<Typed>, Trouble> {
    let step = |step: &super::spec::BootStep| {
        let text = template::render(&step.keys, context)?;
        let keys = keys::parse(&text)
            .map_err(|error| Trouble::template(format!("boot_command: {error}")))?;
        Ok((step.description.clone(), keys))
    };
    boot.steps.iter().map(step).collect()
}

/// The pause after each key event: the template's, `PACKER_KEY_INTERVAL`, or
/// Packer's default.
pub fn interval(boot: &Boot) -> Duration {
    let from_env = || duration::parse(&std::env::var("PACKER_KEY_INTERVAL").ok()?);
    boot.key_interval.or_else(from_env).unwrap_or(DEFAULT_INTERVAL)
}

/// Types keys; `pause` sleeps unless we are to stop.
///
/// # Errors
/// QEMU has no keyboard or ended, or we are to stop.
pub fn type_keys(
    vm: &Vm,
    keys: &[Key],
    interval: Duration,
    pause: impl Fn(Duration) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let send = |qcode: &str, down: bool| {
        let sent = vm.qmp().key(qcode, down);
        sent.map_err(|error: QmpError| Trouble::guest(format!("cannot type: {error}")))?;
        pause(interval)
    };
    let down = |stroke: &Stroke| {
        if stroke.shift {
            send("shift", true)?;
        }
        send(stroke.qcode, true)
    };
    let up = |stroke: &Stroke| {
        send(stroke.qcode, false)?;
        if stroke.shift { send("shift", false) } else { Ok(()) }
    };
    for key in keys {
        match key {
            Key::Wait(time) => pause(*time)?,
            Key::Press(stroke) => {
                down(stroke)?;
                up(stroke)?;
            }
            Key::Down(stroke) => down(stroke)?,
            Key::Up(stroke) => up(stroke)?,
        }
    }
    Ok(())
}
