//! The parking face on `parking_lot_core`. Its global table keeps axioms 1 to 5; this file only translates.

use parking_lot_core as lot;

use crate::primitives::parking::{FilterOp, ParkResult, ParkToken, RequeueOp, UnparkToken, Unparked};
use crate::primitives::time::Instant;

fn unparked(result: lot::UnparkResult) -> Unparked {
    Unparked {
        unparked: result.unparked_threads,
        requeued: result.requeued_threads,
        have_more: result.have_more_threads,
    }
}

/// # Safety
///
/// See [`crate::primitives::parking::park`].
#[inline]
pub(in crate::primitives) unsafe fn park(
    key: usize,
    validate: impl FnOnce() -> bool,
    before_sleep: impl FnOnce(),
    timed_out: impl FnOnce(usize, bool),
    token: ParkToken,
    deadline: Option<Instant>,
) -> ParkResult {
    // SAFETY: `parking_lot_core` asks that we control the key and that the callbacks neither unwind nor call
    // into it, but for `before_sleep`, which may call all but `park`: what our caller promised.
    let result =
        unsafe { lot::park(key, validate, before_sleep, timed_out, lot::ParkToken(token.0), deadline) };
    match result {
        lot::ParkResult::Unparked(token) => ParkResult::Unparked(UnparkToken(token.0)),
        lot::ParkResult::Invalid => ParkResult::Invalid,
        lot::ParkResult::TimedOut => ParkResult::TimedOut,
    }
}

/// # Safety
///
/// See [`crate::primitives::parking::unpark_one`].
#[inline]
pub(in crate::primitives) unsafe fn unpark_one(
    key: usize,
    callback: impl FnOnce(Unparked) -> UnparkToken,
) -> Unparked {
    let callback = |result| lot::UnparkToken(callback(unparked(result)).0);
    // SAFETY: as in `park`.
    unparked(unsafe { lot::unpark_one(key, callback) })
}

/// # Safety
///
/// See [`crate::primitives::parking::unpark_all`].
#[inline]
pub(in crate::primitives) unsafe fn unpark_all(key: usize, token: UnparkToken) -> usize {
    // SAFETY: as in `park`; there is no callback.
    unsafe { lot::unpark_all(key, lot::UnparkToken(token.0)) }
}

/// # Safety
///
/// See [`crate::primitives::parking::unpark_filter`].
#[inline]
pub(in crate::primitives) unsafe fn unpark_filter(
    key: usize,
    mut filter: impl FnMut(ParkToken) -> FilterOp,
    callback: impl FnOnce(Unparked) -> UnparkToken,
) -> Unparked {
    let filter = |token: lot::ParkToken| match filter(ParkToken(token.0)) {
        FilterOp::Unpark => lot::FilterOp::Unpark,
        FilterOp::Skip => lot::FilterOp::Skip,
        FilterOp::Stop => lot::FilterOp::Stop,
    };
    let callback = |result| lot::UnparkToken(callback(unparked(result)).0);
    // SAFETY: as in `park`.
    unparked(unsafe { lot::unpark_filter(key, filter, callback) })
}

/// # Safety
///
/// See [`crate::primitives::parking::unpark_requeue`].
#[inline]
pub(in crate::primitives) unsafe fn unpark_requeue(
    from: usize,
    to: usize,
    validate: impl FnOnce() -> RequeueOp,
    callback: impl FnOnce(RequeueOp, Unparked) -> UnparkToken,
) -> Unparked {
    let chosen = core::cell::Cell::new(RequeueOp::Abort);
    let validate = || {
        let op = validate();
        chosen.set(op);
        match op {
            RequeueOp::Abort => lot::RequeueOp::Abort,
            RequeueOp::UnparkOneRequeueRest => lot::RequeueOp::UnparkOneRequeueRest,
            RequeueOp::RequeueAll => lot::RequeueOp::RequeueAll,
            RequeueOp::UnparkOne => lot::RequeueOp::UnparkOne,
            RequeueOp::RequeueOne => lot::RequeueOp::RequeueOne,
        }
    };
    let callback = |_, result| lot::UnparkToken(callback(chosen.get(), unparked(result)).0);
    // SAFETY: as in `park`, for both keys.
    unparked(unsafe { lot::unpark_requeue(from, to, validate, callback) })
}
