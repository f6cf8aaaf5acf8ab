//! From a file and the environment to a [`Config`], or to everything that is wrong with it.

use std::path::Path;

use super::feed_rules;
use super::rules;
use super::table::SCHEMA;
use super::whole::{Config, QueryConfig};
use crate::settings::document::{Document, LineIndex};
use crate::settings::environment::Environment;
use crate::settings::error::{ConfigError, ConfigErrors, Warning};
use crate::settings::merge::merge;
use crate::settings::parser::{ParseResult, Parser, Reported};
use crate::settings::secrets::SecretSource;
use crate::settings::trusted_file;

/// The largest file read, in bytes: a thousand repositories fit, and it ends the reading of a
/// device.
const LARGEST_FILE: usize = 1 << 20;

/// A configuration that holds, and what an operator should know of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What works but should be known, in a stable order.
    pub warnings: Vec<Warning>,
}

/// Loads a file: built-in defaults, then the file, then the environment.
///
/// A key is set by the variable `EWMIRROR_`, its section, two underscores and its name, all in
/// upper case: `EWMIRROR_PAGING__PAGE_SIZE`. Repositories stand in the file only.
pub fn load(file: &Path, environment: &Environment) -> Result<Loaded, ConfigErrors> {
    let (text, name) = text_of(file)?;
    load_text(&text, &name, &environment.clone().with_unit_of(file))
}

/// Loads a text in place of a file; `name` is what errors call it.
pub fn load_text(
    toml: &str,
    name: &str,
    environment: &Environment,
) -> Result<Loaded, ConfigErrors> {
    let mut parser = parser(toml, name, environment)?;
    rules::find_secrets(&mut parser, environment);
    rules::check_searches(&mut parser);
    let config = Config::parse(&mut parser);
    rules::check_login(&mut parser);
    rules::check(&mut parser);
    if let Ok(config) = &config {
        rules::warn(&mut parser, config);
    }
    let (config, warnings) = parser.finish(config)?;
    Ok(Loaded { config, warnings })
}

/// Loads what it takes to ask a mirror, so that an account that may read the mirror can,
/// without the password of the server's user. Keys must exist, as everywhere; of their values only those that are needed are parsed.
pub fn load_for_queries(
    file: &Path,
    environment: &Environment,
) -> Result<QueryConfig, ConfigErrors> {
    let mut parser = parser_of(file, environment)?;
    let config = query(&mut parser, &environment.clone().with_unit_of(file));
    // Warnings are the daemon's to tell.
    parser.finish(config).map(|(config, _)| config)
}

/// The same of a configuration that may have errors elsewhere; `None` where those parts have some.
pub fn load_for_queries_leniently(file: &Path, environment: &Environment) -> Option<QueryConfig> {
    let environment = environment.clone().with_unit_of(file);
    query(&mut parser_of(file, &environment).ok()?, &environment).ok()
}

/// Where `login.password` would be taken from, faulty or not; `None` where nobody gives one or the
/// file is none at all.
pub fn password_source(file: &Path, environment: &Environment) -> Option<SecretSource> {
    let parser = parser_of(file, environment).ok()?;
    let environment = environment.clone().with_unit_of(file);
    rules::password(&environment).source(&parser, &environment)
}

fn query(parser: &mut Parser, environment: &Environment) -> ParseResult<QueryConfig> {
    rules::check_searches(parser);
    let errors = parser.error_count();
    rules::find_mirror_password(parser, environment);
    let config = QueryConfig::parse(parser);
    // Nobody has looked for them.
    feed_rules::leave_out_secrets(parser);
    rules::check(parser);
    if parser.error_count() > errors { Err(Reported) } else { config }
}

fn parser_of(file: &Path, environment: &Environment) -> Result<Parser, ConfigErrors> {
    let (text, name) = text_of(file)?;
    parser(&text, &name, environment)
}

fn parser(toml: &str, name: &str, environment: &Environment) -> Result<Parser, ConfigErrors> {
    Ok(merge(SCHEMA, Document::parse(toml, name)?, environment))
}

/// The text of a file, and what errors call it.
fn text_of(file: &Path) -> Result<(String, String), ConfigErrors> {
    let name = file.display().to_string();
    let hint = "name the configuration file with --config FILE or in EWMIRROR_CONFIG";
    let bytes = trusted_file::read(file, LARGEST_FILE, hint)
        .map_err(|found| ConfigError::of_file(&name, None, found.error, found.hint))?;
    let bytes = trusted_file::without_mark(&bytes);
    match str::from_utf8(bytes) {
        Ok(text) => Ok((text.to_owned(), name)),
        Err(error) => {
            let valid =
                String::from_utf8_lossy(bytes.get(..error.valid_up_to()).unwrap_or_default());
            let location = LineIndex::of(&valid).location(valid.len());
            let hint = "save the file as UTF-8";
            Err(ConfigError::of_file(&name, Some(location), "is not UTF-8", hint).into())
        }
    }
}
