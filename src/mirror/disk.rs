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

impl DiskSpace {
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
