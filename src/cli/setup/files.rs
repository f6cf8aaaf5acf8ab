//! The files that are made: a configuration, and the password beside it.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::cli::{Exit, new_file};
use crate::config::Secret;
use crate::text::DEFAULT_CONFIG;

/// What the packages put in place of a configuration: nobody has written it.
const SHIPPED: &str = include_str!("../../../config/ewmirror.toml");

/// Where the files go.
pub(super) struct Files {
    configuration: PathBuf,
    password: PathBuf,
    /// Whether the unit of this configuration finds the password without being told.
    unit_has_password: bool,
}

impl Files {
    /// Those of a configuration: the password stands where its unit looks for it, or else beside it.
    pub(super) fn of(configuration: &Path) -> Self {
        // A relative path would be another file for a service.
        let configuration =
            std::path::absolute(configuration).unwrap_or_else(|_| configuration.to_owned());
        let unit_has_password = configuration.parent() == Path::new(DEFAULT_CONFIG).parent();
        let password = if configuration == Path::new(DEFAULT_CONFIG) {
            configuration.with_file_name("password")
        } else {
            configuration.with_extension("password")
        };
        Self { configuration, password, unit_has_password }
    }

    pub(super) fn configuration(&self) -> &Path {
        &self.configuration
    }

    pub(super) fn password(&self) -> &Path {
        &self.password
    }

    pub(super) fn unit_has_password(&self) -> bool {
        self.unit_has_password
    }

    /// Sees that nothing of a person's is in the way.
    pub(super) fn expect_free(&self) -> Result<(), Exit> {
        let configuration = &self.configuration;
        let is_free = match fs::symlink_metadata(configuration) {
            Err(error) => error.kind() == io::ErrorKind::NotFound,
            Ok(found) => found.is_file() && self.is_shipped(),
        };
        let password = fs::symlink_metadata(&self.password);
        let is_password_free = password.is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        for (path, is_free) in [(configuration, is_free), (&self.password, is_password_free)] {
            if !is_free {
                return Err(Exit::Failed(format!(
                    "{} is there, or cannot be looked at: move it away, or name another configuration \
                     with --config",
                    path.display()
                )));
            }
        }
        Ok(())
    }

    fn is_shipped(&self) -> bool {
        fs::read(&self.configuration).is_ok_and(|text| text == SHIPPED.as_bytes())
    }

    /// Writes both, or neither.
    pub(super) fn write(&self, toml: &str, password: &Secret) -> Result<(), Exit> {
        let secret = format!("{}\n", password.expose());
        make(&self.password, 0o600, secret.as_bytes())?;
        let written = self.write_configuration(toml);
        if written.is_err() {
            // It was made a moment ago.
            drop(fs::remove_file(&self.password));
        }
        written
    }

    fn write_configuration(&self, toml: &str) -> Result<(), Exit> {
        let path = &self.configuration;
        if !self.is_shipped() {
            return make(path, 0o644, toml.as_bytes());
        }
        // In one step, so that there is a whole configuration at each moment.
        let beside = path.with_extension("toml.new");
        make(&beside, 0o644, toml.as_bytes())?;
        fs::rename(&beside, path).map_err(|error| {
            drop(fs::remove_file(&beside));
            new_file::unwritten(path, &error)
        })
    }
}

/// Makes a file that is not there yet, as a whole or not at all.
fn make(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), Exit> {
    let mut file = new_file::create(path, mode)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(|error| {
        drop(fs::remove_file(path));
        new_file::unwritten(path, &error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_package_put_there_is_replaced_and_what_a_person_wrote_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("trial.toml");
        let files = Files::of(&file);
        let secret = Secret::new("p".to_owned());
        fs::write(&file, SHIPPED).unwrap();
        files.expect_free().map_err(|_| ()).unwrap();
        files.write("# new\n", &secret).map_err(|_| ()).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "# new\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        fs::remove_file(files.password()).unwrap();
        assert!(files.expect_free().is_err());
        // Even where somebody writes it at the last moment: the password goes again.
        assert!(files.write("# other\n", &secret).is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "# new\n");
        assert!(!files.password().exists());
    }

    #[test]
    fn no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("trial.toml");
        let target = folder.path().join("target");
        let files = Files::of(&file);
        for link in [&file, &files.password().to_owned()] {
            std::os::unix::fs::symlink(&target, link).unwrap();
            assert!(files.expect_free().is_err());
            assert!(files.write("# new\n", &Secret::new("p".to_owned())).is_err());
            assert!(!target.exists());
            fs::remove_file(link).unwrap();
        }
    }
}
