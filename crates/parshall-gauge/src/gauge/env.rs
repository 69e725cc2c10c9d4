//! What the environment of the program says about its gauge.

use std::env;
use std::ffi::{OsStr, OsString};
#[cfg(feature = "serve")]
use std::net::SocketAddr;

use parshall::introspect::Settings;
use parshall::introspect::text::{SQUEEZES, line};

use super::plan::Plan;

/// In front of an address: others than this host may ask, too.
#[cfg(feature = "serve")]
const EXPOSE: &str = "expose:";

/// Those that are read here; by `parshall` itself, with its feature `testing`; and by the tests of
/// both.
const KNOWN: [&str; 8] = [
    "PARSHALL",
    "PARSHALL_PROCESS",
    "PARSHALL_BIND",
    "PARSHALL_RECORD",
    "PARSHALL_STUCK_AFTER",
    "PARSHALL_SQUEEZE",
    "PARSHALL_BLESS",
    "PARSHALL_STRESS_SECONDS",
];

/// How many of [`KNOWN`] are for users.
const FOR_USERS: usize = 6;

/// Changes `plan` as the environment says. What it says that cannot be understood changes nothing,
/// and is returned as a warning.
pub(super) fn apply(plan: &mut Plan) -> Vec<String> {
    let mut warnings = apply_vars(plan, |name| env::var_os(name));
    match Settings::from_env() {
        Ok(settings) if is_set("PARSHALL_STUCK_AFTER") => {
            plan.settings.stuck_after = settings.stuck_after;
        }
        Err(error) if is_set("PARSHALL_STUCK_AFTER") => {
            let stays = plan.settings.stuck_after;
            warnings.push(format!("{}; it stays at {stays:?}", line(&error.to_string(), 300)));
        }
        _ => {}
    }
    if !plan.off {
        warnings.extend(unknown(env::vars_os()));
        warnings.extend(squeezed_in_vain(is_set("PARSHALL_SQUEEZE"), SQUEEZES));
    }
    warnings
}

/// Tests that pass would prove less than they seem to.
fn squeezed_in_vain(is_set: bool, squeezes: bool) -> Option<String> {
    let text = "PARSHALL_SQUEEZE is set, and no channel is squeezed: this program is built without \
                the feature `testing` of parshall";
    (is_set && !squeezes).then(|| text.to_owned())
}

/// A warning for each variable that looks like one of ours and that nothing reads: it may be
/// misspelt.
fn unknown(vars: impl Iterator<Item = (OsString, OsString)>) -> Vec<String> {
    let ours = vars.filter(|(name, value)| {
        let begins = name.as_encoded_bytes().starts_with(b"PARSHALL_");
        begins && !value.is_empty() && !KNOWN.iter().any(|known| is_name(name, known))
    });
    // Most are none: nothing is made of text before.
    let mut names: Vec<_> = ours
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value))
        .filter(|(name, value)| !is_of_a_service(name, &value.to_string_lossy()))
        .map(|(name, _)| name)
        .collect();
    names.sort();
    let warning = |name: String| {
        let known = &KNOWN[..FOR_USERS];
        let nearest = known.iter().map(|known| (distance(&name, known), *known)).min();
        let name = line(&name, 60);
        match nearest.filter(|(distance, known)| *distance <= known.len() / 5) {
            Some((_, meant)) => format!("{name} is set, and nothing reads it; is {meant} meant?"),
            None => format!("{name} is set, and nothing reads it; known are {}", known.join(", ")),
        }
    };
    names.into_iter().map(warning).collect()
}

/// Windows does not tell names by their case.
fn is_name(name: &OsStr, known: &str) -> bool {
    if cfg!(windows) { name.eq_ignore_ascii_case(known) } else { name == known }
}

/// What Kubernetes and Docker tell a program of a service that is called `parshall` or begins so.
fn is_of_a_service(name: &str, value: &str) -> bool {
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let mut after = name.split("_PORT_").skip(1);
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || name.ends_with("_PORT") && value.contains("://")
        || after.any(|rest| is_number(rest.split('_').next().unwrap_or_default()))
}

