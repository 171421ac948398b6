//! Tables and JSON of images on a MAAS.

use anyhow::Result;
use serde_json::json;

use super::super::print;
use crate::cli::Format;
use crate::exit::Exit;
use crate::maas::connect::Connection;
use crate::maas::filetype::Filetype;
use crate::maas::resource::{File, Resource, Set};
use crate::table;

/// Every uploaded image with its sets.
///
/// # Errors
/// MAAS does not answer.
pub(super) fn all(connection: &Connection) -> Result<Vec<Resource>> {
    let mut resources = vec![];
    for listed in connection.api.resources("uploaded")? {
        resources.extend(connection.api.resource(listed.id)?);
    }
    resources.sort_by_key(|r| (r.full_name(), r.architecture.clone()));
    Ok(resources)
}

/// `remote list`.
pub(super) fn list(connection: &Connection, format: Format) -> Result<Exit> {
    let resources = all(connection)?;
    if format == Format::Json {
        let images: Vec<_> = resources.iter().map(document).collect();
        let server = connection.server.base.to_string();
        let version = connection.version.to_string();
        let all = json!({ "version": 1, "server": server, "maas": version, "images": images });
        print(&format!("{all:#}\n"))?;
        return Ok(Exit::Ok);
    }
    print(&text(&resources))?;
    let total: u64 = resources.iter().map(Resource::stored).sum();
    let count = resources.len();
    let plural = if count == 1 { "" } else { "s" };
    print(&format!("{count} image{plural}, {} on {}\n", table::size(total), connection.shown()))?;
    Ok(Exit::Ok)
}

/// The table of `list` and `prune`.
pub(super) fn text(resources: &[Resource]) -> String {
    let rows: Vec<Vec<String>> = resources.iter().map(row).collect();
    table::render(
        &["NAME", "ARCH", "DATE", "SIZE", "SETS", "TYPE", "BASE", "DEPLOYED", "TITLE"],
        &rows,
    )
}

fn row(resource: &Resource) -> Vec<String> {
    let set = resource.deployable();
    let file = set.and_then(Set::only_file);
    let whole = resource.sets.values().filter(|s| s.is_whole()).count();
    let half = resource.sets.values().filter(|s| !s.complete && !s.files.is_empty()).count();
    let or_dash =
        |text: Option<String>| text.filter(|t| !t.is_empty()).unwrap_or_else(|| "-".into());
    vec![
        resource.full_name(),
        resource.architecture.clone(),
        or_dash(set.map(|s| s.date().unwrap_or_else(|| s.version.clone()))),
        table::size(resource.stored()),
        if half > 0 { format!("{whole} (+{half} unfinished)") } else { whole.to_string() },
        or_dash(file.map(kind)),
        or_dash(resource.base_image.clone()),
        or_dash(resource.last_deployed.clone()),
        or_dash(resource.title.clone()),
    ]
}

fn kind(file: &File) -> String {
    Filetype::stored_as(&file.filetype).map_or_else(|| file.filetype.clone(), |t| t.name.into())
}

/// One image for programs.
pub(in crate::verbs) fn document(resource: &Resource) -> serde_json::Value {
    let deployable = resource.deployable().map(|s| s.version.as_str());
    let set = |s: &&Set| {
        let file = s.only_file();
        json!({
            "set": s.version,
            "date": s.date(),
            "complete": s.is_whole(),
            "deploys": Some(s.version.as_str()) == deployable,
            "size": s.bytes(),
            "filetype": file.map(kind),
            "sha256": file.map(|f| &f.sha256),
        })
    };
    json!({
        "id": resource.id,
        "name": resource.full_name(),
        "architecture": resource.architecture,
        "title": resource.title,
        "base_image": resource.base_image,
        "last_deployed": resource.last_deployed,
        "size": resource.stored(),
        "sets": resource.newest_first().iter().map(set).collect::<Vec<_>>(),
    })
}

/// `remote show`.
pub(super) fn show(resource: &Resource, format: Format) -> Result<Exit> {
    if format == Format::Json {
        let mut document = document(resource);
        document["version"] = json!(1);
        print(&format!("{document:#}\n"))?;
        return Ok(Exit::Ok);
    }
    let dash = |text: &Option<String>| {
        text.clone().filter(|t| !t.is_empty()).unwrap_or_else(|| "-".into())
    };
    let head = format!(
        "{} · {} · {} · base {} · last deployed {}\n",
        resource.full_name(),
        resource.architecture,
        dash(&resource.title),
        dash(&resource.base_image),
        dash(&resource.last_deployed),
    );
    let deployable = resource.deployable().map(|s| s.version.as_str());
    let rows: Vec<Vec<String>> =
        resource.newest_first().iter().map(|s| set_row(s, deployable)).collect();
    print(&(head + &table::render(&["SET", "STATE", "SIZE", "TYPE", "SHA256"], &rows)))?;
    Ok(Exit::Ok)
}

fn set_row(set: &Set, deployable: Option<&str>) -> Vec<String> {
    let file = set.only_file();
    let state = match (set.files.is_empty(), set.complete) {
        (true, _) => "replaced, empty",
        (false, false) => "unfinished",
        (false, true) if deployable == Some(set.version.as_str()) => "deploys",
        (false, true) => "kept",
    };
    vec![
        set.version.clone(),
        state.into(),
        table::size(set.bytes()),
        file.map_or_else(|| "-".into(), kind),
        file.map_or_else(|| "-".into(), |f| f.sha256.clone()),
    ]
}
