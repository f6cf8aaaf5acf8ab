//! A file that a command makes: one that was not there, so that nothing is overwritten and no link followed.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::Exit;

/// Makes an empty file with this mode, whatever the umask is: a service may have to read it.
///
/// # Errors
///
/// There is something of this name, or none can be made.
pub(super) fn create(path: &Path, mode: u32) -> Result<File, Exit> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let opened = options.open(path).and_then(|file| {
        file.set_permissions(Permissions::from_mode(mode))?;
        Ok(file)
    });
    opened.map_err(|error| unwritten(path, &error))
}

/// The end of a command that cannot write this file.
pub(super) fn unwritten(path: &Path, error: &io::Error) -> Exit {
    Exit::Failed(format!("cannot write {}: {error}", path.display()))
}
