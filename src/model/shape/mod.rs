//! The model as something to read with SQL: which tables (or views) there are, and which columns. Pure.
//!
//! [`MirrorShape::grown`] makes the next shape of what was published before and of what is known now.
//! Names are as in the vendor's snapshot tables:
//!
//! | part | named | columns |
//! | --- | --- | --- |
//! | [`ShapedPart::Main`] | like the repository, or `repository_<id>` | [`INTERNAL_RECORD_ID`], and one for each relational attribute |
//! | [`ShapedPart::Language`] | `<main>_<language>` | the same, for attributes that come in several languages |
//! | [`ShapedPart::KeyValues`] | `<main>_KV` | [`KEY_VALUE_COLUMNS`]: a row for each value of an attribute without a column |
//! | [`ShapedPart::CodeSet`] | like the code set | [`CODE_COLUMNS`] |
//! | [`ShapedPart::Link`] | like the link, or `link_<id>` | [`LINK_COLUMNS`]: a row for each pair of items that belong together |
//!
//! What holds, and is tested as a property:
//!
//! - a shape only grows: each view of the one before is there, in its place, and so is each of its
//!   columns. An attribute that is called otherwise gets another column at the end, and one that is gone
//!   keeps its own; a repository that is called otherwise gets views of its new name;
//! - no two views are equal without regard to case, nor two columns of one; none is a name of ours or of
//!   the database's; each is of 1 to 63 bytes without control characters;
//! - each attribute has a column in the views of the repository's name of today, or is one of
//!   [`MirrorShape::key_value_attributes`].
//!
//! Who makes real tables of it starts from the shape that the mirror has published, or else from the
//! empty one, takes [`MirrorShape::current`] for the tables and their columns, and
//! [`MirrorShape::key_value_attributes`], [`codes`] and [`MirrorShape::links`] for what stands in the rest.
//!
//! | file | does |
//! | --- | --- |
//! | `mirror_shape` | the shape, how it grows, and what can be asked of it |
//! | `shaped_view` | one view of it, and its columns |
//! | `placement` | which attribute belongs where: main, language, or key and value |
//! | `view_names` | what a view may be called, and what not |
//! | `linked` | what a link joins |

mod linked;
mod mirror_shape;
mod placement;
mod shaped_view;
#[cfg(test)]
mod tests;
mod view_names;

pub use linked::ShapedLink;
pub use mirror_shape::{
    CODE_COLUMNS, INTERNAL_RECORD_ID, KEY_VALUE_COLUMNS, LINK_COLUMNS, MirrorShape, codes,
};
pub use shaped_view::{ShapedColumn, ShapedPart, ShapedView};
