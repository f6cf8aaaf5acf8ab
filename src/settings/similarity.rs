//! Which of the names that are possible was meant by one that is not.

/// How alike two names must be, from 0 to 1, for one to be offered for the other: a letter or two
/// off, or a plural, but not merely the same length.
const LEAST_SIMILARITY: f64 = 0.6;

/// How much of a name must be there to count as its beginning, in bytes.
const BEGINNING: usize = 3;

/// The longest name compared: the comparison takes space by its length, and no key is that long.
const COMPARED_CHARACTERS: usize = 60;

/// Of the names that are possible, the one that was probably meant.
pub fn nearest<'a>(wrong: &str, possible: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong: String = wrong.chars().take(COMPARED_CHARACTERS).collect::<String>().to_lowercase();
    possible
        .into_iter()
        .map(|name| (name, similarity(&wrong, &name.to_lowercase())))
        .filter(|(_, similarity)| *similarity >= LEAST_SIMILARITY)
        .fold(None, |best: Option<(&str, f64)>, candidate| match best {
            Some(best) if best.1 >= candidate.1 => Some(best),
            _ => Some(candidate),
        })
        .map(|(name, _)| name)
}

fn similarity(a: &str, b: &str) -> f64 {
    let similarity = strsim::normalized_damerau_levenshtein(a, b);
    // The beginning of a name, or one spelt out, such as warning for warn.
    let begun = a.len().min(b.len()) >= BEGINNING && (a.starts_with(b) || b.starts_with(a));
    if begun { similarity.max(LEAST_SIMILARITY) } else { similarity }
}
