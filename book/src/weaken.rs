//! What `cargo weaken` knows of the sites of the library.

#[path = "../../loom-tests/src/weaken/source.rs"]
pub mod source;
#[path = "../../loom-tests/src/weaken/table.rs"]
pub mod table;
