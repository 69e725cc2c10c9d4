#!/usr/bin/env python3
"""Counts what a channel's creation and end cost, as a user builds it: Cargo's own release profile,
feature `tokio`.

Needs valgrind. Instructions of a channel made, one message, dropped; and bytes of a channel that
lives.
"""

import argparse
import os
import re
import subprocess
import tempfile

ROUNDS = 1000


def build(target_dir):
    env = dict(os.environ, CARGO_TARGET_DIR=target_dir, CARGO_PROFILE_RELEASE_LTO="false",
               CARGO_PROFILE_RELEASE_CODEGEN_UNITS="16")
    command = ["cargo", "build", "-q", "--release", "-p", "parshall-benches", "--bin", "creation",
               "--features", "parshall/tokio,tokio/full"]
    subprocess.run(command, env=env, check=True)
    return os.path.join(target_dir, "release", "creation")


def instructions(binary, channel, shape):
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(
            ["valgrind", "--tool=callgrind", "--collect-atstart=no", f"--toggle-collect=creation::measured_{channel}",
             f"--callgrind-out-file={out.name}", binary, channel, "instructions", shape],
            check=True, capture_output=True,
        )
        return int(re.search(r"^(?:totals|summary): (\d+)", out.read().decode(), re.M)[1]) / ROUNDS


def size(binary, channel, shape):
    run = [binary, channel, "bytes", shape]
    return int(subprocess.run(run, check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target-dir", default="target/creation", help="where it is built")
    binary = build(parser.parse_args().target_dir)
    print(f"{'shape':12} {'parshall':>9} {'tokio':>9}")
    for shape in ("1", "64", "unbounded", "two"):
        print(f"{shape:12} {instructions(binary, 'parshall', shape):9.0f} {instructions(binary, 'tokio', shape):9.0f}"
              "  instructions")
    for shape in ("1", "64", "unbounded"):
        print(f"{shape:12} {size(binary, 'parshall', shape):9} {size(binary, 'tokio', shape):9}  bytes")


main()
