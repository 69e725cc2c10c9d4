//! What is seen, on screens of several widths, and what keys change. `PARSHALL_BLESS=1` writes the
//! files in `golden` anew: look at them then.

use std::path::Path;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Waker};

use parshall::introspect::Settings;
use parshall::mpsc::Builder;
use parshall::{Snapshot, task};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::{Color, Modifier};

use super::input::{App, Asked};
use super::place::View;
use super::view::{self, Theme};
use crate::failure::AskError;
use crate::model::{Model, Sort};

const NOW: i64 = 1_900_000_000_000_000_000;
const SEC: i64 = 1_000_000_000;

/// Two looks at a program, 1 s apart: `writer` and `flusher` send to each other through full
/// channels, 37 loaders wait behind them, `lines` flows, `mixer` has no capacity, and `replies` is
/// waited for. Made by the library; times and numbers are then set.
fn looks() -> [Snapshot; 2] {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let channel =
        |name: &str, capacity| Builder::new().name(name).capacity(capacity).build::<u32>();
    let (wal, mut entries) = channel("wal", 8);
    let (acks, mut acknowledged) = channel("acks", 4);
    let (lines, _parsed) = channel("lines", 32);
    let (_replies, mut answers) = channel("replies", 4);
    let (mixer, _drain) = Builder::new().name("mixer").build_unbounded::<u32>();
    (0..8).for_each(|n| wal.try_send(n).unwrap());
    (0..4).for_each(|n| acks.try_send(n).unwrap());
    (0..20).for_each(|n| lines.try_send(n).unwrap());
    (0..3).for_each(|n| mixer.send(n).unwrap());
    let mut cx = Context::from_waker(Waker::noop());
    let mut writer = pin!(task::named("writer", async {
        acknowledged.recv().await;
        loop {
            wal.send(1).await.unwrap();
        }
    }));
    let mut flusher = pin!(task::named("flusher", async {
        entries.recv().await;
        loop {
            acks.send(1).await.unwrap();
        }
    }));
    let mut asker = pin!(task::named("asker", async { answers.recv().await }));
    assert!(writer.as_mut().poll(&mut cx).is_pending());
    assert!(flusher.as_mut().poll(&mut cx).is_pending());
    assert!(writer.as_mut().poll(&mut cx).is_pending());
    assert!(asker.as_mut().poll(&mut cx).is_pending());
    let mut loaders: Vec<_> = (0..37)
        .map(|n| Box::pin(task::named(format!("loader-{n}"), async { wal.send(1).await })))
        .collect();
    for loader in &mut loaders {
        assert!(loader.as_mut().poll(&mut cx).is_pending());
    }
    let mut first = parshall::snapshot();
    first
        .channels
        .retain(|c| ["wal", "acks", "lines", "replies", "mixer"].contains(&&*c.stats.name));
    let tasks = ["writer", "flusher", "asker", "loader-"];
    first.tasks.retain(|t| {
        t.name.as_ref().is_some_and(|name| tasks.iter().any(|task| name.starts_with(task)))
    });
    set(&mut first);
    let mut second = first.clone();
    second.taken_at_ns += SEC;
    second.completed_at_ns += SEC;
    for channel in &mut second.channels {
        let stats = &mut channel.stats;
        match &*stats.name {
            "lines" => (stats.sent_total, stats.recv_total) = (stats.sent_total + 1234, 1200),
            "mixer" => (stats.sent_total, stats.queue_len) = (2_270_003, 2_270_003),
            _ => {}
        }
        stats.high_watermark = stats.high_watermark.max(stats.queue_len);
    }
    [first, second]
}

