//! Arbitrary bytes to the gauge's server, in pieces: it answers or hangs up, in time, and nothing
//! but `GET`, for a host that it knows, gets anything.
//!
//! Input: a byte of how long pieces are and whether it is TCP, then what is sent.

#![no_main]

use libfuzzer_sys::fuzz_target;
use parshall_gauge::fuzzing::answered;

fn run(input: &[u8]) {
    let [how, request @ ..] = input else { return };
    let (on_tcp, piece) = (how & 1 == 1, usize::from(how >> 1) * usize::from(how >> 1));
    let answer = answered(request, piece, on_tcp);
    let text = String::from_utf8_lossy(&answer);
    if answer.is_empty() {
        return;
    }
    let status = text.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).expect("a status");
    let lower = text.to_ascii_lowercase();
    assert!(!lower.contains("access-control"), "{text}");
    if status == "200" {
        let request = String::from_utf8_lossy(request);
        assert!(request.trim_start().starts_with("GET "), "{request:?}");
        let host = request.to_ascii_lowercase();
        let named = ["localhost", "known.example"].iter().any(|name| host.contains(name));
        assert!(!on_tcp || named || host.contains(|c: char| c.is_ascii_digit()), "{request:?}");
    }
}

fuzz_target!(|input: &[u8]| run(input));
