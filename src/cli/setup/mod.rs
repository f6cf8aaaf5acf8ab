//! `ewmirror setup`: asks what a daemon needs to know, tries it, and writes the configuration.
//!
//! Guarantees: it asks a person at a terminal, and takes nothing from the command line; the password is not
//! shown; one login is tried, because accounts get locked; nothing is written before all has been tried, and
//! nothing that a person wrote is overwritten.

mod dialog;
mod files;

use std::io;
use std::path::Path;

use self::dialog::{Dialog, Terminal};
use self::files::Files;
use super::repositories::table;
use super::{Exit, daemon, online, output};
use crate::client::{Api as _, Client, ListedRepository};
use crate::config::{self, Config, ConfigErrors, Environment, Secret};
use crate::domain::RepositoryId;
use crate::learn::{self, LearnTarget, Learned};

/// What the configuration is called in errors about what was typed.
const TYPED: &str = "what you typed";
/// How often a question is asked again.
const TRIES: usize = 3;
/// Stands for the repositories until they are asked for.
const ANY: RepositoryId = RepositoryId(1);
/// The variable that the password is handed over in, within this process.
const PASSWORD: &str = "EWMIRROR_LOGIN__PASSWORD";

/// Asks, tries and writes.
pub(super) fn run(file: &Path, environment: &Environment) -> Exit {
    let files = Files::of(file);
    let Some(mut terminal) = Terminal::of_person() else {
        return Exit::Wrong(format!(
            "setup asks questions, and nobody is at a terminal; without it, write {} with server.url, \
             login.username and [[repository]] sections, and the password into {} with mode 0600",
            file.display(),
            files.password().display()
        ));
    };
    match set_up(&mut terminal, &files, environment) {
        Ok(()) => Exit::Done,
        Err(exit) => exit,
    }
}

/// What was answered.
struct Answers {
    /// The sections of the server and the login, without the password.
    toml: String,
    /// With the password.
    environment: Environment,
    password: Secret,
}

impl Answers {
    /// The configuration that they make with sections of repositories.
    fn with(&self, sections: &str) -> Result<Config, ConfigErrors> {
        let toml = format!("{}\n{sections}", self.toml);
        Ok(config::load_text(&toml, TYPED, &self.environment)?.config)
    }
}

fn set_up(dialog: &mut impl Dialog, files: &Files, environment: &Environment) -> Result<(), Exit> {
    // Before anything is asked: answers must not be lost for a file that is there.
    files.expect_free()?;
    let answers = ask_server(dialog, environment)?;
    let config = answers.with(&section(ANY)).map_err(|errors| unfit(&errors))?;
    let client = Client::new(&daemon::settings(&config, &answers.environment))
        .map_err(|error| Exit::Failed(output::chain(&error)))?;
    let runtime = daemon::runtime()?;
    let sections = runtime.block_on(async {
        let session = online::sign_in(&client).await.map_err(|failure| online::failed(&failure))?;
        let sections = async {
            let list = client.repositories(&session.credentials().await).await;
            let offered = list.map_err(|failure| online::failed(&failure))?.repositories;
            let chosen = choose(dialog, offered)?;
            let sections: String = chosen.iter().copied().map(section).collect();
            let config = answers.with(&sections).map_err(|errors| unfit(&errors))?;
            let targets: Vec<LearnTarget> =
                config.repositories.iter().map(LearnTarget::of).collect();
            dialog.tell(
                "Looking at how the server behaves, with one request a second at the most.\n",
            );
            let told = |part: &str| dialog.tell(&format!("looking at {part}\n"));
            let learned = learn::learn(&client, &session, &targets, learn::PACE, told).await;
            let Learned { report, local } = learned;
            dialog.tell(&format!("\n{}\n", learn::summary(&report)));
            let looked_at = learn::proposal(&targets, &report, &local);
            let left = chosen.iter().skip(report.repositories.len()).copied();
            Ok(looked_at + &left.map(section).collect::<String>())
        }
        .await;
        online::sign_out(&client, &session).await;
        sections
    })?;
    runtime.shutdown_background();
    answers.with(&sections).map_err(|errors| unfit(&errors))?;
    let Answers { toml, password, .. } = answers;
    files.write(&format!("{toml}{}\n{sections}", password_line(files)), &password)?;
    let command = output::command_line(files.configuration());
    dialog.tell(&format!(
        "Wrote {} and {}.\nNow try it: {}\n",
        files.configuration().display(),
        files.password().display(),
        command.with(["check", "--online"])
    ));
    Ok(())
}

/// Asks for the server and the login until they can be a configuration.
fn ask_server(dialog: &mut impl Dialog, environment: &Environment) -> Result<Answers, Exit> {
    for _ in 0..TRIES {
        let url = asked(dialog.ask("The server's URL, such as https://enterworks.example.com: "))?;
        let user = asked(dialog.ask("The user that ewmirror signs in as: "))?;
        let password = asked(dialog.ask_secret("The password (not shown): "))?;
        let toml = format!(
            "# Made by `ewmirror setup`. ewmirror.toml(5) has every key.\n\n[server]\nurl = {}\n\n\
             [login]\nusername = {}\n",
            learn::quoted(url.trim()),
            learn::quoted(user.trim())
        );
        let environment = environment.clone().with(PASSWORD, &password);
        let answers = Answers { toml, environment, password: Secret::new(password) };
        match answers.with(&section(ANY)) {
            Ok(_) => return Ok(answers),
            Err(errors) => dialog.tell(&format!("{errors}\n")),
        }
    }
    Err(Exit::Failed("that can be no configuration; nothing was written".to_owned()))
}

/// The line that says where the password is, where no unit knows it by itself.
fn password_line(files: &Files) -> String {
    if files.unit_has_password() {
        return String::new();
    }
    format!("password_file = {}\n", learn::quoted(&files.password().to_string_lossy()))
}

