//! For which host a request on TCP may be.
//!
//! A page of another site, open in a browser on this host, can have its own name lead to the
//! loopback, and then reads what it likes as if it were of its site. The name in the request is
//! that of the site, so it gives such a page away. A number does not lead anywhere else.

use std::net::IpAddr;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};

/// Those that a request may be for.
#[derive(Clone, Debug)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// Those that are always allowed, and `names`.
    pub fn new(mut names: Vec<String>) -> Self {
        names.push("localhost".to_owned());
        Self(names)
    }

    /// Whether a request is for one of them. A request line may name a host, too; then that one
    /// counts.
    pub fn allow_request(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let named = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        uri.authority().map(Authority::as_str).or(named).is_some_and(|at| self.allow(at))
    }

    /// `authority` is what a request says: a host, and maybe a port.
    fn allow(&self, authority: &str) -> bool {
        let host = host(authority);
        let number = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        number.unwrap_or(host).parse::<IpAddr>().is_ok()
            || self.0.iter().any(|name| name.eq_ignore_ascii_case(host))
    }
}

/// Without the port.
fn host(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen to fail with: a name that is only compared at its end, and a port taken for the host.
    #[test]
    fn numbers_and_names_that_are_known() {
        let hosts = Hosts::new(vec!["metrics.lan".to_owned()]);
        for host in ["127.0.0.1", "127.0.0.1:7878", "[::1]:7878", "[::1]", "10.0.0.7:1"] {
            assert!(hosts.allow(host), "{host}");
        }
        for host in ["localhost", "LocalHost:80", "metrics.lan:9"] {
            assert!(hosts.allow(host), "{host}");
        }
        let wrong = ["", ":80", "evil.example", "evil.example:7878", "127.0.0.1.evil.example"];
        let wrong = wrong.into_iter().chain(["xlocalhost", "localhost.", "localhost:80:80", "::1"]);
        for host in wrong.filter(|host| *host != "::1") {
            assert!(!hosts.allow(host), "{host}");
        }
    }
}
