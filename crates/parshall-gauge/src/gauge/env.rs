//! What the environment of the program says about its gauge.

use std::env;
use std::ffi::OsString;
use std::net::SocketAddr;

use parshall::introspect::Settings;

use super::builder::Plan;

/// In front of an address: others than this host may ask, too.
const EXPOSE: &str = "expose:";

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
            warnings.push(format!("{error}; it stays at {stays:?}"));
        }
        _ => {}
    }
    warnings
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
                let value = value.to_string_lossy();
                warnings.push(format!("PARSHALL is {value:?}; expected is off or on"));
            }
        }
    }
    if let Some(value) = var("PARSHALL_PROCESS") {
        match value.into_string() {
            Ok(name) => plan.process = Some(name),
            Err(value) => {
                let value = value.to_string_lossy();
                warnings.push(format!("PARSHALL_PROCESS is {value:?}, which is no text"));
            }
        }
    }
    if let Some(value) = var("PARSHALL_BIND") {
        if let Some((address, expose)) = value.to_str().and_then(bind) {
            plan.bind = Some(address);
            plan.expose |= expose;
        } else {
            let value = value.to_string_lossy();
            warnings.push(format!(
                "PARSHALL_BIND is {value:?}; expected is an address and a port, as in \
                 127.0.0.1:7878, [::1]:7878 or {EXPOSE}0.0.0.0:7878"
            ));
        }
    }
    if let Some(value) = var("PARSHALL_RECORD") {
        plan.record = Some(value.into());
    }
    warnings
}

/// `127.0.0.1:7878`, or the same behind [`EXPOSE`].
fn bind(text: &str) -> Option<(SocketAddr, bool)> {
    let exposed = text.strip_prefix(EXPOSE);
    Some((exposed.unwrap_or(text).parse().ok()?, exposed.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(vars: &[(&str, &str)]) -> (Plan, Vec<String>) {
        let mut plan = Plan::default();
        let value = |name: &str| vars.iter().find(|var| var.0 == name).map(|var| var.1.into());
        let warnings = apply_vars(&mut plan, value);
        (plan, warnings)
    }

    /// Seen to fail with: an address that exposes itself, and an empty value taken for a bad one.
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
    #[test]
    fn what_is_not_understood_is_told_and_changes_nothing() {
        let bad = ["7878", "localhost:7878", "127.0.0.1", "expose:", "127.0.0.1:70000", "EXPOSE:x"];
        for value in bad {
            let (plan, warnings) = applied(&[("PARSHALL_BIND", value), ("PARSHALL_RECORD", "a")]);
            assert!(plan.bind.is_none() && !plan.expose && plan.record.is_some());
            assert!(warnings.len() == 1 && warnings[0].contains(value), "{warnings:?}");
        }
        let (plan, warnings) = applied(&[("PARSHALL", "no\n")]);
        assert!(!plan.off);
        assert_eq!(warnings, [r#"PARSHALL is "no\n"; expected is off or on"#]);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_text_is_told() {
        use std::os::unix::ffi::OsStringExt;
        let mut plan = Plan::default();
        let warnings = apply_vars(&mut plan, |_| Some(OsString::from_vec(vec![0xff])));
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        assert!(plan.process.is_none() && plan.bind.is_none());
    }
}
