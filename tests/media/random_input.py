#!/usr/bin/env python3
"""Makes one odd media file, drawn at random: random_input.py SEED FOLDER

Container, codecs, rate, size, pixels' shape and a change of it, depth, interlace, offsets, channels, lengths and a cut
at any byte are drawn. Prints the arguments of latentsync-transcode that go with it, without -o, and the extension of the
output, one line each. The same SEED gives the same. Needs ffmpeg.
"""
import random
import shlex
import subprocess
import sys
from pathlib import Path

VIDEO = {  # what encodes it, the pixel formats that it takes
    'h264': (['-c:v', 'libx264', '-preset', 'ultrafast'], ['yuv420p', 'yuvj420p', 'yuv422p', 'yuv444p', 'yuv420p10le']),
    'mpeg2': (['-c:v', 'mpeg2video', '-q:v', '3'], ['yuv420p', 'yuv422p']),
    'mpeg4': (['-c:v', 'mpeg4', '-q:v', '3'], ['yuv420p']),
    'mjpeg': (['-c:v', 'mjpeg', '-q:v', '3'], ['yuvj420p', 'yuvj422p', 'yuvj444p']),
    'ffv1': (['-c:v', 'ffv1'], ['yuv420p', 'yuv422p', 'yuv444p', 'yuv420p10le', 'gray', 'bgra', 'bgr0']),
    'vp8': (['-c:v', 'libvpx', '-deadline', 'realtime', '-cpu-used', '8'], ['yuv420p', 'yuva420p']),
    'vp9': (['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8'], ['yuv420p', 'yuv444p']),
    'prores': (['-c:v', 'prores_ks'], ['yuv422p10le', 'yuva444p10le']),
    'flv1': (['-c:v', 'flv1', '-q:v', '3'], ['yuv420p']),
    'theora': (['-c:v', 'libtheora', '-q:v', '7'], ['yuv420p']),
    'png': (['-c:v', 'png'], ['rgb24', 'rgba']),
    'raw': (['-c:v', 'rawvideo'], ['yuv420p', 'yuyv422', 'bgr24']),
    'wmv2': (['-c:v', 'wmv2', '-q:v', '3'], ['yuv420p']),
}
AUDIO = {  # what encodes it, the most channels, rates (none: any)
    's16': (['-c:a', 'pcm_s16le'], 8, None), 's24': (['-c:a', 'pcm_s24le'], 8, None), 'u8': (['-c:a', 'pcm_u8'], 2, None),
    'f32': (['-c:a', 'pcm_f32le'], 8, None), 'f64': (['-c:a', 'pcm_f64le'], 2, None), 's16be': (['-c:a', 'pcm_s16be'], 2, None),
    'aac': (['-c:a', 'aac'], 6, None), 'mp2': (['-c:a', 'mp2'], 2, [32000, 44100, 48000]),
    'mp3': (['-c:a', 'libmp3lame'], 2, [16000, 22050, 44100, 48000]),
    'ac3': (['-c:a', 'ac3'], 6, [44100, 48000]), 'flac': (['-c:a', 'flac'], 8, None),
    'opus': (['-c:a', 'libopus'], 2, [48000, 16000]), 'vorbis': (['-c:a', 'libvorbis'], 2, [22050, 44100, 48000]),
    'alaw': (['-c:a', 'pcm_alaw'], 2, None), 'ima': (['-c:a', 'adpcm_ima_wav'], 2, [22050, 44100]),
    'wma': (['-c:a', 'wmav2'], 2, [22050, 44100]),
}
FILES = {  # extension: video, audio
    'mp4': (['h264', 'mpeg4', 'vp9', 'mjpeg'], ['aac', 'mp3', 'ac3', 'opus', 'flac']),
    'mov': (['h264', 'prores', 'mjpeg', 'png', 'raw', 'mpeg4'], ['aac', 's16', 's24', 'f32', 'alaw', 's16be']),
    'mkv': (['h264', 'mpeg2', 'mpeg4', 'mjpeg', 'ffv1', 'vp8', 'vp9', 'theora', 'prores'],
            ['aac', 's16', 's24', 'f32', 'mp3', 'flac', 'opus', 'vorbis', 'ac3', 'f64']),
    'webm': (['vp8', 'vp9'], ['opus', 'vorbis']),
    'avi': (['mpeg4', 'mjpeg', 'raw', 'h264', 'ffv1'], ['mp3', 's16', 'ac3', 'ima', 'u8']),
    'ts': (['h264', 'mpeg2'], ['aac', 'mp2', 'ac3', 'mp3']),
    'flv': (['h264', 'flv1'], ['aac', 'mp3']),
    'mpg': (['mpeg2'], ['mp2', 'ac3']),
    'ogv': (['theora'], ['vorbis', 'flac', 'opus']),
    'wmv': (['wmv2'], ['wma']),
}
SOUNDS = {'wav': ['s16', 's24', 'u8', 'f32', 'f64', 'alaw', 'ima'], 'flac': ['flac'], 'mp3': ['mp3'], 'm4a': ['aac'],
          'ogg': ['vorbis', 'opus'], 'mka': ['s16', 'f32', 'ac3']}
RATES = ['1', '5', '12', '15', '24000/1001', '24', '25', '25', '25', '30000/1001', '30', '50', '60000/1001', '60', '120']
LAYOUTS = {1: ['mono'], 2: ['stereo'], 3: ['2.1', '3.0'], 4: ['4.0', 'quad'], 5: ['5.0'], 6: ['5.1'], 7: ['6.1'],
           8: ['7.1', '7.1(wide)']}


