#!/usr/bin/env python3
"""The table of the benches with its further columns: fat LTO, and without the feature `tokio`.

    benches/columns.py [ARGUMENT...]    arguments are passed on: a row, `--rounds N`

Builds and runs the benches once for each configuration, one after the other, and puts the ratios
beside each other. Each ratio is of one run, so the columns may be compared as far as ratios may.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONFIGURATIONS = [
    ("to tokio", ["--release"]),
    ("fat LTO", ["--profile", "fat"]),
    ("no feature", ["--release", "--no-default-features"]),
    ("fat LTO, no feature", ["--profile", "fat", "--no-default-features"]),
]


def run(arguments):
    """The lines above the table, and the table's cells, without its two lines of head."""
    # A folder for each set of features, so that none is built again at the next call.
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    if "--no-default-features" in arguments:
        target /= "no-feature"
    command = ["cargo", "run", "-q", "--locked", "-p", "parshall-benches", *arguments, "--", *sys.argv[1:]]
    env = dict(os.environ, CARGO_TARGET_DIR=str(target))
    output = subprocess.run(command, cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
    head, _, table = output.partition("\n\n")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return head, rows[2:]


head, rows = run(CONFIGURATIONS[0][1])
for _, arguments in CONFIGURATIONS[1:]:
    for row, (name, *_, ratio) in zip(rows, run(arguments)[1], strict=True):
        assert row[0] == name, f"{name} where {row[0]} should be"
        row.append(ratio)
print(head, "\n")
names = ["row", "tokio ns", "parshall ns", *(name for name, _ in CONFIGURATIONS)]
for row in [names, ["---"] + ["---:"] * (len(names) - 1), *rows]:
    print(f"| {' | '.join(row)} |")