fn set(snapshot: &mut Snapshot) {
    snapshot.process = "ingest-4711".into();
    snapshot.pid = 4711;
    (snapshot.taken_at_ns, snapshot.completed_at_ns) = (NOW, NOW);
    for (n, channel) in snapshot.channels.iter_mut().enumerate() {
        let stats = &mut channel.stats;
        channel.id = format!("mpsc:ingest-4711:{}", stats.name);
        stats.created_at_ns = NOW - 3 * 3600 * SEC;
        stats.location = format!("src/main.rs:{}:20", 10 + n).into();
        let waits = channel.send_waits.iter_mut().chain(&mut channel.recv_wait);
        for (n, wait) in waits.enumerate() {
            wait.since_ns = NOW - 11_400_000_000 + n as i64 * 100_000_000;
        }
        channel.line_since_ns = channel.line_since_ns.map(|_| NOW - 11_400_000_000);
        channel.last_receive = channel.last_receive.min(812);
        channel.line_since_ns = channel.line_since_ns.map(|_| NOW - 11_400_000_000);
    }
    for task in &mut snapshot.tasks {
        task.state_since_ns = Some(NOW - 11_400_000_000);
        task.waiting_since_ns = task.waiting_since_ns.map(|_| NOW - 11_400_000_000);
    }
}

fn app() -> App {
    let mut model = Model::new(Settings::default());
    for look in looks() {
        model.take(look);
    }
    App::new(model, (0, 1))
}

fn terminal(app: &mut App, width: u16, height: u16, has_colours: bool) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view::draw(frame, app, Theme { has_colours })).unwrap();
    terminal
}

/// The text on the screen, without spaces at the ends of lines.
fn screen(app: &mut App, width: u16, height: u16) -> String {
    let terminal = terminal(app, width, height, true);
    let buffer = terminal.backend().buffer();
    let row = |y| {
        let row: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
        row.trim_end().to_owned() + "\n"
    };
    // The number of a task depends on what else ran in this process.
    (0..height).map(row).filter(|row| !row.starts_with("id ")).collect()
}

