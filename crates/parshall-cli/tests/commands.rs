//! The program itself, against programs that only seem to be some.
#![cfg(unix)]

#[allow(dead_code)]
mod fake;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use fake::{Answer, Fake, command, folders};

/// Exit code, stdout, stderr.
fn parshall(runtime: &Path, arguments: &[&str]) -> (i32, String, String) {
    seen(&command(runtime, arguments).output().unwrap())
}

fn seen(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let code = output.status.code().expect("it was killed");
    assert!(!text(&output.stderr).contains("panicked"), "{}", text(&output.stderr));
    (code, text(&output.stdout), text(&output.stderr))
}

/// Seen to fail with: programs in the order of their names.
#[test]
fn the_worst_program_is_first_and_the_exit_code_tells() {
    let (runtime, sockets) = folders();
    Fake::well("api-1", 1).listen(&sockets, "api-1");
    let (code, out, err) = parshall(runtime.path(), &[]);
    assert_eq!((code, &*err), (0, ""), "{out}");
    assert_eq!(out, "PROGRAM  PID  STATE          FINDING\napi-1      1  ok\n");

    Fake::stuck("ingest-2", 2).listen(&sockets, "ingest-2");
    let (code, out, _) = parshall(runtime.path(), &[]);
    assert_eq!(code, 1, "{out}");
    let lines: Vec<_> = out.lines().collect();
    assert!(lines[1].starts_with("ingest-2    2  STUCK "), "{out}");
    assert!(lines[1].contains("wal 1/1") || lines[1].contains("acks 1/1"), "{out}");
    assert!(!out.contains('\u{1b}'), "colours in a pipe: {out}");
}

/// Seen to fail with: a socket that nobody listens on counted as a program.
#[test]
fn nobody_runs() {
    let (runtime, sockets) = folders();
    // A socket that was left behind, and a file that is no socket.
    drop(UnixListener::bind(sockets.join("old.sock")).unwrap());
    File::create(sockets.join("file.sock")).unwrap();
    let (code, out, err) = parshall(runtime.path(), &[]);
    assert_eq!((code, &*out), (3, ""), "{err}");
    assert!(err.contains("no running program was found in ") && err.contains("init()"), "{err}");
    assert!(err.contains(sockets.to_str().unwrap()), "{err}");
}

#[test]
fn three_hundred_programs_are_ten_lines() {
    let (runtime, sockets) = folders();
    for n in 0..299 {
        Fake::well(&format!("api-{n:03}"), n).listen(&sockets, &format!("api-{n}"));
    }
    Fake::stuck("zzz", 300).listen(&sockets, "zzz");
    let (code, out, err) = parshall(runtime.path(), &[]);
    assert_eq!((code, &*err), (1, ""));
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines.len(), 10, "{out}");
    assert!(lines[1].starts_with("zzz "), "{out}");
    assert_eq!(lines[9], "and 292 more: 292 ok (--all lists them)");
    let (_, out, _) = parshall(runtime.path(), &["--all"]);
    assert_eq!(out.lines().count(), 301);
}

#[test]
fn a_report_is_the_text_of_the_program() {
    let (runtime, sockets) = folders();
    Fake::stuck("ingest-2", 2).listen(&sockets, "ingest-2");
    Fake::well("api-1", 1).listen(&sockets, "api-1");
    let (code, all, _) = parshall(runtime.path(), &["report"]);
    assert_eq!(code, 1);
    let parts: Vec<_> = all.split("\n\n").collect();
    assert!(parts[0].contains("is STUCK") && parts[0].contains("blind: "), "{all}");
    assert_eq!(parts[1], "parshall: nothing is seen to be stuck in api-1\n");

    for name in ["api-1", "1", "api"] {
        let (code, out, _) = parshall(runtime.path(), &["report", name]);
        assert_eq!((code, &*out), (0, parts[1]), "{name}");
    }
    let (code, out, err) = parshall(runtime.path(), &["report", "nobody\u{7}"]);
    assert_eq!((code, &*out), (2, ""));
    let known = "called nobody\\u{7}: ingest-2 (pid 2), api-1 (pid 1)";
    assert!(err.contains(known), "{err}");
}

