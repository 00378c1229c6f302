#!/usr/bin/env python3
"""Measures how well mouths follow the sound, with MediaPipe's FaceMesh with attention.

    mouths.py --data WORK --frames FOLDER --out FOLDER

WORK is the output of `prepare.py unpack`, FRAMES that of `latentsync-measure --frames`. Writes mouths.json and mouths.md with
the figures that docs/training.md defines. The opening is the inner-lip distance over the face's height, smoothed over three
frames. That of the clips themselves was measured with the same mesh when the data was prepared. The project's own mesh,
which latentsync-measure uses, has no attention: it reproduces only a fraction of the movement of small mouths' lips.

Needs mediapipe (requirements-mouths.txt).
"""

import argparse
import json
import pathlib
import struct
import sys

import numpy

import face_mesh

UPPER, LOWER, FOREHEAD, CHIN = 13, 14, 10, 152
LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409,
        78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415)
LAG = 3
TYPES = {"U8": numpy.uint8, "F32": numpy.float32}


def tensors(path, names):
    """The tensors NAMES of a safetensors file, and its metadata."""
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
    found = {}
    for name in names:
        entry = header[name]
        begin, _ = entry["data_offsets"]
        found[name] = numpy.memmap(path, TYPES[entry["dtype"]], "r", 8 + size + begin, tuple(entry["shape"]))
    return found, header.get("__metadata__", {})


def smoothed(values):
    ones = numpy.ones(3)
    return numpy.convolve(values, ones, "same") / numpy.convolve(numpy.ones(len(values)), ones, "same")


def distance(mesh, a, b):
    return numpy.hypot(*(mesh[:, a] - mesh[:, b]).T)


def openings(mesh):
    return smoothed(distance(mesh, UPPER, LOWER) / distance(mesh, FOREHEAD, CHIN))


def lip_jitter(mesh):
    change = mesh[2:, LIPS] - 2 * mesh[1:-1, LIPS] + mesh[:-2, LIPS]
    return float((numpy.hypot(*numpy.moveaxis(change, 2, 0)) / distance(mesh, FOREHEAD, CHIN)[2:, None]).mean())


def best_correlation(a, b):
    """Pearson's correlation at the best lag within LAG frames."""
    best = None
    for shift in range(-LAG, LAG + 1):
        length = min(len(a), len(b)) - abs(shift)
        x, y = a[max(0, -shift):][:length], b[max(0, shift):][:length]
        x, y = x - x.mean(), y - y.mean()
        size = numpy.sqrt((x * x).sum() * (y * y).sum())
        r = float((x * y).sum() / size) if size > 0 else 0.0
        best = r if best is None else max(best, r)
    return best


def mesh_of(frames):
    """Landmarks of every frame, [T, 478, 2] pixels; where none are found, those of the frame before; None without any."""
    found, missing = [], 0
    for mesh in face_mesh.meshes(frames):
        if mesh is not None:
            found.append(mesh)
        elif found:
            found.append(found[-1])
        else:
            missing += 1
    return numpy.array(found[:1] * missing + found) if found else None


class Clips:
    def __init__(self, folder):
        self.folder = folder
        manifest = json.loads((folder / "manifest.json").read_text())
        self.clips = manifest["clips"]
        self.known = {}

    def drivers(self, test):
        """All clips whose sound a test may take, as latentsync-measure has it: whatever it rendered of them."""
        if test != "unseen-voices":
            return [clip["name"] for clip in self.clips if clip["part"] == "driver"]
        first = {}
        for clip in self.clips:
            if clip["part"] == "unseen":
                first.setdefault(clip["speaker"], clip["name"])
        return list(first.values())

    def opening(self, name):
        if name not in self.known:
            path = self.folder / f"{name}.safetensors"
            self.known[name] = smoothed(tensors(path, ["opening"])[0]["opening"])
        return self.known[name]


def cross(clips, test, face, driver, opening):
    def wanted(name):
        values = clips.opening(name)
        return values if test == "plain" else numpy.roll(values, -(len(values) // 2))

    others = [best_correlation(opening, wanted(other)) for other in clips.drivers(test) if other != driver]
    figures = {"r_driver": best_correlation(opening, wanted(driver)),
               "r_original": best_correlation(opening, clips.opening(face)),
               "r_between": best_correlation(wanted(driver), clips.opening(face))}
    if others:
        figures["r_wrong_driver"] = sum(others) / len(others)
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("data", "frames", "out"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    options = parser.parse_args()
    clips = Clips(options.data)

    if not options.frames.is_dir():
        raise SystemExit(f"mouths.py: the folder {options.frames} does not exist; latentsync-measure --frames creates it")
    rendered = []
    for path in sorted(options.frames.glob("*.safetensors")):
        found, about = tensors(path, ["frames"])
        mesh = mesh_of(found["frames"])
        if mesh is None:
            raise SystemExit(f"mouths.py: {path} ({about['test']}, {about['face']} with the sound of {about['driver']}) "
                             "shows no face: remove it to measure the others")
        rendered.append((about, mesh))
    if not rendered:
        print(f"mouths.py: {options.frames} holds no clips; latentsync-measure --frames writes them", file=sys.stderr)
        return

    tests = {}
    silence = {}
    for about, mesh in rendered:
        test, face, driver = about["test"], about["face"], about["driver"]
        opening = openings(mesh)
        if test == "silence":
            silence[face] = opening.std()
            continue
        if test == "speech":
            if face not in silence:
                continue
            test = "silence"
            figures = {"deviation_silence": float(silence[face]), "deviation_speech": float(opening.std()),
                       "quotient": float(silence[face] / opening.std())}
        elif test == "self":
            figures = {"r_driver": best_correlation(opening, clips.opening(face)),
                       "deviation_quotient": float(opening.std() / clips.opening(face).std()),
                       "lip_jitter": lip_jitter(mesh)}
        else:
            figures = cross(clips, test, face, driver, opening)
        tests.setdefault(test, []).append({"face": face, "driver": driver, **figures})

    options.out.mkdir(parents=True, exist_ok=True)
    result, table = {}, []
    for test, entries in tests.items():
        names = [name for name, value in entries[0].items() if isinstance(value, float)]
        columns = {name: [entry[name] for entry in entries if name in entry] for name in names}
        result[test] = {"clips": entries, "mean": {name: float(numpy.mean(c)) for name, c in columns.items()}}
        table += [f"| {test} ({len(entries)}) | mean | least | most |", "| --- | --- | --- | --- |"]
        table += [f"| {name} | {numpy.mean(c):.3f} | {min(c):.3f} | {max(c):.3f} |" for name, c in columns.items()]
        table.append("")
    (options.out / "mouths.json").write_text(json.dumps({"mesh": "MediaPipe FaceMesh with attention", "tests": result}, indent=1) + "\n")
    (options.out / "mouths.md").write_text("\n".join(table))
    print("\n".join(table))


if __name__ == "__main__":
    main()
