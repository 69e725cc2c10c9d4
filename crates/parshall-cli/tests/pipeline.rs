//! The example `pipeline`, as a user runs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(120);

/// Builds the example if it is not up to date, and says where it is. `cargo test --test pipeline`
/// alone would not build it.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--package", "parshall-cli", "--example", "pipeline"]);
        cargo.args(["--message-format", "json", "--quiet"]);
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let messages = String::from_utf8(built.stdout).unwrap();
        let messages = messages.lines().map(|line| serde_json::from_str(line).unwrap());
        let mut executables = messages
            .filter_map(|message: serde_json::Value| Some(message["executable"].as_str()?.into()));
        executables.next_back().expect("cargo names the executable")
    })
}

/// A small tree whose counts are known.
fn tree() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        let path = dir.path().join("tree").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    write("a.txt", b"apple pear apple\nplum\n");
    write("deep/down/b.txt", b"Apple, pear!");
    write("deep/copy-1", "the same — twice\n".as_bytes());
    write("deep/copy-2", "the same — twice\n".as_bytes());
    write("empty-1", b"");
    write("empty-2", b"");
    write("binary", b"apple\0apple\n");
    write("broken", b"apple \xff pear\n");
    // Longer than a piece: every word and line must be counted once.
    write("long.txt", "cherry apple\n".repeat(30_000).as_bytes());
    write("longest-word", "é".repeat(50_000).as_bytes());
    #[cfg(unix)]
    std::os::unix::fs::symlink("..", dir.path().join("tree/link")).unwrap();
    dir
}

fn command(dir: &TempDir, args: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(args).current_dir(dir.path()).stdin(Stdio::null());
    command
}

fn run(dir: &TempDir, args: &[&str]) -> Output {
    command(dir, args).output().unwrap()
}

/// Standard output and standard error.
fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

/// Lines with runs of blanks made one, so that columns do not matter.
fn squeezed(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn it_counts_right_and_records() {
    let dir = tree();
    let output = run(&dir, &["tree", "--top", "3"]);
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let lines = squeezed(&out);
    let has = |line: &str| assert!(lines.iter().any(|l| l == line), "no {line:?} in\n{out}");
    has("files 10 490.1 kB");
    has("lines 30,007");
    has("1 binary, not tokenised");
    has("1 not all UTF-8");
    has("2 empty");
    has("1 links and other things that are no files, skipped");
    has("30,004 apple");
    has("30,000 cherry");
    has("3 pear");
    has("Groups of identical files: 1; 19 B could be saved");
    has("tree/deep/copy-1");
    has("tree/deep/copy-2");
    assert!(out.contains("WHERE snapshot_id = ?1 AND kind = 'mpsc' ORDER BY q DESC;"));
    assert!(
        lines.iter().any(|l| l.starts_with("mpsc:pipeline-") && l.contains(":counts | ")),
        "{out}"
    );
    assert!(lines.iter().any(|l| l.contains(":counts:tx | ")), "{out}");

    let db = Connection::open(dir.path().join("pipeline.db")).unwrap();
    let busy: i64 = db
        .query_row("SELECT count(*) FROM channels WHERE name = 'counts' AND q > 0", (), |row| {
            row.get(0)
        })
        .unwrap();
    assert!(busy >= 1);
}

#[test]
fn its_own_files_are_not_counted() {
    let dir = tree();
    for _ in 0..2 {
        let (out, err) = texts(&run(&dir, &["tree", "--db", "tree/deep/own.db"]));
        assert!(squeezed(&out).contains(&"files 10 490.1 kB".to_owned()), "{out}{err}");
    }
}

#[test]
fn the_slow_stage_is_named() {
    let dir = &tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("many")).unwrap();
    for n in 0..120 {
        fs::write(dir.path().join(format!("many/{n}")), "some words here\n").unwrap();
    }
    for (stage, expected) in [
        (
            "walk",
            &[
                "No stage held up the others",
                "all senders together waited 0 s",
                "the receiver of paths-1 for messages in ",
            ][..],
        ),
        (
            "read",
            &[
                "At fault, in ",
                ": the stage reader (reader-1, reader-2, reader-3)",
                "is saturated, the bottleneck: ",
                "In paths-",
                "senders waited longest in sum, too",
            ],
        ),
        (
            "tokenise",
            &[
                ": the stage tokenise (tokenise-1, tokenise-2) texts-",
                "is saturated, the bottleneck: ",
                "; tokenise-",
            ],
        ),
        (
            "aggregate",
            &[
                ": the stage aggregator counts ",
                "is saturated, the bottleneck: ",
                "; aggregator is",
            ],
        ),
    ] {
        // What is slow must be slower than what this machine makes slow.
        let delays = ["8", "40", "200"];
        let verdicts = delays.map(|delay| {
            move || {
                let db = format!("{stage}-{delay}");
                let slow = ["--slow", stage, "--delay-ms", delay];
                run(dir, &[&["many", "--hz", "100", "--db", &db], &slow[..]].concat())
            }
        });
        let wrong = |output: Output| {
            let (out, err) = texts(&output);
            let verdict = out.rsplit("\n\n").next().unwrap();
            // A name may stand on the next line.
            let verdict = squeezed(verdict).join(" ");
            // Behind the bottleneck senders wait, too, and in sum they may wait longer.
            let why = ["who receives there waited for room in ", "it was found at fault in "];
            let explains = |(_, not): (_, &str)| why.iter().any(|why| not.contains(why));
            let holds = expected.iter().all(|words| verdict.contains(words))
                && verdict.split_once("Not ").is_none_or(explains);
            (!holds).then(|| format!("{stage}: {verdict}\n{out}{err}"))
        };
        let all: Vec<_> = verdicts.iter().map_while(|verdict| wrong(verdict())).collect();
        assert!(all.len() < delays.len(), "{}", all.join("\n"));
    }
}

