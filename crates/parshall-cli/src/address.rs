//! Where a program answers, and where the page does.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A Unix socket, or a host and port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Address {
    Unix(PathBuf),
    Tcp(String),
}

impl FromStr for Address {
    type Err = String;

    /// A path has a `/` or ends in `.sock`; all else is `HOST:PORT`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('/') || Path::new(text).extension().is_some_and(|end| end == "sock") {
            return Ok(Self::Unix(text.into()));
        }
        match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                Ok(Self::Tcp(text.into()))
            }
            _ => Err("expected is HOST:PORT, or the path of a socket".into()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Tcp(address) => f.write_str(address),
        }
    }
}

/// Where to listen: an address that only this host reaches, unless it was said that others may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bind(pub(crate) SocketAddr);

impl FromStr for Bind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let exposed = text.strip_prefix("expose:");
        let address: SocketAddr = exposed.unwrap_or(text).parse().map_err(|_| {
            "expected is an address and a port, as in 127.0.0.1:7272, [::1]:7272 or \
             expose:0.0.0.0:7272"
        })?;
        if exposed.is_none() && !address.ip().is_loopback() {
            return Err(format!(
                "others than this host would reach it; if they may, say expose:{address}"
            ));
        }
        Ok(Self(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_reach_is_asked_for_twice() {
        let bind = |text: &str| text.parse::<Bind>().map(|bind| bind.0.to_string());
        for good in ["127.0.0.1:0", "[::1]:7272", "127.9.9.9:80"] {
            assert_eq!(bind(good).as_deref(), Ok(good));
            assert_eq!(bind(&format!("expose:{good}")).as_deref(), Ok(good));
        }
        assert_eq!(bind("expose:0.0.0.0:80").as_deref(), Ok("0.0.0.0:80"));
        assert!(bind("0.0.0.0:80").unwrap_err().contains("say expose:0.0.0.0:80"));
        for bad in ["", "80", "localhost:80", "127.0.0.1", "EXPOSE:127.0.0.1:80", "expose:"] {
            assert!(bind(bad).unwrap_err().starts_with("expected is"), "{bad}");
        }
    }

    #[test]
    fn an_address_is_a_path_or_a_host_and_a_port() {
        let tcp = |text: &str| Ok(Address::Tcp(text.into()));
        assert_eq!("localhost:9000".parse(), tcp("localhost:9000"));
        assert_eq!("[::1]:9000".parse(), tcp("[::1]:9000"));
        assert_eq!("x.sock".parse(), Ok(Address::Unix("x.sock".into())));
        assert_eq!("/run/x".parse(), Ok(Address::Unix("/run/x".into())));
        for bad in ["", "localhost", ":9000", "localhost:", "localhost:99999"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
