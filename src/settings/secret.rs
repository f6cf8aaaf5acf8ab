//! A value that cannot be printed.

use std::fmt;
use std::sync::Arc;

/// What stands for a secret wherever something is shown.
pub const MASK: &str = "***";

/// A password or token. `Debug` says nothing of it, there is no `Display` and no `Serialize`; the
/// only way to the text is [`Secret::expose`], which is easy to search for.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Takes the text in.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the request that needs it and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}
