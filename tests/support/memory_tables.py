#!/usr/bin/env python3
"""Runs the commands of docs/memory.md and writes what they print below them.

    tests/support/memory_tables.py BUILD [--check]

BUILD: the build folder. --check: changes nothing, and fails where the page says anything else.
A command is an indented line that begins with "$ latentsync-transcode"; its output are the indented
lines after it. No GPU is seen, so that every machine prints the same.
"""

import difflib
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "memory.md"
INDENT = "    "
PROMPT = INDENT + "$ latentsync-transcode "


def printed(tool, arguments, folder):
    environment = dict(os.environ, CUDA_VISIBLE_DEVICES="")
    run = subprocess.run([tool, *arguments.split()], cwd=folder, env=environment, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=100, check=False)
    return [INDENT + line if line else "" for line in run.stdout.strip("\n").split("\n")]


def renewed(lines, tool, folder):
    result, inside = [], False
    for line in lines:
        if line.startswith(PROMPT):
            result += [line, *printed(tool, line[len(PROMPT):], folder), ""]
            inside = True
        elif not inside or (line and not line.startswith(INDENT)):
            result.append(line)
            inside = False
    return result


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--check"]
    if len(arguments) != 1:
        sys.exit(__doc__)
    tool = pathlib.Path(arguments[0]).resolve() / "examples" / "transcode" / "latentsync-transcode"
    before = PAGE.read_text().rstrip("\n").split("\n")
    with tempfile.TemporaryDirectory() as folder:
        model = ROOT / "tests" / "support" / "published_sizes.py"
        subprocess.run([model, pathlib.Path(folder) / "published"], check=True)
        after = renewed(before, tool, folder)
    while after and not after[-1]:
        after.pop()
    if "--check" not in sys.argv:
        PAGE.write_text("\n".join(after) + "\n")
    elif before != after:
        print("\n".join(difflib.unified_diff(before, after, "docs/memory.md", "printed", lineterm="")))
        sys.exit("docs/memory.md is not what its commands print: run " + " ".join(sys.argv[:-1]))


if __name__ == "__main__":
    main()
