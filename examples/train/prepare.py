#!/usr/bin/env python3
"""Prepares training clips as aligned crops, in two steps.

    prepare.py pack CLIPS SET [--edge 256]     clips, landmarks and index.csv -> a small folder to copy to other machines (needs ffmpeg and OpenCV)
    prepare.py unpack SET WORK                 that folder -> one mapped file per clip for latentsync-train (needs OpenCV)

A set holds for each clip NAME.mp4 (aligned crops with a margin, H.264), NAME.npz (landmarks in crop pixels, sound) and, for
clips that are used for measurements, NAME-whole.mp4 (the uncropped frames); manifest.json describes the files. The
alignment is that of core/face/alignment.h. docs/training.md describes the formats.
"""
import argparse
import collections
import csv
import json
import lzma
import os
import pathlib
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np

RATE = 16000
FPS = 25
MARGIN_PARTS = 16  # the crop's edge over the margin around it, room for moving, turning and scaling
SOUND_STEP = 8     # of 16-bit samples; what is lost lies 83 dB below full scale
MOUTH_VALUES = 9   # the opening and eight principal components of the lips

# FaceMesh's numbers: what the alignment takes, and what a mouth is described by.
LEFT_BROW = [70, 63, 105, 66, 107]
RIGHT_BROW = [336, 296, 334, 293, 300]
NOSE = [195, 48, 278, 4]
UPPER_INNER, LOWER_INNER, FOREHEAD, CHIN = 13, 14, 10, 152
LIPS = [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409,
        78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415]

TEMPLATE = np.array([[17, 20], [58, 20], [37.5, 40]])
TEMPLATE_SIZE = (75, 100)
SMOOTHING = 0.2


COLUMNS = ("file", "source_repo", "licence", "speaker_id", "side_px", "rights")
GRID_SPEAKER = "grid-drp-m"
GRID_DRIVERS = "clip048,clip098,clip141,clip188,clip227,clip279"


def fail(message):
    sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {message}")


# ---------------------------------------------------------------- alignment

def alignment_points(points):
    """[478 or 468, 2] of one frame -> brow at the left, brow at the right, nose, in whole pixels."""
    return np.stack([np.rint(np.rint(points[group]).mean(0)) for group in (LEFT_BROW, RIGHT_BROW, NOSE)])


def normalised(points):
    centred = points - points.mean(0)
    deviation = np.sqrt((centred ** 2).sum() / (centred.size - 1))
    return centred / deviation, points.mean(0), deviation


def align_clip(landmarks, edge):
    """[T, points, 2] -> [T, 2, 3] from frame pixels to crop pixels (pixel centres at whole numbers)."""
    scale = edge / 256 * 2.8
    target, target_mean, target_deviation = normalised(TEMPLATE * scale)
    size = np.array([int(TEMPLATE_SIZE[0] * scale), int(TEMPLATE_SIZE[1] * scale)])
    offset, matrices = None, []
    for points in landmarks:
        source, source_mean, source_deviation = normalised(alignment_points(points))
        cosine = (source * target).sum()
        sine = (source[:, 0] * target[:, 1] - source[:, 1] * target[:, 0]).sum()
        length = np.hypot(cosine, sine)
        a, b = target_deviation / source_deviation / length * np.array([cosine, sine])
        turn = np.array([[a, -b], [b, a]])
        now = target[2] - source[2]
        offset = now if offset is None else SMOOTHING * offset + (1 - SMOOTHING) * now
        move = target_mean - turn @ source_mean + offset
        to_crop = np.diag(edge / size)  # the aligned face is scaled to a square about its pixels' corners
        matrices.append(np.hstack([to_crop @ turn, (to_crop @ (move + 0.5) - 0.5)[:, None]]))
    return np.array(matrices)


# ---------------------------------------------------------------- media

