//! The executions in `docs/executions/`, drawn as pictures and as pages that step through them. Runs no model.
//!
//! Also a module of `tests/executions.rs`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::drawing::store::{self, Stored};
use super::drawing::{self, About, Execution, Sources};
use super::table::{Picture, Reasons};

/// The picture, from the execution that is kept.
pub fn svg(root: &Path, picture: &Picture) -> Result<String, String> {
    let stored = Stored::read(root, &picture.name)?;
    let mut sources = Sources::new(root);
    Ok(Execution::new(stored.recorded(&mut sources)?, &mut sources).svg(&stored.title))
}

/// Writes a picture and a page for each execution that is kept, and a page that lists them. Runs no model.
pub fn write(root: &Path, reasons: &Reasons, folder: &Path) -> Result<usize, String> {
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
        let execution = Execution::new(stored.recorded(&mut sources)?, &mut sources);
        let about = About {
            page,
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
    let list = drawing::list_page("Every failing execution, step by step", &lists.collect::<String>());
    write("index.html", &list)?;
    let rows: Vec<String> = index.iter().map(ToString::to_string).collect();
    write("index.json", &format!("[\n{}\n]\n", rows.join(",\n")))?;
    Ok(index.len())
}
