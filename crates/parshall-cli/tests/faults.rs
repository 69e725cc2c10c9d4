//! The program itself, against peers, folders and versions that are not as they should be.
#![cfg(unix)]

#[allow(dead_code)]
mod fake;

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use fake::{Answer, Fake, command, folders};
use serde_json::{Value, json};

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Exit code, stdout, stderr. None of it can steer a terminal.
fn seen(mut command: Command) -> (i32, String, String) {
    let output = loop {
        match command.output() {
            // It is a copy that was just made, and a child that another test has started, but which
            // does not execute its program yet, has that open as well.
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => thread::yield_now(),
            output => break output.unwrap(),
        }
    };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(!err.contains("panicked"), "{err}");
    for text in [&out, &err] {
        let steers =
            |c: char| c != '\n' && (c.is_control() || "\u{202e}\u{200b}\u{2028}".contains(c));
        assert!(!text.contains(steers), "{text:?}");
    }
    (output.status.code().expect("it was killed"), out, err)
}

fn parshall(runtime: &Path, arguments: &[&str]) -> (i32, String, String) {
    seen(command(runtime, arguments))
}

/// Some hang, and some answer, for which a busy machine may take longer than they are given: what
/// is asked with a timeout of so many seconds may fail then, and is asked again with a longer one.
/// With the last it must not fail, nor take eight times as long.
fn in_time(seconds: u32, ask: impl Fn(&str) -> Duration) {
    for seconds in [seconds, 5 * seconds, 25 * seconds] {
        let asked = catch_unwind(AssertUnwindSafe(|| ask(&seconds.to_string())));
        if asked.as_ref().is_ok_and(|took| *took < Duration::from_secs(8) * seconds) {
            return;
        }
    }
    panic!("the last one failed too, or took too long");
}

/// Seen to fail with: a word that is not known taken for a stranger.
#[test]
fn other_versions_say_so_and_what_they_add_does_no_harm() {
    for (protocol, built_with) in [(json!(0), "0.0.9"), (json!(2), "9.9.9"), (json!(u64::MAX), "x")]
    {
        let (runtime, sockets) = folders();
        let fake = Fake::well("other", 1).saying("parshall", built_with);
        fake.saying("protocol", protocol.clone()).listen(&sockets, "other");
        Fake::well("ours", 2).listen(&sockets, "ours");
        let (code, out, err) = parshall(runtime.path(), &[]);
        let told = format!("built with parshall {built_with} and speaks protocol {protocol}");
        assert!(err.contains(&told) && err.contains("use the `parshall` of that version"), "{err}");
        assert!(code == 4 && out.contains("ours"), "{out}");
    }

    let (runtime, sockets) = folders();
    let later = Fake::stuck("later", 1).saying("worst", "hopeless").saying("new", json!([{}]));
    let Answer::Body(snapshot) = &later.answers["/v1/snapshot"] else { panic!("no snapshot") };
    let mut snapshot: Value = serde_json::from_slice(snapshot).unwrap();
    snapshot["new"] = json!({"a": [1]});
    snapshot["nodes"].as_array_mut().unwrap().push(json!({"id": "oneshot:x:1", "kind": "oneshot"}));
    snapshot["nodes"][0]["attrs"]["close_cause"] = json!("evicted");
    snapshot["waits"][0]["call"] = json!("send_all");
    let later = later.with("/v1/snapshot", Answer::Body(snapshot.to_string().into_bytes()));
    later.listen(&sockets, "later");
    let (code, out, err) = parshall(runtime.path(), &[]);
    assert_eq!((code, &*err), (1, ""), "{out}");
    assert!(out.contains("later      1  STUCK"), "{out}");
    let (code, dot, err) = parshall(runtime.path(), &["graph"]);
    assert_eq!((code, &*err), (0, ""));
    assert!(dot.contains("wal 1/1") && dot.contains("label=\"send, "), "{dot}");
    // Nothing that came is lost.
    let json = command(runtime.path(), &["graph", "--format", "json"]).output().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&json.stdout).unwrap(), snapshot);

    let (runtime, sockets) = folders();
    let schema = br#"{"schema":"parshall.snapshot/1","channels":{}}"#.to_vec();
    Fake::well("older", 1).with("/v1/snapshot", Answer::Body(schema)).listen(&sockets, "older");
    let (code, _, err) = parshall(runtime.path(), &["graph"]);
    assert!(code == 4 && err.contains("parshall.snapshot/1"), "{code} {err}");
}