def ffmpeg_program():
    found = shutil.which("ffmpeg")
    if found:
        return found
    try:
        import imageio_ffmpeg
        return imageio_ffmpeg.get_ffmpeg_exe()
    except ImportError:
        fail("ffmpeg is missing: install it, or `pip install imageio-ffmpeg`")


def ffmpeg(arguments, failure, **more):
    """What ffmpeg writes. FAILURE is said, with ffmpeg's last words, where it fails."""
    done = subprocess.run([ffmpeg_program(), "-v", "error", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines() or [f"status {done.returncode}"]
        fail(f"{failure} (ffmpeg: {words[-1]})")
    return done.stdout


def check_video(path, side):
    import cv2
    reader = cv2.VideoCapture(str(path))
    if not reader.isOpened():
        fail(f"{path}: OpenCV cannot open it: give a video file")
    width, height, rate = (reader.get(key) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS))
    if width != height:
        fail(f"{path}: {width:.0f}x{height:.0f} pixels are not square: crop it around the face")
    if width != side:
        fail(f"{path}: {width:.0f} pixels wide, {side} by side_px of index.csv: correct the column")
    if abs(rate - FPS) > 0.01:
        fail(f"{path}: {rate:g} frames per second: convert it to {FPS}, and its landmarks")


def decode_frames(path, side):
    """RGB frames [T, side, side, 3]; the files are tagged BT.709, limited range."""
    check_video(path, side)
    raw = ffmpeg(["-i", str(path), "-vf",
                  "scale=in_color_matrix=bt709:in_range=tv:out_range=pc:flags=accurate_rnd+full_chroma_int+full_chroma_inp",
                  "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], f"{path}: the pictures cannot be decoded: replace the clip")
    return np.frombuffer(raw, np.uint8).reshape(-1, side, side, 3)


def decode_sound(path):
    raw = ffmpeg(["-i", str(path), "-vn", "-ac", "1", "-ar", str(RATE), "-f", "s16le", "-"],
                 f"{path}: there is no sound that could be decoded: a clip needs its speech")
    if not raw:
        fail(f"{path}: its sound is empty: a clip needs its speech")
    return np.frombuffer(raw, np.int16)


def encode_frames(path, frames, quality):
    """H.264 with BT.601's matrix: what OpenCV's reader takes for granted."""
    side = frames.shape[1]
    ffmpeg(["-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{side}x{side}", "-r", str(FPS),
            "-i", "-", "-vf", "scale=out_color_matrix=bt601:out_range=tv:flags=accurate_rnd+full_chroma_int",
            "-c:v", "libx264", "-preset", "medium", "-crf", str(quality), "-pix_fmt", "yuv420p", "-colorspace", "smpte170m",
            "-color_range", "tv", str(path)], f"{path} cannot be written", input=np.ascontiguousarray(frames).tobytes())


def read_video(path):
    import cv2
    reader, frames = cv2.VideoCapture(str(path)), []
    while True:
        good, frame = reader.read()
        if not good:
            break
        frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    if not frames:
        fail(f"{path} is missing, or OpenCV cannot decode it: run `prepare.py pack` again")
    return np.stack(frames)


def crop_frames(frames, matrices, edge, margin):
    """Each frame as its aligned crop with a margin around it."""
    import cv2
    side = edge + 2 * margin
    out = np.empty((len(frames), side, side, 3), np.uint8)
    for i, (frame, matrix) in enumerate(zip(frames, matrices)):
        moved = matrix + np.array([[0, 0, margin], [0, 0, margin]])
        scale = np.sqrt(abs(np.linalg.det(moved[:, :2])))
        if scale < 0.9:  # average whole pixels before points are sampled
            frame = cv2.GaussianBlur(frame, (0, 0), 0.4 / scale)
        out[i] = cv2.warpAffine(frame, moved, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT,
                                borderValue=(127, 127, 127))
    return out


def squeeze_sound(samples):
    """Differences of 13-bit samples, high and low bytes apart, through LZMA."""
    coarse = np.rint(samples / SOUND_STEP).astype(np.int16)
    changes = np.diff(coarse, prepend=np.int16(0)).view(np.uint16)
    planes = np.concatenate([(changes >> 8).astype(np.uint8), (changes & 255).astype(np.uint8)])
    return np.frombuffer(lzma.compress(planes.tobytes(), preset=6), np.uint8)


def expand_sound(squeezed, step):
    planes = np.frombuffer(lzma.decompress(squeezed.tobytes()), np.uint8).astype(np.uint16).reshape(2, -1)
    return np.cumsum(((planes[0] << 8) | planes[1]).view(np.int16), dtype=np.int16).astype(np.float32) * step / 32768


# ---------------------------------------------------------------- pack

def landmarks_of(path):
    try:
        differences = np.load(path)["d"]
    except (OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile):
        fail(f"{path} is not a file with landmarks `d`: create it again (docs/training.md)")
    if differences.ndim != 3 or len(differences) == 0 or differences.shape[1] < 468 or differences.shape[2] != 2:
        fail(f"{path}: `d` has the shape {list(differences.shape)}, not [frames, 478, 2]: create it again (docs/training.md)")
    return np.cumsum(differences.astype(np.int32), axis=0) / 2.0


def part_of(row, options):
    """What a clip is for: `train`, `validation` (a speaker left out), `driver` (sentences left out), `unseen`."""
    if row["rights"] != "corpus licence":
        return "unseen"
    if row["speaker_id"] == options.validation:
        return "validation"
    if pathlib.Path(row["file"]).stem in options.drivers.split(","):
        return "driver"
    return "train"


def pack_clip(clips, row, options):
    path, margin = clips / row["file"], options.edge // MARGIN_PARTS
    name, part = path.stem, part_of(row, options)
    landmarks = landmarks_of(path.with_suffix(".npz"))
    frames = decode_frames(path, int(row["side_px"]))
    sound = decode_sound(path)
    count = min(len(frames), len(landmarks))
    if part == "unseen":
        count = min(count, int(options.unseen_seconds * FPS))
    frames, landmarks, sound = frames[:count], landmarks[:count], sound[:count * RATE // FPS]
    matrices = align_clip(landmarks, options.edge)
    in_crop = np.einsum("tij,tpj->tpi", matrices[:, :, :2], landmarks[:, LIPS]) + matrices[:, None, :, 2]
    distance = lambda a, b: np.linalg.norm(landmarks[:, a] - landmarks[:, b], axis=1)
    opening = distance(UPPER_INNER, LOWER_INNER) / distance(FOREHEAD, CHIN)

    folder = pathlib.Path(options.set)
    encode_frames(folder / f"{name}.mp4", crop_frames(frames, matrices, options.edge, margin), options.quality)
    if part != "train":
        encode_frames(folder / f"{name}-whole.mp4", frames, max(0, options.quality - 2))
    quarter = np.rint(in_crop * 4).astype(np.int16)
    np.savez_compressed(folder / f"{name}.npz", lips=np.diff(quarter, axis=0, prepend=np.zeros_like(quarter[:1])),
                        opening=opening.astype(np.float32), matrices=matrices.astype(np.float32),
                        sound=squeeze_sound(sound))
    return {"name": name, "speaker": row["speaker_id"], "part": part, "frames": count, "source": row["source_repo"],
            "licence": row["licence"]}


def read_index(clips):
    """The rows of index.csv, whose clips and landmarks are there."""
    index = clips / "index.csv"
    if not index.is_file():
        fail(f"{index} is missing: give the folder with the clips and their index (made by clips.py)")
    with open(index, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, restval="")
        rows = list(reader)
    lost = [name for name in COLUMNS if name not in (reader.fieldnames or [])]
    if lost:
        fail(f"{index} lacks the column {', '.join(lost)}: the columns are {', '.join(COLUMNS)}")
    if not rows:
        fail(f"{index} has no rows: give it one for each clip")
    names = set()
    for number, row in enumerate(rows, 1):
        empty = [name for name in ("file", "licence", "speaker_id") if not row[name]]
        if empty:
            fail(f"{index}, row {number} ({row['file']}) has no {', '.join(empty)}: fill it in")
        if not row["side_px"].isdecimal():
            fail(f"{index}, row {number} ({row['file']}): side_px is \"{row['side_px']}\": give the width in pixels")
        path = clips / row["file"]
        for needed in (path, path.with_suffix(".npz")):
            if not needed.is_file():
                fail(f"{needed} is missing: add it, or remove row {number} ({row['file']}) of {index}")
        if path.stem in names:
            fail(f"{index}: two clips are named {path.stem}: rename one")
        names.add(path.stem)
    return rows


def check_parts(rows, options):
    """A requested speaker or clip that is missing is an error; GRID's defaults may be missing."""
    names = {pathlib.Path(row["file"]).stem for row in rows}
    if options.validation is None:
        options.validation = GRID_SPEAKER
    elif options.validation not in (speakers := sorted({row["speaker_id"] for row in rows})):
        fail(f"index.csv has no speaker {options.validation}: --validation takes one of {', '.join(speakers)}")
    if options.drivers is None:
        options.drivers = GRID_DRIVERS
    elif lost := [name for name in options.drivers.split(",") if name not in names]:
        fail(f"index.csv has no clip {', '.join(lost)}: --drivers takes names of clips without their extension, separated by commas")
    counts = collections.Counter(part_of(row, options) for row in rows)
    if not counts["train"]:
        fail(f"index.csv has no training clip ({', '.join(f'{n} {part}' for part, n in counts.items())}): mark clips with "
             "`corpus licence` in the column rights, or hold out fewer")
    for part, option in (("validation", "--validation SPEAKER"), ("driver", "--drivers NAME,NAME")):
        if not counts[part]:
            print(f"prepare.py: no clip is held out as {part} (see {option}); the measurements that need one are skipped",
                  file=sys.stderr)


def pack(options):
    clips = pathlib.Path(options.clips)
    rows = read_index(clips)
    check_parts(rows, options)
    ffmpeg_program()
    pathlib.Path(options.set).mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(options.threads) as pool:
        entries = list(pool.map(lambda row: pack_clip(clips, row, options), rows))
    manifest = {"edge": options.edge, "margin": options.edge // MARGIN_PARTS, "fps": FPS, "rate": RATE, "sound_step": SOUND_STEP,
                "clips": entries}
    (pathlib.Path(options.set) / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    size = sum(f.stat().st_size for f in pathlib.Path(options.set).iterdir())
    print(f"{len(entries)} clips, {sum(e['frames'] for e in entries)} frames, {size / 1e6:.1f} MB in {options.set}")


# ---------------------------------------------------------------- unpack

TYPES = {"uint8": "U8", "float32": "F32", "int64": "I64"}


def write_safetensors(path, tensors):
    header, offset = {}, 0
    for name, array in tensors.items():
        header[name] = {"dtype": TYPES[str(array.dtype)], "shape": list(array.shape),
                        "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in tensors.values():
            file.write(np.ascontiguousarray(array).data)


def mouth_values(stored, entries):
    """Per clip [T, 9]: opening and components of the lips' shape about the speaker's mean, in units of the standard
    deviation of the opening and of the first component over the training clips."""
    shapes = {e["name"]: np.cumsum(stored[e["name"]]["lips"].astype(np.int32), 0) / 4.0 for e in entries}
    flat = {name: lips.reshape(len(lips), -1) for name, lips in shapes.items()}
    openings = {e["name"]: stored[e["name"]]["opening"] for e in entries}

    def about_speaker(values):
        result = {}
        for entry in entries:
            same = [values[e["name"]] for e in entries if e["speaker"] == entry["speaker"]]
            result[entry["name"]] = values[entry["name"]] - np.concatenate(same).mean(0)
        return result

    flat, openings = about_speaker(flat), about_speaker(openings)
    training = [e["name"] for e in entries if e["part"] == "train"] or [e["name"] for e in entries]
    sample = np.concatenate([flat[name] for name in training])
    eigenvalues, vectors = np.linalg.eigh(sample.T @ sample / len(sample))
    vectors = vectors[:, ::-1][:, :MOUTH_VALUES - 1] / np.sqrt(eigenvalues[-1])
    unit = np.concatenate([openings[name] for name in training]).std()
    return {name: np.hstack([openings[name][:, None] / unit, flat[name] @ vectors]).astype(np.float32) for name in flat}


def stored_clip(path):
    try:
        clip = dict(np.load(path))
        clip["lips"], clip["opening"], clip["sound"]
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        fail(f"{path} is missing or damaged: run `prepare.py pack` again")
    return clip


def unpack(options):
    folder, work = pathlib.Path(options.set), pathlib.Path(options.work)
    if not (folder / "manifest.json").is_file():
        fail(f"{folder / 'manifest.json'} is missing: run `prepare.py pack` first")
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        entries, margin = manifest["clips"], manifest["margin"]
    except (ValueError, KeyError):
        fail(f"{folder / 'manifest.json'} is damaged: run `prepare.py pack` again")
    work.mkdir(parents=True, exist_ok=True)
    stored = {e["name"]: stored_clip(folder / f"{e['name']}.npz") for e in entries}
    mouths = mouth_values(stored, entries)

    def write(entry):
        name = entry["name"]
        clip = stored[name]
        tensors = {
            "crops": read_video(folder / f"{name}.mp4"),
            "lips": (np.cumsum(clip["lips"].astype(np.int32), 0) / 4.0 + margin).astype(np.float32),
            "mouth": mouths[name],
            "opening": clip["opening"],
            "sound": expand_sound(clip["sound"], manifest["sound_step"]),
        }
        whole = folder / f"{name}-whole.mp4"
        if whole.is_file():
            tensors["whole"] = read_video(whole)
        if len(tensors["crops"]) != entry["frames"]:
            fail(f"{name}.mp4 holds {len(tensors['crops'])} frames, but {entry['frames']} in the manifest: pack it again")
        write_safetensors(work / f"{name}.safetensors", tensors)

    with ThreadPoolExecutor(options.threads) as pool:
        list(pool.map(write, entries))
    (work / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    print(f"{len(entries)} clips in {work}")


def whole_number(low, high, step=1):
    def parse(text):
        if not text.isdecimal() or not low <= int(text) <= high or int(text) % step:
            steps = f" in steps of {step}" if step > 1 else ""
            raise argparse.ArgumentTypeError(f"\"{text}\" is not a whole number from {low} to {high}{steps}")
        return int(text)
    return parse


def seconds(text):
    try:
        if 1 / FPS <= float(text) <= 3600:
            return float(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"\"{text}\" is not a number of seconds from {1 / FPS} to 3600")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="pack|unpack")
    command = commands.add_parser("pack")
    command.add_argument("clips")
    command.add_argument("set")
    command.add_argument("--edge", type=whole_number(128, 1024, 64), default=256)
    command.add_argument("--quality", type=whole_number(0, 51), default=22, help="x264's constant rate factor")
    command.add_argument("--validation", metavar="SPEAKER", help=f"speaker held out for measurements (if present, {GRID_SPEAKER})")
    command.add_argument("--drivers", metavar="NAME,NAME",
                         help=f"clips whose sentences are held out (if present, {GRID_DRIVERS})")
    command.add_argument("--unseen-seconds", type=seconds, default=5, help="seconds to use of each clip without a corpus licence")
    command.set_defaults(run=pack)
    command = commands.add_parser("unpack")
    command.add_argument("set")
    command.add_argument("work")
    command.set_defaults(run=unpack)
    for command in commands.choices.values():
        command.add_argument("--threads", type=whole_number(1, 1024), default=os.cpu_count(), help="default: one per CPU thread")
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