/// Seen to fail with: another protocol taken for a stranger.
#[test]
fn another_version_is_said_to_be_one() {
    let (runtime, sockets) = folders();
    let newer = Fake::well("newer", 1).saying("protocol", 2).saying("parshall", "9.9.9");
    newer.listen(&sockets, "newer");
    let (code, _, err) = parshall(runtime.path(), &[]);
    assert_eq!(code, 4);
    assert!(err.contains("built with parshall 9.9.9 and speaks protocol 2"), "{err}");
    for command in ["report", "graph"] {
        assert_eq!(parshall(runtime.path(), &[command]).0, 4, "{command}");
    }

    let (runtime, sockets) = folders();
    let schema = br#"{"schema":"parshall.snapshot/7","channels":{}}"#.to_vec();
    let newer = Fake::well("newer", 1).with("/v1/snapshot", Answer::Body(schema));
    newer.listen(&sockets, "newer");
    let (code, _, err) = parshall(runtime.path(), &["graph"]);
    assert_eq!(code, 4);
    assert!(err.contains("parshall.snapshot/7") && err.contains("parshall.snapshot/2"), "{err}");
}

/// Seen to fail with: no timeout, and with no limit of an answer.
#[test]
fn who_does_not_answer_as_it_should_is_told_and_not_waited_for() {
    let cases = [
        (Answer::Nothing, "no answer in time"),
        (Answer::Half(vec![b'x'; 100]), "the connection ended"),
        (Answer::Body(b"hello".to_vec()), "no program with a gauge"),
        (Answer::Body(b"{}".to_vec()), "names no protocol"),
        (Answer::Body(vec![b' '; 2 << 20]), "longer than"),
    ];
    for (answer, message) in cases {
        let (runtime, sockets) = folders();
        Fake::well("bad", 1).with("/v1/hello", answer).listen(&sockets, "bad");
        Fake::well("good", 2).listen(&sockets, "good");
        let begun = Instant::now();
        // Who is good must answer in that time.
        let (code, out, err) = parshall(runtime.path(), &["--timeout", "5"]);
        assert!(begun.elapsed() < Duration::from_secs(40), "{message}");
        assert_eq!(code, 3, "{err}");
        assert!(err.contains(message) && err.contains("bad.sock"), "{message}: {err}");
        assert!(out.contains("good"), "{out}");
    }
    let (runtime, sockets) = folders();
    let mut fake = Fake::well("old", 1);
    fake.answers.remove("/v1/report");
    fake.listen(&sockets, "old");
    let (code, _, err) = parshall(runtime.path(), &["report"]);
    assert_eq!(code, 3);
    assert!(err.contains("HTTP 404: no such page"), "{err}");
}

#[test]
fn a_socket_without_permission_is_told() {
    let (runtime, sockets) = folders();
    let path = Fake::well("other", 1).listen(&sockets, "other");
    fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    let (code, out, err) = parshall(runtime.path(), &[]);
    // Root may.
    if std::os::unix::net::UnixStream::connect(&path).is_ok() {
        assert_eq!(code, 0, "{out}");
        return;
    }
    assert_eq!(code, 3);
    assert!(err.contains("permission denied: run parshall as the user"), "{err}");
}

