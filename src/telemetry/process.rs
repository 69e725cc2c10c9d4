//! Who this process is: the process part of every id, and what tells it from every other process.

use core::fmt::Write as _;
use core::hash::BuildHasher;
use core::ptr;
use std::collections::hash_map::RandomState;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::sync::plain::{AtomicPtr, Ordering};

/// What a process knows of itself. Made once a process and never freed.
struct Facts {
    pid: u32,
    /// As ids carry it.
    name: String,
    /// The user chose the name.
    chosen: bool,
    proc_key: String,
}

/// Those of this process; none yet, if they are null or carry the number of a process that has
/// forked since.
///
/// A pointer that is exchanged, not a `OnceLock`: facts are made before, and of two that are made
/// at once one is thrown away. So nobody ever waits for anybody here, and an allocator that takes a
/// snapshot while the first facts are being made finds none and makes its own.
static FACTS: AtomicPtr<Facts> = AtomicPtr::new(ptr::null_mut());

/// The facts last stored: this process's, or those of the one that it was forked from.
fn latest() -> Option<&'static Facts> {
    // Acquire pairs with the exchange in `store`: the facts are seen whole.
    let facts = FACTS.load(Ordering::Acquire);
    // SAFETY: null, or stored by `store`, which leaks what it stores; nobody changes it.
    unsafe { facts.as_ref() }
}

/// Makes `facts` those of this process, if `before` are still the latest.
fn store(before: Option<&'static Facts>, facts: Facts) -> Result<&'static Facts, Facts> {
    let before = before.map_or(ptr::null_mut(), |facts| ptr::from_ref(facts).cast_mut());
    let facts = Box::into_raw(Box::new(facts));
    // AcqRel: Release pairs with the load in `latest`. No pointer comes twice, since none is freed
    // that was ever stored.
    match FACTS.compare_exchange(before, facts, Ordering::AcqRel, Ordering::Relaxed) {
        // SAFETY: from `Box::into_raw` above, and leaked from here on.
        Ok(_) => Ok(unsafe { &*facts }),
        // SAFETY: from `Box::into_raw` above, and nobody has seen it.
        Err(_) => Err(*unsafe { Box::from_raw(facts) }),
    }
}

fn facts() -> &'static Facts {
    loop {
        let before = latest();
        if let Some(facts) = before
            && facts.pid == pid()
        {
            return facts;
        }
        // A name that the user chose is the child's, too: a better one is not known.
        let chosen = before.filter(|facts| facts.chosen).map(|facts| facts.name.clone());
        if let Ok(facts) = store(before, Facts::new(chosen)) {
            return facts;
        }
    }
}

impl Facts {
    fn new(chosen: Option<String>) -> Self {
        let pid = pid();
        Self {
            pid,
            chosen: chosen.is_some(),
            name: chosen.unwrap_or_else(|| {
                let executable = executable();
                if HAS_PID { format!("{executable}-{pid}") } else { executable }
            }),
            proc_key: proc_key_of(pid),
        }
    }
}

/// Sets the name of this process in all ids: `mpsc:{process}:{name}:tx`.
///
/// `:`, `%`, `#` and control characters are percent-encoded in ids. Without this call the name is
/// `{executable}-{pid}`; on WebAssembly, which tells neither, it is `process`. After a `fork` the
/// child has the name that was set here, until it sets its own; without one it is named by its own
/// pid.
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
    let before = latest();
    if before.is_some_and(|facts| facts.pid == pid()) {
        return Err(name);
    }
    let mut encoded = String::new();
    encode(&mut encoded, &name);
    store(before, Facts::new(Some(encoded))).map(drop).map_err(|_| name)
}

/// The name of this process in all ids, encoded as they carry it. It never changes once read, but
/// that the child of a `fork` has a name of its own.
///
/// Short and readable, and not unique: in two containers the same program may run with the same
/// pid. [`proc_key`] tells them apart.
///
/// # Examples
/// ```
/// println!("{}", parshall::process()); // ingest-4711
/// ```
pub fn process() -> &'static str {
    &facts().name
}

/// Tells this process from every other, on whatever host: `{random}.{pid}.{start}@{host}`.
///
/// `random` are 16 hexadecimal digits, `start` is when the process started, in seconds since the
/// Unix epoch. People need the first eight characters only. Recordings and pages that show several
/// processes tell them apart by it. It never changes once read; the child of a `fork` has its own.
/// On WebAssembly the standard library has no random bits, and the key tells nothing apart.
///
/// # Examples
/// ```
/// let (random, rest) = parshall::proc_key().split_once('.').unwrap();
/// assert_eq!(random.len(), 16);
/// assert!(rest.starts_with(&std::process::id().to_string()));
/// ```
pub fn proc_key() -> &'static str {
    &facts().proc_key
}

/// Whether processes are numbered: elsewhere `std` panics.
const HAS_PID: bool = cfg!(any(unix, windows));

/// Whether a program may look at its system: Miri ends one that does, unless its isolation is off.
const HAS_SYSTEM: bool = HAS_PID && !cfg!(miri);

