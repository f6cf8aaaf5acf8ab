//! What is left of a disk of this machine.

use std::path::Path;

/// What is left of the disk that a mirror grows on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// What grows there, for people.
    pub of: String,
    /// Bytes that are free for the daemon.
    pub free_bytes: u64,
    /// Bytes that it has in all.
    pub size_bytes: u64,
}

/// Free space below which a disk fills that has a tenth left: what a WAL may grow to while it is
/// read, and as much again.
const LITTLE: u64 = 1 << 30;

/// Free space below which any disk is as good as full: a few pages of large items.
const NEXT_TO_NOTHING: u64 = 16 << 20;

impl DiskSpace {
    /// Whether the disk is as good as full, or will be.
    pub fn is_little(&self) -> bool {
        let &Self { free_bytes, size_bytes, .. } = self;
        free_bytes < NEXT_TO_NOTHING || free_bytes < LITTLE && free_bytes < size_bytes / 10
    }

    /// The disk that this folder is on.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub(super) fn of_folder(folder: &Path, of: String) -> std::io::Result<Self> {
        let space = rustix::fs::statvfs(folder)?;
        let bytes = |blocks: u64| blocks.saturating_mul(space.f_frsize);
        Ok(Self { of, free_bytes: bytes(space.f_bavail), size_bytes: bytes(space.f_blocks) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_of_a_folder_is_asked_where_the_folder_is() {
        let folder = tempfile::TempDir::new().unwrap();
        let space = DiskSpace::of_folder(folder.path(), "a mirror".to_owned()).unwrap();
        assert!(space.size_bytes > 0 && space.of == "a mirror");
        assert!(DiskSpace::of_folder(Path::new("/nonexistent"), String::new()).is_err());
        assert!(DiskSpace::of_folder(Path::new("."), String::new()).is_ok());
    }
}
