//! The failing executions that stand in the docs as pictures.

use super::plant::{self, Mutant};
use super::table::{self, Picture};
use super::{Ground, drawing};
use crate::runner::{Child, Outcome};

/// Draws them all. Returns how many could not be drawn, after saying why.
pub(super) fn draw(ground: &Ground) -> usize {
    let folder = plant::root().join(table::PICTURES);
    let mut failed = 0;
    for picture in &ground.reasons.picture {
        let path = folder.join(&picture.name).with_extension("svg");
        let written = svg(ground, picture).and_then(|svg| {
            std::fs::create_dir_all(&folder)
                .and_then(|()| std::fs::write(&path, svg))
                .map_err(|error| error.to_string())
        });
        match written {
            Ok(()) => {}
            Err(message) => {
                failed += 1;
                println!("{}: {message}", path.display());
            }
        }
    }
    failed
}

/// Compares those that are there with what they would be now. Returns how many are out of date, after saying which.
pub(super) fn compare(ground: &Ground) -> usize {
    let out_of_date = ground.reasons.picture.iter().filter(|picture| {
        let path = plant::root().join(table::PICTURES).join(&picture.name).with_extension("svg");
        let there = std::fs::read_to_string(&path).ok();
        match svg(ground, picture) {
            Ok(made) if Some(&made) == there.as_ref() => false,
            Ok(_) => {
                println!("{}: out of date; run `cargo weaken --write`", path.display());
                true
            }
            Err(message) => {
                println!("{}: {message}", path.display());
                true
            }
        }
    });
    out_of_date.count()
}

/// Lets the model fail, and draws that.
fn svg(ground: &Ground, picture: &Picture) -> Result<String, String> {
    let site = ground.sites.iter().find(|site| site.key() == picture.site);
    let site = site.ok_or_else(|| format!("there is no {}", picture.site))?.clone();
    let mutant = Mutant { site, weaker: picture.weaker.clone() };
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let record = folder.path().join("execution.json");
    let child =
        Child { model: &picture.model, plant: Some(&mutant.spell()), limit: None, record: Some(&record) };
    match child.run() {
        Outcome::Failed(_) => Ok(drawing::read(&record)?.svg(&mutant.title())),
        Outcome::Passed { .. } => Err(format!("{} does not notice {}", picture.model, mutant.name())),
        Outcome::Unknown(message) => Err(message),
    }
}
