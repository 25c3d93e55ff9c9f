//! The floor that everything else stands on, and the only folder that names `core::sync::atomic`,
//! `UnsafeCell`, `std::thread`, `Instant`, `parking_lot_core` or `loom`.
//!
//! `real/` and `model/` mirror each other, item for item. **This file holds the switch**: with the feature
//! `loom` the model stands behind every name, without it the real thing. Nothing above this folder knows
//! which one it got. (The feature's name is met elsewhere in one form only, `cfg_attr(feature = "loom",
//! track_caller)`, by which a race is reported with the place in the user's code, and nothing else changes.)
//!
//! | module      | real                         | model                                                |
//! |-------------|------------------------------|------------------------------------------------------|
//! | [`advice`]  | how to wait at some place    | none: there is no time to save                       |
//! | [`atomic`]  | `core::sync::atomic`         | newtypes over loom's: load marker, recorder, weakening |
//! | [`cell`]    | an `UnsafeCell`              | the same, plus a loom cell that sees every access     |
//! | [`fence`]   | `membarrier` on Linux        | full fences                                          |
//! | [`parking`] | `parking_lot_core`           | a queue whose every call is one step of the model     |
//! | [`thread`]  | `std::thread`                | loom's threads                                       |
//! | [`time`]    | the monotonic clock          | no clock: a deadline may pass at any moment          |
//!
//! It is public so that the models and stress tests of this crate, which live in packages of their own, can
//! reach it. It is hidden because it is no part of the crate's promise: any release may change it.

pub mod parking;

#[cfg(not(feature = "loom"))]
mod real;
#[cfg(not(feature = "loom"))]
pub use real::{BLOCK, FAR, FIRST_BUFFER, SEATS, advice, atomic, cell, fence, thread, time};

#[cfg(feature = "loom")]
pub mod model;
#[cfg(feature = "loom")]
pub use model::{BLOCK, FAR, FIRST_BUFFER, SEATS, advice, atomic, cell, fence, thread, time};

/// What became of an offer of the processor (see [`thread::offer`]), in both worlds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offer {
    /// It was not made, since others were taken for long.
    NotMade,
    /// Nobody else wanted the processor.
    NotTaken,
    /// Somebody else ran for a moment.
    Taken,
    /// Somebody else ran for so long that it would have been better to park.
    TakenForLong,
}

/// Declares a constructor that is `const` in the real world and an ordinary function under the model, where
/// an atomic has to be registered with the running execution.
macro_rules! const_fn {
    ($(#[$meta:meta])* $vis:vis const fn $name:ident($($arg:ident: $ty:ty),* $(,)?) -> $ret:ty $body:block) => {
        $(#[$meta])*
        #[cfg(not(feature = "loom"))]
        $vis const fn $name($($arg: $ty),*) -> $ret $body

        $(#[$meta])*
        #[cfg(feature = "loom")]
        #[track_caller]
        $vis fn $name($($arg: $ty),*) -> $ret $body
    };
}
pub(crate) use const_fn;

/// Declares statics that exist in both worlds: ordinary ones without the feature `loom`, `loom::lazy_static`s with it (under
/// loom no constructor is `const`, and a static has to begin anew with each execution).
///
/// ```
/// raddle::static_sync! {
///     /// How many have come.
///     pub static COUNT: raddle::Lock<u32> = raddle::Lock::new(0);
///     static CHANGED: raddle::Condition = raddle::Condition::new();
/// }
///
/// *COUNT.lock() += 1;
/// CHANGED.notify_all();
/// ```
#[cfg(not(feature = "loom"))]
#[macro_export]
macro_rules! static_sync {
    ($($(#[$meta:meta])* $vis:vis static $NAME:ident: $ty:ty = $value:expr;)*) => {
        $($(#[$meta])* $vis static $NAME: $ty = $value;)*
    };
}

/// Declares statics that exist in both worlds: ordinary ones without the feature `loom`, `loom::lazy_static`s with it (under
/// loom no constructor is `const`, and a static has to begin anew with each execution).
#[cfg(feature = "loom")]
#[macro_export]
macro_rules! static_sync {
    () => {};
    ($(#[$meta:meta])* static $NAME:ident: $ty:ty = $value:expr; $($rest:tt)*) => {
        $crate::primitives::loom::lazy_static! { $(#[$meta])* static ref $NAME: $ty = $value; }
        $crate::static_sync! { $($rest)* }
    };
    ($(#[$meta:meta])* pub static $NAME:ident: $ty:ty = $value:expr; $($rest:tt)*) => {
        $crate::primitives::loom::lazy_static! { $(#[$meta])* pub static ref $NAME: $ty = $value; }
        $crate::static_sync! { $($rest)* }
    };
    ($(#[$meta:meta])* pub ($($vis:tt)+) static $NAME:ident: $ty:ty = $value:expr; $($rest:tt)*) => {
        $crate::primitives::loom::lazy_static! { $(#[$meta])* pub ($($vis)+) static ref $NAME: $ty = $value; }
        $crate::static_sync! { $($rest)* }
    };
}
#[cfg(feature = "loom")]
#[doc(hidden)]
pub use ::loom;
