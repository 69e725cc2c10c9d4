//! The programs that run, and the one that is meant.

use std::cmp::Reverse;

use crate::address::Address;
use crate::args::Ask;
use crate::client::{Client, Hello};
use crate::discovery::{self, Found};
use crate::failure::{AskError, Exit, Failure};
use crate::terminal::{complain, line};

/// How many names an error lists.
const NAMES: usize = 8;

/// One that has answered.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) address: Address,
    pub(crate) hello: Hello,
}

impl Program {
    /// For messages.
    pub(crate) fn name(&self) -> String {
        format!("{} (pid {})", line(&self.hello.process, 40), self.hello.pid)
    }
}

/// All that were asked.
#[derive(Debug)]
pub(crate) struct Programs {
    /// The worst first, then by name.
    pub(crate) running: Vec<Program>,
    pub(crate) failed: Vec<(Address, AskError)>,
}

impl Programs {
    /// Asks those that were given, else all that are found. One that has ended and left its socket
    /// behind does not count, unless it was given.
    pub(crate) fn ask(ask: &Ask, client: &Client) -> Result<Self, Failure> {
        let given = !ask.at.is_empty();
        let found = if given {
            Found { addresses: ask.at.clone(), warnings: Vec::new() }
        } else {
            discovery::find()
        };
        found.warnings.iter().for_each(|warning| complain(warning));
        let answers = client.hello(&found.addresses);
        let (mut running, mut failed) = (Vec::new(), Vec::new());
        for (address, answer) in found.addresses.into_iter().zip(answers) {
            match answer {
                Ok(hello) => running.push(Program { address, hello }),
                Err(AskError::NobodyListens) if !given => {}
                Err(error) => failed.push((address, error)),
            }
        }
        if running.is_empty() && failed.is_empty() {
            return Err(Failure::Nobody(
                Exit::NotAsked,
                format!(
                    "no running program was found in {}\na program is found if its `main` has `let \
                 _gauge = parshall_gauge::init();`; another place is asked by --at",
                    discovery::places()
                ),
            ));
        }
        running.sort_by_key(|program: &Program| {
            let hello = &program.hello;
            (Reverse(hello.worst), hello.process.clone(), hello.pid)
        });
        Ok(Self { running, failed })
    }

    /// Says which could not be asked, and why: the first of them.
    pub(crate) fn complain(&self) {
        let shown = if self.failed.len() > NAMES + 1 { NAMES } else { self.failed.len() };
        complain_of(&self.failed[..shown]);
        let left = self.failed.len() - shown;
        if left > 0 {
            complain(&format!("and {left} more could not be asked (`parshall --all` lists them)"));
        }
    }

    /// Says of all that could not be asked why.
    pub(crate) fn complain_of_all(&self) {
        complain_of(&self.failed);
    }

    /// How a command ends that has asked all of them.
    pub(crate) fn exit(&self) -> Exit {
        let failed = self.failed.iter().map(|(_, error)| error.exit());
        let stuck = self.running.iter().any(|program| program.hello.worst.is_stuck());
        failed.fold(if stuck { Exit::Stuck } else { Exit::Well }, Exit::worse)
    }

    /// Those that are meant: by the name or process id, else by the beginning of a name; all, if
    /// there is none.
    ///
    /// # Errors
    /// Nobody is.
    pub(crate) fn named(&self, name: Option<&str>) -> Result<Vec<&Program>, Failure> {
        let Some(name) = name else {
            return match &self.failed[..] {
                [_, ..] if self.running.is_empty() => {
                    Err(Failure::Nobody(self.exit(), "no program could be asked".into()))
                }
                _ => Ok(self.running.iter().collect()),
            };
        };
        let all = |is: &dyn Fn(&Hello) -> bool| -> Vec<&Program> {
            self.running.iter().filter(|program| is(&program.hello)).collect()
        };
        let mut meant = all(&|hello| hello.process == name || hello.pid.to_string() == name);
        if meant.is_empty() {
            meant = all(&|hello| hello.process.starts_with(name));
        }
        if meant.is_empty() {
            let why = format!("no running program is called {}", line(name, 60));
            return Err(Failure::Usage(format!("{why}{}", list(&all(&|_| true)))));
        }
        Ok(meant)
    }

    /// As [`named`](Self::named), and there is only one.
    pub(crate) fn one(&self, name: Option<&str>) -> Result<&Program, Failure> {
        let meant = self.named(name)?;
        match meant[..] {
            [program] => Ok(program),
            _ => Err(Failure::Usage(format!(
                "{} programs may be meant, say which{}",
                meant.len(),
                list(&meant)
            ))),
        }
    }
}

fn complain_of(failed: &[(Address, AskError)]) {
    for (address, error) in failed {
        complain(&format!("{}: {error}", line(&address.to_string(), 200)));
    }
}

/// `: a (pid 1), b (pid 2)`.
fn list(programs: &[&Program]) -> String {
    let names: Vec<_> = programs.iter().take(NAMES).map(|program| program.name()).collect();
    match programs.len() {
        0 => ": none answers".into(),
        n if n > NAMES => format!(": {} and {} more", names.join(", "), n - NAMES),
        _ => format!(": {}", names.join(", ")),
    }
}
