#!/usr/bin/env python3
"""Counts what one message costs in instructions and in locked instructions, under callgrind.

    benches/instructions.py             a table of the rows in instructions.toml, beside tokio's
    benches/instructions.py --check     fails if parshall needs more than instructions.toml allows
    benches/instructions.py --record    writes today's counts to instructions.toml

Needs valgrind, objdump, and Python 3.11. A count is exact where a time is not: it repeats on a busy
machine. README.md in this folder says what is counted, and what the file of allowances is good for.
"""

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ALLOWANCES = ROOT / "benches/instructions.toml"
# Above this part of what is allowed the check fails; below it, it asks for a lower figure.
TOLERANCE = 0.02
# What a message that does not wait must not call. The rows of which that is true.
FORBIDDEN = re.compile(r"alloc|free$|clock_gettime|futex|mutex|syscall|Instant", re.I)
NEVER_WAITS = {"uncontended try_send+try_recv cap128"}


def build(profile, arguments, flags):
    """Builds the benches and returns the program."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    if flags:
        target /= "instructions"
    command = ["cargo", "build", "-q", "--locked", "--profile", profile, "-p", "parshall-benches", *arguments]
    env = dict(os.environ, RUSTFLAGS=flags, CARGO_TARGET_DIR=str(target))
    subprocess.run(command, cwd=ROOT, env=env, check=True)
    return target / profile / "parshall-benches"


@cache
def locked_addresses(binary):
    """Addresses of instructions with a lock prefix, and of xchg with memory, which locks too."""
    listing = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", binary], check=True, capture_output=True, text=True
    ).stdout
    locked = re.compile(r"^\s*([0-9a-f]+):\s+(?:.*\block\b|xchg\s+(?!\s|%\w+,%\w+\s*$))", re.M)
    return {int(address, 16) for address in locked.findall(listing)}


def rounds_and_units(row):
    """How many rounds, and how many units in each. Every row's tasks divide the units."""
    if re.search("one-shot|actor|pair|create", row):
        return 8, 1 << 11  # Because of the heap: see `alone` in src/main.rs.
    return 1, 1 << 17  # So long that the tasks have found their rhythm.


def count(program, row, subject):
    """Instructions and locked instructions a unit, and the names of all functions that ran."""
    rounds, each = rounds_and_units(row)
    units = rounds * each
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "profile")
        subprocess.run(
            ["valgrind", "--tool=callgrind", "--collect-atstart=no", "--dump-instr=yes", "--compress-pos=no",
             "--compress-strings=no", "--toggle-collect=parshall_benches::shapes::counted*",
             f"--callgrind-out-file={out}", program, "--alone", subject, "--rounds", str(rounds),
             "--units", str(each), row],
            check=True, capture_output=True,
        )
        lines = out.read_text().splitlines()
    # For each object the times that each address was run; addresses are those of the file, as
    # objdump's are.
    ran, functions, called = {}, set(), False
    for line in lines:
        if line.startswith("ob="):
            at = ran.setdefault(line[3:], Counter())
        elif line.startswith("fn="):
            function = line[3:]
        elif line.startswith("calls="):
            called = True
        elif line.startswith("0x"):
            # The line after `calls=` is what the callee cost, which is counted where it was spent.
            if not called:
                address, _, times = line.split()
                at[int(address, 16)] += int(times)
                functions.add(function)
            called = False
    instructions = sum(counter.total() for counter in ran.values())
    if instructions < units:
        sys.exit(f"{row}: {instructions} instructions for {units} units: callgrind did not see `counted`")
    locked = sum(
        times for binary, counter in ran.items() if os.path.exists(binary)
        for address, times in counter.items() if address in locked_addresses(binary)
    )
    return instructions / units, locked / units, functions


def made_with():
    """What counts depend on beside the source."""
    rustc = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    return {
        "rustc": rustc.splitlines()[0].removeprefix("rustc "),
        "host": re.search(r"host: (\S+)", rustc)[1],
        "libc": " ".join(platform.libc_ver()),
    }


def table(program, rows, subjects):
    print(f"| {'a unit of':36} | instructions: {' | '.join(subjects)} | locked: {' | '.join(subjects)} |")
    print("|---|" + "---:|" * 2 * len(subjects))
    for row in rows:
        counts = [count(program, row, subject) for subject in subjects]
        figures = [f"{n:9.1f}" for n, _, _ in counts] + [f"{n:6.2f}" for _, n, _ in counts]
        print(f"| {row:36} | {' | '.join(figures)} |", flush=True)


def record(program, rows):
    head = ALLOWANCES.read_text().split("\nrustc = ")[0]
    lines = [head] + [f'{name} = "{value}"' for name, value in made_with().items()] + ["", "[rows]"]
    for row in rows:
        instructions, locked, _ = count(program, row, "parshall")
        lines.append(f'"{row}" = {{ instructions = {instructions:.1f}, locked = {locked:.2f} }}')
    ALLOWANCES.write_text("\n".join(lines) + "\n")


def check(program, file):
    """Whether nothing costs more than is allowed."""
    here = made_with()
    differs = [f"{name} {here[name]}, not {file[name]}" for name in here if here[name] != file[name]]
    failures, lower = 0, 0
    for row, allowed in file["rows"].items():
        instructions, locked, functions = count(program, row, "parshall")
        for what, n in (("instructions", instructions), ("locked", locked)):
            part = n / allowed[what] - 1
            above, below = part > TOLERANCE, part < -TOLERANCE
            failures, lower = failures + above, lower + below
            verdict = "TOO MANY" if above else "fewer: lower the allowance" if below else "as allowed"
            print(f"{row:36} {what:12} {n:9.2f}  allowed {allowed[what]:9.2f}  {part:+7.1%}  {verdict}", flush=True)
        bad = sorted(filter(FORBIDDEN.search, functions)) if row in NEVER_WAITS else []
        if bad:
            failures += 1
            print(f"{row:36} calls what it must not: {', '.join(bad)}")
    if differs:
        print(f"not judged, the allowances are for other tools: {'; '.join(differs)}")
        return True
    if failures:
        print(f"{failures} figures above what benches/instructions.toml allows. Find what costs more; or run "
              "`benches/instructions.py --record`, and say in the commit why it is worth it.")
    elif lower:
        print(f"{lower} figures below what is allowed: run `benches/instructions.py --record`.")
    return not failures


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("rows", nargs="*", help="rows of the benches on one thread; those of the file if none")
    mode = options.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="compare parshall with the file")
    mode.add_argument("--record", action="store_true", help="write the file")
    options.add_argument("--profile", default="release", help="of Cargo, for the table: `release` or `fat`")
    options.add_argument("--without-feature", action="store_true", help="a table without feature `tokio`")
    options.add_argument("--without-watermark", action="store_true", help="a table without the exact high watermark")
    options = options.parse_args()

    missing = [tool for tool in ("valgrind", "objdump") if not shutil.which(tool)]
    if missing:
        print(f"instructions are not counted: no {' and no '.join(missing)} here")
        return 0 if options.check else 1
    file = tomllib.loads(ALLOWANCES.read_text())
    if options.check:
        return 0 if check(build("release", [], ""), file) else 1
    if options.record:
        record(build("release", [], ""), file["rows"])
        return 0
    arguments = ["--no-default-features"] if options.without_feature else []
    flags = "--cfg parshall_no_watermark" if options.without_watermark else ""
    table(build(options.profile, arguments, flags), options.rows or file["rows"], ["tokio", "parshall"])
    return 0


sys.exit(main())
