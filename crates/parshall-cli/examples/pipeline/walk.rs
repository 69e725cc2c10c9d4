//! The first stage: which files there are.

use std::ffi::OsString;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::task::spawn_blocking;

use crate::cli::{Args, Stage};
use crate::run::Run;
use crate::spread::Spread;

/// Whether the walk can begin there; if not, why.
pub(crate) fn check_folder(dir: &Path) -> Result<(), String> {
    match fs::metadata(dir) {
        Err(error) => Err(error.to_string()),
        Ok(metadata) if !metadata.is_dir() => Err("not a folder".to_owned()),
        Ok(_) => fs::read_dir(dir).map(drop).map_err(|error| error.to_string()),
    }
}

/// The database and its companions as the walk would meet them: they change while they are read.
pub(crate) fn own_files(args: &Args) -> Vec<PathBuf> {
    let folder = args.db.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = fs::canonicalize(folder.unwrap_or(Path::new(".")));
    let (Ok(folder), Ok(root), Some(name)) =
        (folder, fs::canonicalize(&args.dir), args.db.file_name())
    else {
        return Vec::new();
    };
    let Ok(below) = folder.strip_prefix(root) else { return Vec::new() };
    let sibling = |suffix: &str| {
        let mut name = OsString::from(name);
        name.push(suffix);
        args.dir.join(below).join(name)
    };
    ["", "-wal", "-shm", "-journal"].map(sibling).into()
}

/// Sends every regular file under `root` but `skip`, folder by folder, in order of their names.
pub(crate) async fn walker(
    run: Arc<Run>,
    root: PathBuf,
    skip: Vec<PathBuf>,
    mut paths: Spread<PathBuf>,
) {
    let mut folders = vec![root];
    'walk: while let Some(folder) = folders.pop() {
        let at = folder.clone();
        // The system lists a folder by blocking calls.
        let listed = spawn_blocking(move || list(&folder)).await.expect("listing does not panic");
        let Listing { entries, error } = listed;
        if let Some(error) = error {
            run.warn(&at, error);
        }
        let mut below = Vec::new();
        for entry in entries {
            if run.interrupted() {
                break 'walk;
            }
            match entry.file_type() {
                // The type of a link is "link": it is not followed.
                Ok(kind) if kind.is_dir() => below.push(entry.path()),
                Ok(kind) if kind.is_file() => {
                    let path = entry.path();
                    if skip.contains(&path) {
                        continue;
                    }
                    run.dawdle(Stage::Walk).await;
                    run.found.fetch_add(1, Relaxed);
                    if paths.send(path).await.is_err() {
                        break 'walk;
                    }
                }
                Ok(_) => {
                    run.skipped.fetch_add(1, Relaxed);
                }
                Err(error) => run.warn(&entry.path(), error),
            }
        }
        folders.extend(below.into_iter().rev());
    }
    run.walked.store(true, Relaxed);
}

struct Listing {
    entries: Vec<DirEntry>,
    /// Why there may be more.
    error: Option<io::Error>,
}

fn list(folder: &Path) -> Listing {
    let mut listing = Listing { entries: Vec::new(), error: None };
    match fs::read_dir(folder) {
        Err(error) => listing.error = Some(error),
        Ok(entries) => {
            for entry in entries {
                match entry {
                    Ok(entry) => listing.entries.push(entry),
                    Err(error) => listing.error = Some(error),
                }
            }
        }
    }
    listing.entries.sort_by_key(DirEntry::file_name);
    listing
}
