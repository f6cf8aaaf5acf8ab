//! Commands for a shell, as far as the documentation has them: which of them call ewmirror, with what.

use std::process::Command;

/// The arguments of each call of ewmirror in these lines.
pub(crate) fn commands(lines: &[String]) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    let mut document: Option<String> = None;
    for line in lines {
        if let Some(end) = &document {
            if line == end {
                document = None;
            }
            continue;
        }
        document = line.split_once("<<").map(|(_, end)| end.trim().to_owned());
        let mut words = words(line).into_iter().peekable();
        while words.peek().is_some() {
            let command: Vec<_> =
                words.by_ref().take_while(|word| word != "&&" && word != "|").collect();
            commands.extend(arguments(&command));
        }
    }
    commands
}

/// The texts that these lines write to files.
pub(crate) fn documents(lines: &[String]) -> Vec<String> {
    let mut documents = Vec::new();
    let mut rest = lines.iter();
    while let Some(line) = rest.next() {
        if let Some((_, end)) = line.split_once("<<") {
            let lines: Vec<_> =
                rest.by_ref().take_while(|line| *line != end.trim()).cloned().collect();
            documents.push(lines.join("\n"));
        }
    }
    documents
}

/// What ewmirror is called with, if this is a call of it.
fn arguments(command: &[String]) -> Option<Vec<String>> {
    let mut words = command.iter().map(String::as_str).skip_while(|word| *word == "sudo");
    let rest: Vec<&str> = match words.next()? {
        "ewmirror" => words.collect(),
        "cargo" if words.clone().next() == Some("run") => {
            words.skip_while(|it| *it != "--").skip(1).collect()
        }
        _ => return None,
    };
    let end = rest.iter().position(|word| word.starts_with('>')).unwrap_or(rest.len());
    Some(rest[..end].iter().map(|word| (*word).to_owned()).collect())
}

/// A line in words, up to its comment; quotes are taken off, and what they would run is `0`.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in line.chars() {
        match (quote, letter) {
            (None, '#') if word.is_none() => break,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (Some(open), close) if open == close => quote = None,
            (None, blank) if blank.is_whitespace() => words.extend(word.take()),
            (_, letter) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words.iter().map(|word| if word.starts_with("$(") { "0" } else { word }.to_owned()).collect()
}

/// Whether the program understands these arguments; of a `whole` command nothing may be missing.
pub(crate) fn try_out(arguments: &[String], whole: bool) -> Result<(), String> {
    // Help comes last, so that everything before it is read.
    let mut command = Command::new(env!("CARGO_BIN_EXE_ewmirror"));
    let output = command.env_clear().args(arguments).arg("--help").output();
    let output = output.expect("the program starts");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let help = String::from_utf8_lossy(&output.stdout);
    let usage = help.lines().find(|line| line.starts_with("Usage: ")).unwrap_or_default();
    let required = usage.split_whitespace().filter(|word| word.starts_with("--"));
    let missing: Vec<_> = required.filter(|flag| !arguments.iter().any(|it| it == flag)).collect();
    if whole && !missing.is_empty() {
        return Err(format!("{} is missing", missing.join(", ")));
    }
    Ok(())
}
