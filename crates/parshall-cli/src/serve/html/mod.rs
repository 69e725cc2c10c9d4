//! The pages.
//!
//! | file | |
//! |---|---|
//! | `parts` | what they are made of |
//! | `overview` | all programs, and one of them |
//! | `channels` | the table of channels |
//! | `channel` | one channel |
//! | `tasks` | all tasks of a program, and one of them |
//! | `finding` | what is wrong, in words and as a picture |
//! | `chart` | lines over the last minutes |

mod channel;
mod channels;
mod chart;
mod finding;
mod overview;
mod parts;
mod tasks;

use axum::http::Uri;
use maud::{DOCTYPE, Markup, html};
use percent_encoding::percent_decode_str;

use super::world::World;
pub(super) use chart::Of;
use parts::{Options, href, name};
pub(super) use parts::{Part, View};

pub(super) const SVG: &str = "image/svg+xml";

/// Without scripts the page is loaded anew after so many seconds.
const RELOAD: u32 = 5;

/// What a page is about.
#[derive(Debug, PartialEq)]
pub(super) enum Place {
    All,
    Program(String),
    Tasks(String),
    Channel(String, u64),
    /// By the kind and number of the task, as in [`tasks::key`].
    Task(String, String),
    /// By [`super::world::key`].
    Finding(String, String),
    Picture(String, String),
    Chart(String, u64, Of),
}

impl Place {
    pub(super) fn of(uri: &Uri) -> Option<Self> {
        let decode = |part| percent_decode_str(part).decode_utf8().ok().map(String::from);
        let parts: Option<Vec<_>> = uri.path().split('/').skip(1).map(decode).collect();
        let parts = parts?;
        let parts: Vec<_> = parts.iter().map(String::as_str).collect();
        let slug = || (*parts.get(1).unwrap_or(&"")).to_owned();
        Some(match parts[..] {
            [""] => Self::All,
            ["p", _] => Self::Program(slug()),
            ["p", _, "tasks"] => Self::Tasks(slug()),
            ["p", _, "channel", id] => Self::Channel(slug(), id.parse().ok()?),
            ["p", _, "channel", id, "fill.svg"] => Self::Chart(slug(), id.parse().ok()?, Of::Fill),
            ["p", _, "channel", id, "rates.svg"] => {
                Self::Chart(slug(), id.parse().ok()?, Of::Rates)
            }
            ["p", _, "task", key] => Self::Task(slug(), key.to_owned()),
            ["p", _, "finding", key] => Self::Finding(slug(), key.to_owned()),
            ["p", _, "finding", key, "picture.svg"] => Self::Picture(slug(), key.to_owned()),
            _ => return None,
        })
    }

    fn slug(&self) -> Option<&str> {
        match self {
            Self::All => None,
            Self::Program(slug)
            | Self::Tasks(slug)
            | Self::Channel(slug, _)
            | Self::Chart(slug, ..)
            | Self::Task(slug, _)
            | Self::Finding(slug, _)
            | Self::Picture(slug, _) => Some(slug),
        }
    }
}

/// None: there is no such page, or no such program any more.
pub(super) fn view(world: &World, place: &Place, uri: &Uri) -> Option<View> {
    let options = Options::of(uri);
    let Some(slug) = place.slug() else { return Some(overview::all(world)) };
    let program = world.program(slug)?;
    let state = program.state();
    let mut view = match place {
        Place::Program(_) => overview::one(&program, &state, &options),
        Place::Tasks(_) => tasks::all(&program, &state, &options),
        Place::Channel(_, id) => channel::view(&program, &state, *id),
        Place::Task(_, key) => tasks::one(&program, &state, key),
        Place::Finding(_, key) => finding::view(&program, &state, key),
        Place::All | Place::Picture(..) | Place::Chart(..) => return None,
    };
    view.path.insert(0, (name(&program, &state), href(&program, "")));
    view.path.insert(0, ("All programs".into(), "/".into()));
    Some(view)
}

/// Whether there is such a page, and the page.
pub(super) fn page(world: &World, place: Option<&Place>, uri: &Uri) -> (bool, Markup) {
    let view = place.and_then(|place| view(world, place, uri));
    let is_there = view.is_some();
    let view = view.unwrap_or_else(|| {
        let html = html! {
            h1 { "There is no such page" }
            p { "The program may have ended while " code { "parshall serve" } " did not run, or \
                 long ago. " a href="/" { "All programs" } }
        };
        View {
            title: "no such page".into(),
            parts: vec![Part::Block { id: "none", html }],
            ..View::default()
        }
    });
    (is_there, layout(&view, is_there))
}

fn layout(view: &View, is_live: bool) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (view.title) }
                link rel="icon" href="/icon.svg" type=(SVG);
                link rel="stylesheet" href="/style.css";
                @if is_live {
                    noscript { meta http-equiv="refresh" content=(RELOAD); }
                    script src="/live.js" defer {}
                }
            }
            body {
                a.skip href="#main" { "To the content" }
                header {
                    nav aria-label="Where this is" {
                        a.brand href="/" { "parshall" }
                        @for (n, (text, to)) in view.path.iter().enumerate().skip(1) {
                            span.slash aria-hidden="true" { "/" }
                            @if n + 1 == view.path.len() {
                                a href=(to) aria-current="page" { (text) }
                            } @else {
                                a href=(to) { (text) }
                            }
                        }
                    }
                    div.live {
                        span id="link" role="status" { noscript { "reloads every " (RELOAD) " s" } }
                        button id="pause" type="button" hidden aria-pressed="false"
                            title="Stop what changes (key p)" { "Pause" }
                    }
                }
                main id="main" tabindex="-1" {
                    @for part in &view.parts { (part.render()) }
                }
                footer {
                    p {
                        "Keys: " kbd { "g" } " all programs, " kbd { "/" } " filter, "
                        kbd { "p" } " pause. Times of day are UTC."
                    }
                }
            }
        }
    }
}

/// The picture of a finding, as a file.
pub(super) fn picture(world: &World, program: &str, key: &str) -> Option<String> {
    let program = world.program(program)?;
    let state = program.state();
    Some(finding::picture(&state, key)?.svg(true))
}

/// The chart of a channel, as a file.
pub(super) fn chart(world: &World, program: &str, channel: u64, what: Of) -> Option<String> {
    let program = world.program(program)?;
    let state = program.state();
    let row = state.model.channel(channel)?;
    Some(chart::chart(&state, &row, what, true).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_to_one_page() {
        let place = |path: &str| Place::of(&path.parse().unwrap());
        assert_eq!(place("/"), Some(Place::All));
        assert_eq!(place("/p/a%2Fb%3C?q=x"), Some(Place::Program("a/b<".into())));
        assert_eq!(place("/p/a/channel/12"), Some(Place::Channel("a".into(), 12)));
        for none in ["/p", "/p/a/channel/x", "/p/a/channel", "/x", "/p/%ff", "//", "/p/a/"] {
            assert_eq!(place(none), None, "{none}");
        }
    }
}
