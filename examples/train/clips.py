#!/usr/bin/env python3
"""Makes training clips from videos of one speaker: cut, cropped around the face, with landmarks and index.csv.

    clips.py VIDEO... CLIPS --speaker NAME --licence TEXT

VIDEO is any video with its sound. The script keeps parts of at least two seconds that show exactly one frontal face
without cuts and whose mouth follows the sound, in pieces of at most ten seconds. Each becomes NAME-001.mp4 and so on, a
square around the face at 25 frames per second, with FaceMesh's landmarks of every frame in NAME-001.npz and a row in
CLIPS/index.csv. Existing clips in CLIPS are kept, and videos that are in its index are skipped. docs/training.md describes
the format; the folder is the input of `prepare.py pack` and `run.sh --clips`.

--licence states under which licence, or with whose consent, the recordings may be used for training. The script cannot
verify it: state what is true; it is copied into index.csv, the data set and the model card.

Needs ffmpeg and MediaPipe: pip install --no-deps -r examples/train/requirements-mouths.txt
"""
import argparse
import collections
import csv
import dataclasses
import pathlib
import re
import sys
import tempfile

try:
    import numpy as np
except ImportError:
    sys.exit("clips.py: NumPy is missing: `pip install --no-deps -r examples/train/requirements-mouths.txt`")

import face_mesh
from clip_media import pictures, sound_of, write_clip
from mouths import best_correlation, openings, smoothed
from prepare import COLUMNS, FPS, RATE, fail, ffmpeg_program, whole_number

ALSO = ("path", "first_source_frame_25fps", "frames", "sync_r")  # for people; nothing reads them but this script
SHORTEST, LONGEST = 2 * FPS, 10 * FPS
AROUND = 2.2            # the clip's side over the face's height
LEAST_FACE = 70         # pixels
SECOND_FACE = 0.5       # of the first one's height; a smaller one does not count
GAP = 5                 # frames in which a face may be lost
JUMP = 0.3              # of the face's height, from frame to frame
MESH_CUT = 0.04         # the same, the landmarks' mean: beyond their steps before and after
PICTURE_CUT = 6         # of 255, how much a picture changes beyond the changes before and after
FRONTAL = (0.27, 0.73)  # where between the sides of the face its nose is
QUIET = 100             # of 32768, the loudest tenth of a second's root mean square
NOSE_TIP = 1


class LeftOut(Exception):
    """Why a piece is not kept."""


@dataclasses.dataclass
class Piece:
    begin: int     # frames of the video
    end: int
    corner: tuple  # of the square about the face, in pixels of the video
    size: int
    side: int      # the clip's

    def frame(self, picture):
        import cv2
        (x, y), size = self.corner, self.size
        inside = picture[y:y + size, x:x + size]
        return inside.copy() if self.side == size else cv2.resize(inside, (self.side, self.side), interpolation=cv2.INTER_AREA)


# ---------------------------------------------------------------- pieces

