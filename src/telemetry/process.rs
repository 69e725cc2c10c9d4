//! The process part of every id.

use core::fmt::Write as _;

use crate::sync::plain::OnceLock;

static PROCESS: OnceLock<String> = OnceLock::new();

/// Sets the name of this process in all ids: `mpsc:{process}:{name}:tx`.
///
/// `:`, `%`, `#` and control characters are percent-encoded in ids. Without this call the name is
/// `{executable}-{pid}`.
///
/// # Errors
/// Gives the name back if the process has a name already, by an earlier call or because an id has
/// been made: ids must not change under those who read them.
///
/// # Examples
/// ```
/// parshall::set_process("ingest-eu-1").unwrap();
/// assert_eq!(parshall::process(), "ingest-eu-1");
/// assert_eq!(parshall::set_process("other"), Err("other".to_owned()));
/// ```
pub fn set_process(name: impl Into<String>) -> Result<(), String> {
    let name = name.into();
    PROCESS.set(encode(&name)).map_err(|_| name)
}

/// The name of this process in all ids, encoded as they carry it. It never changes once read.
pub fn process() -> &'static str {
    PROCESS.get_or_init(|| {
        let exe = std::env::current_exe().ok();
        let exe =
            exe.as_ref().and_then(|path| path.file_stem()).unwrap_or_default().to_string_lossy();
        let plain: String = exe
            .chars()
            .map(|c| c.to_ascii_lowercase())
            .map(
                |c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' },
            )
            .collect();
        let plain = if plain.is_empty() { "process" } else { &plain };
        format!("{plain}-{}", std::process::id())
    })
}

/// Percent-encodes what would break an id apart: `:`, `%`, `#` (it numbers channels of one name) and
/// control characters. Other text, of whatever script, stays as it is. Distinct texts stay distinct.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, ':' | '%' | '#') || c.is_control() {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                let _ = write!(out, "%{byte:02X}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The inverse, to show that nothing is lost.
    fn decode(id: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = id.as_bytes();
        while let [first, tail @ ..] = rest {
            if *first == b'%' {
                bytes.push(
                    u8::from_str_radix(std::str::from_utf8(&tail[..2]).unwrap(), 16).unwrap(),
                );
                rest = &tail[2..];
            } else {
                bytes.push(*first);
                rest = tail;
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    proptest! {
        #[test]
        fn encoding_is_reversible_and_free_of_separators(text in "\\PC*|[\\x00-\\x7f]*|.*") {
            let id = encode(&text);
            prop_assert!(!id.contains([':', '#']) && !id.chars().any(char::is_control));
            prop_assert_eq!(decode(&id), text);
        }
    }

    #[test]
    fn the_default_names_executable_and_pid() {
        assert!(process().ends_with(&format!("-{}", std::process::id())), "{}", process());
    }
}
