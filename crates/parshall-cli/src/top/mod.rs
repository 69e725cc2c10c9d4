//! `parshall top`: the channels of a program as they change.
//!
//! | file | |
//! |---|---|
//! | `feed` | asks for snapshots |
//! | `place` | what is looked at |
//! | `input` | what keys do |
//! | `view`, `table`, `page` | what it looks like |

mod feed;
mod input;
mod page;
mod place;
pub(crate) mod table;
#[cfg(test)]
mod tests;
mod view;

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parshall::introspect::Settings;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event};

use crate::args::{Ask, Top};
use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::model::Model;
use crate::programs::{Program, Programs};
use feed::Feed;
use input::{App, Asked};
pub(crate) use view::{HEAD, Theme};

/// How long a key or a snapshot may have to wait to be seen.
const TICK: Duration = Duration::from_millis(50);

pub(crate) fn run(ask: &Ask, top: &Top) -> Result<Exit, Failure> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        let text = "top needs a terminal; `parshall report` prints what is wrong as text";
        return Err(Failure::Usage(text.into()));
    }
    let settings = Settings::from_env().map_err(|error| Failure::Usage(error.to_string()))?;
    let client = Client::new(ask.timeout)?;
    let programs = Programs::ask(ask, &client)?;
    let named = programs.named(top.process.as_deref());
    let meant = named.inspect_err(|_| programs.complain())?;
    let watch = |n: usize| watch(meant[n], (n, meant.len()), &settings, ask, top);
    // What goes wrong at once is told without a screen.
    let mut watched = watch(0)?;
    let ended = signals().map_err(|error| Failure::System("cannot handle signals", error))?;
    // Restores the terminal also in a panic.
    let mut terminal = ratatui::try_init().map_err(terminal_failed)?;
    let theme = Theme::from_env();
    let done = loop {
        match show(&mut terminal, &mut watched, theme, &ended) {
            Ok(Asked::Next) => {
                let next = (watched.0.of.0 + 1) % meant.len();
                match watch(next) {
                    Ok(other) => watched = other,
                    // It may be over; the one after it may be not.
                    Err(failure) => {
                        watched.0.of.0 = next;
                        watched.0.lost = Some(failure.to_string());
                    }
                }
            }
            other => break other,
        }
    };
    ratatui::try_restore().map_err(terminal_failed)?;
    done.map(|_| Exit::Well)
}

fn terminal_failed(error: io::Error) -> Failure {
    Failure::System("the terminal", error)
}

/// Its first snapshot, and those that will follow.
fn watch(
    program: &Program,
    of: (usize, usize),
    settings: &Settings,
    ask: &Ask,
    top: &Top,
) -> Result<(App, Feed), Failure> {
    let client = Client::new(ask.timeout)?;
    let address = program.address.clone();
    let answer = client.snapshot(&address);
    let (snapshot, _) = answer.map_err(|error| Failure::Ask(address.clone(), error))?;
    let mut model = Model::new(settings.clone());
    model.take(snapshot);
    // Only a second look tells more.
    let feed = Feed::start(client, address, settings.apart.min(top.every), top.every)?;
    Ok((App::new(model, of), feed))
}

/// Becomes true when the process should end, so that the terminal is restored first. SIGHUP ends it
/// at once: then there is none to restore.
fn signals() -> io::Result<Arc<AtomicBool>> {
    let ended = Arc::new(AtomicBool::new(false));
    #[cfg(unix)]
    signal_hook::flag::register(signal_hook::consts::SIGTERM, ended.clone())?;
    Ok(ended)
}

/// Waits for a key, or a new size of the terminal, for a [`TICK`].
///
/// # Errors
/// The terminal is gone. `event::poll` would read its end again and again, and never return.
fn there_is_input() -> io::Result<bool> {
    #[cfg(unix)]
    {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let stdin = io::stdin();
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        let tick = Timespec::try_from(TICK).expect("a tick is short");
        match poll(&mut fds, Some(&tick)) {
            // A new size is told by a signal.
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        event::poll(Duration::ZERO)
    }
    #[cfg(not(unix))]
    event::poll(TICK)
}

/// Until a key asks for something else.
fn show(
    terminal: &mut DefaultTerminal,
    (app, feed): &mut (App, Feed),
    theme: Theme,
    ended: &AtomicBool,
) -> Result<Asked, Failure> {
    let mut is_new = true;
    while !ended.load(Ordering::Relaxed) {
        while let Some(answer) = feed.next() {
            is_new = true;
            app.hear(answer);
        }
        if std::mem::take(&mut is_new) {
            terminal.draw(|frame| view::draw(frame, app, theme)).map_err(terminal_failed)?;
        }
        if !there_is_input().map_err(terminal_failed)? {
            continue;
        }
        is_new = true;
        if let Event::Key(key) = event::read().map_err(terminal_failed)? {
            match app.on_key(key) {
                Asked::Nothing => {}
                asked => return Ok(asked),
            }
        }
    }
    Ok(Asked::Quit)
}

/// The screens of a program that has answered with these, after each key.
#[cfg(fuzzing)]
pub fn screens(looks: &[parshall::Snapshot], keys: &[u8], width: u16, height: u16) -> Vec<String> {
    use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    let mut app = App::new(crate::fuzzing::model(looks), (0, 1));
    let mut terminal = crate::fuzzing::terminal(width, height);
    let mut screens = Vec::new();
    for key in std::iter::once(&0).chain(keys) {
        let code = match key {
            0..8 => KeyCode::Enter,
            8..16 => KeyCode::Esc,
            16..24 => KeyCode::Down,
            24..32 => KeyCode::End,
            key => KeyCode::Char(char::from(*key)),
        };
        if app.on_key(KeyEvent::new(code, KeyModifiers::NONE)) == Asked::Quit {
            break;
        }
        let theme = Theme { has_colours: true };
        terminal.draw(|frame| view::draw(frame, &mut app, theme)).expect("it is memory");
        let cells = terminal.backend().buffer().content.iter();
        screens.push(cells.map(|cell| cell.symbol()).collect());
    }
    screens
}

impl App {
    /// What the program has answered. What is shown stays if it has not.
    fn hear(&mut self, answer: feed::Answer) {
        match answer {
            Ok(snapshot) => {
                self.lost = None;
                if !self.is_paused {
                    self.model.take(snapshot);
                }
            }
            Err(error) => self.lost = Some(error.to_string()),
        }
    }
}