#[test]
fn bad_usage_and_bad_folders_are_told_from_bad_files() {
    let dir = tree();
    for (args, expected) in [
        (&["nowhere"][..], "nowhere: "),
        (&["tree/a.txt"], "tree/a.txt: not a folder"),
        (&["--slow", "everything"], "invalid value"),
        (&["--hz", "0"], "--hz"),
    ] {
        let output = run(&dir, args);
        let (out, err) = texts(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {out}{err}");
        assert!(err.contains(expected) && out.is_empty(), "{args:?}: {out}{err}");
    }
}

/// As in `pipeline | head`.
#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let dir = tree();
    let mut child =
        command(&dir, &["tree"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), texts(&output).1), (Some(1), String::new()));
}

#[cfg(target_os = "linux")]
#[test]
fn unreadable_files_are_counted_and_the_rest_goes_on() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tree();
    let locked = dir.path().join("tree/a.txt");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    // Root may read anything, but for some files that have nothing to tell.
    let for_root = Path::new("/proc/self/attr");
    let (folder, file) = if fs::read(&locked).is_err() {
        ("tree", "tree/a.txt")
    } else if fs::read(for_root.join("fscreate")).is_err() && for_root.is_dir() {
        ("/proc/self/attr", "/proc/self/attr/fscreate")
    } else {
        return;
    };
    let output = run(&dir, &[folder]);
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    assert!(err.contains(&format!("warning: {file}: ")), "{err}");
    assert!(folder != "tree" || squeezed(&out).contains(&"lines 30,005".to_owned()), "{out}");
}

#[test]
fn a_recording_that_fails_does_not_stop_the_pipeline() {
    let dir = tree();
    fs::write(dir.path().join("text"), "not a database, and precious").unwrap();
    for (db, reason) in [
        ("no/such/folder.db", "its folder is not there"),
        ("tree", "it is a folder"),
        ("text", "not a database"),
    ] {
        let output = run(&dir, &["tree", "--db", db]);
        let (out, err) = texts(&output);
        assert_eq!(output.status.code(), Some(1), "{out}{err}");
        assert!(err.contains(db) && err.contains(reason), "{err}");
        assert!(squeezed(&out).contains(&"lines 30,007".to_owned()), "{out}");
    }
    assert_eq!(fs::read(dir.path().join("text")).unwrap(), b"not a database, and precious");
}

#[cfg(unix)]
#[test]
fn ctrl_c_drains_and_reports() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..2_000 {
        fs::write(dir.path().join(n.to_string()), "some words\n").unwrap();
    }
    let mut command = command(&dir, &[".", "--slow", "walk", "--delay-ms", "50", "--plain"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Under way as soon as it has recorded a snapshot that it calls busy.
    let recorded = || -> rusqlite::Result<bool> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let db = Connection::open_with_flags(dir.path().join("pipeline.db"), flags)?;
        let sql = "SELECT 1 FROM channels GROUP BY snapshot_id HAVING max(sent_total) > 0
            AND max(q) + max(send_waiters) + max(recv_waiters) > 0";
        db.prepare(sql)?.exists(())
    };
    let deadline = Instant::now() + LIMIT;
    while !recorded().unwrap_or(false) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(130), "{out}{err}");
    assert!(out.contains("(ended early)") && out.contains("The last busy snapshot"), "{out}{err}");
}

/// Seen to fail without a gauge in it.
#[cfg(unix)]
#[test]
fn parshall_sees_it_while_it_runs() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tempfile::tempdir().unwrap();
    for n in 0..2_000 {
        fs::write(dir.path().join(n.to_string()), "some words\n").unwrap();
    }
    let mut command = command(&dir, &[".", "--slow", "aggregate", "--delay-ms", "100", "--plain"]);
    let command = command.env("XDG_RUNTIME_DIR", runtime.path()).stdout(Stdio::null());
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let ask = |args: &[&str]| {
        let mut parshall = Command::new(env!("CARGO_BIN_EXE_parshall"));
        let parshall = parshall.args(args).env("XDG_RUNTIME_DIR", runtime.path());
        String::from_utf8(parshall.output().unwrap().stdout).unwrap()
    };
    let name = format!("pipeline-{}", child.id());
    let deadline = Instant::now() + LIMIT;
    while !(ask(&[]).contains(&name) && ask(&["report"]).contains("counts 32/32 is saturated")) {
        assert!(Instant::now() < deadline, "{}\n{}", ask(&[]), ask(&["report"]));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