/// Seen to fail with: a report that is printed as it came.
#[test]
fn names_steer_no_terminal_and_fill_no_screen() {
    let (runtime, sockets) = folders();
    let name = format!("\u{1b}[2J\u{202e}{}", "x".repeat(10_000));
    Fake::stuck(&name, 1).listen(&sockets, "long");
    Fake::stuck("\u{1b}]0;owned\u{7}\nsecond line", 2).listen(&sockets, "odd");
    let report = Answer::Body(b"one\x1b[2J\ntwo\n".to_vec());
    Fake::well("report", 3).with("/v1/report", report).listen(&sockets, "report");
    let (_, out, _) = parshall(runtime.path(), &[]);
    assert_eq!(out.lines().count(), 4, "{out}");
    assert!(out.lines().all(|line| line.chars().count() <= 200), "{out}");
    assert!(!out.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{out:?}");
    assert!(out.contains("\\u{1b}"), "{out}");
    let (_, out, _) = parshall(runtime.path(), &["report", "3"]);
    assert_eq!(out, "one\\u{1b}[2J\ntwo\n");
}

/// Seen to fail with: one step too many.
#[test]
fn the_graph_is_whole_or_around_a_name() {
    let (runtime, sockets) = folders();
    Fake::stuck("ingest-2", 2).listen(&sockets, "ingest-2");
    let graph = |arguments: &[&str]| {
        let (code, out, err) = parshall(runtime.path(), &[&["graph"], arguments].concat());
        assert_eq!((code, &*err), (0, ""), "{arguments:?}");
        out
    };
    let dot = graph(&[]);
    assert!(dot.starts_with("digraph parshall {") && dot.contains("\"idle 0/1\""), "{dot}");
    assert!(dot.contains("label=\"send, "), "{dot}");
    let near = graph(&["--around", "writer", "--steps", "1"]);
    assert!(near.contains("\"wal 1/1\"") && !near.contains("idle"), "{near}");
    assert!(near.contains("\"writer\"") && !near.contains("\"flusher\""), "{near}");
    let mermaid = graph(&["--format", "mermaid", "--around", "wal"]);
    assert!(mermaid.starts_with("flowchart LR\n") && mermaid.contains("wal 1#47;1"), "{mermaid}");
    let json = graph(&["--format", "json", "--around", "wal"]);
    let snapshot = parshall::Snapshot::from_json(json.trim()).unwrap();
    let mut names: Vec<_> = snapshot.channels.iter().map(|c| &*c.stats.name).collect();
    names.sort_unstable();
    assert_eq!(names, ["acks", "wal"]);
    assert_eq!(
        parshall::Snapshot::from_json(graph(&["--format", "json"])).unwrap().channels.len(),
        3
    );

    let (code, _, err) = parshall(runtime.path(), &["graph", "--around", "wa"]);
    assert_eq!(code, 2);
    assert!(err.contains("called `wa`; names that are like it: `wal`"), "{err}");
    // Without Graphviz.
    let svg = command(runtime.path(), &["graph", "--format", "svg"]).env("PATH", "").output();
    let (code, svg, err) = seen(&svg.unwrap());
    assert_eq!((code, &*err), (0, ""));
    assert!(svg.starts_with("<svg xmlns=") && svg.contains("<title>"), "{svg}");
    assert!(svg.contains(">wal 1/1</text>") && svg.contains(">send, "), "{svg}");

    Fake::well("api-1", 1).listen(&sockets, "api-1");
    let (code, _, err) = parshall(runtime.path(), &["graph"]);
    assert_eq!(code, 2);
    assert!(err.contains("2 programs may be meant, say which: ingest-2 (pid 2), api-1"), "{err}");
}

#[test]
fn a_place_that_is_given_is_asked_alone() {
    let (runtime, sockets) = folders();
    Fake::well("found", 1).listen(&sockets, "found");
    let elsewhere = tempfile::tempdir().unwrap();
    let path = Fake::well("given", 2).listen(elsewhere.path(), "given");
    let (code, out, _) = parshall(runtime.path(), &["--at", path.to_str().unwrap()]);
    assert_eq!(code, 0);
    assert!(out.contains("given") && !out.contains("found"), "{out}");
    let (code, _, err) = parshall(runtime.path(), &["--at", "127.0.0.1:1"]);
    assert_eq!(code, 3);
    assert!(err.contains("127.0.0.1:1: nobody listens there"), "{err}");
    assert_eq!(parshall(runtime.path(), &["--at", "nowhere"]).0, 2);
}

#[test]
fn run_squeezes_and_ends_as_its_command() {
    let runtime = tempfile::tempdir().unwrap();
    let run =
        |command: &[&str]| parshall(runtime.path(), &[&["run", "--squeeze"], command].concat());
    let (code, out, _) = run(&["3", "--", "sh", "-c", "echo $PARSHALL_SQUEEZE; exit 7"]);
    assert_eq!((code, &*out), (7, "3\n"));
    assert_eq!(run(&["0", "--", "true"]).0, 2);
    let (code, _, err) = run(&["1", "--", "no-such-command"]);
    assert_eq!(code, 2);
    assert!(err.contains("no-such-command: there is no such command"), "{err}");
}

/// Seen to fail with: a broken pipe that is an error.
#[test]
fn who_stops_reading_makes_no_noise() {
    let (runtime, sockets) = folders();
    Fake::stuck("ingest-2", 2).listen(&sockets, "ingest-2");
    for arguments in [&[][..], &["report"], &["graph"], &["completions", "bash"], &["man"]] {
        let mut child = command(runtime.path(), arguments);
        let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let (code, _, err) = seen(&child.wait_with_output().unwrap());
        // The exit code goes on to tell.
        let expected = i32::from(matches!(arguments, [] | ["report"]));
        assert_eq!((code, &*err), (expected, ""), "{arguments:?}");
    }
}

#[test]
fn completions_and_the_man_page_know_the_commands() {
    let runtime = tempfile::tempdir().unwrap();
    let (code, bash, _) = parshall(runtime.path(), &["completions", "bash"]);
    assert_eq!(code, 0);
    assert!(bash.contains("--around"), "{bash}");
    let (code, man, _) = parshall(runtime.path(), &["man"]);
    assert_eq!(code, 0);
    assert!(man.contains(".TH parshall 1") && man.contains("PARSHALL GRAPH"), "{man}");
    assert!(man.contains("something is stuck"), "{man}");
}
