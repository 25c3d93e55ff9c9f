//! The tables of memory orderings in `docs/` are those of the source: see `cargo weaken`.

#![cfg(not(feature = "loom"))]

use std::path::Path;

#[path = "../loom-tests/src/weaken/source.rs"]
#[allow(unreachable_pub, reason = "a module of another package")]
mod source;
#[path = "../loom-tests/src/weaken/table.rs"]
#[allow(dead_code, unreachable_pub, reason = "a module of another package, which needs more of it")]
mod table;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn each_ordering_has_its_sentence_and_a_model_that_fails_without_it() {
    let (sites, mut complaints) = source::sites(root());
    assert!(sites.len() > 200, "the reader of the source finds {} sites only", sites.len());
    complaints.extend(table::complaints(
        &sites,
        &table::read_verdicts(root()),
        &table::Reasons::read(root()),
    ));
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn the_table_is_that_of_the_source() {
    let (sites, _) = source::sites(root());
    let (made, score) =
        table::render(&sites, &table::read_verdicts(root()), &table::Reasons::read(root()), None);
    assert_eq!(score.unknown, 0, "mutants of which nothing is known");
    let there = std::fs::read_to_string(root().join(table::TABLE)).expect("the table is there");
    for (number, (there, made)) in there.lines().zip(made.lines()).enumerate() {
        assert_eq!(there, made, "{}:{} is out of date: run `cargo weaken --write`", table::TABLE, number + 1);
    }
    assert_eq!(
        there.lines().count(),
        made.lines().count(),
        "{} is out of date: run `cargo weaken --write`",
        table::TABLE
    );
}

#[test]
fn the_pictures_are_there() {
    for picture in table::Reasons::read(root()).picture {
        let path = root().join(table::PICTURES).join(picture.name).with_extension("svg");
        assert!(path.exists(), "{} is missing: run `cargo weaken --write`", path.display());
    }
}

/// What a made-up file is read as.
fn read(text: &str) -> (Vec<source::Site>, Vec<String>) {
    let (mut sites, mut complaints) = (Vec::new(), Vec::new());
    source::read("src/made_up.rs", text, &mut sites, &mut complaints);
    (sites, complaints)
}

#[test]
fn the_reader_finds_operations_wherever_they_stand() {
    let (sites, complaints) = read(
        r#"
        impl Thing {
            fn step(&self) {
                // Acquire: pairs with the Release in `other`.
                // Relaxed on failure: it is the next guess.
                match self.inner.state.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed) {
                    Ok(_) => {}
                    // Relaxed: old is fine.
                    Err(_) => drop(self.state.load(Ordering::Relaxed)),
                }
                debug_assert!(self.state.load(Ordering::Relaxed) == 0);
                const_fn! {
                    /// Hidden in a macro.
                    pub const fn hidden(&self) {
                        // Release: pairs with nothing.
                        self.list[3].store(0, Ordering::Release);
                    }
                }
                // SeqCst: between the two.
                fence(Ordering::SeqCst);
                // SAFETY: none.
                unsafe { parking::unpark_one(self.key(), |_| LAST) };
            }
        }
        #[cfg(all(test, not(feature = "loom")))]
        mod tests {
            fn step() { state.load(Ordering::Relaxed); }
        }
        "#,
    );
    assert_eq!(complaints, [""; 0]);
    let keys: Vec<String> = sites.iter().map(source::Site::key).collect();
    assert_eq!(
        keys,
        [
            "src/made_up.rs Thing::step state.compare_exchange(Acquire, Relaxed)",
            "src/made_up.rs Thing::step state.load(Relaxed)",
            "src/made_up.rs Thing::step state.load(Relaxed) #2",
            "src/made_up.rs Thing::hidden list.store(Release)",
            "src/made_up.rs Thing::step fence(SeqCst)",
            "src/made_up.rs Thing::step unpark_one()",
        ]
    );
    assert_eq!(
        sites[0].sentence.as_deref(),
        Some("Acquire: pairs with the Release in `other`. Relaxed on failure: it is the next guess.")
    );
    assert_eq!(sites[1].sentence.as_deref(), Some("Relaxed: old is fine."));
    let place = (sites[1].line, sites[1].column);
    assert_eq!(place, (9, 47), "the name of the method, as #[track_caller] has it");
    assert_eq!(table::weaker(&sites[0]), ["Relaxed"]);
    assert_eq!(table::weaker(&sites[4]), ["AcqRel", "no fence"]);
    assert_eq!(table::weaker(&sites[5]), ["wakes nobody"]);
}

#[test]
fn an_ordering_in_no_operation_and_one_without_a_sentence_are_complained_of() {
    let (sites, complaints) = read(
        "fn step(order: Ordering) {
            let order = Ordering::Acquire;
            // Relaxed: this says nothing of the other.
            state.fetch_add(1, Ordering::Release);
        }",
    );
    assert_eq!(
        complaints,
        ["src/made_up.rs: 2 orderings are written here, and 1 of them stand in an operation"]
    );
    assert!(
        sites[0].complaint().is_some_and(|text| text.contains("does not name Release")),
        "{:?}",
        sites[0]
    );
    let bare = &read("fn step() { state.load(Ordering::Acquire); }").0[0];
    assert_eq!(bare.complaint().as_deref(), Some("has no sentence"));
}
