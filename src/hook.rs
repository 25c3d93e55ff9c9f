//! Where panics go that no caller hears of.

use core::any::Any;
use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

/// What a panic was raised with.
pub(crate) type Payload = Box<dyn Any + Send + 'static>;

/// Who hears of panics that no handle tells.
pub(crate) type PanicHook = Box<dyn Fn(Payload) + Send + Sync + 'static>;

/// Who hears of panics, if anybody.
#[derive(Clone, Copy)]
pub(crate) struct Hook<'a>(pub(crate) Option<&'a PanicHook>);

impl Hook<'_> {
    /// Reports a panic; does not unwind, whatever the hook does.
    #[cold]
    pub(crate) fn report(self, payload: Payload) {
        match self.0 {
            Some(hook) => {
                if let Err(second) = catch_unwind(AssertUnwindSafe(|| hook(payload))) {
                    drop_quietly(second);
                }
            }
            None => drop_quietly(payload),
        }
    }

    /// Runs code of the user's that must not unwind any further.
    pub(crate) fn guard(self, f: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
            self.report(payload);
        }
    }
}

/// Drops a payload, whose destructor may panic too, and the payload of that again. At some point it is better to leak.
fn drop_quietly(payload: Payload) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        core::mem::forget(second);
    }
}