class Draw:
    def __init__(self, seed, folder):
        self.random = random.Random(seed)
        self.folder = folder

    def chance(self, part):
        return self.random.random() < part

    def sound_source(self, seconds):
        level = self.random.choice(['', '', ',volume=0', ',volume=8'])
        return ['-f', 'lavfi', '-t', f'{seconds:.4f}', '-i', f'sine=frequency=440:sample_rate=48000{level}']

    def sound_codec(self, names):
        arguments, most, rates = AUDIO[self.random.choice(names)]
        channels = self.random.choice([1, 1, 2, 2, 3, 4, 5, 6, 7, 8])
        channels = min(channels, most)
        rate = self.random.choice(rates or [8000, 16000, 16000, 22050, 32000, 44100, 48000, 96000])
        layout = self.random.choice(LAYOUTS[channels])
        return ['-af', f'aformat=channel_layouts={layout}', '-ar', str(rate), *arguments]

    def ffmpeg(self, *arguments):
        command = ['ffmpeg', '-nostdin', '-v', 'error', '-y', '-threads', '1', *map(str, arguments)]
        return subprocess.run(command, capture_output=True, timeout=60).returncode == 0

    def cut(self, file):
        size = file.stat().st_size
        if size > 1:
            with open(file, 'r+b') as stream:
                stream.truncate(self.random.randrange(1, size))

    def video(self):
        extension = self.random.choice(sorted(FILES))
        videos, audios = FILES[extension]
        file = self.folder / f'in.{extension}'
        codec, formats = VIDEO[self.random.choice(videos)]
        rate = self.random.choice(RATES)
        frames = self.random.randint(1, 60)
        numerator, _, denominator = rate.partition('/')
        seconds = frames * int(denominator or 1) / int(numerator)
        width, height = (2 * self.random.randint(16, 80) for _ in range(2))
        picture = f'testsrc2=size={width}x{height}:rate={rate}'
        filters = [f"setsar={self.random.choice(['1', '1', '1', '4/3', '12/11', '1/2'])}"]
        arguments = [*codec, '-pix_fmt', self.random.choice(formats), '-frames:v', frames]
        if self.chance(0.15):
            filters.append('setfield=tff' if self.chance(0.5) else 'setfield=bff')
            if 'mpeg2video' in codec:
                arguments += ['-flags', '+ildct+ilme']
        if 'libx264' in codec or 'mpeg4' in codec:
            arguments += ['-bf', self.random.choice([0, 0, 2])]
        inputs = ['-f', 'lavfi', '-i', picture]
        if self.chance(0.3):
            inputs = ['-itsoffset', f'{self.random.uniform(0, 1.5):.3f}', *inputs]
        self.has_sound = self.chance(0.9)
        if self.has_sound:
            heard = self.random.choice([seconds, seconds, seconds / 2, seconds * 1.5])
            offset = ['-itsoffset', f'{self.random.uniform(-0.5, 1.5):.3f}'] if self.chance(0.3) else []
            inputs += offset + self.sound_source(max(heard, 0.01))
            arguments += ['-map', '0:v', '-map', '1:a', *self.sound_codec(audios), '-strict', '-2']
        good = self.ffmpeg(*inputs, '-vf', ','.join(filters), *arguments, file)
        if good and extension in ('ts', 'mpg') and self.chance(0.4):
            self.change_aspect(file, inputs, arguments, seconds)
        return file if good and file.stat().st_size > 0 else None

    def change_aspect(self, file, inputs, arguments, seconds):
        second = file.with_stem('second')
        if self.ffmpeg(*inputs, '-vf', 'setsar=16/11', *arguments, '-output_ts_offset', f'{seconds:.3f}', second):
            file.write_bytes(file.read_bytes() + second.read_bytes())

    def sound(self):
        extension = self.random.choice(sorted(SOUNDS))
        file = self.folder / f'speech.{extension}'
        seconds = self.random.choice([0, 0.01, 0.2, 1, 3])
        codec = self.sound_codec(SOUNDS[extension])
        # A source of no length would have no end.
        made = self.ffmpeg(*self.sound_source(seconds or 1), *codec, '-strict', '-2', '-t', seconds, file)
        return file if made and file.exists() else None

    def options(self):
        options = []
        if self.chance(0.2):
            options += ['--start', f'{self.random.uniform(0, 1):.3f}']
        if self.chance(0.2):
            options += ['--duration', f'{self.random.uniform(0.02, 2):.3f}']
        if self.chance(0.2):
            count = self.random.randint(1, 4)
            options += ['--shard', f'{self.random.randint(1, count)}/{count}']
        if self.chance(0.3):
            options += ['--video-end', self.random.choice(['stop', 'hold', 'loop', 'pingpong'])]
        return options


def main():
    seed, folder = int(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    # Not every combination exists: the next draw of the same seed then.
    for attempt in range(50):
        draw = Draw(seed * 1000 + attempt, folder)
        file = draw.video()
        speech = draw.sound() if file and (not draw.has_sound or draw.chance(0.3)) else None
        if file and (draw.has_sound or speech):
            break
    else:
        sys.exit(f'random_input.py: seed {seed} gives nothing that ffmpeg can make')
    for cut in [file, speech]:
        if cut and draw.chance(0.25):
            draw.cut(cut)
    arguments = [str(file), *(['--audio', str(speech)] if speech else []), *draw.options()]
    print(shlex.join(arguments))
    print(draw.random.choice(['mp4', 'mp4', 'mov', 'mkv', 'mkv', 'webm']))


if __name__ == '__main__':
    main()
