//! Why a mirror could not be opened, read or written: what kind of failure, in the store's own words,
//! and what the operator can do.

use std::error::Error;
use std::fmt;

/// What kind of failure it is, whatever the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MirrorErrorKind {
    /// The store said no, or cannot be reached; the next try may succeed.
    Unavailable,
    /// There is no room.
    Full,
    /// It can be read and not written: a standby, for instance.
    ReadOnly,
    /// Another program keeps it locked.
    Locked,
    /// Another daemon writes it.
    InUse,
    /// The lease that it was written under is another daemon's now, or nobody's.
    Fenced,
    /// What is in it makes no sense.
    Damaged,
    /// It is not the one that was opened.
    Replaced,
    /// Nothing is written until the reader of an old state lets go of it.
    Blocked,
    /// The thread that writes has ended.
    Closed,
    /// There is none.
    Missing,
    /// Something else is in its place.
    Foreign,
    /// A later version has written it.
    Newer,
    /// An earlier version has written it, and only the daemon may bring it up to date.
    Older,
    /// It is to be the target of a transfer, and something is in it.
    NotEmpty,
    /// It is the target of a transfer that was not finished.
    Unfinished,
    /// Changes were asked for that have been dropped.
    Dropped,
    /// Changes were asked for that come after one which has not come.
    Ahead,
    /// It is not in the state that its writer left it in, and must be loaded anew.
    Regressed,
}

/// A mirror that could not be opened, read or written.
pub struct MirrorError {
    kind: MirrorErrorKind,
    remedy: &'static str,
    /// The store's own error, in whose words this one speaks.
    detail: Box<dyn Error + Send + Sync>,
}

impl MirrorError {
    /// A failure that speaks in the words of `detail`.
    pub fn new(
        kind: MirrorErrorKind,
        remedy: &'static str,
        detail: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { kind, remedy, detail: detail.into() }
    }

    /// What kind of failure it is.
    #[cfg(test)]
    pub fn kind(&self) -> MirrorErrorKind {
        self.kind
    }

    /// Whether no other try can help: the mirror is not what it was, or not one that this program may write.
    pub fn is_final(&self) -> bool {
        matches!(
            self.kind,
            MirrorErrorKind::Damaged
                | MirrorErrorKind::Replaced
                | MirrorErrorKind::Foreign
                | MirrorErrorKind::Newer
                | MirrorErrorKind::Unfinished
        )
    }

    /// Whether the next try may succeed by itself: the store said no, could not be reached, or was locked.
    pub fn may_pass(&self) -> bool {
        matches!(self.kind, MirrorErrorKind::Unavailable | MirrorErrorKind::Locked)
    }

    /// Whether changes were asked for that have been dropped.
    pub fn is_dropped(&self) -> bool {
        self.kind == MirrorErrorKind::Dropped
    }

    /// Whether changes were asked for that come after one which has not come.
    pub fn is_ahead(&self) -> bool {
        self.kind == MirrorErrorKind::Ahead
    }

    /// Whether nothing more can be written by this writer: another daemon has the lease by now, or
    /// nobody, or the database is older than what the writer knows.
    pub fn ends_writer(&self) -> bool {
        matches!(self.kind, MirrorErrorKind::Fenced | MirrorErrorKind::Regressed)
    }

    /// Whether another daemon has the lease by now, or nobody: no fault of anything.
    pub fn is_fenced(&self) -> bool {
        self.kind == MirrorErrorKind::Fenced
    }

    /// What the operator can do.
    pub fn remedy(&self) -> &'static str {
        self.remedy
    }
}

impl fmt::Debug for MirrorError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}: {:?}", self.kind, self.detail)
    }
}

impl fmt::Display for MirrorError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.detail.fmt(formatter)
    }
}

impl Error for MirrorError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.detail.source()
    }
}
