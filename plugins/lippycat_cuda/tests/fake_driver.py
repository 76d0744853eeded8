"""Builds the driver that is none. Everything between the suite and the driver's functions is then the real thing: lanes, memory,
argument packing and NVIDIA's own bindings."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from lippycat_core.gpu import source as sources
from lippycat_core.gpu.source import Language, kernel_names, source

HERE = Path(__file__).parent
COMPILER = shutil.which("gcc") or shutil.which("clang")


def build(folder: Path) -> Path:
    """Compile libcuda.so.1 into a folder."""
    header = (HERE / "host.h").read_text()
    text = source(Language.CUDA).replace(sources.header(Language.CUDA), header)
    assert header in text
    plain = subprocess.run([COMPILER, "-E", "-P", "-x", "c", "-"], input=text, capture_output=True, text=True, check=True).stdout
    rows = []
    for name in kernel_names(source(Language.CUDA)):
        arguments = re.search(rf"void {name}\((.*?)\)", plain, re.S)
        assert arguments is not None
        rows.append(f'{{"{name}", (void *){name}, {arguments[1].count(",") + 1}}}')
    rows.append("{0, 0, 0}")
    table = f"static const struct {{ const char *name; void *function; int count; }} kernels[] = {{{', '.join(rows)}}};"
    program = folder / "libcuda.c"
    program.write_text(text + "\n" + table + "\n" + (HERE / "fake_libcuda.c").read_text())
    library = folder / "libcuda.so.1"
    command = [COMPILER, "-O2", "-shared", "-fPIC", "-fvisibility=hidden", "-fno-strict-aliasing", "-o", library, program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return library
