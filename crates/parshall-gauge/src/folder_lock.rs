//! Only one at a time in a folder.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Keeps others who want it too out of the folder, in this process and in all others.
#[derive(Debug)]
pub(crate) struct FolderLock(Option<File>);

impl FolderLock {
    /// Where folders cannot be opened or locked, nothing is locked. None: others had it for as long
    /// as `timeout`.
    #[expect(clippy::disallowed_methods, reason = "it is a folder, not a database")]
    pub(crate) fn acquire(folder: &Path, timeout: Duration) -> Option<Self> {
        let Ok(folder) = File::open(folder) else { return Some(Self(None)) };
        let begun = Instant::now();
        loop {
            match folder.try_lock() {
                Ok(()) => return Some(Self(Some(folder))),
                Err(TryLockError::Error(_)) => return Some(Self(None)),
                Err(TryLockError::WouldBlock) if begun.elapsed() < timeout => {
                    thread::sleep(Duration::from_millis(1));
                }
                Err(TryLockError::WouldBlock) => return None,
            }
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        if let Some(folder) = &self.0 {
            // To close it does not unlock it, if a child of `fork` has it, too.
            let _ = folder.unlock();
        }
    }
}
