//! `ewmirror completions` and `ewmirror man`: what packages ship, made from the one definition of
//! the commands.
//!
//! The manual page has every command in it: pages of their own, which it could point to, are not
//! shipped.

use std::io;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

/// The completion script of a shell.
pub(super) fn completions(shell: Shell, mut command: Command) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "ewmirror", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// A section of entries: what each is about, and what there is to say of it.
type ManSection = (&'static str, &'static [(&'static str, &'static str)]);

/// What no definition of a command says.
const SECTIONS: [ManSection; 5] = [
    (
        "EXIT STATUS",
        &[
            ("0", "Done. A reader of stdout who has had enough is a normal end."),
            (
                "1",
                "Failed at work: a repository was not read, the daemon does not run or something is \
                 wrong with it, an item is not there.",
            ),
            ("2", "Wrong usage or configuration. Under systemd the daemon is not tried again."),
        ],
    ),
    (
        "SIGNALS",
        &[
            (
                "SIGTERM, SIGINT",
                "End in order, within 5 seconds: finish the pages under way, commit, log out. A \
                 second one ends at once.",
            ),
            (
                "SIGHUP",
                "Read the configuration again; paging goes on where it was. A faulty file is told \
                 of and changes nothing; [mirror], [instance], status.listen and log.format wait for \
                 a restart.",
            ),
            ("SIGUSR1", "Start the next pass now."),
        ],
    ),
    (
        "ENVIRONMENT",
        &[
            (
                "EWMIRROR_SECTION__KEY",
                "Sets a key outside [[repository]], before the file: EWMIRROR_SERVER__URL for \
                 server.url, EWMIRROR_LOGIN__PASSWORD for the password.",
            ),
            ("EWMIRROR_CONFIG", "Names the configuration file where --config does not."),
            ("NO_COLOR", "Set to anything: no colours."),
            ("TERM", "Set to dumb: no colours, and no progress bars."),
        ],
    ),
    (
        "FILES",
        &[
            ("/etc/ewmirror/ewmirror.toml", "The configuration; see ewmirror.toml(5)."),
            (
                "/etc/ewmirror/password",
                "The password, which the unit hands to the daemon as a credential.",
            ),
            (
                "/etc/ewmirror/NAME.toml, /etc/ewmirror/NAME.password",
                "The same for the unit ewmirror@NAME.",
            ),
            (
                "/var/lib/ewmirror/mirror.db",
                "The mirror, for root alone, with its WAL mirror.db-wal and its lock \
                 mirror.db.lock. The template's is in /var/lib/ewmirror-NAME.",
            ),
            (
                "/run/ewmirror/control.sock",
                "The socket at which status and doctor ask the daemon; /run/ewmirror-NAME/control.sock \
                 for ewmirror@NAME. Another stands beside the database, as mirror.db.sock.",
            ),
            (
                "/usr/share/doc/ewmirror/README.md, /usr/share/doc/ewmirror/docs/",
                "The first page, and the documentation to look things up in.",
            ),
        ],
    ),
    (
        "EXAMPLES",
        &[
            ("ewmirror demo", "Shows the daemon at work, without a server or a configuration."),
            ("sudo ewmirror doctor", "Says what is wrong, and what to do."),
            (
                "sudo ewmirror export --repository 10149 --sequence-file seq > items.ndjson",
                "Every item as of one instant, and the sequence of that instant.",
            ),
            (
                "sudo ewmirror changes --repository 10149 --after \"$(cat seq)\" --follow",
                "All changes since that export, and those to come.",
            ),
            (
                "sudo ewmirror approve-deletes --repository 10149 --list",
                "The deletions that were held back because they were too many.",
            ),
            (
                "sudo ewmirror diff --repository 10149 --from 2h",
                "What became of the items in the last two hours.",
            ),
            (
                "sudo ewmirror digest --repository 10149",
                "Sequence, number and digest of the items, to compare a copy with.",
            ),
            (
                "sudo ewmirror snapshot products.db",
                "All repositories in one SQLite file, with tables of names, for other people's tools.",
            ),
            (
                "sudo ewmirror move --to sqlite:///srv/ewmirror/mirror.db",
                "The whole mirror in another place, while the daemon is stopped.",
            ),
            (
                "sudo ewmirror --config /etc/ewmirror/eu.toml status",
                "How the daemon of ewmirror@eu stands.",
            ),
        ],
    ),
];

/// The manual page, in roff.
pub(super) fn man(mut command: Command) -> io::Result<String> {
    command.build();
    let mut page = Vec::new();
    let man = Man::new(command.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    roff.to_writer(&mut page)?;
    for subcommand in command.get_subcommands_mut().filter(|it| it.get_name() != "help") {
        page.extend_from_slice(of_command(subcommand)?.as_bytes());
    }
    let mut roff = Roff::new();
    for (title, entries) in SECTIONS {
        roff.control("SH", [title]);
        for (about, words) in entries {
            roff.control("TP", []);
            roff.text([bold(*about)]);
            roff.text([roman(*words)]);
        }
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.text(see_also());
    roff.to_writer(&mut page)?;
    man.render_version_section(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// Pages that are there where this one is: ours, and those of systemd.
fn see_also() -> Vec<Inline> {
    let pages = [("ewmirror.toml", "(5), "), ("journalctl", "(1), "), ("systemctl", "(1)")];
    pages.into_iter().flat_map(|(name, section)| [bold(name), roman(section)]).collect()
}

/// What there is to say of one command, as a part of a section.
fn of_command(command: &mut Command) -> io::Result<String> {
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").to_owned();
    let mut head = Roff::new();
    head.control("SS", [usage.as_str()]);
    if let Some(about) = command.get_long_about().or_else(|| command.get_about()) {
        head.text([roman(about.to_string())]);
    }
    let mut options = Vec::new();
    // Those that every command has are told once, above.
    let own = command.clone().mut_args(|argument| match argument.get_id().as_str() {
        "config" | "help" => argument.hide(true),
        _ => argument,
    });
    Man::new(own).render_options_section(&mut options)?;
    let options = String::from_utf8_lossy(&options).replace(".SH OPTIONS\n", "");
    let mut tail = Roff::new();
    if let Some(more) = command.get_after_help() {
        tail.control("PP", []);
        tail.control("nf", []);
        tail.text(
            more.to_string().lines().flat_map(|it| [roman(it), roman("\n")]).collect::<Vec<_>>(),
        );
        tail.control("fi", []);
    }
    Ok(head.render() + &options + &tail.render())
}
