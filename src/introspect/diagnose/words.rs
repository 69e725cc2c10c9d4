//! Durations, counts and names as a person would write them, and lines that are not too long.

use std::borrow::Cow;

/// How long a line of a report is at most, in characters.
pub(super) const WIDTH: usize = 100;

/// How much of a name is shown, in characters.
pub(super) const NAME: usize = 40;

/// Stands for a space at which no line may end. Names have none: there it is escaped.
pub const GLUE: char = '\u{a0}';

/// `340 ms`, `12.4 s`, `90 s`, `3 min`, `5 h`, `4 days`. What is negative, because somebody has set
/// a clock, is 0.
pub fn duration(ns: i64) -> String {
    let secs = ns.max(0) as f64 / 1e9;
    // The borders are where the smaller unit would be rounded to the larger.
    if secs == 0.0 {
        "0 s".into()
    } else if secs < 0.009_95 {
        format!("{:.1}{GLUE}ms", secs * 1e3)
    } else if secs < 0.999_5 {
        format!("{:.0}{GLUE}ms", secs * 1e3)
    } else if secs < 59.95 {
        format!("{secs:.1}{GLUE}s")
    } else if secs < 119.5 {
        format!("{secs:.0}{GLUE}s")
    } else if secs < 119.5 * 60.0 {
        format!("{:.0}{GLUE}min", secs / 60.0)
    } else if secs < 47.5 * 3600.0 {
        format!("{:.0}{GLUE}h", secs / 3600.0)
    } else {
        format!("{:.0}{GLUE}days", secs / 86400.0)
    }
}

/// `812`, `2,270,000`: three digits of what is 10,000 or more.
///
/// # Examples
/// ```
/// use parshall::introspect::text::count;
///
/// assert_eq!(count(12), "12");
/// ```
pub fn count(n: u64) -> String {
    let mut unit: u64 = 1;
    while n >= 10_000 && n / unit >= 1_000 {
        unit *= 10;
    }
    // Near the largest number, rounding up has no room.
    exact((n / unit + u64::from(n % unit >= unit.div_ceil(2))).saturating_mul(unit))
}

/// `2,271,813`.
///
/// # Examples
/// ```
/// use parshall::introspect::text::exact;
///
/// assert_eq!(exact(12), "12");
/// ```
pub fn exact(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 sender`, `37 senders`.
///
/// # Examples
/// ```
/// use parshall::introspect::text::{GLUE, counted};
///
/// assert_eq!(counted(2, "sender").replace(GLUE, " "), "2 senders");
/// ```
pub fn counted(n: u64, what: &str) -> String {
    format!("{}{GLUE}{what}{}", count(n), if n == 1 { "" } else { "s" })
}

/// `0.3/s`, `12/s`, `480/s`, `0.5 k/s`, `23 k/s`, `1.2 M/s`.
pub fn rate(per_second: f64) -> String {
    match per_second {
        r if r < 0.05 => "0/s".into(),
        r if r < 9.95 => format!("{r:.1}/s"),
        r if r < 99.5 => format!("{r:.0}/s"),
        r if r < 495.0 => format!("{:.0}/s", (r / 10.0).round() * 10.0),
        r if r < 9_950.0 => format!("{:.1}{GLUE}k/s", r / 1e3),
        r if r < 999_500.0 => format!("{:.0}{GLUE}k/s", r / 1e3),
        r => format!("{:.1}{GLUE}M/s", r / 1e6),
    }
}

/// `91 %`, of a share from 0.0 to 1.0. Only all is 100 %, and only nothing 0 %.
pub fn percent(share: f64) -> String {
    let share = share.clamp(0.0, 1.0);
    let percent = (share * 100.0).round();
    let percent = if share > 0.0 && share < 1.0 { percent.clamp(1.0, 99.0) } else { percent };
    format!("{percent}{GLUE}%")
}

/// A name where it cannot be taken for something else: as it is if it is one word, else as
/// [`quoted`].
pub(super) fn name(text: &str) -> String {
    let odd = |c: char| c.is_whitespace() || c == '`';
    if text.is_empty() || text.contains(odd) || text.contains("->") {
        quoted(text)
    } else {
        line(text, NAME)
    }
}

/// What of a channel's label fits into `limit` characters. That of one without a name is the place
/// where it was made, and in brackets the type of its messages: the line number tells the most,
/// then the file, the type, and the folders the least.
pub fn label(text: &str, limit: usize) -> Cow<'_, str> {
    if text.chars().nth(limit).is_none() {
        return text.into();
    }
    let Some((place, of)) = text.split_once(" (") else { return text.into() };
    let is_place = place.rsplit_once(':').is_some_and(|(_, line)| line.parse::<u32>().is_ok());
    if !is_place {
        return text.into();
    }
    let file = place.rsplit('/').next().unwrap_or(place);
    let both = format!("{file} ({of}");
    if both.chars().nth(limit).is_none() { both.into() } else { file.into() }
}

