//! The executions in `docs/executions/`, drawn as pictures and as pages that step through them. Runs no model.
//!
//! Also a module of `tests/executions.rs`, and of the book.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::drawing::store::{self, Stored};
use super::drawing::{self, About, Execution, Sources};
use super::table::{Picture, Reasons, Verdict};

/// The executions that are kept of a mutant: what each is called, and the model that fails in it. Those that its pictures are of, or
/// else one.
pub fn kept_of(reasons: &Reasons, verdict: &Verdict) -> Vec<(String, String)> {
    let pictures = reasons.pictures_of(&verdict.site, &verdict.weaker);
    let kept: Vec<_> = pictures.map(|picture| (picture.name.clone(), picture.model.clone())).collect();
    match &verdict.model {
        Some(model) if kept.is_empty() => vec![(store::name(&verdict.site, &verdict.weaker), model.clone())],
        _ => kept,
    }
}

/// Where else a reader may want to go: addresses, and what they are called.
pub type Ways = Vec<(String, String)>;

/// The picture, from the execution that is kept.
pub fn svg(root: &Path, picture: &Picture) -> Result<String, String> {
    let stored = Stored::read(root, &picture.name)?;
    let mut sources = Sources::new(root);
    Ok(Execution::new(stored.recorded(&mut sources)?, &mut sources).svg(&stored.title))
}

/// Writes a picture and a page for each execution that is kept, and a page that lists them. Runs no model. `ways` says what else the
/// page of this name leads to; that of the list is called `index`.
pub fn write(
    root: &Path,
    reasons: &Reasons,
    folder: &Path,
    ways: &dyn Fn(&str) -> Ways,
) -> Result<usize, String> {
    let write = |file: &str, text: &str| {
        let path = folder.join(file);
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut sources = Sources::new(root);
    let mut index = Vec::new();
    let mut files: BTreeMap<&str, String> = BTreeMap::new();
    let all = store::all(root)?;
    for stored in &all {
        let page = stored.name.as_str();
        let picture = reasons.picture.iter().find(|picture| picture.name == page);
        let recorded = stored.recorded(&mut sources);
        let recorded = recorded
            .map_err(|why| format!("{}: {why}: run `cargo weaken --write`", store::path(page).display()))?;
        let execution = Execution::new(recorded, &mut sources);
        let mut leads = vec![("index.html".to_owned(), "every execution".to_owned())];
        leads.extend(ways(page));
        let about = About {
            page,
            ways: &leads,
            title: &stored.title,
            site: &stored.site,
            weaker: &stored.weaker,
            model: &stored.model,
            sentence: picture.map(|picture| picture.caption.trim()),
        };
        write(&format!("{page}.svg"), &execution.svg(&stored.title))?;
        write(&format!("{page}.html"), &execution.html(about, &mut sources))?;
        let site = stored.site[stored.file().len()..].trim();
        let _ = writeln!(
            files.entry(stored.file()).or_default(),
            "<li><a href=\"{page}.html\">{}</a>: <code>{}</code> (<a href=\"{page}.svg\">picture</a>)",
            drawing::escape(&stored.title),
            drawing::escape(site)
        );
        index.push(serde_json::json!({
            "page": page, "site": stored.site, "weaker": stored.weaker, "model": stored.model,
            "title": stored.title, "caption": execution.caption(),
        }));
    }
    let lists = files.iter().map(|(file, list)| format!("<h2>{file}</h2>\n<ul>\n{list}</ul>\n"));
    let title = "Every failing execution, step by step";
    let list = drawing::list_page(title, &ways("index"), &lists.collect::<String>());
    write("index.html", &list)?;
    let rows: Vec<String> = index.iter().map(ToString::to_string).collect();
    write("index.json", &format!("[\n{}\n]\n", rows.join(",\n")))?;
    Ok(index.len())
}
