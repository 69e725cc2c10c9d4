//! What keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::page;
use super::place::{Place, View};
use crate::model::{Model, Sort};

/// What a key asks of the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Nothing,
    Quit,
    /// Show the next program.
    Next,
}

#[derive(Debug)]
pub(crate) struct App {
    pub(crate) model: Model,
    /// Which program of how many.
    pub(crate) of: (usize, usize),
    /// Why there are no new snapshots, if there are none.
    pub(crate) lost: Option<String>,
    places: Vec<Place>,
    pub(crate) filter: String,
    /// The filter is being written.
    pub(crate) is_editing: bool,
    pub(crate) sort: Sort,
    pub(crate) is_paused: bool,
    pub(crate) is_helping: bool,
    /// How many rows were shown last.
    height: usize,
    /// And how wide they were.
    width: usize,
}

impl App {
    pub(crate) fn new(model: Model, of: (usize, usize)) -> Self {
        Self {
            model,
            of,
            lost: None,
            places: vec![Place::new(View::Channels)],
            filter: String::new(),
            is_editing: false,
            sort: Sort::Hurts,
            is_paused: false,
            is_helping: false,
            height: 1,
            width: 100,
        }
    }

    pub(crate) fn view(&self) -> View {
        self.places.last().map_or(View::Channels, |place| place.view)
    }

    /// What each row leads to.
    fn rows(&self) -> Vec<Option<View>> {
        let model = &self.model;
        match self.view() {
            View::Channels => {
                let rows = model.rows(&self.filter, self.sort).into_iter();
                rows.map(|row| Some(View::Channel(row.channel.stats.channel_id))).collect()
            }
            View::Tasks => {
                let tasks = model.tasks(&self.filter).into_iter();
                tasks.map(|task| Some(View::Task(task.task))).collect()
            }
            view => page::lines(model, view, self.width).into_iter().map(|line| line.to).collect(),
        }
    }

    /// Brings the cursor to what it is on, and the window to the cursor.
    pub(crate) fn settle(&mut self, width: usize, height: usize) -> Place {
        (self.width, self.height) = (width, height.max(1));
        let rows = self.rows();
        let height = self.height;
        let place = self.places.last_mut().expect("the first place stays");
        if let Some(index) = rows.iter().position(|row| row.is_some() && *row == place.on)
            && matches!(place.view, View::Channels | View::Tasks)
        {
            place.index = index;
        }
        place.index = place.index.min(rows.len().saturating_sub(1));
        place.offset = place.offset.min(place.index).max((place.index + 1).saturating_sub(height));
        *place
    }

    fn go(&mut self, to: impl FnOnce(usize) -> usize) {
        let rows = self.rows();
        let place = self.places.last_mut().expect("the first place stays");
        place.index = to(place.index).min(rows.len().saturating_sub(1));
        place.on = rows.get(place.index).copied().flatten();
    }

    fn open(&mut self, view: View) {
        if self.view() != view {
            self.places.push(Place::new(view));
        }
    }

    fn back(&mut self) {
        if self.places.len() > 1 {
            self.places.pop();
        } else {
            self.filter.clear();
        }
    }

    pub(crate) fn on_key(&mut self, key: KeyEvent) -> Asked {
        if key.kind == KeyEventKind::Release {
            return Asked::Nothing;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if key.code == KeyCode::Char('c') { Asked::Quit } else { Asked::Nothing };
        }
        if self.is_editing {
            self.edit(key.code);
            return Asked::Nothing;
        }
        if self.is_helping {
            self.is_helping = false;
            return if key.code == KeyCode::Char('q') { Asked::Quit } else { Asked::Nothing };
        }
        let page = self.height;
        match key.code {
            KeyCode::Char('q') => return Asked::Quit,
            KeyCode::Char('n') if self.of.1 > 1 => return Asked::Next,
            KeyCode::Char('?') => self.is_helping = true,
            KeyCode::Char('p' | ' ') => self.is_paused = !self.is_paused,
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Char('/') => {
                self.is_editing = matches!(self.view(), View::Channels | View::Tasks);
            }
            KeyCode::Char('r') => self.open(View::Report),
            KeyCode::Char('t') | KeyCode::Tab => {
                let other = if self.view() == View::Tasks { View::Channels } else { View::Tasks };
                self.places = vec![Place::new(other)];
            }
            KeyCode::Up | KeyCode::Char('k') => self.go(|at| at.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.go(|at| at + 1),
            KeyCode::PageUp => self.go(|at| at.saturating_sub(page)),
            KeyCode::PageDown => self.go(|at| at.saturating_add(page)),
            KeyCode::Home | KeyCode::Char('g') => self.go(|_| 0),
            KeyCode::End | KeyCode::Char('G') => self.go(|_| usize::MAX),
            KeyCode::Esc | KeyCode::Backspace | KeyCode::Left | KeyCode::Char('h') => self.back(),
            KeyCode::Enter | KeyCode::Right | KeyCode::Char('l') => {
                // Where the cursor was shown.
                let place = self.settle(self.width, page);
                if let Some(view) = self.rows().get(place.index).copied().flatten() {
                    self.go(|at| at);
                    self.open(view);
                }
            }
            _ => {}
        }
        Asked::Nothing
    }

    fn edit(&mut self, key: KeyCode) {
        match key {
            KeyCode::Char(c) => self.filter.push(c),
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Enter => self.is_editing = false,
            KeyCode::Esc => {
                self.filter.clear();
                self.is_editing = false;
            }
            _ => {}
        }
    }
}