fn unfit(errors: &ConfigErrors) -> Exit {
    Exit::Failed(errors.to_string())
}

fn section(id: RepositoryId) -> String {
    format!("[[repository]]\nid = {id}\n\n")
}

/// Shows what there is, and asks which of it.
fn choose(
    dialog: &mut impl Dialog,
    offered: Vec<ListedRepository>,
) -> Result<Vec<RepositoryId>, Exit> {
    if offered.is_empty() {
        let message = "the server offers no repository to this user; nothing was written";
        return Err(Exit::Failed(message.to_owned()));
    }
    let ids: Vec<RepositoryId> = offered.iter().map(|repository| repository.id).collect();
    dialog.tell(&format!("\n{}\n", table(offered, &[])));
    for _ in 0..TRIES {
        let answer =
            asked(dialog.ask("Which ones: their numbers, with commas between them, or all: "))?;
        match chosen(&answer, &ids) {
            Ok(chosen) => return Ok(chosen),
            Err(fault) => dialog.tell(&format!("{fault}\n")),
        }
    }
    Err(Exit::Failed("no repository was chosen; nothing was written".to_owned()))
}

/// The repositories that an answer names.
fn chosen(answer: &str, offered: &[RepositoryId]) -> Result<Vec<RepositoryId>, String> {
    if answer.trim().eq_ignore_ascii_case("all") {
        return Ok(offered.to_vec());
    }
    let mut chosen = Vec::new();
    for word in answer.split([',', ' ']).filter(|word| !word.is_empty()) {
        let id = word.parse().ok().map(RepositoryId).filter(|id| offered.contains(id));
        let word = output::visible(word);
        let id = id.ok_or_else(|| format!("\"{word}\" is no number of the list"))?;
        if !chosen.contains(&id) {
            chosen.push(id);
        }
    }
    if chosen.is_empty() { Err("write at least one number, or all".to_owned()) } else { Ok(chosen) }
}

fn asked(answer: io::Result<String>) -> Result<String, Exit> {
    answer.map_err(|error| Exit::Failed(format!("no answer: {error}; nothing was written")))
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::simulator::{self, Options, RepositoryOptions};

    /// A person who answers this, and what that person was told.
    struct Scripted {
        answers: VecDeque<String>,
        told: String,
    }

    impl Dialog for Scripted {
        fn ask(&mut self, question: &str) -> io::Result<String> {
            self.told += question;
            self.answers.pop_front().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
        }

        fn ask_secret(&mut self, question: &str) -> io::Result<String> {
            self.ask(question)
        }

        fn tell(&mut self, text: &str) {
            self.told += text;
        }
    }

    fn scripted(answers: &[&str]) -> Scripted {
        let answers = answers.iter().map(|answer| (*answer).to_owned()).collect();
        Scripted { answers, told: String::new() }
    }

    /// A look-alike in a runtime of its own: what is tested has one, too.
    fn serving() -> (tokio::runtime::Runtime, simulator::Simulator) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let repositories =
            [7, 8].map(|id| RepositoryOptions { id, items: 20 }).into_iter().collect();
        let options = Options { repositories, ..Options::default() };
        let simulator = runtime.block_on(simulator::start(options)).unwrap();
        (runtime, simulator)
    }

    #[test]
    fn what_was_answered_is_tried_and_written_for_the_owner_alone() {
        let (_runtime, simulator) = serving();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("trial.toml");
        let files = Files::of(&file);
        let url = simulator.url();
        let answers = ["nonsense", "system", "system", &url, "system", "system", "9", "8"];
        let mut person = scripted(&answers);
        set_up(&mut person, &files, &Environment::empty()).map_err(|_| ()).unwrap();
        assert!(person.told.contains("Products 8"), "{}", person.told);
        assert!(person.told.contains("\"9\" is no number of the list"), "{}", person.told);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(files.password())), (0o644, 0o600));
        assert_eq!(fs::read_to_string(files.password()).unwrap(), "system\n");
        let config::Loaded { config, .. } = config::load(&file, &Environment::empty()).unwrap();
        assert_eq!(config.repositories.len(), 1);
        assert_eq!(config.repositories[0].id, RepositoryId(8));
        assert_eq!(config.login.password.expose(), "system");
        let toml = fs::read_to_string(&file).unwrap();
        assert!(toml.contains("page_size = "), "{toml}");

        let mut again = scripted(&answers);
        let refused = set_up(&mut again, &files, &Environment::empty());
        assert!(matches!(refused, Err(Exit::Failed(why)) if why.contains("trial.toml")));
        assert_eq!(again.told, "");
        assert_eq!(fs::read_to_string(&file).unwrap(), toml);
    }

    #[test]
    fn a_wrong_password_is_tried_once_and_nothing_is_written() {
        let (_runtime, simulator) = serving();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("trial.toml");
        let files = Files::of(&file);
        let mut person = scripted(&[&simulator.url(), "system", "wrong", "7"]);
        let failed = set_up(&mut person, &files, &Environment::empty());
        assert!(matches!(failed, Err(Exit::Failed(why)) if why.contains("password")));
        assert_eq!(simulator.counts().failed_logins, 1);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_answer_names_repositories_of_the_list() {
        let offered = [RepositoryId(7), RepositoryId(8)];
        assert_eq!(chosen(" 8, 7,8", &offered), Ok(vec![RepositoryId(8), RepositoryId(7)]));
        assert_eq!(chosen("ALL", &offered), Ok(offered.to_vec()));
        for wrong in ["", ",", "9", "7 x"] {
            assert!(chosen(wrong, &offered).is_err(), "{wrong}");
        }
    }
}