/// Seen to fail with: an answer that breaks off, or is too long, taken for all of it.
#[test]
fn a_peer_that_answers_anything_is_told_and_ends_nothing() {
    let raw = |text: &str| Answer::Raw(text.as_bytes().to_vec());
    let ok = "HTTP/1.1 200 OK\r\n";
    let endless = |first: &str, again: &[u8], ms| {
        Answer::Endless(first.as_bytes().to_vec(), again.to_vec(), Duration::from_millis(ms))
    };
    let chunk = [&b"10000\r\n"[..], &vec![b' '; 0x10000], b"\r\n"].concat();
    let cases = [
        ("garbage", Answer::Raw((0..=255).cycle().take(10_000).collect()), "the connection ended"),
        ("nothing", raw(""), "the connection ended"),
        ("half a head", raw("HTTP/1.1 200 OK\r\nContent-Le"), "the connection ended"),
        (
            "half a chunk",
            raw(&format!("{ok}Transfer-Encoding: chunked\r\n\r\n10\r\n{{\"pro")),
            "the connection ended",
        ),
        (
            "no last chunk",
            raw(&format!("{ok}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n")),
            "the connection ended",
        ),
        (
            "a chunk of all there is",
            raw(&format!("{ok}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{{}}")),
            "the connection ended",
        ),
        (
            "a length of all there is",
            raw(&format!("{ok}Content-Length: 18446744073709551615\r\n\r\n{{}}")),
            "the connection ended",
        ),
        (
            "two lengths",
            raw(&format!("{ok}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}")),
            "the connection ended",
        ),
        (
            "a head without end",
            endless(ok, &[b"X: ".as_slice(), &vec![b'x'; 50_000], b"\r\n"].concat(), 0),
            "the connection ended",
        ),
        (
            "a body without end",
            endless(&format!("{ok}\r\n"), &vec![b' '; 1 << 16], 0),
            "longer than",
        ),
        (
            "chunks without end",
            endless(&format!("{ok}Transfer-Encoding: chunked\r\n\r\n"), &chunk, 0),
            "longer than",
        ),
        (
            "a drop now and then",
            endless(&format!("{ok}Content-Length: 1000\r\n\r\n"), b" ", 50),
            "no answer in time",
        ),
        ("a head now and then", endless("H", b"T", 600), "no answer in time"),
        ("1xx for ever", endless("", b"HTTP/1.1 103 Early Hints\r\n\r\n", 1), "no answer in time"),
        (
            "elsewhere",
            raw("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"),
            "the answer is HTTP 302",
        ),
        (
            "a switch",
            raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"),
            "the ",
        ),
        (
            "an error that steers",
            raw("HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\n\x1b[2J\nHi!\x07"),
            "the answer is HTTP 500: \\u{1b}[2J\\nHi!",
        ),
        ("deep", raw(&format!("{ok}\r\n{}", "[".repeat(100_000))), "no program with a gauge"),
        ("no object", raw(&format!("{ok}\r\n[1]")), "names no protocol"),
        (
            "other fields",
            raw(&format!("{ok}\r\n{{\"protocol\":1,\"pid\":\"\\u001b\"}}")),
            "no program with a gauge",
        ),
    ];
    let (runtime, sockets) = folders();
    for (n, (_, answer, _)) in cases.iter().enumerate() {
        let fake = Fake::well("bad", 1).with("/v1/hello", answer.clone());
        fake.listen(&sockets, &format!("bad-{n:02}"));
    }
    Fake::well("good", 2).listen(&sockets, "good");
    in_time(2, |seconds| {
        let begun = Instant::now();
        let (code, out, err) = parshall(runtime.path(), &["--timeout", seconds, "--all"]);
        let took = begun.elapsed();
        assert!(code == 3 && out.contains("good"), "{out}{err}");
        for (n, (what, _, message)) in cases.iter().enumerate() {
            let line = err.lines().find(|line| line.contains(&format!("bad-{n:02}.sock")));
            let line = line.unwrap_or_else(|| panic!("{what} is not told: {err}"));
            assert!(line.contains(message) && line.len() < 500, "{what}: {line}");
        }
        assert_eq!(err.lines().count(), cases.len(), "{err}");
        took
    });
}

