//! Text from elsewhere on this terminal: what would steer it is shown by its code, and what is too
//! long is cut.

use std::io::{self, IsTerminal, Write};

use parshall::introspect::text::{self, GLUE};
use unicode_width::UnicodeWidthStr;

/// `text` on one line of at most `columns` columns, the middle cut out of what is longer. What
/// cannot be seen is shown by its code.
pub(crate) fn line(text: &str, columns: usize) -> String {
    // A character is one column wide, or two, or none: so this comes down to what fits.
    let mut limit = columns;
    loop {
        if limit == 0 {
            return String::new();
        }
        let line = text::line(text, limit);
        match line.width().checked_sub(columns) {
            None | Some(0) => return line,
            Some(over) => limit = limit.min(line.chars().count()) - over.div_ceil(2).min(limit),
        }
    }
}

/// The label of a channel, as [`line`]: of one without a name the line number is kept.
pub(crate) fn label(text: &str, columns: usize) -> String {
    line(&text::label(text, columns), columns)
}

/// As [`line`], filled with spaces.
pub(crate) fn padded(text: &str, columns: usize) -> String {
    let line = line(text, columns);
    let missing = columns - line.width();
    line + &" ".repeat(missing)
}

/// Several lines, each as it is but for what cannot be seen.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(|line| text::line(line, usize::MAX / 2))
}

/// Spaces at which no line may end become plain ones.
pub(crate) fn plain(text: impl Into<String>) -> String {
    let text = text.into();
    if text.contains(GLUE) { text.replace(GLUE, " ") } else { text }
}

pub(crate) fn duration(ns: i64) -> String {
    plain(text::duration(ns))
}

/// Breaks at spaces; a word that is too long is cut.
pub(crate) fn wrapped(text: &str, columns: usize, indent: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut current = String::new();
    for word in text.split(' ') {
        let word = line(word, columns - indent.width().min(columns));
        let begins = current.trim_start().is_empty();
        if !begins && current.width() + 1 + word.width() > columns {
            out.push(std::mem::replace(&mut current, format!("{indent}{word}")));
        } else {
            if !begins {
                current.push(' ');
            }
            current.push_str(&word);
        }
    }
    out.push(current);
    out
}

/// Writes to standard output, coloured only if that is a terminal. That who reads has seen enough
/// is no error.
pub(crate) fn print(text: &[u8]) -> io::Result<()> {
    write(anstream::stdout().lock(), text)
}

/// Writes data to standard output: what another program reads is exact, and what a terminal shows
/// is harmless.
pub(crate) fn print_data(data: &[u8]) -> io::Result<()> {
    if io::stdout().is_terminal() {
        print(harmless(&String::from_utf8_lossy(data)).as_bytes())
    } else {
        write(io::stdout().lock(), data)
    }
}

/// Several lines of any length, each as it is but for what cannot be seen.
fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        for c in line.chars() {
            match c {
                ' '..='~' => out.push(c),
                _ => out.push_str(&text::line(c.encode_utf8(&mut [0; 4]), usize::MAX / 2)),
            }
        }
        out.push('\n');
    }
    out
}

fn write(mut out: impl Write, text: &[u8]) -> io::Result<()> {
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// A line on stderr.
pub(crate) fn complain(text: &str) {
    for (n, line) in lines(text).enumerate() {
        let before = if n == 0 { "parshall: " } else { "  " };
        // If stderr is closed, nobody can be told.
        let _ = writeln!(anstream::stderr(), "{before}{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_and_steers_nothing() {
        assert_eq!(line("wal", 3), "wal");
        assert_eq!(line("a\u{1b}[2Jb\nc", 40), "a\\u{1b}[2Jb\\nc");
        let long = "x".repeat(10_000);
        assert_eq!(line(&long, 9), "xxxxx…xxx");
        for text in [long.as_str(), "漢字漢字漢字漢字", "e\u{301}\u{301}e\u{301}", "\u{202e}"]
        {
            for columns in 0..12 {
                assert!(line(text, columns).width() <= columns, "{text} {columns}");
                assert_eq!(padded(text, columns).width(), columns);
            }
        }
    }

    #[test]
    fn data_steers_nothing() {
        let data = "a,\u{1b}[2J\r\n\u{9b}31m\u{202e}é漢\u{301}\n\n";
        assert_eq!(harmless(data), "a,\\u{1b}[2J\n\\u{9b}31m\\u{202e}é漢\u{301}\n\n");
    }

    #[test]
    fn long_text_is_broken_at_spaces() {
        assert_eq!(wrapped("one two three", 8, "  "), ["one two", "  three"]);
        assert_eq!(wrapped("onetwothree x", 5, "  "), ["o…e x"]);
    }
}
