//! What a pager has learnt of a repository's answers, as it outlives the process. Opaque to the mirror.
//!
//! It saves work and proves nothing: whatever is lost of it, or is older than what it stands beside,
//! costs the time of finding it out again. Its writer sees to it that what is damaged or does not fit is
//! found when it is read.

/// What is known of the answer to one page request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownAnswer {
    /// The page number, counted from 1.
    pub page: u64,
    /// The page size.
    pub size: u32,
    /// What the pager wrote down of it.
    pub bytes: Vec<u8>,
}

/// All that is kept of one repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Knowledge {
    /// What the server was found to do; `None`: nothing is known.
    pub habits: Option<Vec<u8>>,
    /// The answers, in the order of their page sizes and page numbers.
    pub answers: Vec<KnownAnswer>,
}

#[cfg(test)]
impl Knowledge {
    /// Becomes what is known from now on.
    pub(crate) fn take(&mut self, update: &KnowledgeUpdate) {
        let name = |answer: &KnownAnswer| (answer.page, answer.size);
        self.habits = update.habits.clone().or(self.habits.take());
        self.answers.retain(|answer| {
            !update.forgotten.contains(&name(answer))
                && !update.known.iter().any(|known| name(known) == name(answer))
        });
        self.answers.extend(update.known.iter().cloned());
        self.answers.sort_by_key(|answer| (answer.size, answer.page));
    }
}

/// What is to be known from now on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnowledgeUpdate {
    /// In place of what there was; `None`: as it was.
    pub habits: Option<Vec<u8>>,
    /// Each in place of what was known of the same page and page size.
    pub known: Vec<KnownAnswer>,
    /// Page numbers and page sizes of which nothing is to be known any more.
    pub forgotten: Vec<(u64, u32)>,
}

impl KnowledgeUpdate {
    /// Whether all stays as it was.
    pub fn is_empty(&self) -> bool {
        self.habits.is_none() && self.known.is_empty() && self.forgotten.is_empty()
    }
}
