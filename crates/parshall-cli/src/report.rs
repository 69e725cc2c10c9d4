//! `parshall report`: what is wrong, in words.

use crate::args::Ask;
use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::programs::Programs;
use crate::terminal::{complain, lines, print};

pub(crate) fn run(ask: &Ask, process: Option<&str>) -> Result<Exit, Failure> {
    let client = Client::new(ask.timeout)?;
    let programs = Programs::ask(ask, &client)?;
    let (meant, mut exit) = if process.is_some() {
        let meant = programs.named(process).inspect_err(|_| programs.complain())?;
        let stuck = meant.iter().any(|program| program.hello.worst.is_stuck());
        (meant, if stuck { Exit::Stuck } else { Exit::Well })
    } else {
        programs.complain();
        (programs.running.iter().collect(), programs.exit())
    };
    for (n, program) in meant.into_iter().enumerate() {
        match client.report(&program.address) {
            Ok(report) => {
                let mut text = if n > 0 { String::from("\n") } else { String::new() };
                for line in lines(&report) {
                    text.push_str(&line);
                    text.push('\n');
                }
                print(text.as_bytes())?;
            }
            Err(error) => {
                complain(&format!("{}: {error}", program.name()));
                exit = exit.worse(error.exit());
            }
        }
    }
    Ok(exit)
}
