"""Reads videos and writes clips with ffmpeg, for clips.py."""
import subprocess
import tempfile

import numpy as np

from prepare import FPS, RATE, fail, ffmpeg, ffmpeg_program


def pictures(video, edge=None):
    """The frames of VIDEO as they are shown, 25 a second from the file's beginning on, RGB, at most EDGE wide and high."""
    filters = [f"fps={FPS}:start_time=0",
               "scale=trunc(iw*sar/2)*2:trunc(ih/2)*2:flags=accurate_rnd+full_chroma_int+full_chroma_inp", "setsar=1"]
    if edge:
        filters.append(f"scale=min(iw\\,{edge}):min(ih\\,{edge}):force_original_aspect_ratio=decrease")
    command = [ffmpeg_program(), "-nostdin", "-v", "error", "-i", str(video), "-map", "0:v:0", "-vf", ",".join(filters),
               "-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "-"]
    with tempfile.TemporaryFile() as words, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=words) as process:
        count = 0
        while process.stdout.readline() == b"P6\n":
            width, height = map(int, process.stdout.readline().split())
            process.stdout.readline()
            data = process.stdout.read(width * height * 3)
            if len(data) < width * height * 3:
                break
            count += 1
            yield np.frombuffer(data, np.uint8).reshape(height, width, 3)
        process.stdout.read()
        if process.wait() or not count:
            words.seek(0)
            said = words.read().decode(errors="replace").strip().splitlines() or ["no pictures"]
            fail(f"{video}: the pictures cannot be decoded: give a video file (ffmpeg: {said[-1]})")


def sound_of(video):
    """16-bit samples from the file's beginning on."""
    raw = ffmpeg(["-nostdin", "-i", str(video), "-map", "0:a:0", "-af", "aresample=async=1:first_pts=0", "-ac", "1", "-ar", str(RATE),
                  "-f", "s16le", "-"], f"{video}: there is no sound that could be decoded: give a video with its speech")
    if not raw:
        fail(f"{video}: its sound is empty: give a video with its speech")
    return np.frombuffer(raw, np.int16)


def write_clip(path, frames, sound):
    """H.264 tagged BT.709 and AAC, as docs/training.md has it."""
    side = frames[0].shape[0]
    with tempfile.NamedTemporaryFile(suffix=".s16") as raw:
        raw.write(np.ascontiguousarray(sound).tobytes())
        raw.flush()
        ffmpeg(["-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{side}x{side}", "-r", str(FPS), "-i", "-",
                "-f", "s16le", "-ar", str(RATE), "-ac", "1", "-i", raw.name,
                "-vf", "scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_int",
                "-c:v", "libx264", "-preset", "medium", "-crf", "18", "-pix_fmt", "yuv420p", "-colorspace", "bt709",
                "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv", "-c:a", "aac", "-b:a", "96k", str(path)],
               f"{path} cannot be written", input=np.stack(frames).tobytes())
