//! The failing executions: recorded, kept in `docs/executions/`, and compared with what is there.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;

use super::plant::{self, Mutant};
use super::table;
use super::{Ground, drawing, pages};
use crate::runner::{Child, Outcome, in_parallel};
use drawing::Sources;
use drawing::store::{self, Stored};

/// A mutant that a model notices, that model, and what the execution is called.
struct Noticed {
    name: String,
    mutant: Mutant,
    model: String,
}

/// All of them. Those that have pictures, with the models that the pictures are of.
fn noticed(ground: &Ground) -> Vec<Noticed> {
    let mut found = Vec::new();
    for verdict in ground.verdicts.values() {
        let Some(site) = ground.sites.iter().find(|site| site.key() == verdict.site) else { continue };
        for (name, model) in pages::kept_of(&ground.reasons, verdict) {
            let mutant = Mutant { site: site.clone(), weaker: verdict.weaker.clone() };
            found.push(Noticed { name, mutant, model });
        }
    }
    found
}

impl Noticed {
    /// Lets the model fail.
    fn record(&self) -> Result<Stored, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let record = folder.path().join("execution.json");
        let spelled = self.mutant.spell();
        let child = Child { model: &self.model, plant: Some(&spelled), limit: None, record: Some(&record) };
        match child.run() {
            Outcome::Failed(_) => stored(&self.name, &self.mutant, &self.model, &record),
            Outcome::Passed { .. } => Err(format!("{} does not notice {}", self.model, self.mutant.name())),
            Outcome::Unknown(message) => Err(message),
        }
    }

    /// What is kept of it, if that is still of this model and of this source.
    fn kept(&self) -> Option<Stored> {
        let stored = Stored::read(plant::root(), &self.name).ok()?;
        let is_right = stored.model == self.model
            && (&stored.site, &stored.weaker) == (&self.mutant.site.key(), &self.mutant.weaker)
            && stored.recorded(&mut Sources::new(plant::root())).is_ok();
        is_right.then_some(stored)
    }

    fn is_of(&self, stored: &Stored) -> bool {
        (&stored.site, &stored.weaker) == (&self.mutant.site.key(), &self.mutant.weaker)
    }
}

/// What is to be kept of what a failing process has written down.
pub(super) fn stored(name: &str, mutant: &Mutant, model: &str, record: &Path) -> Result<Stored, String> {
    let about = [name, &mutant.site.key(), &mutant.weaker, model, &mutant.title()];
    Stored::new(&drawing::read(record)?, about, &mut Sources::new(plant::root()))
}

fn write(stored: &Stored) -> Result<(), String> {
    let path = plant::root().join(store::path(&stored.name));
    let written = std::fs::create_dir_all(plant::root().join(store::FOLDER))
        .and_then(|()| std::fs::write(&path, stored.to_text()));
    written.map_err(|error| format!("{}: {error}", path.display()))
}

/// Keeps the executions that have just been recorded, unless it is others that are kept of these mutants.
pub(super) fn keep(ground: &Ground, fresh: &[Stored]) -> Result<(), String> {
    for noticed in noticed(ground) {
        let made = fresh.iter().find(|stored| noticed.is_of(stored) && stored.model == noticed.model);
        if let Some(made) = made {
            write(&made.clone().named(&noticed.name))?;
        }
    }
    Ok(())
}

/// Records the executions that are missing or out of date, and draws the pictures. Returns how many could not be, after saying why.
pub(super) fn draw(ground: &Ground) -> usize {
    let failed = Mutex::new(Vec::new());
    let noticed = noticed(ground);
    let known: BTreeSet<String> = noticed.iter().map(|noticed| noticed.name.clone()).collect();
    let missing: Vec<Noticed> = noticed.into_iter().filter(|noticed| noticed.kept().is_none()).collect();
    if !missing.is_empty() {
        println!("recording {} executions", missing.len());
    }
    in_parallel(missing, |noticed| {
        let kept = noticed.record().and_then(|stored| write(&stored));
        if let Err(message) = kept {
            failed
                .lock()
                .expect("nobody panics with it")
                .push(format!("{}: {message}", noticed.mutant.name()));
        }
    });
    let mut failed = failed.into_inner().expect("nobody panics with it");
    failed.extend(sweep(&known).err());
    let folder = plant::root().join(table::PICTURES);
    for picture in &ground.reasons.picture {
        let path = folder.join(&picture.name).with_extension("svg");
        let written = pages::svg(plant::root(), picture).and_then(|svg| {
            std::fs::create_dir_all(&folder)
                .and_then(|()| std::fs::write(&path, svg))
                .map_err(|error| error.to_string())
        });
        failed.extend(written.err().map(|message| format!("{}: {message}", path.display())));
    }
    failed.iter().for_each(|message| println!("{message}"));
    failed.len()
}

/// Removes the executions of mutants that are no more.
fn sweep(known: &BTreeSet<String>) -> Result<(), String> {
    for stored in store::all(plant::root())?.into_iter().filter(|stored| !known.contains(&stored.name)) {
        let path = plant::root().join(store::path(&stored.name));
        std::fs::remove_file(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// Compares what is kept with what the models do now: `fresh` are the executions that have just been recorded. Returns how many are
/// out of date, after saying which.
pub(super) fn compare(ground: &Ground, fresh: &[Stored]) -> usize {
    let out_of_date = Mutex::new(0);
    let say = |path: &Path, message: &str| {
        println!("{}: {message}", path.display());
        *out_of_date.lock().expect("nobody panics with it") += 1;
    };
    let mut wanted = noticed(ground);
    wanted.retain(|noticed| fresh.iter().any(|stored| noticed.is_of(stored)));
    in_parallel(wanted, |noticed| {
        let path = store::path(&noticed.name);
        let made = fresh.iter().find(|stored| noticed.is_of(stored) && stored.model == noticed.model);
        let made = match made {
            Some(made) => Ok(made.clone().named(&noticed.name)),
            None => noticed.record(),
        };
        match made {
            Ok(made) if noticed.kept().as_ref() == Some(&made) => {}
            Ok(_) => say(&path, "out of date: remove it, and run `cargo weaken --write`"),
            Err(message) => say(&path, &message),
        }
    });
    for picture in &ground.reasons.picture {
        let path = Path::new(table::PICTURES).join(&picture.name).with_extension("svg");
        let there = std::fs::read_to_string(plant::root().join(&path)).ok();
        match pages::svg(plant::root(), picture) {
            Ok(made) if Some(&made) == there.as_ref() => {}
            Ok(_) => say(&path, "out of date; run `cargo weaken --write`"),
            Err(message) => say(&path, &message),
        }
    }
    out_of_date.into_inner().expect("nobody panics with it")
}