def runs(good):
    """Where GOOD holds: [begin, end) of every run."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(np.int8)))
    return list(zip(edges[::2], edges[1::2]))


def parted(good, cuts):
    """The same, parted at CUTS, too: those are before the frames where they are true."""
    result = []
    for begin, end in runs(good):
        edges = [begin, *(begin + 1 + np.flatnonzero(cuts[begin + 1:end])), end]
        result += list(zip(edges, edges[1:]))
    return result


def spikes(changes):
    """How much each is above its neighbours."""
    padded = np.concatenate([[0], changes, [0]])
    return changes - np.maximum(padded[:-2], padded[2:])


def look(video):
    """Per frame of VIDEO: the face's box (centre, width, height over the frame's; NaN without one), what is wrong with it
    or nothing, and whether a cut is before it."""
    import cv2
    small = []

    def noted(frames):
        for frame in frames:
            small.append(cv2.resize(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), (48, 48), interpolation=cv2.INTER_AREA).astype(np.float32))
            yield frame

    faces, wrong = [], []
    for found in face_mesh.boxes(noted(pictures(video, 640))):
        alone = len(found) == 1 or len(found) > 1 and found[1, 3] < SECOND_FACE * found[0, 3]
        faces.append(found[0] if alone else np.full(4, np.nan))
        wrong.append("" if alone else "several faces" if len(found) else "no face")
    cuts = spikes(np.array([0.0] + [np.abs(a - b).mean() for a, b in zip(small, small[1:])])) > PICTURE_CUT
    return np.array(faces), np.array(wrong, object), cuts


def bridged(faces, wrong):
    """Short gaps between frames with one face are filled: a hand in front, a blurred frame."""
    faces, wrong = faces.copy(), wrong.copy()
    for begin, end in runs(wrong == "no face"):
        if 0 < begin and end < len(wrong) and end - begin <= GAP and not wrong[begin - 1] and not wrong[end]:
            share = np.linspace(0, 1, end - begin + 2)[1:-1, None]
            faces[begin:end] = faces[begin - 1] * (1 - share) + faces[end] * share
            wrong[begin:end] = ""
    return faces, wrong


def piece_of(begin, end, faces, shape, side_most):
    """[begin, end) with a square about its FACES; None where they move out of it."""
    boxes = faces[begin:end]
    low = np.maximum((boxes[:, :2] - boxes[:, 2:] / 2).min(0), 0)
    high = np.minimum((boxes[:, :2] + boxes[:, 2:] / 2).max(0), shape)
    size = min(int(AROUND * np.median(boxes[:, 3])), *shape) // 2 * 2
    if (high - low).max() > size:
        return None
    corner = np.clip((low + high) / 2 - size / 2, 0, np.array(shape) - size).astype(int)
    return Piece(begin, end, tuple(corner), size, min(size, side_most))


def pieces(begin, end, faces, shape, side_most):
    """Those of a stretch: even parts of at most LONGEST frames, halves of them where a face moves much."""
    if end - begin < SHORTEST:
        return []
    parts = -(-(end - begin) // LONGEST)
    piece = piece_of(begin, end, faces, shape, side_most) if parts == 1 else None
    if piece:
        return [piece]
    edges = np.linspace(begin, end, max(parts, 2) + 1).astype(int)
    return [piece for a, b in zip(edges, edges[1:]) for piece in pieces(a, b, faces, shape, side_most)]


def stretches(faces, wrong, cuts):
    """Marks what is WRONG with frames whose face is too small, and returns the stretches between gaps and cuts."""
    wrong[(wrong == "") & (faces[:, 3] < LEAST_FACE)] = "small face"
    moved = np.hypot(*np.diff(faces[:, :2], axis=0, prepend=faces[:1, :2]).T)
    cuts = cuts | (moved > JUMP * faces[:, 3])
    return parted(wrong == "", cuts)


def planned(video, shape, heard, side_most):
    """The pieces of VIDEO, whose frames are SHAPE large and have sound up to HEARD, and of every frame that is in none the
    reason."""
    faces, wrong, cuts = look(video)
    if all(wrong == "no face"):
        fail(f"{video}: no face was found: the face must be frontal and at least a tenth as high as the picture")
    faces, wrong = bridged(faces * np.tile(shape, 2), wrong)
    wrong[heard:] = "no sound"
    found = [piece for begin, end in stretches(faces, wrong, cuts) for piece in pieces(begin, end, faces, shape, side_most)]
    wrong[wrong == ""] = "short or moving about"
    for piece in found:
        wrong[piece.begin:piece.end] = ""
    return found, wrong


def with_frames(video, found):
    """Every piece with its cropped frames."""
    left, held = collections.deque(found), []
    for number, picture in enumerate(pictures(video)):
        if not left:
            return
        piece = left[0]
        if piece.begin <= number:
            held.append(piece.frame(picture))
        if number + 1 == piece.end:
            yield piece, held
            left.popleft()
            held = []


# ---------------------------------------------------------------- what is kept of a piece

def best_part(frames):
    """The longest part with a mesh in every frame, frontal and without cuts: [begin, end) and its landmarks."""
    found = list(face_mesh.meshes(frames))
    mesh = np.array([m if m is not None else np.full((478, 2), np.nan) for m in found])
    left, right = mesh[:, :, 0].min(1), mesh[:, :, 0].max(1)
    nose = (mesh[:, NOSE_TIP, 0] - left) / (right - left)
    frontal = (nose > FRONTAL[0]) & (nose < FRONTAL[1])
    step = np.linalg.norm(np.diff(mesh, axis=0), axis=2).mean(1) / np.ptp(mesh[1:, :, 1], axis=1)
    parts = parted(frontal, np.concatenate([[False], spikes(step) > MESH_CUT]))
    begin, end = max(parts, key=lambda part: part[1] - part[0], default=(0, 0))
    if end - begin < SHORTEST:
        raise LeftOut("no face" if np.isnan(nose).mean() > 0.5 else "turned away" if frontal.mean() < 0.5 else "too short between cuts")
    return begin, end, mesh[begin:end]


def agreement(mesh, sound, least):
    """Correlation of the mouth's opening with the sound's loudness, LEAST or more, at the best of a few frames' lags."""
    step = RATE // FPS
    padded = np.zeros(len(mesh) * step)
    padded[:len(sound)] = sound
    loud = np.sqrt((padded.reshape(-1, step) ** 2).mean(1))
    if smoothed(loud).max() < QUIET:
        raise LeftOut("silent")
    sync = best_correlation(openings(mesh), smoothed(np.log(loud + 1)))
    if sync < least:
        raise LeftOut("mouth does not follow the sound")
    return sync