/// A name in backticks.
pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", line(text, NAME).replace(' ', "\u{a0}").replace('`', "'"))
}

/// `text` on one line of at most `limit` characters, the middle cut out of what is longer: a place
/// in a source file ends in its line's number. What cannot be seen, or would turn the line around,
/// is shown by its code.
pub fn line(text: &str, limit: usize) -> String {
    let mut left = limit;
    let all = text.chars().map(shown).take_while(|shown| {
        let fits = left.checked_sub(shown.chars().count());
        left = fits.unwrap_or(0);
        fits.is_some()
    });
    let all: Vec<_> = all.collect();
    // One character of the text is one entry.
    if text.chars().nth(all.len()).is_none() {
        return all.concat();
    }
    let (tail, mut room) = (limit / 3, limit - 1 - limit / 3);
    let head = all.iter().take_while(|shown| {
        let fits = room.checked_sub(shown.chars().count());
        room = fits.unwrap_or(0);
        fits.is_some()
    });
    let head: String = head.map(String::as_str).collect();
    let mut room = tail;
    let end = text.chars().rev().map(shown).take_while(|shown| {
        let fits = room.checked_sub(shown.chars().count());
        room = fits.unwrap_or(0);
        fits.is_some()
    });
    let end: Vec<_> = end.collect();
    format!("{head}…{}", end.into_iter().rev().collect::<String>())
}

/// A character as it is, or its code: of controls, marks that change the direction of a line,
/// spaces of other widths and of none, and what is no character yet.
fn shown(c: char) -> String {
    // As the second character: what only completes the one before it stays as it is.
    let pair: String = ['x', c].iter().collect();
    match c {
        '"' | '\'' | '\\' => c.into(),
        _ => pair.escape_debug().skip(1).collect(),
    }
}

