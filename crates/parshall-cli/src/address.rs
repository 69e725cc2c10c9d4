//! Where a program answers.

use std::fmt;
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

#[cfg(test)]
mod tests {
    use super::*;

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