/// How many letters must be put in, left out or exchanged to make the one of the other.
fn distance(a: &str, b: &str) -> usize {
    // Of two that differ so much it does not matter.
    if a.len().abs_diff(b.len()) > b.len() {
        return b.len();
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut before = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let exchanged = before + usize::from(x != y);
            before = row[j + 1];
            row[j + 1] = exchanged.min(before + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// A variable that is empty is taken for one that is not set.
fn is_set(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| !value.is_empty())
}

fn apply_vars(plan: &mut Plan, var: impl Fn(&str) -> Option<OsString>) -> Vec<String> {
    let mut warnings = Vec::new();
    let var = |name| var(name).filter(|value| !value.is_empty());
    if let Some(value) = var("PARSHALL") {
        match value.to_str() {
            Some("off") => plan.off = true,
            Some("on") => plan.off = false,
            _ => {
                let value = shown(&value);
                let stays = if plan.off { "off" } else { "on" };
                warnings
                    .push(format!("PARSHALL is {value}; expected is off or on; it stays {stays}"));
            }
        }
    }
    if let Some(value) = var("PARSHALL_PROCESS") {
        match value.into_string() {
            Ok(name) => plan.process = Some(name),
            Err(value) => {
                let value = shown(&value);
                warnings.push(format!("PARSHALL_PROCESS is {value}, which is no text"));
            }
        }
    }
    #[cfg(feature = "serve")]
    if let Some(value) = var("PARSHALL_BIND") {
        if let Some((address, expose)) = value.to_str().and_then(bind) {
            plan.bind = Some(address);
            plan.expose |= expose;
        } else {
            let value = shown(&value);
            warnings.push(format!(
                "PARSHALL_BIND is {value}; expected is an address and a port, as in \
                 127.0.0.1:7878, [::1]:7878 or {EXPOSE}0.0.0.0:7878"
            ));
        }
    }
    #[cfg(feature = "record")]
    if let Some(value) = var("PARSHALL_RECORD") {
        plan.record = Some(value.into());
    }
    for (name, feature, is_on) in [
        ("PARSHALL_BIND", "serve", cfg!(feature = "serve")),
        ("PARSHALL_RECORD", "record", cfg!(feature = "record")),
    ] {
        if !is_on && var(name).is_some() {
            warnings.push(format!(
                "{name} changes nothing: parshall-gauge was built without its feature `{feature}`"
            ));
        }
    }
    warnings
}

/// A value in a warning.
fn shown(value: &OsStr) -> String {
    format!("\"{}\"", line(&value.to_string_lossy(), 60))
}

/// `127.0.0.1:7878`, or the same behind [`EXPOSE`].
#[cfg(feature = "serve")]
fn bind(text: &str) -> Option<(SocketAddr, bool)> {
    let exposed = text.strip_prefix(EXPOSE);
    Some((exposed.unwrap_or(text).parse().ok()?, exposed.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(all(feature = "serve", feature = "record"))]
    fn applied(vars: &[(&str, &str)]) -> (Plan, Vec<String>) {
        let mut plan = Plan::default();
        let value = |name: &str| vars.iter().find(|var| var.0 == name).map(|var| var.1.into());
        let warnings = apply_vars(&mut plan, value);
        (plan, warnings)
    }

    /// Seen to fail with: an address that exposes itself, and an empty value taken for a bad one.
    #[cfg(all(feature = "serve", feature = "record"))]
    #[test]
    fn what_is_understood_is_taken() {
        let (plan, warnings) = applied(&[
            ("PARSHALL", "off"),
            ("PARSHALL_PROCESS", "ingest"),
            ("PARSHALL_BIND", "127.0.0.1:7878"),
            ("PARSHALL_RECORD", "/tmp/a.db"),
        ]);
        assert_eq!(warnings, Vec::<String>::new());
        assert!(plan.off && !plan.expose);
        assert_eq!(plan.process.as_deref(), Some("ingest"));
        assert_eq!(plan.bind, Some("127.0.0.1:7878".parse().unwrap()));
        assert_eq!(plan.record, Some("/tmp/a.db".into()));
        let (plan, warnings) = applied(&[("PARSHALL_BIND", "expose:[::]:0"), ("PARSHALL", "on")]);
        assert!(plan.expose && !plan.off && warnings.is_empty());
        assert_eq!(plan.bind, Some("[::]:0".parse().unwrap()));
        let empty = ["PARSHALL", "PARSHALL_BIND", "PARSHALL_PROCESS", "PARSHALL_RECORD"];
        let (plan, warnings) = applied(&empty.map(|name| (name, "")));
        assert!(warnings.is_empty() && plan.process.is_none() && plan.record.is_none());
    }

    /// Seen to fail with: a value that is taken apart leniently, and one that stops those after it.
    #[cfg(all(feature = "serve", feature = "record"))]
    #[test]
    fn what_is_not_understood_is_told_and_changes_nothing() {
        let bad = ["7878", "localhost:7878", "127.0.0.1", "expose:", "127.0.0.1:70000", "EXPOSE:x"];
        for value in bad {
            let (plan, warnings) = applied(&[("PARSHALL_BIND", value), ("PARSHALL_RECORD", "a")]);
            assert!(plan.bind.is_none() && !plan.expose && plan.record.is_some());
            assert!(warnings.len() == 1 && warnings[0].contains(value), "{warnings:?}");
        }
        let long = "x".repeat(100_000);
        let (_, warnings) = applied(&[("PARSHALL", &long), ("PARSHALL_BIND", &long)]);
        assert!(
            warnings.len() == 2 && warnings.iter().all(|text| text.len() < 300),
            "{warnings:?}"
        );
        let (plan, warnings) = applied(&[("PARSHALL", "no\n")]);
        assert!(!plan.off);
        assert_eq!(warnings, [r#"PARSHALL is "no\n"; expected is off or on; it stays on"#]);
    }

    fn told(vars: &[(&str, &str)]) -> Vec<String> {
        unknown(vars.iter().map(|&(name, value)| (name.into(), value.into())))
    }

    /// Seen to fail with: the nearest name however far it is, and none.
    #[test]
    fn an_unknown_name_is_told_with_the_one_that_may_be_meant() {
        for (name, meant) in [
            ("PARSHALL_STUKC_AFTER", "PARSHALL_STUCK_AFTER"),
            ("PARSHALL_STUCKAFTER", "PARSHALL_STUCK_AFTER"),
            ("PARSHALL_RECORDS", "PARSHALL_RECORD"),
            ("PARSHALL_BNID", "PARSHALL_BIND"),
            ("PARSHALL_PROCES", "PARSHALL_PROCESS"),
        ] {
            let expected = format!("{name} is set, and nothing reads it; is {meant} meant?");
            assert_eq!(told(&[(name, "1")]), [expected]);
        }
        let far = told(&[("PARSHALL_DATABASE", "1"), ("PARSHALL_\u{1b}[2J", "1")]);
        assert_eq!(far.len(), 2);
        assert!(far[0].starts_with("PARSHALL_DATABASE is set") || far[1].contains("DATABASE"));
        assert!(far.iter().all(|text| text.contains("; known are PARSHALL, PARSHALL_PROCESS, ")));
        assert!(far.iter().all(|text| !text.contains(['\u{1b}', '\n'])), "{far:?}");
        let long = told(&[(&format!("PARSHALL_{}", "X".repeat(100_000)), "1")]);
        assert!(long[0].len() < 300, "{}", long[0].len());
    }

    /// Seen to fail with: each exception left out.
    #[test]
    fn what_others_set_is_not_told() {
        for (name, value) in KNOWN.map(|name| (name, "1")).into_iter().chain([
            ("PARSHALL_STUCK", ""),
            ("PARSHALLS_BIND", "1"),
            ("MY_PARSHALL_BIND", "1"),
            ("parshall_bind", "1"),
            ("PARSHALL_SERVICE_HOST", "10.0.0.1"),
            ("PARSHALL_SERVICE_PORT", "80"),
            ("PARSHALL_SERVICE_PORT_HTTP", "80"),
            ("PARSHALL_PORT", "tcp://10.0.0.1:80"),
            ("PARSHALL_PORT_80_TCP", "tcp://10.0.0.1:80"),
            ("PARSHALL_PORT_80_TCP_ADDR", "10.0.0.1"),
            ("PARSHALL_PAGE_PORT_80_TCP_PROTO", "tcp"),
        ]) {
            assert_eq!(told(&[(name, value)]), [""; 0], "{name}");
        }
        assert_eq!(told(&[("PARSHALL_PORT", "7878")]).len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_squeeze_in_vain_is_told() {
        assert!(squeezed_in_vain(true, false).is_some_and(|text| text.contains("`testing`")));
        assert_eq!((squeezed_in_vain(true, true), squeezed_in_vain(false, false)), (None, None));
    }

    #[cfg(all(unix, feature = "serve"))]
    #[test]
    fn what_is_no_text_is_told() {
        use std::os::unix::ffi::OsStringExt;
        let mut plan = Plan::default();
        let warnings = apply_vars(&mut plan, |_| Some(OsString::from_vec(vec![0xff])));
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        assert!(plan.process.is_none() && plan.bind.is_none());
    }
}
