//! Files are laid out to be read: comments and prose are wrapped, and no file is too long.

use std::fs;
use std::path::{Path, PathBuf};

const COLUMNS: usize = 100;
/// A row of a table in a comment cannot be wrapped. What does not fit is a note below the table.
const OF_A_ROW: usize = 200;

/// Of code in one file.
const LINES: usize = 500;

/// What begins a comment in a file with this extension. Those in `.ci` have none.
fn mark(extension: &str) -> Option<&'static str> {
    match extension {
        "rs" | "js" => Some("//"),
        "toml" | "sh" | "py" | "yml" | "" => Some("#"),
        "sql" => Some("--"),
        _ => None,
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap_or_default();
        if path.is_dir() {
            let hidden = name.starts_with('.') && name != ".ci";
            if !hidden && !["target", "corpus", "artifacts"].contains(&name) {
                files(&path, found);
            }
        } else if !name.starts_with('.') {
            found.push(path);
        }
    }
}

/// The numbers of the lines that are too long: those of comments, or in Markdown all but tables and
/// what is fenced, which shows lines as programs print them.
fn too_long(extension: &str, text: &str) -> Vec<usize> {
    let mut fenced = false;
    let mut long = |line: &str| {
        let columns = line.chars().count();
        let trimmed = line.trim_start();
        if extension == "md" {
            fenced ^= trimmed.starts_with("```");
            return !fenced && !trimmed.starts_with('|') && columns > COLUMNS;
        }
        let Some(comment) = mark(extension).and_then(|mark| trimmed.strip_prefix(mark)) else {
            return false;
        };
        let comment = comment.trim_start_matches(['/', '!']).trim_start();
        columns > if comment.starts_with('|') { OF_A_ROW } else { COLUMNS }
    };
    text.lines().enumerate().filter(|(_, line)| long(line)).map(|(n, _)| n + 1).collect()
}

/// Calls `look` with the path below the root, the extension and the text of each file that has
/// comments or prose.
fn for_each(mut look: impl FnMut(&str, &str, &str)) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    files(root, &mut all);
    let mut read = 0;
    for path in all {
        let extension = path.extension().map_or("", |extension| extension.to_str().unwrap());
        if extension != "md" && mark(extension).is_none() {
            continue;
        }
        // Without an extension there is also whatever else somebody has put there.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        read += 1;
        look(path.strip_prefix(root).unwrap().to_str().unwrap(), extension, &text);
    }
    assert!(read > 100, "the files are not where this test looks");
}

/// Seen to fail with: the tables of `wait/mod.rs` and `ring/mod.rs` as they were, and 110 lines of
/// `COMPARE.md`.
#[test]
fn comments_and_prose_are_wrapped() {
    let mut wrong = Vec::new();
    for_each(|file, extension, text| {
        wrong.extend(too_long(extension, text).into_iter().map(|n| format!("{file}:{n}")));
    });
    assert!(wrong.is_empty(), "longer than {COLUMNS} columns:\n{}", wrong.join("\n"));
}

/// Unit tests beside the code do not count.
///
/// Seen to fail with: `waits_data.rs` as it was, of 711 lines.
#[test]
fn no_file_is_too_long_to_read() {
    for_each(|file, extension, text| {
        let code = text.split("\nmod tests {").next().unwrap().lines().map(str::trim_start);
        let lines = code.filter(|line| !line.is_empty() && !line.starts_with("//")).count();
        let fine = extension != "rs" || lines <= LINES;
        assert!(fine, "{file} has {lines} lines of code; {LINES} are the limit");
    });
}

#[test]
fn what_is_too_long_is_seen() {
    let words = "word ".repeat(20);
    let long = |extension, line: &str| !too_long(extension, line).is_empty();
    assert!(!long("rs", &format!("let {words}{words}")));
    assert!(!long("rs", &format!("/// | {words}|")));
    assert!(long("rs", &format!("/// | {words}{words}|")));
    for (extension, line) in [
        ("rs", "    /// "),
        ("rs", "//! "),
        ("toml", "# "),
        ("", "  # "),
        ("sql", "-- "),
        ("md", "* "),
    ] {
        assert!(long(extension, &format!("{line}{words}")), "{extension}");
        assert!(!long(extension, &format!("{line}{}", &words[..80])), "{extension}");
    }
    assert!(!long("md", &format!("| {words}{words}|")));
    assert!(!long("md", &format!("```\n{words}x\n```")));
    assert!(long("md", &format!("```\n```\n{words}x")));
    // Characters, not bytes.
    assert!(!long("rs", &format!("// {}", "é".repeat(90))));
}
