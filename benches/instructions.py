#!/usr/bin/env python3
"""Counts what one message costs: instructions, locked instructions, and calls that must not be there.

Needs valgrind and objdump. Builds the benches twice, with and without the watermark probe, runs
`instructions` under callgrind for each subject, and counts inside its `measured_*` function only.
Instructions, not seconds: the figures repeat on a busy machine.
"""

import os
import re
import subprocess
import sys
import tempfile

MESSAGES = 10_000
FORBIDDEN = re.compile(r"malloc|calloc|realloc|free$|clock_gettime|futex|pthread_mutex|syscall|Instant|alloc::")


def build(target_dir, flags):
    # A named target keeps the flags away from procedural macros; static, so that addresses are objdump's.
    host = re.search(r"host: (\S+)", subprocess.run(["rustc", "-vV"], capture_output=True, text=True).stdout)[1]
    env = dict(os.environ, CARGO_TARGET_DIR=target_dir, RUSTFLAGS=f"-C relocation-model=static {flags}")
    command = ["cargo", "build", "-q", "--release", "--target", host, "-p", "parshall-benches", "--bin", "instructions"]
    subprocess.run(command, env=env, check=True)
    return os.path.join(target_dir, host, "release", "instructions")


def locked_addresses(binary):
    """Addresses of instructions with a lock prefix, and of xchg with memory, which locks without one."""
    listing = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", binary], check=True, capture_output=True, text=True
    ).stdout
    locked = re.compile(r"^\s*([0-9a-f]+):\s+(lock\b.*|xchg\s.*\(.*)$", re.M)
    return {int(address, 16) for address, _ in locked.findall(listing)}


COUNTED = {"tokio": "tokio", "tasks": "parshall_tasks", "tokio-tasks": "tokio_tasks"}


def measure(binary, subject):
    counted = "instructions::measured_" + COUNTED.get(subject, "parshall")
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(
            ["valgrind", "--tool=callgrind", "--dump-instr=yes", "--collect-atstart=no",
             f"--toggle-collect={counted}", f"--callgrind-out-file={out.name}", binary, subject],
            check=True, capture_output=True,
        )
        profile = out.read().decode()
    instructions, per_address, bad = 0, {}, set()
    call, address = False, 0
    for line in profile.splitlines():
        if line.startswith(("fn=", "cfn=")):
            name = line.split(" ", 1)[1] if " " in line else ""
            if FORBIDDEN.search(name):
                bad.add(name)
        elif line.startswith("calls="):
            call = True
        elif re.match(r"^(0x|\+|-|\*)", line):
            fields = line.split()
            at = fields[0]
            address = (int(at, 16) if at.startswith("0x") else
                       address if at == "*" else
                       address + int(at.replace("0x", ""), 16 if "0x" in at else 10))
            if call:
                call = False  # Inclusive cost of a call: counted where it is spent.
            else:
                per_address[address] = per_address.get(address, 0) + int(fields[-1])
                instructions += int(fields[-1])
    return instructions, per_address, bad


def main():
    target = sys.argv[1] if len(sys.argv) > 1 else "target/instructions"
    with_probe = build(target, "")
    without = build(target + "-no-watermark", "--cfg parshall_no_watermark")
    print(f"{'subject':30} {'instructions':>12} {'locked':>7}  calls out of the fast path")
    results = {}
    for label, binary, subject in [
        ("tokio", with_probe, "tokio"),
        ("parshall", with_probe, "parshall"),
        ("parshall, watched", with_probe, "watched"),
        ("parshall, untracked", with_probe, "untracked"),
        ("parshall, no watermark", without, "parshall"),
        ("tokio, tasks", with_probe, "tokio-tasks"),
        ("parshall, tasks", with_probe, "tasks"),
        ("parshall, tasks, no watermark", without, "tasks"),
    ]:
        total, per_address, bad = measure(binary, subject)
        locked = sum(per_address.get(address, 0) for address in locked_addresses(binary))
        results[label] = total / MESSAGES
        # A whole run of tasks makes its channel and its tasks, and waits now and then.
        calls = "(not looked at)" if "tasks" in label else ", ".join(sorted(bad)) or "none"
        print(f"{label:30} {total / MESSAGES:12.1f} {locked / MESSAGES:7.2f}  {calls}")
    for label in ("parshall", "parshall, tasks"):
        extra = results[label] - results[f"{label}, no watermark"]
        print(f"{label}: the exact high watermark costs {extra:.1f} instructions, {extra / results[label]:.1%}")


main()
