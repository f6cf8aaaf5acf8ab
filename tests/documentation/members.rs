//! The members of a JSON document, read from the types that are written as it.

/// The path of each member of the type of this name, those of the types within it included.
pub(crate) fn of(name: &str, sources: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for (member, kind) in fields(name, sources).expect("the document has a type") {
        paths.push(member.clone());
        let within = kind.trim_end_matches('>').rsplit('<').next().unwrap_or_default();
        let each = if kind.contains("Vec<") { "[]" } else { "" };
        for path in fields(within, sources).map(|_| of(within, sources)).unwrap_or_default() {
            paths.push(format!("{member}{each}.{path}"));
        }
    }
    paths
}

/// The public fields of a struct, each with its type; nothing where there is no such struct.
fn fields(name: &str, sources: &str) -> Option<Vec<(String, String)>> {
    let head = format!("pub struct {name} {{");
    let body = sources.split(&head).nth(1)?.split("\n}").next()?;
    let fields = body.lines().filter_map(|line| line.trim().strip_prefix("pub "));
    let fields = fields.filter_map(|field| field.trim_end_matches(',').split_once(": "));
    Some(fields.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect())
}
