//! A tree to a gzipped archive on disk.

use std::fs::File;
use std::path::Path;
use std::thread::Scope;

use super::archive::{Archive, Totals};
use super::output::{Flusher, Partial};
use super::tap::Tap;
use super::walk::{Change, Tree};
use super::watch::Watch;
use crate::artifact::Index;
use crate::gzip::{self, GzipWriter, Summary};
use crate::{Error, Result};

/// What a written archive consists of.
pub(crate) struct Written {
    pub(crate) summary: Summary,
    pub(crate) totals: Totals,
    pub(crate) changes: Vec<Change>,
    /// What is in it, read back from its bytes.
    pub(crate) index: Index,
    /// Oddities of it.
    pub(crate) warnings: Vec<String>,
}

/// Writes `tree` to `output`, complete or not at all.
pub(crate) fn write(
    tree: &Tree<'_>,
    output: &Path,
    options: gzip::Options,
    watch: &Watch<'_>,
) -> Result<Written> {
    let (partial, file) = Partial::create(output)?;
    let write = || std::thread::scope(|scope| compress(scope, tree, file, options, watch));
    let (file, written) = write().map_err(|error| partial.explain(error))?;
    partial.publish(&file)?;
    Ok(written)
}

fn compress<'scope>(
    scope: &'scope Scope<'scope, '_>,
    tree: &Tree<'_>,
    file: File,
    options: gzip::Options,
    watch: &Watch<'_>,
) -> Result<(File, Written)> {
    let io = |error| Error::from_io("gzip", error);
    let (tap, blocks) = Tap::start(scope)?;
    let flusher = Flusher::start(&file);
    let gzip = GzipWriter::new(file, options).map_err(io)?.tapped_by(blocks);
    let mut archive = Archive::new(gzip, watch);
    let changes = tree.walk(&mut archive)?;
    let (gzip, totals) = archive.finish()?;
    let (file, summary) = gzip.finish().map_err(io)?;
    flusher.finish().map_err(io)?;
    let (index, warnings) = tap.finish()?;
    Ok((file, Written { summary, totals, changes, index, warnings }))
}