fn golden(name: &str, screen: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/top/golden").join(name);
    if std::env::var_os("PARSHALL_BLESS").is_some() {
        std::fs::write(&file, screen).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(screen == expected, "{name} is\n{screen}\nand should be\n{expected}");
}

fn press(app: &mut App, keys: &str) {
    for c in keys.chars() {
        let code = match c {
            '\n' => KeyCode::Enter,
            '\u{1b}' => KeyCode::Esc,
            '\u{8}' => KeyCode::Backspace,
            c => KeyCode::Char(c),
        };
        assert_eq!(app.on_key(KeyEvent::new(code, KeyModifiers::NONE)), Asked::Nothing);
    }
}

/// Seen to fail with: a column that is too narrow, and with rows that are not sorted.
#[test]
fn channels_on_screens_of_several_widths() {
    let mut app = app();
    for width in [60, 80, 250] {
        golden(&format!("channels-{width}.txt"), &screen(&mut app, width, 24));
    }
}

#[test]
fn the_pages_and_the_tasks() {
    let mut app = app();
    press(&mut app, "/wal\n\n");
    assert!(matches!(app.view(), View::Channel(_)));
    golden("channel-80.txt", &screen(&mut app, 80, 24));
    let page = screen(&mut app, 80, 24);
    let drains = "who last received: flusher, noted after 1 message";
    let drains = page.lines().position(|line| line.contains(drains)).expect(&page);
    press(&mut app, &"j".repeat(drains - 1));
    press(&mut app, "\n");
    golden("task-80.txt", &screen(&mut app, 80, 24));
    press(&mut app, "\u{1b}\u{1b}\u{1b}t");
    golden("tasks-80.txt", &screen(&mut app, 80, 24));
    press(&mut app, "?");
    golden("help-80.txt", &screen(&mut app, 80, 24));
    press(&mut app, "xr");
    let report = screen(&mut app, 80, 24);
    assert!(report.contains("is STUCK") && report.contains("blind: "), "{report}");
}

/// Who waits, for how long and what is wrong is there, whatever the width; and nothing is drawn
/// beyond the screen.
#[test]
fn no_width_loses_what_matters() {
    let mut app = app();
    for width in (60..=250).chain([1, 7, 20, 40]) {
        for height in [24, 5, 1] {
            let screen = screen(&mut app, width, height);
            if width >= 60 && height == 24 {
                let row = screen.lines().find(|line| line.starts_with("wal")).unwrap();
                assert!(row.contains("8/8") && row.contains("12.4 s"), "{width}: {screen}");
                assert!(row.contains("send w") && row.contains("stalled"), "{width}: {screen}");
            }
        }
    }
}

/// Seen to fail with: the time of the snapshot for the age of the channel; another process
/// told by its pid.
#[test]
fn rates_are_between_two_looks_and_survive_a_clock_that_jumps() {
    let mut model = Model::new(Settings::default());
    let [first, mut second] = looks();
    // Somebody set the clock back by an hour between them.
    for ns in [&mut second.taken_at_ns, &mut second.completed_at_ns] {
        *ns -= 3600 * SEC;
    }
    for channel in &mut second.channels {
        channel.stats.created_at_ns -= 3600 * SEC;
    }
    let rates = |model: &Model| {
        let rows = model.rows("lines", Sort::Hurts);
        assert_eq!(rows.len(), 1);
        rows[0].rates
    };
    model.take(first);
    assert_eq!(rates(&model), None);
    model.take(second.clone());
    assert_eq!(rates(&model), Some((1234.0, 1200.0)));
    // The same once more is not later.
    model.take(second.clone());
    assert_eq!(rates(&model), Some((1234.0, 1200.0)));
    assert!(!model.has_restarted);
    // Another process, with lower totals.
    second.proc_key = "another".into();
    model.take(second);
    assert_eq!(rates(&model), None);
    assert!(model.has_restarted);
}

/// Seen to fail with: an earlier snapshot that is never shown.
#[test]
fn a_clock_that_is_set_back_stops_nothing() {
    let mut model = Model::new(Settings::default());
    let [mut first, mut second] = looks();
    first.channels.clear();
    // No channel is in both, which would tell by how much.
    for ns in [&mut second.taken_at_ns, &mut second.completed_at_ns] {
        *ns -= 3600 * SEC;
    }
    model.take(first);
    model.take(second.clone());
    assert_eq!(model.snapshot, Some(second));
}

/// Numbers that no program has, as a peer may claim them, on every page.
///
/// Seen to fail with: sums of counters, and of ages.
#[test]
fn numbers_at_the_borders_are_shown() {
    for (n, ns) in [(u64::MAX, i64::MIN), (u64::MAX - 1, i64::MAX), (0, 0), (1, -1)] {
        let mut model = Model::new(Settings::default());
        for (look, taken) in looks().into_iter().zip([i64::MIN, i64::MAX - 1]) {
            let mut look = look;
            look.taken_at_ns = taken;
            for channel in &mut look.channels {
                let stats = &mut channel.stats;
                (stats.queue_len, stats.reserved, stats.high_watermark) = (n, n, n);
                (stats.sent_total, stats.recv_total, stats.full_total) = (n, n, n);
                (stats.sender_count, stats.created_at_ns) = (n, ns);
                stats.utilization = Some(f64::NAN);
                let waits = channel.send_waits.iter_mut().chain(&mut channel.recv_wait);
                for wait in waits {
                    (wait.need, wait.since_ns, wait.deadline_ns) = (n, ns, Some(ns));
                    wait.granted_at_ns = (n == 0).then_some(ns);
                }
            }
            for task in &mut look.tasks {
                (task.polls, task.wakers) = (Some(n), Some(n));
                (task.state_since_ns, task.waiting_since_ns) = (Some(ns), Some(ns));
            }
            model.take(look);
        }
        let mut app = App::new(model, (0, 1));
        for keys in ["", "\n", "\u{1b}t", "\n", "r", "\u{1b}\u{1b}ts", "s", "s", "s", "s"] {
            press(&mut app, keys);
            for width in [1, 80, 250] {
                screen(&mut app, width, 24);
            }
        }
    }
}

#[test]
fn filter_and_sort() {
    let mut app = app();
    let names = |app: &App| {
        let rows = app.model.rows(&app.filter, app.sort).into_iter();
        rows.map(|row| row.channel.stats.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&app)[3..], ["lines", "replies"]);
    press(&mut app, "sssss");
    assert_eq!(app.sort, Sort::Name);
    assert_eq!(names(&app), ["acks", "lines", "mixer", "replies", "wal"]);
    press(&mut app, "sss");
    assert_eq!(names(&app)[..3], ["wal", "acks", "lines"]);
    press(&mut app, "/LIN");
    assert_eq!(names(&app), ["lines"]);
    // A name of who waits counts; q is a letter here.
    press(&mut app, "\u{8}\u{8}\u{8}loader-3q\u{8}\n");
    assert_eq!(names(&app), ["wal"]);
    assert!(screen(&mut app, 80, 24).contains("[loader-3]"));
    press(&mut app, "/zzz\n");
    assert!(screen(&mut app, 80, 24).contains("no name has \"loader-3zzz\" in it"));
    press(&mut app, "\u{1b}");
    assert_eq!(names(&app).len(), 5);
}

/// Seen to fail with: a cursor that stays in its row.
#[test]
fn the_cursor_stays_on_its_channel() {
    let mut app = app();
    press(&mut app, "/lin\n");
    screen(&mut app, 80, 24);
    app.on_key(KeyEvent::new(KeyCode::Home, KeyModifiers::NONE));
    // All channels are back, in another order: the cursor is where `lines` is.
    press(&mut app, "\u{1b}sssss");
    let terminal = terminal(&mut app, 80, 24, true);
    let buffer = terminal.backend().buffer();
    let has_cursor = |y: &u16| buffer[(0, *y)].modifier.contains(Modifier::REVERSED);
    let y = (1..23).find(has_cursor).expect("a cursor");
    assert_eq!(buffer[(0, y)].symbol(), "l");
}

#[test]
fn a_program_that_is_lost_stays_on_the_screen() {
    let mut app = app();
    app.hear(Err(AskError::NobodyListens));
    let lost = screen(&mut app, 120, 24);
    assert!(lost.contains("LOST: nobody listens there"), "{lost}");
    assert!(lost.contains("acks"), "{lost}");
    let [_, mut next] = looks();
    next.taken_at_ns += SEC;
    next.proc_key.clone_from(&app.model.snapshot.as_ref().unwrap().proc_key);
    app.hear(Ok(next));
    assert!(!screen(&mut app, 120, 24).contains("LOST"));
}

#[test]
fn pause_keeps_what_is_shown() {
    let mut app = app();
    press(&mut app, "p");
    let now = app.model.now_ns();
    let [_, mut next] = looks();
    next.taken_at_ns += SEC;
    app.hear(Ok(next.clone()));
    assert_eq!(app.model.now_ns(), now);
    assert!(screen(&mut app, 80, 24).contains("PAUSED"));
    press(&mut app, "p");
    app.hear(Ok(next));
    assert_eq!(app.model.now_ns(), now + SEC);
}

/// Seen to fail with: a style that does not ask.
#[test]
fn without_colours_there_are_none() {
    let mut app = app();
    let colours = |has_colours, app: &mut App| {
        let terminal = terminal(app, 80, 24, has_colours);
        terminal.backend().buffer().content.iter().any(|cell| cell.fg != Color::Reset)
    };
    assert!(colours(true, &mut app));
    assert!(!colours(false, &mut app));
}

/// A thousand channels, and names that steer terminals, are wide, or are very long.
#[test]
fn names_stay_in_their_columns() {
    let mut model = Model::new(Settings::default());
    let [first, second] = looks();
    for look in [first, second] {
        let mut many = look.clone();
        many.channels.clear();
        for n in 0..1000 {
            let mut channel = look.channels[n % 5].clone();
            channel.stats.channel_id = n as u64;
            channel.id = format!("mpsc:ingest-4711:c{n}");
            channel.stats.label = match n % 3 {
                0 => format!("\u{1b}[2J{}", "x".repeat(10_000)).into(),
                1 => "漢字".repeat(50).into(),
                _ => "\u{202e}a\nb".into(),
            };
            many.channels.push(channel);
        }
        for task in &mut many.tasks {
            task.name = Some(format!("\u{7}{}", "名".repeat(3000)).into());
        }
        model.take(many);
    }
    let mut app = App::new(model, (0, 1));
    for view in ["", "\n", "\u{1b}t", "\n", "r"] {
        press(&mut app, view);
        for width in [60, 80, 250] {
            let screen = screen(&mut app, width, 24);
            assert!(!screen.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{screen}");
        }
    }
    press(&mut app, "\u{1b}\u{1b}tG");
    assert!(screen(&mut app, 80, 24).contains("1000 channels"));
}

/// As `looks`, of roots: a deadlock, unless the receivers are elsewhere. Who made `wal` gave it no
/// name.
fn likely() -> App {
    let mut model = Model::new(Settings::default());
    for mut look in looks() {
        for task in &mut look.tasks {
            (task.root, task.wakers) = (true, Some(1));
        }
        for channel in &mut look.channels {
            channel.send_waits.iter_mut().for_each(|wait| wait.own_waker = true);
            if channel.stats.name == "wal" {
                channel.stats.label = "crates/app/src/ingest/main.rs:112 (Vec<Row>)".into();
            }
        }
        model.take(look);
    }
    App::new(model, (0, 1))
}

/// Seen to fail with: `STUCK`, `deadlock`, and tasks in it that are `idle`; and a place without its
/// line.
#[test]
fn what_is_conditional_is_likely_and_a_task_in_it_is_marked() {
    let mut app = likely();
    for width in [60, 80, 200] {
        golden(&format!("likely-{width}.txt"), &screen(&mut app, width, 24));
    }
    press(&mut app, "t");
    for width in [60, 80, 200] {
        golden(&format!("likely-tasks-{width}.txt"), &screen(&mut app, width, 24));
    }
    press(&mut app, "/flusher\n\n");
    let page = screen(&mut app, 80, 24);
    assert!(page.contains("finding    deadlock, conditional\nstate      waiting, "), "{page}");
}

/// Seen to fail with: a line for each wait.
#[test]
fn a_task_that_waits_in_very_many_channels_has_a_page_that_ends() {
    let mut model = Model::new(Settings::default());
    for mut look in looks() {
        let channel = look.channels.iter().find(|c| c.stats.name == "wal").unwrap().clone();
        look.channels.clear();
        for n in 0..20_000 {
            let mut channel = channel.clone();
            (channel.stats.channel_id, channel.id) = (n, format!("mpsc:ingest-4711:c{n}"));
            look.channels.push(channel);
        }
        model.take(look);
    }
    let mut app = App::new(model, (0, 1));
    press(&mut app, "t/writer\n\n");
    assert!(screen(&mut app, 80, 24).contains("Waits: 20000"));
    press(&mut app, "G");
    let end = screen(&mut app, 80, 24);
    assert!(end.contains("and 19,000 more"), "{end}");
}

#[test]
fn keys_that_leave() {
    let mut app = app();
    let key = |code, modifiers| KeyEvent::new(code, modifiers);
    assert_eq!(app.on_key(key(KeyCode::Char('n'), KeyModifiers::NONE)), Asked::Nothing);
    app.of = (0, 2);
    assert_eq!(app.on_key(key(KeyCode::Char('n'), KeyModifiers::NONE)), Asked::Next);
    assert_eq!(app.on_key(key(KeyCode::Char('q'), KeyModifiers::NONE)), Asked::Quit);
    press(&mut app, "/");
    assert_eq!(app.on_key(key(KeyCode::Char('c'), KeyModifiers::CONTROL)), Asked::Quit);
}
