//! What happens to a build that failed.

use super::{Build, OnError};
use crate::engine::argv;
use crate::engine::error::{EngineError, Trouble};
use crate::engine::events::Event;
use crate::engine::keep::KeptVm;
use crate::engine::ssh::Destination;
use crate::engine::vm::Vm;

impl Build<'_> {
    /// A failure without a running VM.
    pub(super) fn error(&self, trouble: Trouble) -> Box<EngineError> {
        Box::new(EngineError {
            phase: self.clock.phase(),
            trouble,
            cause: None,
            serial_tail: Vec::new(),
            serial_log: argv::serial_file(&self.job.spec, &self.job.paths),
            screenshot: None,
            fetched: None,
            kept: false,
        })
    }

    /// Ends the VM, or keeps it as the user wants. An interrupted build is never
    /// kept: who presses Ctrl-C wants it gone.
    pub(super) fn after_failure(
        &self,
        vm: Vm,
        mut error: Box<EngineError>,
        destination: Option<Destination>,
    ) -> Box<EngineError> {
        let wanted = match self.job.options.on_error {
            OnError::Clean => false,
            OnError::Keep => true,
            OnError::Ask => self.events.keep_after(&error),
        };
        if !wanted || error.is_interrupted() || !vm.probe().is_running() {
            return error;
        }
        let paths = &self.job.paths;
        let vnc = vm.qmp().vnc_address().ok().flatten();
        let kept = KeptVm::new(vm.id(), paths, destination, vnc);
        match kept.save(&paths.kept()) {
            Ok(()) => {
                vm.detach();
                error.kept = true;
            }
            Err(trouble) => {
                let text = format!("the VM is not kept: {}", trouble.message);
                self.events.event(Event::Note(&text));
            }
        }
        error
    }
}