# ---------------------------------------------------------------- clips

class Index:
    """index.csv of the folder CLIPS, as it was and with what is added."""

    def __init__(self, clips):
        self.path, self.fields, self.rows = clips / "index.csv", [*COLUMNS, *ALSO], []
        if self.path.is_file():
            with open(self.path, newline="", encoding="utf-8-sig") as file:
                reader = csv.DictReader(file, restval="")
                self.rows, self.fields = list(reader), list(reader.fieldnames or [])
            if lost := [name for name in COLUMNS if name not in self.fields]:
                fail(f"{self.path} lacks the column {', '.join(lost)}: use another folder, or correct it")
            self.fields += [name for name in ALSO if name not in self.fields]

    def has(self, video):
        return any(row.get("path") == str(video.resolve()) for row in self.rows)

    def free_names(self, speaker):
        """Names that no clip in the folder has."""
        taken = {pathlib.Path(row["file"]).stem for row in self.rows} | {path.stem for path in self.path.parent.iterdir()}
        number = 0
        while True:
            number += 1
            if (name := f"{speaker}-{number:03}") not in taken:
                yield name

    def add(self, rows):
        self.rows += rows
        partial = self.path.with_suffix(".csv.partial")
        with open(partial, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.fields, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
        partial.replace(self.path)


def cut(video, folder, options):
    """Writes the clips of VIDEO to FOLDER as 0.mp4, 0.npz and so on. Returns what is known of each, and how many frames were left
    out, by reason."""
    sound = sound_of(video)
    first = next(pictures(video))
    found, wrong = planned(video, (first.shape[1], first.shape[0]), -(-len(sound) * FPS // RATE), options.side)
    made, left_out = [], collections.Counter(wrong[wrong != ""])
    for piece, frames in with_frames(video, found):
        try:
            begin, end, mesh = best_part(frames)
            spoken = sound[(piece.begin + begin) * RATE // FPS:(piece.begin + end) * RATE // FPS]
            sync = agreement(mesh, spoken, options.least_sync)
        except LeftOut as reason:
            left_out[str(reason)] += len(frames)
            continue
        left_out["next to cuts or turned faces"] += len(frames) - (end - begin)
        write_clip(folder / f"{len(made)}.mp4", frames[begin:end], spoken)
        halves = np.rint(mesh * 2).astype(np.int16)
        np.savez_compressed(folder / f"{len(made)}.npz", d=np.diff(halves, axis=0, prepend=np.zeros_like(halves[:1])))
        made.append({"side_px": piece.side, "frames": end - begin, "first_source_frame_25fps": piece.begin + begin,
                     "sync_r": f"{sync:.3f}"})
    return made, +left_out


def add_video(video, index, options):
    """Returns how many clips it gave."""
    print(f"{video}: detecting faces", flush=True)
    with tempfile.TemporaryDirectory(dir=options.clips, prefix=".clips-") as folder:
        made, left_out = cut(video, pathlib.Path(folder), options)
        rows, names = [], index.free_names(options.speaker)
        for number, about in enumerate(made):
            name = next(names)
            for ending in (".npz", ".mp4"):
                pathlib.Path(folder, f"{number}{ending}").rename(options.clips / f"{name}{ending}")
            rows.append({"file": f"{name}.mp4", "source_repo": options.source, "licence": options.licence,
                         "speaker_id": options.speaker, "rights": options.rights, "path": video.resolve(), **about})
        index.add(rows)
    lost = ", ".join(f"{reason} {frames / FPS:.1f} s" for reason, frames in left_out.most_common())
    print(f"{video}: {len(made)} clips, {sum(about['frames'] for about in made) / FPS:.1f} s; left out: {lost or 'nothing'}", flush=True)
    return len(made)


def speaker_name(text):
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text):
        raise argparse.ArgumentTypeError(f"\"{text}\" cannot be used in a file name: use letters, digits, dots and dashes")
    return text


def words(text):
    if not text.strip():
        raise argparse.ArgumentTypeError("the text is empty")
    return text.strip()


def even(text):
    return whole_number(128, 2048, 2)(text)


def correlation(text):
    try:
        if -1 <= float(text) <= 1:
            return float(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"\"{text}\" is not a number from -1 to 1")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", metavar="VIDEO", nargs="+", type=pathlib.Path)
    parser.add_argument("clips", metavar="CLIPS", type=pathlib.Path, help="output folder; created if necessary")
    parser.add_argument("--speaker", metavar="NAME", type=speaker_name, required=True, help="name of the person in all of the videos")
    parser.add_argument("--licence", metavar="TEXT", type=words, required=True,
                        help="why the recordings may be used for training, e.g. \"consent of the speaker, 2025-03-01\"")
    parser.add_argument("--source", metavar="TEXT", type=words, default="own recordings", help="source of the recordings (own recordings)")
    parser.add_argument("--rights", metavar="TEXT", type=words, default="corpus licence",
                        help="\"corpus licence\" (the default) allows training; with any other text clips are used for measurements only")
    parser.add_argument("--side", metavar="PIXELS", type=even, default=384, help="largest side of the clips; they are never enlarged (384)")
    parser.add_argument("--least-sync", metavar="R", type=correlation, default=0.05,
                        help="smallest correlation of the mouth's opening with the loudness; -1 keeps everything (0.05)")
    options = parser.parse_args()
    for video in options.videos:
        if not video.is_file():
            fail(f"{video} is not a file: give videos, then the folder for the clips")
    if options.clips.exists() and not options.clips.is_dir():
        fail(f"{options.clips} is a file: the last argument is the folder for the clips")
    face_mesh.solutions()
    ffmpeg_program()
    options.clips.mkdir(parents=True, exist_ok=True)
    index, made = Index(options.clips), 0
    for video in options.videos:
        if index.has(video):
            print(f"{video}: its clips are already in {index.path}; to make them again, remove its rows and their files")
        else:
            made += add_video(video, index, options)
    if not index.rows:
        fail("nothing could be kept (see above)")
    print(f"{made} new clips in {options.clips}, {len(index.rows)} in all")


if __name__ == "__main__":
    main()
