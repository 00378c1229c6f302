#!/usr/bin/env python3
"""Unpacks LibTorch and the libraries it needs from downloaded wheels: ROOT/include and ROOT/lib.

    unpack_wheels.py WHEELS_FOLDER ROOT cpu|cuda

Of torch only its headers and what a C++ program links and loads; of the others every shared library. A wheel is
deleted once it is unpacked, so that the disk never holds all of them twice.
"""

import pathlib
import shutil
import sys
import zipfile

TORCH_LIBRARIES = {
    "cpu": ["libtorch_cpu.so", "libc10.so", "libgomp.so.1"],
    "cuda": ["libtorch_cuda.so", "libc10_cuda.so", "libtorch_cuda_linalg.so", "libtorch_nvshmem.so",
             "libcaffe2_nvrtc.so"],
}


def unpack(archive: zipfile.ZipFile, member: str, target: pathlib.Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as source, target.open("wb") as out:
        shutil.copyfileobj(source, out, 1 << 20)


def unpack_torch(archive: zipfile.ZipFile, root: pathlib.Path, part: str) -> None:
    names = TORCH_LIBRARIES["cpu"] + (TORCH_LIBRARIES["cuda"] if part == "cuda" else [])
    for name in names:
        unpack(archive, f"torch/lib/{name}", root / "lib" / name)
    for member in archive.namelist():
        if member.startswith("torch/include/") and not member.endswith("/"):
            unpack(archive, member, root / member.removeprefix("torch/"))
        elif member.endswith(("/LICENSE", "/NOTICE")) and ".dist-info/" in member:
            unpack(archive, member, root / member.rsplit("/", 1)[1])


def unpack_libraries(archive: zipfile.ZipFile, root: pathlib.Path) -> None:
    for member in archive.namelist():
        name = member.rsplit("/", 1)[-1]
        if "/lib/" in member and ".so" in name:
            unpack(archive, member, root / "lib" / name)


def main() -> None:
    wheels, root, part = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            if wheel.name.startswith("torch-"):
                unpack_torch(archive, root, part)
            else:
                unpack_libraries(archive, root)
        wheel.unlink()


if __name__ == "__main__":
    main()
