//! The sockets of the programs that run.

use std::path::PathBuf;

use crate::address::Address;

/// So many sockets of one folder are looked at.
#[cfg(unix)]
const MOST: usize = 4096;

/// What was found, and what could not be looked at.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) addresses: Vec<Address>,
    /// A sentence for each folder that is there and was not read.
    pub(crate) warnings: Vec<String>,
}

/// Where programs put their sockets. All of these, because a service may run without the variable
/// that a login shell has, and the other way round.
#[cfg(unix)]
fn folders() -> Vec<PathBuf> {
    let uid = rustix::process::getuid().as_raw();
    let variable = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let runtime = variable.filter(|path| path.is_absolute());
    let mut folders: Vec<_> = runtime.map(|path| path.join("parshall")).into_iter().collect();
    for path in [format!("/run/user/{uid}/parshall"), format!("/tmp/parshall-{uid}")] {
        if !folders.iter().any(|folder| folder.as_os_str() == path.as_str()) {
            folders.push(path.into());
        }
    }
    folders
}

/// Every socket in those folders, in the order of their paths. Whether somebody listens is not
/// known.
#[cfg(unix)]
pub(crate) fn find() -> Found {
    let mut found = Found::default();
    for folder in folders() {
        look(&folder, &mut found);
    }
    found
}

/// Elsewhere there are no sockets with a name.
#[cfg(not(unix))]
pub(crate) fn find() -> Found {
    Found {
        warnings: vec!["programs are not found by themselves on this system: use --at".into()],
        ..Found::default()
    }
}

/// The places where it was looked.
pub(crate) fn places() -> String {
    #[cfg(unix)]
    let folders = folders();
    #[cfg(not(unix))]
    let folders: Vec<PathBuf> = Vec::new();
    folders.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(unix)]
fn look(folder: &std::path::Path, found: &mut Found) {
    use std::fs;
    use std::io::ErrorKind;
    use std::os::unix::fs::{FileTypeExt, MetadataExt};

    // Not the target of a link: another user may have put it into /tmp.
    let (owner, mode) = match fs::symlink_metadata(folder) {
        Ok(found) if found.is_dir() => (found.uid(), found.mode()),
        Ok(_) => {
            found.warnings.push(format!("{} is no folder; remove it", folder.display()));
            return;
        }
        // A part of the path is no folder.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return;
        }
        Err(error) => {
            found.warnings.push(format!("cannot look into {}: {error}", folder.display()));
            return;
        }
    };
    let own = rustix::process::getuid().as_raw();
    if owner != own && owner != 0 {
        found.warnings.push(format!(
            "{} belongs to another user (uid {owner}), so what is in it is not believed; remove it",
            folder.display()
        ));
        return;
    }
    if mode & 0o022 != 0 {
        found.warnings.push(format!(
            "other users may write into {}, so what is in it is not believed; `chmod 700` it",
            folder.display()
        ));
        return;
    }
    let files = match fs::read_dir(folder) {
        Ok(files) => files,
        Err(error) => {
            found.warnings.push(format!("cannot look into {}: {error}", folder.display()));
            return;
        }
    };
    let mut sockets: Vec<_> = files
        .filter_map(Result::ok)
        .filter(|file| file.file_type().is_ok_and(|kind| kind.is_socket()))
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sock"))
        .collect();
    sockets.sort();
    if sockets.len() > MOST {
        found.warnings.push(format!(
            "{} has {} sockets, of which the first {MOST} are asked",
            folder.display(),
            sockets.len()
        ));
        sockets.truncate(MOST);
    }
    found.addresses.extend(sockets.into_iter().map(Address::Unix));
}
