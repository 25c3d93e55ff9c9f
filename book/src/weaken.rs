//! What `cargo weaken` knows of the sites of the library.

use crate::drawing;

#[path = "../../loom-tests/src/weaken/pages.rs"]
pub mod pages;
#[path = "../../loom-tests/src/weaken/source.rs"]
pub mod source;
#[path = "../../loom-tests/src/weaken/table.rs"]
pub mod table;
