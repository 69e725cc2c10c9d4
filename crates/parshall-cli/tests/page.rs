//! `parshall serve`, asked over HTTP and looked at in a real Chromium, with programs that have a
//! real gauge.
#![cfg(unix)]

#[path = "page/browser.rs"]
mod browser;
#[path = "page/program.rs"]
mod program;
#[path = "page/server.rs"]
mod server;

use std::io::Read;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use browser::Browser;
use program::{ODD, Program};
use serde_json::json;
use server::Server;

/// Not a test: see [`Program`].
#[test]
fn program() {
    program::run();
}

fn runtime() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Seen to fail with: no check of the host, and a policy with `unsafe-inline`.
#[test]
fn every_answer_is_guarded() {
    let runtime = runtime();
    let server = Server::start(runtime.path(), &[]);
    for path in ["/", "/style.css", "/live.js", "/icon.svg", "/nowhere", "/live?at=/", "/p/x/tasks"]
    {
        let answer = server.get(path);
        let policy = answer.header("content-security-policy").to_owned();
        for part in ["default-src 'none'", "script-src 'self';", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
    }
    assert_eq!(server.get("/nowhere").status, 404);
    assert_eq!(server.ask("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n").status, 421);
    assert_eq!(server.ask("GET / HTTP/1.1\r\nHost: localhost:1\r\n\r\n").status, 200);
    assert_eq!(server.ask("POST / HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 405);
    let page = server.get("/").body;
    for from in ["http://", "https://", "//", "style="] {
        let loads = page.replace("http://www.w3.org/2000/svg", "").contains(&format!("\"{from}"));
        assert!(!loads && !page.contains(" style="), "{from}: {page}");
    }
    // Without scripts it reloads itself.
    assert!(page.contains("<noscript><meta http-equiv=\"refresh\""), "{page}");
    assert!(page.contains("No running program is seen") && page.contains("init();"), "{page}");
    assert!(server.end().success());
}

/// Seen to fail with: a program that stays as it was when it has gone.
#[test]
fn a_program_that_ends_is_said_to_have_ended() {
    let runtime = runtime();
    let server = Server::start(runtime.path(), &[]);
    let program = Program::start(runtime.path(), "flows", "ingest");
    server.expect("/", "Nothing is seen to be stuck in ingest");
    server.expect("/p/ingest", "wal");
    let filtered = server.get("/p/ingest?q=a%1B%5B2J%E2%80%AE%22").body;
    assert!(filtered.contains("value=\"a\\u{1b}[2J\\u{202e}&quot;\""), "{filtered}");
    assert!(!filtered.contains(['\u{1b}', '\u{202e}']), "{filtered}");
    assert_eq!(server.get("/p/ingest/channel/999999").status, 200);
    server.expect("/p/ingest/channel/999999", "This channel is gone");
    server.expect("/p/ingest/task/named-999999", "This task is gone");
    server.expect("/p/ingest/finding/deadlock-0", "This finding is over");
    server.expect("/p/ingest/tasks", "flusher");
    let page = server.get("/p/ingest").body;
    assert!(page.contains("&lt;script&gt;") && !page.contains("<img"), "{page}");
    assert!(!page.contains(&"x".repeat(60)), "a name of 10 KB is not cut");
    drop(program);
    server.expect("/", "ingest has ended: nobody listens");
    server.expect("/p/ingest", "how it was when it answered last");
}

/// Seen to fail with: a program that has ended and is written as it was.
#[test]
fn metrics_are_of_all_programs_that_answer() {
    let runtime = runtime();
    let server = Server::start(runtime.path(), &[]);
    let series =
        |process: &str| format!("parshall_channels{{process=\"{process}\",channel=\"wal\"}} 1");
    let one = Program::start(runtime.path(), "flows", "ingest");
    let _other = Program::start(runtime.path(), "flows", "export");
    server.expect("/metrics", &series("ingest"));
    server.expect("/metrics", &series("export"));
    // A second look has found nothing.
    server.expect("/metrics", "parshall_findings{process=\"export\",verdict=\"proven\"} 0");
    let accept = "Accept: application/openmetrics-text";
    let answer =
        server.ask(&format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{accept}\r\n\r\n"));
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"));
    assert!(answer.body.ends_with("# EOF\n"), "{answer:?}");
    drop(one);
    server.expect("/", "ingest has ended: nobody listens");
    let text = server.get("/metrics").body;
    assert!(!text.contains("\"ingest\"") && text.contains(&series("export")), "{text}");
}

/// Seen to fail with: 32 programs that are asked at a time.
#[test]
fn programs_that_hang_hold_up_no_other() {
    let runtime = runtime();
    let program = Program::start(runtime.path(), "flows", "ingest");
    let sockets = runtime.path().join("parshall");
    let hang = |n| UnixListener::bind(sockets.join(format!("hangs-{n}.sock"))).unwrap();
    let _hang: Vec<_> = (0..100).map(hang).collect();
    let server = Server::start(runtime.path(), &["--timeout", "60"]);
    server.expect("/p/ingest", "wal");
    drop(program);
}

/// Seen to fail without either limit.
#[test]
fn who_hangs_costs_nothing_that_others_need() {
    let runtime = runtime();
    let server = Server::start(runtime.path(), &[]);
    // Before the time in which a request must be there has passed, unless the machine is slow.
    let begun = Instant::now();
    assert_eq!(server.get("/").status, 200);
    let soon = Duration::from_secs(3).max(150 * begun.elapsed());
    let mut oldest = server.connect();
    oldest.set_read_timeout(Some(soon)).unwrap();
    let idle: Vec<_> = (0..150).map(|_| server.connect()).collect();
    assert!(matches!(oldest.read(&mut [0]), Ok(0)), "the oldest was not cut");
    assert_eq!(server.get("/").status, 200);
    drop(idle);
    let live = "GET /live?at=/ HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let open: Vec<_> = (0..64).map(|_| server.send(live)).collect();
    for mut stream in &open {
        assert!(stream.read(&mut [0; 16]).unwrap() > 0);
    }
    let answer = server.ask(live);
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.body.contains("too many pages are open"), "{answer:?}");
    assert_eq!(server.get("/").status, 200);
    drop(open);
    let end = Instant::now() + server::LIMIT;
    while server.ask(live).status != 200 {
        assert!(Instant::now() < end, "no place was free again");
    }
}

#[test]
fn others_than_this_host_are_let_in_only_if_asked_twice() {
    let runtime = runtime();
    let refused = server::command(runtime.path(), &["serve", "--bind", "0.0.0.0:0"]).output();
    let refused = refused.unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(text.contains("say expose:0.0.0.0:0"), "{text}");
    let server = Server::start(runtime.path(), &["--host", "gauges.lan"]);
    assert_eq!(server.ask("GET / HTTP/1.1\r\nHost: gauges.lan\r\n\r\n").status, 200);
}

/// Seen to fail with: a look every three seconds.
#[test]
fn a_hang_appears_within_two_seconds_and_without_a_reload() {
    let Some(browser) = Browser::start() else { return };
    let runtime = runtime();
    let mut program = Program::start(runtime.path(), "flows", "ingest");
    let server = Server::start(runtime.path(), &[]);
    server.expect("/", "Nothing is seen to be stuck in ingest");
    browser.open(&server.url("/"));
    browser.expect("document.getElementById('link').dataset.kind === 'live'");
    browser.script("window.mark = 1");
    // It flows for some seconds. Meanwhile: how long it takes to ask both, on two cores that do
    // much else at the same time, when that takes longest.
    let (begun, mut longest) = (Instant::now(), Duration::ZERO);
    while begun.elapsed() < Duration::from_secs(3) {
        let asked = Instant::now();
        server.expect("/", "ingest");
        browser.script("window.mark");
        longest = longest.max(asked.elapsed());
        std::thread::sleep(Duration::from_millis(50));
    }
    browser.shot("healthy");
    program.hang();
    let begun = Instant::now();
    browser.expect("document.querySelector('h1').textContent.includes('is likely STUCK')");
    let took = begun.elapsed();
    println!("the hang was on the page after {took:?}");
    browser.expect("document.querySelector('.cause').textContent.includes('writer -> wal 8/8')");
    assert_eq!(browser.script("window.mark"), json!(1), "the page was reloaded");
    browser.expect("document.title.includes('STUCK')");
    browser
        .expect("document.querySelector('#announcement').textContent === 'Likely stuck: ingest.'");
    assert!(took < Duration::from_secs(2) + 10 * longest, "{took:?} {longest:?}");
    browser.shot("hang");
    browser.size(360, 800);
    assert_eq!(browser.overflow(), 0, "the body scrolls sideways");
    browser.shot("hang-phone");
    browser.dark(true);
    browser.shot("hang-phone-dark");
    browser.size(1280, 900);
    browser.shot("hang-dark");
    browser.dark(false);

    // The finding, with keys alone.
    browser.script("document.querySelector('.finding a').focus()");
    browser.key("\u{e007}");
    browser.expect("!!document.querySelector('svg.picture')");
    let svg = "document.querySelector('svg.picture')";
    assert_eq!(browser.script(&format!("{svg}.getAttribute('role')")), "img");
    let title = browser.script(&format!("{svg}.querySelector('title').textContent"));
    assert!(title.as_str().unwrap().contains("writer"), "{title}");
    let table = browser.script("document.querySelector('#picture table').textContent");
    assert!(table.as_str().unwrap().contains("flusher"), "{table}");
    browser.shot("finding");
    browser.size(360, 800);
    assert_eq!(browser.overflow(), 0, "the body scrolls sideways");
    browser.shot("finding-phone");
    browser.size(1280, 900);
    let alone = browser.script("[...document.querySelectorAll('figcaption a')][0].href");
    let alone = alone.as_str().unwrap().split_once("/p/").unwrap().1.to_owned();
    let alone = server.get(&format!("/p/{alone}"));
    assert_eq!(alone.header("content-type"), "image/svg+xml");
    assert!(alone.body.contains("<title>") && alone.body.contains("xmlns="));

    // A channel, and a task.
    browser.script("[...document.querySelectorAll('#picture table a')].find(a => a.textContent.includes('wal')).click()");
    browser.expect("document.querySelector('h1').textContent.includes('wal 8/8')");
    browser.shot("channel");
    browser.size(360, 800);
    assert_eq!(browser.overflow(), 0, "the body scrolls sideways");
    browser.shot("channel-phone");
    browser.size(1280, 900);
    browser.open(&server.url("/p/ingest/tasks"));
    browser.expect("document.querySelector('main').textContent.includes('flusher')");
    browser.shot("tasks");
    drop(program);
    browser.open(&server.url("/"));
    browser.expect("document.querySelector('h1').textContent.length > 0");
    browser.expect("document.querySelector('main').textContent.includes('has ended')");
}

/// Seen to fail with: a policy with `unsafe-inline`.
#[test]
fn a_name_is_text_and_runs_nothing() {
    let Some(browser) = Browser::start() else { return };
    let runtime = runtime();
    let _program = Program::start(runtime.path(), "flows", "ingest");
    let server = Server::start(runtime.path(), &[]);
    server.expect("/p/ingest", "&lt;script&gt;");
    browser.open(&server.url("/p/ingest?sort=name"));
    let begin = &ODD[..20];
    browser.expect(&format!("document.body.textContent.includes({})", json!(begin)));
    // Also what comes later, by events.
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(
        browser.script("document.querySelectorAll('main script, main img').length"),
        json!(0)
    );
    assert_ne!(browser.script("document.title"), "ran");
    // And if it were in the page, it would not run.
    browser.script(
        "const s = document.createElement('script'); s.textContent = \"document.title = 'ran'\"; \
         document.body.append(s); document.body.insertAdjacentHTML('beforeend', \
         \"<img src=x onerror=\\\"document.title='ran'\\\">\")",
    );
    std::thread::sleep(Duration::from_millis(500));
    assert_ne!(browser.script("document.title"), "ran");
}

/// Seen to fail with: widths of columns that follow from all rows, and rows that are replaced by
/// what they are.
#[test]
fn a_thousand_channels_stay_usable() {
    let Some(browser) = Browser::start() else { return };
    let runtime = runtime();
    let _program = Program::start(runtime.path(), "many", "shards");
    let server = Server::start(runtime.path(), &[]);
    server.expect("/p/shards", "shard-0001");
    browser.open(&server.url("/p/shards?rows=all"));
    browser.expect("document.querySelectorAll('#channels tr').length > 1000");
    browser.expect("document.getElementById('link').dataset.kind === 'live'");
    std::thread::sleep(Duration::from_secs(2));
    let (before, page_before) = (server.cpu(), browser.used());
    // The longest that the page did not answer, while it was kept up to date.
    browser.script(
        "window.changes = 0; new MutationObserver((all) => { window.changes += all.length; }) \
         .observe(document.getElementById('channels'), { childList: true, subtree: true });",
    );
    let longest = browser.script_async(
        "const done = arguments[0]; let last = performance.now(), longest = 0; \
         const end = last + 8000; (function tick() { const now = performance.now(); \
         longest = Math.max(longest, now - last); last = now; \
         now < end ? setTimeout(tick, 10) : done(Math.round(longest)); })();",
    );
    let (used, page_used) = (server.cpu().saturating_sub(before), browser.used() - page_before);
    let changes = browser.script("window.changes");
    println!(
        "1,000 rows, {changes} changes in 8 s: the page used {page_used:.1} s and stood still for \
         {longest} ms at most, the server used {used:?}"
    );
    assert!(changes.as_u64().unwrap() > 100, "{changes}");
    // Of the processor: what passes meanwhile is also up to what else runs on this machine.
    assert!(page_used < 4.0, "{page_used}");
    assert!(longest.as_u64().unwrap() < 4_000, "{longest}");
    browser.shot("many");
    browser.open(&server.url("/p/shards?q=shard-0777"));
    browser.expect("document.querySelectorAll('#channels tr').length === 1");
    browser.open(&server.url("/p/shards"));
    browser.expect("document.querySelectorAll('#channels tr').length === 100");
    browser.size(360, 800);
    assert_eq!(browser.overflow(), 0, "the body scrolls sideways");
    browser.shot("many-phone");
}

/// Seen to fail with: colours for light only.
#[test]
fn it_is_dark_where_that_is_asked_for_and_keys_are_enough() {
    let Some(browser) = Browser::start() else { return };
    let runtime = runtime();
    let _program = Program::start(runtime.path(), "flows", "ingest");
    let server = Server::start(runtime.path(), &[]);
    server.expect("/p/ingest", "wal");
    browser.open(&server.url("/p/ingest"));
    let lightness = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]";
    browser.expect(&format!("{lightness} > 200"));
    browser.dark(true);
    browser.expect(&format!("{lightness} < 60"));
    browser.shot("program-dark");
    browser.dark(false);
    // The first stop of Tab leads over what is on every page.
    browser.key("\u{e004}");
    browser.expect("document.activeElement.className === 'skip'");
    browser.script("document.activeElement.blur()");
    browser.key("/");
    browser.expect("document.activeElement.id === 'filter'");
    browser.key("wal\u{e007}");
    browser.expect("location.search.includes('q=wal')");
    browser.expect("document.querySelectorAll('#channels tr').length === 1");
    // What is focused stays so while the page changes.
    browser.script("document.querySelector('#channels a').focus()");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(browser.script("document.activeElement.textContent"), "wal");
    browser.key("p");
    browser.expect("document.getElementById('link').textContent === 'paused'");
    browser.key("g");
    browser.expect("location.pathname === '/'");
    assert_eq!(browser.errors(), Vec::<String>::new());
}
