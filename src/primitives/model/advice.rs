//! Advice: always the same, since there is no time that depends on it, and each way to wait would be an interleaving more.

use std::time::Instant;

/// Of no use here: see the real one.
#[derive(Debug)]
pub struct Luck {
    /// As little.
    pub staying: Staying,
}

impl Luck {
    /// Always the same.
    pub const fn new() -> Luck {
        Luck { staying: Staying::new() }
    }

    /// The same for all.
    pub fn of(_address: usize) -> &'static Luck {
        static LUCK: Luck = Luck::new();
        &LUCK
    }

    /// None, if offers follow: a step is the same here with and without.
    pub fn looks(&self, most: u32, offers: u32) -> u32 {
        if offers > 0 { 0 } else { most }
    }

    /// Always.
    pub fn polls(&self) -> bool {
        true
    }

    /// Never.
    pub fn has_to_change(&self) -> bool {
        false
    }

    /// Does nothing.
    pub fn was_good(&self) {}

    /// Does nothing.
    pub fn was_bad(&self) {}

    /// Never.
    pub fn gathers(&self) -> bool {
        false
    }

    /// Never.
    pub fn tries_to_gather(&self) -> bool {
        false
    }

    /// Does nothing.
    pub fn has_gathered(&self, _was_worth_while: bool) {}
}

impl Default for Luck {
    fn default() -> Luck {
        Luck::new()
    }
}

/// Of no use here: see the real one.
#[derive(Debug)]
pub struct Staying;

impl Staying {
    /// Always the same.
    pub const fn new() -> Staying {
        Staying
    }

    /// Never.
    pub fn is_due(&self, _deadline: Option<Instant>) -> bool {
        false
    }

    /// Does nothing.
    pub fn has_stayed(&self, _was_worth_while: bool) {}

    /// Does nothing.
    pub fn was_parked(&self, _park: &Park) {}
}

impl Default for Staying {
    fn default() -> Staying {
        Staying::new()
    }
}

/// Of no use here: nobody looks at the clock.
#[derive(Debug)]
pub struct Park;

impl Park {
    /// Nothing.
    pub fn begin() -> Park {
        Park
    }
}

/// Of no use here: see the real one.
#[derive(Debug)]
pub struct Sections(());

impl Sections {
    /// Always the same.
    pub const fn new() -> Sections {
        Sections(())
    }

    /// Never.
    pub fn are_long(&self) -> bool {
        false
    }

    /// Does nothing.
    pub fn have_seen(&self, _long: bool) {}
}

impl Default for Sections {
    fn default() -> Sections {
        Sections::new()
    }
}
