//! What the models make of the words, for the state diagrams in `docs/states/`.

use super::coverage::Covers;
use super::{Ground, drawing, plant};
use drawing::Sources;
use drawing::states::{self, Declared, Seen};

/// The words that are declared; or the one of this name, if there is a name.
///
/// # Errors
///
/// If there is none of this name, or a file is not as it should be.
pub(super) fn words(name: &str) -> Result<Vec<Declared>, String> {
    let mut words = states::all(plant::root())?;
    if !name.is_empty() {
        words.retain(|word| word.name == name);
        if words.is_empty() {
            return Err(format!("there is no {}/{name}.toml", states::FOLDER));
        }
    }
    Ok(words)
}

/// What these models have made of a word.
fn seen(ground: &Ground, declared: &Declared, covers: &[Covers]) -> Vec<Seen> {
    let moved = covers.iter().flat_map(|covers| &covers.moved).filter_map(|moved| {
        let site = ground.sites.iter().find(|site| {
            (site.file.as_str(), site.line, site.column) == (moved.file.as_str(), moved.line, moved.column)
        })?;
        let is_it = declared.has(&site.file, &site.receiver);
        is_it.then_some((site.function.as_str(), moved.from, moved.to))
    });
    declared.seen(moved, &mut Sources::new(plant::root()))
}

/// Writes down what the models make of each word. Returns how many files could not be, after saying why.
pub(super) fn keep(ground: &Ground, words: &[Declared], covers: &[Covers]) -> Result<(), String> {
    for declared in words {
        let text = states::to_text(&seen(ground, declared, covers));
        let path = plant::root().join(declared.path("json"));
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// Says where what is said of a word is not what some models do, and writes nothing. Returns how often.
pub(super) fn say(ground: &Ground, words: &[Declared], covers: &[Covers]) -> usize {
    let complaints = words.iter().flat_map(|declared| declared.complaints(&seen(ground, declared, covers)));
    complaints.inspect(|complaint| println!("{complaint}")).count()
}

/// Compares what is written down with what the models make now. Returns how many are out of date, after saying which.
pub(super) fn compare(ground: &Ground, covers: &[Covers]) -> Result<usize, String> {
    let mut wrong = 0;
    for declared in words("")? {
        let path = declared.path("json");
        let Ok(there) = std::fs::read_to_string(plant::root().join(&path)) else {
            println!("{path}: not recorded yet; run `cargo weaken --states`");
            continue;
        };
        if there != states::to_text(&seen(ground, &declared, covers)) {
            wrong += 1;
            println!("{path}: out of date; run `cargo weaken --states`");
        }
    }
    Ok(wrong)
}

/// Draws the diagrams, and says where what is said of a word is not what the models do. Returns how often.
pub(super) fn draw(words: &[Declared]) -> Result<usize, String> {
    let mut wrong = 0;
    for declared in words {
        if !plant::root().join(declared.path("json")).exists() {
            println!("{}: not recorded yet; run `cargo weaken --states`", declared.path("json"));
            continue;
        }
        for complaint in declared.complaints(&declared.kept(plant::root())?) {
            wrong += 1;
            println!("{complaint}");
        }
        let path = plant::root().join(declared.path("svg"));
        std::fs::write(&path, declared.svg()).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(wrong)
}
