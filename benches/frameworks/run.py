#!/usr/bin/env python3
"""Published frameworks on tokio's channels and on parshall's: processor time, rounds interleaved.

    benches/frameworks/run.py [PART OF A NAME] [--rounds N]

Builds the package in this folder twice: as it is; and below target/frameworks with a `[patch]` that
puts crates/parshall-tokio in tokio's place, for the frameworks and all that they depend on.
README.md in this folder says how.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SCRATCH = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "frameworks"
RUNTIMES = ["multi", "current"]


def build(folder, target):
    """Builds the package in `folder` as users build, and returns the program."""
    command = ["cargo", "build", "-q", "--release", "--target-dir", str(target)]
    subprocess.run(command, cwd=folder, check=True)
    return target / "release/parshall-frameworks"


def copy(source, target, parts, edits):
    """Copies parts of a package, and edits its manifest; every pattern must be found."""
    for part in parts:
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part)
        else:
            shutil.copy(source / part, target)
    manifest = (source / "Cargo.toml").read_text()
    for pattern, new in edits:
        manifest, found = re.subn(pattern, new, manifest, flags=re.M | re.S)
        if not found:
            raise SystemExit(f"{source}/Cargo.toml: `{pattern}` is not there, so it cannot be replaced")
    (target / "Cargo.toml").write_text(manifest)


def moved():
    """The same package, with the facade under the name `tokio` for every dependency."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    metadata = json.loads(subprocess.run(command, cwd=HERE, check=True, stdout=subprocess.PIPE).stdout)
    [tokio] = [package for package in metadata["packages"] if package["name"] == "tokio"]
    for folder in ("tokio", "parshall", "frameworks"):
        shutil.rmtree(SCRATCH / folder, ignore_errors=True)
    # Tokio itself comes from a path: from the registry it would be replaced too, and the facade
    # would depend on itself. The same goes for parshall's own dependency on it. A lock file has no
    # place for two packages of the same name and version.
    itself = Path(tokio["manifest_path"]).parent
    copy(itself, SCRATCH / "tokio", ["docs", "src", "tests"], [
        (rf'^version = "{re.escape(tokio["version"])}"$', 'version = "0.0.0"'),
        (r"\Z", "\n[workspace]\n"),
    ])
    copy(ROOT, SCRATCH / "parshall", ["src", "docs", "examples", "MIGRATION.md", "README.md"], [
        (r"^members = \[.*?\]", 'members = [".", "crates/parshall-tokio"]'),
        (r"^tokio = \{ version = \"[^\"]*\", optional", 'tokio = { path = "../tokio", optional'),
        (r"^\[dev-dependencies\].*?(?=^\[lints\])", ""),
    ])
    copy(ROOT / "crates/parshall-tokio", SCRATCH / "parshall/crates/parshall-tokio", ["src"], [
        (r"^name = \"parshall-tokio\"", 'name = "tokio"'),
        (r"^version.workspace = true", f'version = "{tokio["version"]}"'),
        (r"^upstream = \{ package = \"tokio\", version = \"[^\"]*\"", 'upstream = { package = "tokio", path = "../../../tokio"'),
        (r"^\[dev-dependencies\].*?(?=^\[lints\])", ""),
    ])
    copy(HERE, SCRATCH / "frameworks", ["src"], [
        (r"\Z", '\n[patch.crates-io]\ntokio = { path = "../parshall/crates/parshall-tokio" }\n'),
    ])
    shutil.copy(HERE / "Cargo.lock", SCRATCH / "frameworks")
    return SCRATCH / "frameworks"


def processor_time(program, workload, runtime):
    """Seconds of processor time that one run takes, in the program and in the kernel."""
    child = subprocess.Popen([program, workload, runtime])
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{program} {workload} {runtime}: failed")
    return usage.ru_utime + usage.ru_stime


def ratio(programs, workload, runtime, rounds):
    """The median of each round's tokio over parshall."""
    ratios = []
    for round in range(rounds):
        # Alternate who goes first.
        order = (0, 1) if round % 2 == 0 else (1, 0)
        times = {which: processor_time(programs[which], workload, runtime) for which in order}
        ratios.append(times[0] / times[1])
    return statistics.median(ratios)


options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
options.add_argument("part", nargs="?", default="", help="only workloads with this in their names")
options.add_argument("--rounds", type=int, default=25)
options = options.parse_args()

programs = [build(HERE, SCRATCH / "on-tokio"), build(moved(), SCRATCH / "on-parshall")]
names = subprocess.run(programs[:1], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
print("| tokio over parshall, processor time | two workers | current thread |\n|---|---:|---:|")
for name in names:
    if options.part in name:
        cells = [f"{ratio(programs, name, runtime, options.rounds):.2f}x" for runtime in RUNTIMES]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
