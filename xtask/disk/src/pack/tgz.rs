//! A tree to a gzipped archive on disk.

use std::path::Path;

use super::archive::{Archive, Totals};
use super::output::Partial;
use super::walk::{Change, Tree};
use super::watch::Watch;
use crate::gzip::{self, GzipWriter, Summary};
use crate::{Error, Result};

/// What a written archive consists of.
pub(crate) struct Written {
    pub(crate) summary: Summary,
    pub(crate) totals: Totals,
    pub(crate) changes: Vec<Change>,
}

/// Writes `tree` to `output`, complete or not at all.
pub(crate) fn write(
    tree: &Tree<'_>,
    output: &Path,
    options: gzip::Options,
    watch: &Watch<'_>,
) -> Result<Written> {
    let (partial, file) = Partial::create(output)?;
    let write = || {
        let gzip = GzipWriter::new(file, options).map_err(|error| Error::from_io("gzip", error))?;
        let mut archive = Archive::new(gzip, watch);
        let changes = tree.walk(&mut archive)?;
        let (gzip, totals) = archive.finish()?;
        let (file, summary) = gzip.finish().map_err(|error| Error::from_io("gzip", error))?;
        Ok((file, Written { summary, totals, changes }))
    };
    let (file, written) = write().map_err(|error| partial.explain(error))?;
    partial.publish(&file)?;
    Ok(written)
}