/// It ends between what it says first and what it is asked next, or within that.
///
/// Seen to fail with: an answer that breaks off taken for all of it.
#[test]
fn a_program_that_ends_while_it_is_asked_is_told() {
    for (path, arguments) in [("/v1/report", &["report"][..]), ("/v1/snapshot", &["graph"])] {
        for answer in [
            Answer::Raw(Vec::new()),
            Answer::Half(vec![b' '; 10_000]),
            Answer::Raw(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"sc".to_vec(),
            ),
        ] {
            let (runtime, sockets) = folders();
            Fake::stuck("dies", 1).with(path, answer).listen(&sockets, "dies");
            let (code, out, err) = parshall(runtime.path(), arguments);
            // A report of what is stuck still ends so.
            assert_eq!(code, if path == "/v1/report" { 1 } else { 3 }, "{err}");
            assert_eq!(out, "", "half an answer is no answer");
            assert!(err.contains("the connection ended, maybe with the program"), "{err}");
        }
    }
    // The list has its line, without the finding.
    let (runtime, sockets) = folders();
    let fake = Fake::stuck("dies", 1).with("/v1/diagnosis", Answer::Half(vec![b'{'; 100]));
    fake.listen(&sockets, "dies");
    let (code, out, _) = parshall(runtime.path(), &[]);
    assert!(code == 1 && out.contains("(not read: the connection ended"), "{out}");
}

/// As another user, if this is root; else as one who may not.
///
/// Seen to fail with: an empty line for the programs of which there is none.
#[test]
fn a_socket_of_another_user_is_told() {
    let (runtime, sockets) = folders();
    let path = Fake::well("theirs", 1).listen(&sockets, "theirs");
    let is_root =
        fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0);
    mode(&path, if is_root { 0o600 } else { 0o000 });
    // A copy that everybody may run.
    let program = runtime.path().join("run");
    fs::copy(env!("CARGO_BIN_EXE_parshall"), &program).unwrap();
    for path in [runtime.path(), &sockets, &program] {
        mode(path, 0o755);
    }
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.args(arguments).env("XDG_RUNTIME_DIR", runtime.path()).stdin(Stdio::null());
        if is_root {
            command.uid(65_534).gid(65_534);
        }
        seen(command)
    };
    let told = "theirs.sock: permission denied: run parshall as the user who runs the program";
    for arguments in [&[][..], &["report"], &["--at", path.to_str().unwrap()]] {
        let (code, out, err) = run(arguments);
        assert_eq!((code, &*out), (3, ""), "{err}");
        assert!(err.contains(told), "{err}");
    }
    // Nor may the folder be entered.
    mode(&sockets, if is_root { 0o700 } else { 0o000 });
    let (code, _, err) = run(&[]);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("cannot look into ") && err.contains("ermission denied"), "{err}");
    mode(&sockets, 0o700);
}

/// Seen to fail with: 32 asked at a time, each lot of which takes a timeout.
#[test]
fn three_hundred_programs_that_hang_take_one_timeout() {
    let (runtime, sockets) = folders();
    let listeners: Vec<_> = (0..300)
        .map(|n| UnixListener::bind(sockets.join(format!("hangs-{n}.sock"))).unwrap())
        .collect();
    Fake::well("good", 2).listen(&sockets, "good");
    in_time(1, |seconds| {
        let begun = Instant::now();
        let (code, out, err) = parshall(runtime.path(), &["--timeout", seconds]);
        let took = begun.elapsed();
        assert!(code == 3 && out.contains("good"), "{out}");
        // What cannot be asked does not fill the screen either.
        assert!(err.lines().count() <= 10, "{err}");
        assert!(err.contains("no answer in time") && err.contains("and 292 more"), "{err}");
        took
    });
    drop(listeners);
}

/// Seen to fail with: 32 connections, however many files may be open.
#[test]
fn few_files_may_be_open() {
    let (runtime, sockets) = folders();
    for n in 0..100 {
        Fake::well(&format!("api-{n:03}"), n).listen(&sockets, &format!("api-{n}"));
    }
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        "ulimit -n 32; exec \"$0\" --all --timeout 60",
        env!("CARGO_BIN_EXE_parshall"),
    ]);
    shell.env("XDG_RUNTIME_DIR", runtime.path()).stdin(Stdio::null());
    let (code, out, err) = seen(shell);
    assert_eq!((code, &*err, out.lines().count()), (0, "", 101));
}

/// Seen to fail with: a link that is followed, and with what others may have put there believed.
#[test]
fn a_folder_that_is_none_or_not_ours_is_told() {
    let outer = tempfile::tempdir().unwrap();
    let (runtime, sockets) = (outer.path(), outer.path().join("parshall"));
    let elsewhere = outer.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    mode(&elsewhere, 0o700);
    Fake::well("elsewhere", 1).listen(&elsewhere, "elsewhere");
    symlink(&elsewhere, &sockets).unwrap();
    let told = |what: &str| {
        let (code, out, err) = parshall(runtime, &[]);
        assert!(code == 3 && out.is_empty() && err.contains(what), "{what}: {out}{err}");
    };
    told("parshall is no folder; remove it");
    fs::remove_file(&sockets).unwrap();
    fs::write(&sockets, "").unwrap();
    told("parshall is no folder; remove it");
    fs::remove_file(&sockets).unwrap();
    fs::create_dir(&sockets).unwrap();
    Fake::well("planted", 1).listen(&sockets, "planted");
    mode(&sockets, 0o777);
    told("other users may write into ");
    mode(&sockets, 0o700);
    assert_eq!(parshall(runtime, &[]).0, 0);
    // The place itself is none.
    assert_eq!(parshall(&sockets.join("planted.sock"), &[]).0, 3);
}

