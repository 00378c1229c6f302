#!/usr/bin/env python3
"""Gives LibTorch's libraries names of their own, so that a process may have another LibTorch (PyTorch) beside them.

    own_libraries.py FOLDER             in FOLDER, in place; nothing is done twice
    own_libraries.py --back FOLDER TO   copies of FOLDER's libraries (the CPU part) in TO, with their first names

The dynamic loader takes a library for loaded if one of the same name (DT_SONAME) is, and shares a symbol that is
STB_GNU_UNIQUE among all libraries of a process, whatever their names and scopes are. So both are changed: libtorch_*
becomes liblsync_*, libc10* becomes libl10*, and unique symbols become weak ones. The new names are as long as the
first ones, hence nothing moves in the files. Symbolic links have the first names, for linkers.
"""

import mmap
import pathlib
import shutil
import struct
import sys

NAMES = {
    "libc10.so": "libl10.so",
    "libc10_cuda.so": "libl10_cuda.so",
    "libcaffe2_nvrtc.so": "liblsync2_nvrtc.so",
    "libtorch_cpu.so": "liblsync_cpu.so",
    "libtorch_cuda.so": "liblsync_cuda.so",
    "libtorch_cuda_linalg.so": "liblsync_cuda_linalg.so",
    "libtorch_nvshmem.so": "liblsync_nvshmem.so",
}
CPU_PART = ["libc10.so", "libtorch_cpu.so"]

# <elf.h>: offsets in Elf64_Ehdr, and the values that are looked for.
SECTION_TABLE, SECTION_SIZE_AND_COUNT, SECTION = 40, 58, struct.Struct("<IIQQQQIIQQ")
SHT_DYNSYM, SYMBOL_SIZE, SYMBOL_INFO = 11, 24, 4
STB_WEAK, STB_GNU_UNIQUE = 2, 10


def rename(image: mmap.mmap, names: dict[str, str]) -> None:
    """In DT_SONAME, in DT_NEEDED, and where a library opens another one by its name."""
    for name, new in names.items():
        old_bytes, new_bytes = (b"\0" + text.encode() + b"\0" for text in (name, new))
        assert len(old_bytes) == len(new_bytes), name
        at = image.find(old_bytes)
        while at >= 0:
            image[at : at + len(old_bytes)] = new_bytes
            at = image.find(old_bytes, at + 1)


def weaken_unique_symbols(image: mmap.mmap) -> None:
    if image[:5] != b"\x7fELF\x02":
        raise SystemExit("own_libraries: not a 64-bit ELF file")
    (table,) = struct.unpack_from("<Q", image, SECTION_TABLE)
    size, count = struct.unpack_from("<HH", image, SECTION_SIZE_AND_COUNT)
    for number in range(count):
        _, kind, _, _, offset, length, *_ = SECTION.unpack_from(image, table + number * size)
        if kind != SHT_DYNSYM:
            continue
        for at in range(offset + SYMBOL_INFO, offset + length, SYMBOL_SIZE):
            if image[at] >> 4 == STB_GNU_UNIQUE:
                image[at] = STB_WEAK << 4 | image[at] & 15


def edit(file: pathlib.Path, names: dict[str, str], weaken: bool) -> None:
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 0) as image:
        rename(image, names)
        if weaken:
            weaken_unique_symbols(image)


def make_own(folder: pathlib.Path) -> None:
    for name, new in NAMES.items():
        library = folder / name
        if library.is_symlink() or not library.exists():
            continue
        edit(library, NAMES, weaken=True)
        library.rename(folder / new)
        library.symlink_to(new)


def copy_back(folder: pathlib.Path, to: pathlib.Path) -> None:
    to.mkdir(parents=True, exist_ok=True)
    for name in CPU_PART:
        shutil.copyfile(folder / name, to / name)
        edit(to / name, {new: old for old, new in NAMES.items()}, weaken=False)


def main() -> None:
    if sys.argv[1:2] == ["--back"]:
        copy_back(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
    else:
        make_own(pathlib.Path(sys.argv[1]))


if __name__ == "__main__":
    main()
