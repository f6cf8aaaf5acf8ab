//! RFC 4180, read strictly.

/// The records of a text; `None` where it is no csv.
pub fn read(text: &str) -> Option<Vec<Vec<String>>> {
    let mut records = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut record = Vec::new();
        loop {
            let field;
            (field, rest) = if let Some(quoted) = rest.strip_prefix('"') {
                inside(quoted)?
            } else {
                bare(rest)?
            };
            record.push(field);
            if let Some(after) = rest.strip_prefix(',') {
                rest = after;
            } else {
                rest = rest.strip_prefix("\r\n")?;
                break;
            }
        }
        records.push(record);
    }
    Some(records)
}

/// A field in quotes, its first one taken, and what comes after it.
fn inside(text: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"')?;
        field.push_str(before);
        match after.strip_prefix('"') {
            Some(after) => {
                field.push('"');
                rest = after;
            }
            None => return Some((field, after)),
        }
    }
}

/// A field without quotes, and what comes after it.
fn bare(text: &str) -> Option<(String, &str)> {
    let (field, rest) = text.split_at(text.find([',', '\r', '\n', '"'])?);
    Some((field.to_owned(), rest))
}
