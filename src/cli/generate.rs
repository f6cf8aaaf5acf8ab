//! `ewmirror completions` and `ewmirror man`: what packages ship, made from the one definition of
//! the commands.

use std::io;

use clap::Command;
use clap_complete::Shell;

/// The completion script of a shell.
pub(super) fn completions(shell: Shell, mut command: Command) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "ewmirror", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The manual page, in roff: the program's own, then one section after another its commands'.
pub(super) fn man(command: Command) -> io::Result<String> {
    let mut page = Vec::new();
    let subcommands: Vec<Command> = command.get_subcommands().cloned().collect();
    clap_mangen::Man::new(command).render(&mut page)?;
    for subcommand in subcommands {
        let title = format!(".SH \"EWMIRROR {}\"\n", subcommand.get_name().to_uppercase());
        page.extend_from_slice(title.as_bytes());
        let man = clap_mangen::Man::new(subcommand);
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
    }
    Ok(String::from_utf8_lossy(&page).into_owned())
}
