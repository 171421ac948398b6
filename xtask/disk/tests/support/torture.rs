//! Images with some bytes changed, or cut short: every answer is fine but a
//! panic, a hang or memory without end.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use disk_image::block::{self, BlockRead};
use disk_image::fs::{self as filesystem, Content, FileKind, FileSystem};
use disk_image::lvm::{Physical, logical_volumes};
use disk_image::{Error, partition};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::oddities::pattern;

/// Variants of each image that the default run tries; `ROUNDS` asks for more.
const ROUNDS: u64 = 60;
/// What the long run tries.
pub const LONG: u64 = 1500;
/// One variant takes milliseconds; this is for slow machines.
const TIME_MAX: Duration = Duration::from_secs(20);

/// What [`many`] asks for.
static WANTED: AtomicU64 = AtomicU64::new(ROUNDS);

/// Makes all that follows in this process long.
pub fn many() {
    WANTED.store(LONG, Ordering::Relaxed);
}

fn rounds() -> u64 {
    let wanted = WANTED.load(Ordering::Relaxed);
    std::env::var("ROUNDS").map_or(wanted, |rounds| rounds.parse().expect("ROUNDS is a number"))
}

/// Makes an allocation sized by the input fail, which ends the test.
pub fn limit_memory() {
    let limit = Rlimit { current: Some(2 << 30), ..getrlimit(Resource::As) };
    setrlimit(Resource::As, limit).unwrap();
}

