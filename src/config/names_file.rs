//! `names_file`: what a site says of its attributes, read with the configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::{NameRows, NamesFileFault};
use crate::settings::codec::{Codec, Input, Parsed, invalid};
use crate::settings::trusted_file;

/// The largest file that is read, in bytes: 20,000 attributes fit.
const LARGEST: usize = 16 << 20;

/// A names file and what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct NamesFile {
    path: PathBuf,
    /// What it says.
    pub rows: Arc<NameRows>,
}

/// The path of a names file, which is read at once.
pub(super) const NAMES_FILE: Codec<NamesFile> =
    Codec::new(names_file, |file| file.path.display().to_string().into());

fn names_file(input: Input<'_>) -> Parsed<NamesFile> {
    const HINT: &str = "name a csv file with the header \"id,name,restricted_name,type,language,\
                        code_set\", or a JSON file with such members";
    let path = Path::new(input.text("\"/etc/ewmirror/products.csv\"")?).to_owned();
    let bytes = trusted_file::read_unlinked(&path, LARGEST, HINT)?;
    match NameRows::read(trusted_file::without_mark(&bytes)) {
        Ok(rows) => Ok(NamesFile { path, rows: Arc::new(rows) }),
        Err(NamesFileFault { place, error }) => {
            invalid(format!("cannot be used: {place} {error}"), HINT)
        }
    }
}