/// Appends `text` in lines of at most [`WIDTH`] characters, `first` before the first one and `next`
/// before each other.
pub(super) fn wrap(out: &mut String, text: &str, first: &str, next: &str) {
    let mut length = first.len();
    let mut begins = true;
    out.push_str(first);
    for word in text.split(' ') {
        let word = if word.chars().count() > WIDTH - next.len() {
            line(word, WIDTH - next.len())
        } else {
            word.to_owned()
        };
        let needs = word.chars().count() + usize::from(!begins);
        if length + needs > WIDTH && !begins {
            out.push('\n');
            out.push_str(next);
            length = next.len() + needs - 1;
        } else {
            if !begins {
                out.push(' ');
            }
            length += needs;
        }
        out.extend(word.chars().map(|c| if c == GLUE { ' ' } else { c }));
        begins = false;
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spaced(text: String) -> String {
        text.replace(GLUE, " ")
    }

    /// Seen to fail with: borders at the round numbers, by which 59.96 s became `60.0 s`.
    #[test]
    fn durations_are_rounded_as_a_person_would() {
        let ms = 1_000_000;
        for (ns, text) in [
            (i64::MIN, "0 s"),
            (0, "0 s"),
            (400_000, "0.4 ms"),
            (9_960_000, "10 ms"),
            (340 * ms, "340 ms"),
            (999_600_000, "1.0 s"),
            (12_440 * ms, "12.4 s"),
            (59_940 * ms, "59.9 s"),
            (59_960 * ms, "60 s"),
            (90_000 * ms, "90 s"),
            (119_600 * ms, "2 min"),
            (190_000 * ms, "3 min"),
            (7_190_000 * ms, "2 h"),
            (5 * 3_600_000 * ms, "5 h"),
            (171_100_000 * ms, "2 days"),
            (i64::MAX, "106752 days"),
        ] {
            assert_eq!(spaced(duration(ns)), text, "{ns}");
        }
    }

    /// Seen to fail with: three digits of every number, by which 1,234 became 1,230.
    #[test]
    fn counts_and_rates_have_the_digits_that_one_reads() {
        for (n, text) in [
            (0, "0"),
            (812, "812"),
            (1_234, "1,234"),
            (9_999, "9,999"),
            (10_049, "10,000"),
            (10_050, "10,100"),
            (99_960, "100,000"),
            (2_271_813, "2,270,000"),
            (u64::MAX, "18,400,000,000,000,000,000"),
        ] {
            assert_eq!(count(n), text, "{n}");
        }
        assert_eq!(exact(2_271_813), "2,271,813");
        assert_eq!((spaced(counted(1, "sender")), spaced(counted(37, "sender"))), {
            ("1 sender".into(), "37 senders".into())
        });
        for (per_second, text) in [
            (0.0, "0/s"),
            (0.31, "0.3/s"),
            (9.97, "10/s"),
            (483.0, "480/s"),
            (500.0, "0.5 k/s"),
            (23_400.0, "23 k/s"),
            (999_600.0, "1.0 M/s"),
        ] {
            assert_eq!(spaced(rate(per_second)), text, "{per_second}");
        }
        for (share, text) in [(0.0, "0 %"), (0.001, "1 %"), (0.91, "91 %"), (0.999, "99 %")] {
            assert_eq!(spaced(percent(share)), text);
        }
        assert_eq!(spaced(percent(7.0)), "100 %");
    }

    /// Seen to fail with: names that were not escaped; and, cut at the end only.
    #[test]
    fn names_are_one_short_line_whatever_they_are() {
        assert_eq!(name("wal"), "wal");
        assert_eq!(name("größe-é"), "größe-é");
        assert_eq!(name("e\u{301}"), "e\u{301}", "what completes a letter stays with it");
        assert_eq!(name(""), "``");
        assert_eq!(spaced(name("a -> b")), "`a -> b`");
        assert_eq!(name("a->b"), "`a->b`");
        assert_eq!(spaced(quoted("it's \"x\" `y`")), "`it's \"x\" 'y'`");
        assert_eq!(name("a\nb\r\0\u{1b}[31m"), "`a\\nb\\r\\0\\u{1b}[31m`");
        assert_eq!(name("\u{202e}evil\u{2069}\u{feff}"), "\\u{202e}evil\\u{2069}\\u{feff}");
        assert_eq!(name("a\u{a0}b\u{2028}"), "`a\\u{a0}b\\u{2028}`");
        let long = format!("/very/{}/src/mailbox.rs:52", "deep/".repeat(2_000));
        assert_eq!(name(&long), "/very/deep/deep/deep/deep/…mailbox.rs:52");
        let marks = "\u{202e}".repeat(10_000);
        assert_eq!(name(&marks), "\\u{202e}\\u{202e}\\u{202e}…\\u{202e}");
        for n in 0..60 {
            let text = "ab\u{202e}".repeat(n);
            assert!(line(&text, NAME).chars().count() <= NAME, "{n}");
        }
        let fits = "x".repeat(NAME);
        assert_eq!(name(&fits), fits);
    }

    /// Seen to fail with: `crates/app/src/very/deep…ec<Vec<String>>)`.
    #[test]
    fn a_label_that_is_cut_keeps_its_line_number() {
        let long = "crates/app/src/very/deep/folder/main.rs:12 (Vec<Vec<String>>)";
        assert_eq!(label(long, 100), long);
        assert_eq!(label(long, NAME), "main.rs:12 (Vec<Vec<String>>)");
        assert_eq!(label(long, 20), "main.rs:12");
        for other in ["a name (of a sort) that is no place", "x".repeat(60).as_str(), ""] {
            assert_eq!(label(other, 20), other);
        }
    }

    /// Seen to fail with: bytes counted; and, without the cut of a word.
    #[test]
    fn lines_break_between_words_and_never_in_a_name() {
        let mut out = String::new();
        let text = format!("{} {} end", "ä ".repeat(47).trim_end(), quoted("one two three"));
        wrap(&mut out, &text, "  ", "    ");
        let lines: Vec<_> = out.lines().collect();
        assert_eq!(lines[1], "    `one two three` end");
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("  ä ä") && !lines[0].ends_with(' '));
        out.clear();
        wrap(&mut out, &format!("so {}", "x".repeat(10_000)), "", "  ");
        assert!(out.lines().all(|line| line.chars().count() <= WIDTH), "{out}");
        assert!(out.lines().count() == 2 && out.contains('…'));
    }
}
