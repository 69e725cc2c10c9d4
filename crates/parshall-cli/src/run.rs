//! `parshall run`: a program with small channels.

use std::io::{self, ErrorKind};
use std::process::Command;

use crate::args::Run;
use crate::failure::{Exit, Failure};

/// Read by parshall's feature `testing`.
const SQUEEZE: &str = "PARSHALL_SQUEEZE";

/// Becomes the command, so that signals and the exit code are its own.
pub(crate) fn run(run: &Run) -> Result<Exit, Failure> {
    let [program, arguments @ ..] = &run.command[..] else {
        return Err(Failure::Usage("a command is expected after `--`".into()));
    };
    let mut command = Command::new(program);
    command.args(arguments).env(SQUEEZE, run.squeeze.to_string());
    let error = become_it(&mut command);
    let program = program.display();
    Err(match error.kind() {
        ErrorKind::NotFound => Failure::Usage(format!("{program}: there is no such command")),
        ErrorKind::PermissionDenied => Failure::Usage(format!("{program}: may not be run")),
        _ => Failure::System("cannot run the command", error),
    })
}

/// Returns only if it cannot.
#[cfg(unix)]
fn become_it(command: &mut Command) -> io::Error {
    std::os::unix::process::CommandExt::exec(command)
}

/// Where a process cannot become another, it waits for it.
#[cfg(not(unix))]
fn become_it(command: &mut Command) -> io::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => error,
    }
}
