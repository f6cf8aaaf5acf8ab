//! The model: what is known of a repository's attributes, code sets, links and languages. Pure.
//!
//! How a server tells it is open, so that every reading here is tolerant: what can be understood is
//! taken, whatever the members are called and however they are nested, and what cannot is left out.
//! An attribute without a name keeps its field id. Nothing here changes a value of an item: a type is
//! carried as the text that it came as.
//!
//! | file | does |
//! | --- | --- |
//! | `repository_model` | the model itself, as it is kept |
//! | `answer` | members of an answer by any of their spellings; texts; where lists may stand |
//! | `attributes`, `code_sets`, `links` | what an answer says of each |
//! | `difference` | what has changed from one model to the next |
//! | `reading` | what to ask a server for, one request after the other |
//! | `names_file` | what a site says of its attributes in a file, which wins |
//! | `unique_names` | names that are never ambiguous |
//! | [`shape`] | which tables and columns a mirror is shown with in SQL |
//! | `naming` | from a field id to its name and back; from a code to its description |

mod answer;
mod attributes;
mod code_sets;
mod difference;
mod links;
mod names_file;
mod naming;
mod reading;
mod repository_model;
pub mod shape;
#[cfg(test)]
mod tests;
mod unique_names;

#[cfg(test)]
use attributes::AttributesAnswer;
pub use difference::ModelDifference;
pub use names_file::{NameRows, NamesFileFault};
pub use naming::Naming;
pub use reading::{MetadataReply, MetadataRequest, ModelRead, ModelReading, RawAnswer};
pub use repository_model::{Attribute, Code, LAST_UPDATED, RepositoryModel};
#[cfg(test)]
pub(crate) use repository_model::{CodeSet, LinkRelationship};
