//! Completions for shells, and the man page.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Args;
use crate::failure::{Exit, Failure};
use crate::terminal::print;

/// Whoever packages `parshall` puts this where the shell looks.
pub(crate) fn completions(shell: Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "parshall", &mut script);
    print(&script)?;
    Ok(Exit::Well)
}

/// One page with all commands.
pub(crate) fn man() -> Result<Exit, Failure> {
    let mut page = Vec::new();
    let mut command = Args::command();
    command.build();
    let whole = clap_mangen::Man::new(command.clone());
    whole.render_title(&mut page)?;
    whole.render_name_section(&mut page)?;
    whole.render_synopsis_section(&mut page)?;
    whole.render_description_section(&mut page)?;
    whole.render_options_section(&mut page)?;
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        if command.get_name() == "help" {
            continue;
        }
        let name = format!("parshall {}", command.get_name());
        writeln!(page, ".SH \"{}\"", name.to_uppercase())?;
        let man = clap_mangen::Man::new(command.clone());
        man.render_synopsis_section(&mut page)?;
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
    }
    whole.render_extra_section(&mut page)?;
    print(&page)?;
    Ok(Exit::Well)
}
