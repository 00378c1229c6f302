"""How far a stage of the published networks is from the time that its multiplications take at the device's own rate.

Counted, a frame, in 10^12 floating-point operations (a multiplication and an addition are two).
"""

TERA = 1e12
COUNTED = {
    256: {"unet": 0.253, "unet_cached": 0.016, "vae_encode": 0.273, "vae_decode": 0.622},
    512: {"unet": 1.10, "unet_cached": 0.082, "vae_encode": 1.12, "vae_decode": 2.51},
}
STEPS, INTERVAL = 20, 3
GUIDANCE = 2       # evaluations of a step
ENCODINGS = 2      # of a frame in a window: masked and reference image
GOALS = {256: 100, 512: 25}  # frames/s of whole windows, float16
H200 = 790 * TERA  # measured, float16: where "matmul" was not


def evaluations(cached):
    """(full, cached) evaluations of the UNet for one frame of a window."""
    full = len(range(0, STEPS, INTERVAL)) if cached else STEPS
    return GUIDANCE * full, GUIDANCE * (STEPS - full)


def operations(stage, edge):
    """Of one frame, None where they were not counted."""
    counted = COUNTED.get(edge, {})
    if stage in ("window", "window_plain") and counted:
        full, cached = evaluations(stage == "window")
        return (full * counted["unet"] + cached * counted["unet_cached"]) * TERA
    return counted[stage] * TERA if stage in counted else None


def whole_window(edge, stage="window"):
    """Operations of a frame, encodings and decoding included."""
    counted = COUNTED[edge]
    return operations(stage, edge) + (ENCODINGS * counted["vae_encode"] + counted["vae_decode"]) * TERA


def share(stage, edge, frames, seconds, rate):
    """The floor's part of the measured time: 1 is as fast as the device multiplies."""
    counted = operations(stage, edge)
    return counted * frames / rate / seconds if counted and seconds > 0 else None
