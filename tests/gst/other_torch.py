#!/usr/bin/env python3
"""A Python program that uses PyTorch and the element: its settings and its results stay as they are.

    other_torch.py before|after FOLDER

before: PyTorch is imported first; after: when the element has rendered. FOLDER has in.mkv and speech.wav. Prints what
the two cost; fails with an assertion. That an engine with CUDA refuses a process with older CUDA libraries is no failure.
"""

import hashlib
import sys
import time

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402


def memory() -> str:
    with open("/proc/self/status") as status:
        lines = dict(line.split(":", 1) for line in status)
    return ", ".join(f"{name} {int(lines[name].split()[0]) // 1024} MB" for name in ("RssAnon", "RssFile"))


def timed(name, function):
    start = time.monotonic()
    result = function()
    print(f"{name}: {time.monotonic() - start:.1f} s, {memory()}")
    return result


def render(folder: str) -> None:
    pipeline = Gst.parse_launch(
        "latentsync name=l device=cpu inference-steps=1 resolution=128 window-frames=8 ! fakesink name=out "
        f"filesrc location={folder}/in.mkv ! matroskademux ! avdec_ffv1 ! queue ! l.video_sink "
        f"filesrc location={folder}/speech.wav ! wavparse ! queue ! l.audio_sink")
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(
        100 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    assert message, "the pipeline hangs"
    if message.type == Gst.MessageType.ERROR:
        pipeline.set_state(Gst.State.NULL)
        error = message.parse_error()[0].message
        assert "cannot use the CUDA libraries" in error and "/libtorch" in error, error
        print(f"refused: {error}")
        return
    edited = pipeline.get_by_name("l").get_property("stats").get_value("frames-edited")
    pipeline.set_state(Gst.State.NULL)
    assert edited == 8, f"{edited} of 8 frames are edited"


def import_torch():
    import torch

    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    return torch


def settings(torch):
    return (torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype(),
            torch.get_float32_matmul_precision(), torch.backends.cuda.matmul.allow_tf32,
            torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark,
            torch.are_deterministic_algorithms_enabled(), torch.is_inference_mode_enabled())


def results(torch):
    torch.manual_seed(1)
    weight = torch.randn(300, 100, requires_grad=True)
    product = torch.randn(200, 300) @ weight
    product.square().sum().backward()
    image = torch.nn.functional.conv2d(torch.randn(1, 8, 40, 40), torch.randn(8, 8, 3, 3))
    try:
        weight @ weight
        raise AssertionError("no error")
    except RuntimeError:
        pass
    return [hashlib.sha1(x.detach().numpy().tobytes()).hexdigest() for x in (product, weight.grad, image)]


def main() -> None:
    order, folder = sys.argv[1:]
    Gst.init(None)
    if order == "after":
        timed("rendered", lambda: render(folder))
    torch = timed("imported", import_torch)
    expected = settings(torch), results(torch)
    timed("rendered", lambda: render(folder))
    assert (settings(torch), results(torch)) == expected, "the application's settings or results have changed"
    print(f"torch {torch.__version__} {order}: {' '.join(expected[1])}")


if __name__ == "__main__":
    main()
