#!/usr/bin/env python3
"""The peer: the same networks in PyTorch eager with diffusers, at the real size with random weights.

Speaks what `latentsync-bench --serve` speaks: prints "ready", then for every line "run" the seconds of one evaluation and
for "memory" the peak in MiB; ends with its input. The first line tells the versions and the number of parameters.
"""

import argparse
import importlib.util
import json
import sys
import time


# What diffusers uses where it is installed, and neither network needs: other releases than diffusers' own break it.
HIDDEN = {"accelerate", "flax", "jax", "onnxruntime", "peft", "transformers"}


class Hider:
    """Makes imports of the HIDDEN packages fail."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


def hide_packages():
    sys.meta_path.insert(0, Hider)
    # diffusers asks importlib.util.find_spec(), which must answer None and not raise.
    real = importlib.util.find_spec
    importlib.util.find_spec = lambda name, package=None: \
        None if name.partition(".")[0] in HIDDEN else real(name, package)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", choices=["unet", "window_plain", "vae_encode", "vae_decode"], required=True)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--edge", type=int, default=256, help="of the face crop in pixels")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0)
    return parser.parse_args()


def window(network, sample, audio, scheduler):
    """Denoises a window: 20 steps with guidance, both halves of it in one evaluation."""
    import torch

    scheduler.set_timesteps(20, device=sample.device)
    conditions = torch.cat([sample[:, 4:]] * 2)
    embeddings = torch.cat([torch.zeros_like(audio), audio])

    def run():
        latents = sample[:, :4]
        for timestep in scheduler.timesteps:
            inputs = torch.cat([torch.cat([latents] * 2), conditions], dim=1)
            without, with_audio = network(inputs, timestep, encoder_hidden_states=embeddings).sample.chunk(2)
            latents = scheduler.step(without + 1.5 * (with_audio - without), timestep, latents).prev_sample

    return run


def make(options, torch):
    """(module, function that evaluates it once)"""
    import diffusers

    dtype, device = getattr(torch, options.dtype), options.device
    generator = torch.Generator("cpu").manual_seed(1)

    def random(*shape):
        return torch.randn(*shape, generator=generator).to(device, dtype)

    side = options.edge // 8
    if options.stage in ("unet", "window_plain"):
        with torch.device(device):  # weights are drawn there: on a CPU that takes long
            network = diffusers.UNetMotionModel(in_channels=13, cross_attention_dim=384, use_motion_mid_block=False,
                                                motion_max_seq_length=24)
        sample, audio = random(1, 13, options.frames, side, side), random(options.frames, 50, 384)
        timestep = torch.tensor(401, device=device)
        run = lambda: network(sample, timestep, encoder_hidden_states=audio)
        if options.stage == "window_plain":
            run = window(network, sample, audio, diffusers.DDIMScheduler(steps_offset=1))
    else:
        with torch.device(device):
            network = diffusers.AutoencoderKL(
                down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
                block_out_channels=[128, 256, 512, 512], layers_per_block=2, latent_channels=4)
        images, latents = random(options.frames, 3, options.edge, options.edge), random(options.frames, 4, side, side)
        run = (lambda: network.encode(images)) if options.stage == "vae_encode" else (lambda: network.decode(latents))
    network.to(device, dtype).eval().requires_grad_(False)
    return network, run


def peak_mib(options, torch):
    if options.device != "cpu":
        return torch.cuda.max_memory_allocated() >> 20
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM:"))


def main():
    options = parse()
    hide_packages()
    import torch
    import diffusers

    if options.threads:
        torch.set_num_threads(options.threads)
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    network, run = make(options, torch)
    print(json.dumps({"torch": torch.__version__, "diffusers": diffusers.__version__,
                      "threads": torch.get_num_threads(),
                      "parameters": sum(p.numel() for p in network.parameters())}), flush=True)

    def timed():
        start = time.perf_counter()
        run()
        if options.device != "cpu":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    with torch.no_grad():
        timed()
        print("ready", flush=True)
        for line in sys.stdin:
            if line.strip() == "run":
                print(f"{timed():.6f}", flush=True)
            elif line.strip() == "memory":
                print(peak_mib(options, torch), flush=True)


if __name__ == "__main__":
    main()
