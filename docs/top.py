#!/usr/bin/env python3
"""Makes docs/top.svg: what `parshall top` really shows of the example `hang`, which hangs.

Needs tmux. Run it again when the screen of `top` has changed, and look at the picture.
"""

import html
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COLUMNS, ROWS = 100, 12
CELL, LINE, MARGIN = 8.4, 19, 14
BACK, FRONT = "#14181d", "#d8dee6"
# The colours of a terminal that the screen uses, by their numbers in SGR.
COLOURS = {31: "#ff7b72", 32: "#7ee787", 33: "#e3b341", 34: "#79c0ff", 36: "#56d4dd"}


def captured():
    """The screen, with its escape sequences, once the hang is on it."""
    cargo = ["cargo", "build", "--quiet", "--locked"]
    subprocess.run([*cargo, "-p", "parshall-gauge", "--example", "hang"], cwd=ROOT, check=True)
    subprocess.run([*cargo, "-p", "parshall-cli"], cwd=ROOT, check=True)
    built = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "XDG_RUNTIME_DIR": folder}
        env.pop("NO_COLOR", None)
        tmux = ["tmux", "-f", "/dev/null", "-S", f"{folder}/tmux"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        hang = subprocess.Popen([built / "examples/hang"], env=env, **quiet)
        try:
            # Long enough for an age that does not change while one looks.
            time.sleep(12)
            size = ["-x", str(COLUMNS), "-y", str(ROWS)]
            top = f"TERM=xterm-256color {built}/parshall top hang"
            subprocess.run([*tmux, "new-session", "-d", *size, top], env=env, check=True)
            time.sleep(4)
            pane = [*tmux, "capture-pane", "-e", "-p", "-N"]
            text = subprocess.run(pane, check=True, capture_output=True, text=True).stdout
        finally:
            subprocess.run([*tmux, "kill-server"], **quiet)
            hang.kill()
            hang.wait()
    if "STUCK" not in text:
        raise SystemExit(f"top does not show that it hangs:\n{text}")
    return text


def runs(line):
    """Text of one style each: (text, colour, is bold, is reversed)."""
    colour, bold, reverse = FRONT, False, False
    for part in re.split(r"(\x1b\[[0-9;]*m)", line):
        if not part.startswith("\x1b"):
            if part:
                yield part, colour, bold, reverse
            continue
        # A colour of 256 may be one of the first, too.
        part = re.sub(r"38;5;([0-7])(?=[;m])", r"3\1", part)
        for code in (int(code or 0) for code in part[2:-1].split(";")):
            if code == 0:
                colour, bold, reverse = FRONT, False, False
            elif code in (1, 22):
                bold = code == 1
            elif code in (7, 27):
                reverse = code == 7
            elif code == 39:
                colour = FRONT
            elif code in COLOURS:
                colour = COLOURS[code]


def picture(text):
    width, height = COLUMNS * CELL + 2 * MARGIN, ROWS * LINE + 2 * MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" role="img" aria-labelledby="t">',
        '<title id="t">parshall top: a writer and a flusher wait for each other</title>',
        f'<rect width="100%" height="100%" rx="8" fill="{BACK}"/>',
        '<g font-family="ui-monospace, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" '
        'font-size="14" xml:space="preserve">',
    ]
    for row, line in enumerate(text.rstrip("\n").split("\n")):
        column, top = 0, MARGIN + row * LINE
        for part, colour, bold, reverse in runs(line):
            left, long = MARGIN + column * CELL, len(part) * CELL
            column += len(part)
            if reverse:
                out.append(
                    f'<rect x="{left:.1f}" y="{top}" width="{long:.1f}" height="{LINE}" '
                    f'fill="{colour}"/>'
                )
                colour = BACK
            # Words, each at its column: fonts differ in how wide a character is.
            for word in re.finditer(r"\S+(?: \S+)*", part):
                x, wide = left + word.start() * CELL, len(word[0]) * CELL
                weight = ' font-weight="bold"' if bold else ""
                out.append(
                    f'<text x="{x:.1f}" y="{top + 14}" textLength="{wide:.1f}" '
                    f'fill="{colour}"{weight}>{html.escape(word[0])}</text>'
                )
    return "\n".join([*out, "</g>", "</svg>", ""])


if __name__ == "__main__":
    (ROOT / "docs/top.svg").write_text(picture(captured()))