/// The number of this process, 0 if it has none.
pub(crate) fn pid() -> u32 {
    if HAS_PID { std::process::id() } else { 0 }
}

fn now() -> SystemTime {
    if HAS_SYSTEM { SystemTime::now() } else { SystemTime::UNIX_EPOCH }
}

fn proc_key_of(pid: u32) -> String {
    let start = started().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    // The keys are the system's random bits, drawn once a thread and counted up. A child of `fork`
    // has its parent's: its pid and the time make the difference.
    let random = RandomState::new().hash_one((pid, start, now()));
    format!("{random:016x}.{pid}.{start}@{}", plain(&host()))
}

/// What Linux tells in a file of `/proc`.
fn proc_file(path: &str) -> Option<String> {
    let linux = cfg!(any(target_os = "linux", target_os = "android"));
    if linux && HAS_SYSTEM { std::fs::read_to_string(path).ok() } else { None }
}

/// The name of this host, as far as it can be told without a call into the system.
fn host() -> String {
    let system = proc_file("/proc/sys/kernel/hostname");
    let variable = || ["HOSTNAME", "COMPUTERNAME"].into_iter().find_map(|v| std::env::var(v).ok());
    system.or_else(variable).map(|host| host.trim().to_owned()).unwrap_or_default()
}

/// When this process started; where the system does not tell, now.
fn started() -> SystemTime {
    let now = now();
    age().and_then(|age| now.checked_sub(age)).unwrap_or(now)
}

/// For how long this process has run, if it is known.
fn age() -> Option<Duration> {
    // The 22nd field: ticks of a hundredth of a second since the system's start. The second is the
    // program's name in brackets, and may contain anything.
    let stat = proc_file("/proc/self/stat")?;
    let ticks: u64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    let uptime = proc_file("/proc/uptime")?;
    let uptime: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(uptime).ok()?.checked_sub(Duration::from_millis(10 * ticks))
}

fn executable() -> String {
    let path = if HAS_SYSTEM { std::env::current_exe().ok() } else { None };
    path.map_or_else(|| plain(""), |path| named_by(&path))
}

/// The name that a program of this path gives its process.
fn named_by(path: &Path) -> String {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    // Linux marks a binary so that was deleted or replaced since the process started.
    const GONE: &str = " (deleted)";
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    match file.strip_suffix(GONE) {
        Some(file) if cfg!(target_os = "linux") && !path.exists() => {
            plain(&Path::new(file).file_stem().unwrap_or_default().to_string_lossy())
        }
        _ => plain(&name),
    }
}

/// `text` in `[a-z0-9._-]`.
fn plain(text: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let text: String =
        text.chars().map(|c| if keep(c) { c.to_ascii_lowercase() } else { '_' }).collect();
    if text.is_empty() { "process".to_owned() } else { text }
}

/// Appends `text` to `out`, and percent-encodes what would break an id apart: `:`, `%`, `#` (it
/// numbers channels of one name) and control characters. Other text, of whatever script, stays as
/// it is. Distinct texts stay distinct.
pub(crate) fn encode(out: &mut String, text: &str) {
    let breaks = |c: char| matches!(c, ':' | '%' | '#') || c.is_control();
    let mut rest = text;
    while let Some(at) = rest.find(breaks) {
        let (plain, odd) = rest.split_at(at);
        out.push_str(plain);
        let (odd, behind) = odd.split_at(odd.chars().next().map_or(0, char::len_utf8));
        for byte in odd.bytes() {
            let _ = write!(out, "%{byte:02X}");
        }
        rest = behind;
    }
    out.push_str(rest);
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
            let mut id = String::new();
            encode(&mut id, &text);
            prop_assert!(!id.contains([':', '#']) && !id.chars().any(char::is_control));
            prop_assert_eq!(decode(&id), text);
        }
    }

    #[test]
    fn the_default_names_executable_and_pid() {
        assert!(process().ends_with(&format!("-{}", std::process::id())), "{}", process());
    }

    /// Seen to fail with: the mark taken for a part of the name.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_program_is_named_by_its_file_whether_that_is_there_or_not() {
        for (path, name) in [
            ("/opt/nowhere/app (deleted)", "app"),
            ("/opt/nowhere/app.v2.bin (deleted)", "app.v2"),
            ("/opt/nowhere/App v2", "app_v2"),
            ("/opt/nowhere/.hidden (deleted)", ".hidden"),
            ("/", "process"),
        ] {
            assert_eq!(named_by(Path::new(path)), name);
        }
    }

    #[cfg_attr(miri, ignore = "isolation has no time of day")]
    #[test]
    fn a_key_is_drawn_anew_each_time_and_says_where_and_when() {
        let (one, two) = (proc_key_of(7), proc_key_of(7));
        assert_ne!(one, two);
        let (start, host) = one.rsplit_once('@').unwrap();
        assert!(!host.is_empty() && plain(host) == host, "{one}");
        let start: u64 = start.rsplit_once('.').unwrap().1.parse().unwrap();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        assert!((now - 3600..=now).contains(&start), "{one} at {now}");
    }
}
