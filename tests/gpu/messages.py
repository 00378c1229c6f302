"""What `gst-launch-1.0 -m` prints of the element's messages, as dictionaries."""

import re

MESSAGE = re.compile(r"^Got message .*\): (latentsync-\w+), (.*)$")
# Values that are structures or arrays begin with a quote or "<"; none is of use here.
FIELD = re.compile(r'([\w-]+)=\((\w+)\)([^,;"<]+)')
NUMBERS = {"int": int, "guint": int, "gint64": int, "guint64": int, "uint": int, "double": float}


def parse(text, kind):
    """The messages of a kind ("plan", "window"), each with its own fields alone."""
    for line in text.splitlines():
        found = MESSAGE.match(line)
        if not found or found[1] != f"latentsync-{kind}":
            continue
        # The fields of inner structures are escaped, and come last.
        own = re.split(r", (?:stages|rungs|results)=\(structure\)", found[2])[0]
        yield {name: NUMBERS.get(type_name, str)(value.strip()) for name, type_name, value in FIELD.findall(own)}


def windows(text):
    """Windows in order, each with the peak that was planned for it ("planned", bytes)."""
    planned = None
    for line in text.splitlines():
        for plan in parse(line, "plan"):
            planned = plan["peak"]
        for window in parse(line, "window"):
            yield {**window, "planned": planned}


def seconds_played(text):
    """Of "Execution ended after", which begins behind the first window; None where it is missing."""
    found = re.search(r"^Execution ended after (\d+):(\d+):([\d.]+)", text, re.MULTILINE)
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else None