/// Visits everything, going on after errors as far as possible; returns how
/// many there were.
pub fn visit(fs: &dyn FileSystem) -> usize {
    let mut errors = 0;
    let mut entered = HashSet::new();
    let mut left = vec![fs.root()];
    while let Some(node) = left.pop() {
        if !entered.insert(node) {
            continue;
        }
        errors += usize::from(fs.xattrs(node).is_err());
        let result = match fs.metadata(node).map(|meta| (meta.kind, meta.size)) {
            Ok((FileKind::Directory, _)) => {
                fs.read_dir(node).map(|it| left.extend(it.iter().map(|it| it.node)))
            }
            Ok((FileKind::Symlink, _)) => fs.read_link(node).map(drop),
            Ok((FileKind::Regular, size)) => read_some(fs, node, size),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        errors += usize::from(result.is_err());
    }
    errors
}

/// Sizes may be anything, so not all of a file is read.
fn read_some(fs: &dyn FileSystem, node: u64, size: u64) -> Result<(), Error> {
    let extents = fs.extents(node)?;
    let mut end = 0;
    for extent in &extents {
        assert!(extent.offset >= end && extent.len > 0, "extents out of order");
        end = extent.offset.checked_add(extent.len).expect("an extent that ends");
        assert!(end <= size, "an extent past the end of the file");
    }
    let mut buf = vec![0; 50_000];
    for offset in [0, 12_000, size / 2, size.saturating_sub(100), size, u64::MAX] {
        let filled = fs.read_file_at(node, offset, &mut buf)?;
        assert_eq!(filled as u64, size.saturating_sub(offset).min(50_000), "at {offset}");
    }
    Ok(())
}

pub fn visit_disk(disk: Arc<dyn BlockRead>) -> Result<usize, Error> {
    let mut at = 0;
    // Tables can be spread so that each cluster is a run: not all is walked.
    for _ in 0..5000 {
        if at < disk.len() {
            let extent = disk.extent_at(at)?;
            assert!(extent.len > 0 && at + extent.len <= disk.len(), "a run that does not fit");
            at += extent.len;
        }
    }
    let Some(table) = partition::read(&disk)? else { return visit_content(disk) };
    let mut errors = 0;
    for partition in table.partitions {
        let content = partition.open(&disk).and_then(|window| visit_content(Arc::new(window)));
        errors += content.unwrap_or(1);
    }
    Ok(errors)
}

/// A file system, or those in the logical volumes of a physical one.
fn visit_content(disk: Arc<dyn BlockRead>) -> Result<usize, Error> {
    if filesystem::probe(&disk)? != Content::Foreign("LVM2_member") {
        return Ok(visit(&*filesystem::open(disk)?));
    }
    let volumes = logical_volumes(&[Physical::open(disk)?])?;
    assert!(volumes.len() < 100_000, "more volumes than there is text for");
    let visited = volumes.into_iter().map(|volume| {
        let fs = volume.device.and_then(filesystem::open);
        fs.map_or(1, |fs| visit(&*fs))
    });
    Ok(visited.sum())
}

/// Changes 1 to 8 bytes, or copies one block over another, inside of `used`.
fn damage(bytes: &mut [u8], used: &[usize], seed: u64) {
    let mut random = pattern(seed, 8 * 40);
    let mut next = || {
        let at = random.len() - 8;
        u64::from_le_bytes(random.split_off(at).try_into().unwrap()) as usize
    };
    if next() % 4 == 0 {
        let (from, to) = (used[next() % used.len()], used[next() % used.len()]);
        bytes.copy_within(from..from + 512, to);
        return;
    }
    for _ in 0..1 + next() % 8 {
        let at = used[next() % used.len()] + next() % 512;
        bytes[at] = match next() % 4 {
            0 => 0,
            1 => 0xff,
            2 => bytes[at] ^ (1 << (next() % 8)),
            _ => next() as u8,
        };
    }
}

/// Sectors that are not zeros nor the content of files.
pub fn metadata_sectors(bytes: &[u8]) -> Vec<usize> {
    let content = b"content!".repeat(64);
    let used = |sector: &[u8]| sector.iter().any(|&byte| byte != 0) && sector != content;
    let sectors = bytes.chunks_exact(512).enumerate();
    sectors.filter(|(_, sector)| used(sector)).map(|(index, _)| index * 512).collect()
}

pub fn torture(what: &str, image: &Path) {
    let used = metadata_sectors(&fs::read(image).unwrap());
    torture_and(what, image, &used, |_, _| {});
}

/// The same within the sectors `used`, with `mend` called on each that changed.
pub fn torture_and(what: &str, image: &Path, used: &[usize], mend: impl Fn(&mut [u8], usize)) {
    let good = fs::read(image).unwrap();
    let healthy = block::open(image).and_then(visit_disk);
    assert_eq!(healthy.unwrap_or_else(|error| panic!("{what}: {error}")), 0, "{what}: untouched");
    let target = image.with_extension("damaged");
    let mut noticed = 0;
    for seed in 1..=rounds() {
        let mut bytes = good.clone();
        damage(&mut bytes, used, seed);
        let changed = |&at: &&usize| bytes[*at..*at + 512] != good[*at..*at + 512];
        let changed: Vec<usize> = used.iter().filter(changed).copied().collect();
        changed.into_iter().for_each(|at| mend(&mut bytes, at));
        fs::write(&target, bytes).unwrap();
        let start = Instant::now();
        let outcome = block::open(&target).and_then(visit_disk);
        noticed += usize::from(!matches!(outcome, Ok(0)));
        let elapsed = start.elapsed();
        assert!(elapsed < TIME_MAX, "{what}, seed {seed}: took {elapsed:?}");
    }
    println!("{what}: {noticed} of {} variants gave errors", rounds());
    assert!(noticed > 0, "{what}: the damage never reached anything");
    truncated(what, image, used);
}

/// Cut off at some place: something must be missing if what is cut was used.
fn truncated(what: &str, image: &Path, used: &[usize]) {
    let target = image.with_extension("damaged");
    fs::copy(image, &target).unwrap();
    let file = fs::File::options().write(true).open(&target).unwrap();
    let len = file.metadata().unwrap().len();
    let mut noticed = 0;
    let count = (rounds() / 3).max(1);
    for seed in 0..count {
        // Downwards, as a file cannot get back what was cut.
        let at = len - 1 - (len - 1) / count * seed;
        file.set_len(at).unwrap();
        let start = Instant::now();
        let outcome = block::open(&target).and_then(visit_disk);
        assert!(start.elapsed() < TIME_MAX, "{what}, {at} bytes: took {:?}", start.elapsed());
        noticed += usize::from(!matches!(outcome, Ok(0)));
    }
    println!("{what}: {noticed} of {count} truncated ones gave errors, {} sectors", used.len());
    // Disks may end in what nobody uses, such as the second table of GPT.
    assert!(noticed * 2 > count as usize, "{what}: hardly any truncation was noticed");
}