/// Seen to fail with: entries cut off before it is known which of them are sockets.
#[test]
fn ten_thousand_strange_entries_hide_nobody() {
    let (runtime, sockets) = folders();
    for n in 0..5_000 {
        fs::write(sockets.join(format!("file-{n}.sock")), "").unwrap();
        symlink("/nowhere", sockets.join(format!("link-{n}.sock"))).unwrap();
    }
    for n in 0..3_000 {
        // Somebody who is no more has left it.
        drop(UnixListener::bind(sockets.join(format!("dead-{n}.sock"))).unwrap());
    }
    fs::create_dir(sockets.join("folder.sock")).unwrap();
    let odd = "\u{1b}[2J\n\u{202e}";
    drop(UnixListener::bind(sockets.join(format!("{odd}.sock"))).unwrap());
    let hangs = UnixListener::bind(sockets.join(format!("hangs{odd}.sock"))).unwrap();
    Fake::well("lives", 1).listen(&sockets, "zzz");
    in_time(1, |seconds| {
        let begun = Instant::now();
        let (code, out, err) = parshall(runtime.path(), &["--timeout", seconds]);
        let took = begun.elapsed();
        assert!(code == 3 && out.contains("lives"), "{out}{err}");
        assert!(err.contains("hangs\\u{1b}[2J") && err.contains("no answer in time"), "{err}");
        took
    });
    drop(hangs);
}

/// Names that steer terminals, in everything that is printed of a program.
///
/// Seen to fail with: a report that is printed as it came.
#[test]
fn names_are_text_in_every_output() {
    let odd = "\u{1b}]0;owned\u{7}\r\n\u{202e}\u{200b}\u{2028}\"';<b>&-->`|$(x)\\";
    let odd = format!("{odd}{}", "x".repeat(10_000));
    let (runtime, sockets) = folders();
    let fake = Fake::stuck(&odd, 1);
    let Answer::Body(snapshot) = &fake.answers["/v1/snapshot"] else { panic!("no snapshot") };
    let mut snapshot: Value = serde_json::from_slice(snapshot).unwrap();
    for node in snapshot["nodes"].as_array_mut().unwrap() {
        let attrs = &mut node["attrs"];
        for field in ["name", "label", "location", "payload"] {
            if attrs.get(field).is_some_and(Value::is_string) {
                attrs[field] = odd.clone().into();
            }
        }
    }
    let report = format!("{odd}\n{odd}\n").into_bytes();
    let fake = fake
        .with("/v1/snapshot", Answer::Body(snapshot.to_string().into_bytes()))
        .with(
            "/v1/diagnosis",
            Answer::Body(json!({"findings": [{"text": odd}]}).to_string().into_bytes()),
        )
        .with("/v1/report", Answer::Body(report));
    fake.listen(&sockets, "odd");
    let cut = |text: &str| text.lines().all(|line| line.chars().count() <= 210);
    let (_, out, err) = parshall(runtime.path(), &[]);
    assert!(cut(&out) && err.is_empty() && out.contains("\\u{1b}]0;owned"), "{out}");
    assert_eq!(parshall(runtime.path(), &["report"]).0, 1);
    for format in ["dot", "mermaid"] {
        let (code, out, err) = parshall(runtime.path(), &["graph", "--format", format]);
        assert_eq!((code, &*err), (0, ""));
        // Mermaid writes each character that means something as a number.
        let lines = out.lines().all(|line| line.chars().count() < 600);
        assert!(lines && !out.contains("<b>"), "{out}");
    }
    // For machines: as it came.
    let json = command(runtime.path(), &["graph", "--format", "json"]).output().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&json.stdout).unwrap(), snapshot);
    let nobody = format!("nobody{}", &odd[..200]);
    for arguments in [&["report", &nobody][..], &["graph", "--around", &nobody]] {
        let (code, _, err) = parshall(runtime.path(), arguments);
        assert!(code == 2 && cut(&err), "{err}");
    }
}
