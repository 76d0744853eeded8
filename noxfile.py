"""What CI runs, by name: `nox` for all of it, `nox -s lint` for one. `nox -s bench` measures and is not part of it."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "docs", "core_only", "tests", "bounds", "gpu"]

ROOT = Path(__file__).parent
CONSTRAINTS = ("-c", str(ROOT / "constraints.txt"))
PLUGINS = ("plugins/lippycat_simd", "plugins/lippycat_tls", "plugins/lippycat_voip")
GPU_PLUGINS = ("plugins/lippycat_opencl", "plugins/lippycat_cuda")
"""Here without what they drive, 350 MB of it: but for the session `gpu` their tests say what they skip."""
EXAMPLES = ("examples/lippycat_syslog", "examples/lippycat_scapy_example")
# A process without .pyc files starts two to six times slower, and tests start many.
COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}


def install(session: nox.Session, *what: str) -> None:
    session.install(*CONSTRAINTS, *what, env=COMPILED)


def install_all(session: nox.Session) -> None:
    editable = [
        part for member in (".[bpf,encryption,metrics,scapy,testing,zstd]", *PLUGINS, *EXAMPLES) for part in ("-e", member)
    ]
    install(session, "hatchling", "editables")
    install(session, "--no-build-isolation", *editable)
    install(session, "--no-build-isolation", "--no-deps", *(part for member in GPU_PLUGINS for part in ("-e", member)))


@nox.session
def tests(session: nox.Session) -> None:
    """All tests: kernels interpreted and compiled, whole runs against the captures' truth, the command as users run it."""
    install_all(session)
    install(session, "pytest-xdist", "pytest-benchmark")
    session.run("pytest", "-n", str(os.cpu_count() or 2), "--dist", "loadfile", *session.posargs, env=COMPILED)


@nox.session
def bounds(session: nox.Session) -> None:
    """Kernel tests once more with every array access checked in the machine code."""
    install_all(session)
    cache = session.create_tmp()
    env = {**COMPILED, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": cache, "LIPPYCAT_CACHE_DIR": cache}
    install(session, "pytest-xdist")
    tests = ("tests/kernels", "tests/matching", "plugins/lippycat_simd/tests/test_matching.py", "plugins/lippycat_voip/tests")
    chosen = (
        "-k",
        "(simd or OneThread or TestHeaders) and not test_invariance and not captures and not three_threads and not under_minimal",
    )
    workers = ("-n", str(os.cpu_count() or 2), "--dist", "loadfile")
    session.run("pytest", *workers, *tests, *chosen, *session.posargs, env=env)


@nox.session
def gpu(session: nox.Session) -> None:
    """Kernels for GPUs without one: compiled for five generations, run on the processor (PoCL), on a simulator that checks every
    access to memory (Oclgrind), and behind a CUDA driver that only pretends; on a GPU where there is one."""
    install(session, "hatchling", "editables")
    opencl, cuda = GPU_PLUGINS
    on_x86 = platform.machine() in ("x86_64", "AMD64")  # PoCL and Oclgrind come by pip for nothing else
    if not on_x86:
        session.log(f"no PoCL and no Oclgrind by pip for {platform.machine()}: kernels run where another OpenCL driver is")
    editable = (".[testing]", f"{opencl}[pocl]", cuda)
    install(session, "--no-build-isolation", *(part for member in editable for part in ("-e", member)))
    install(session, "pytest-xdist", *(["pyopencl[oclgrind]"] if on_x86 else []))
    tests = (opencl, cuda, "tests/gpu")
    env = {**COMPILED, "LIPPYCAT_TEST_SCALE": "0.3"}
    session.run("pytest", "-n", str(os.cpu_count() or 2), "--dist", "loadfile", *tests, *session.posargs, env=env)


@nox.session
def core_only(session: nox.Session) -> None:
    """The built core wheel alone: reads captures and lists packets, and says plainly what is not installed."""
    install(session, "build", "hatchling")
    dist = Path(session.create_tmp()) / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    session.run("python", "-m", "build", "--no-isolation", "--wheel", "--outdir", str(dist), ".", silent=True)
    (wheel,) = dist.glob("*.whl")
    session.run("pip", "uninstall", "-qy", "lippycat-core", "build", silent=True)
    install(session, "--force-reinstall", "--no-deps", str(wheel))
    install(session, str(wheel))
    session.chdir(dist)  # away from the checkout: what is imported is what was installed
    session.run("python", str(ROOT / "tests" / "core_only.py"), str(ROOT / "examples" / "two-calls.pcap"), env=COMPILED)


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff, as strict as pyproject.toml says."""
    install(session, "ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Mypy in strict mode over everything that is shipped."""
    install_all(session)
    install(session, "mypy", "types-PyYAML")
    session.run("mypy", "lippycat_core", *(f"{plugin}/{Path(plugin).name}" for plugin in (*PLUGINS, *GPU_PLUGINS)))
    session.run("mypy", *(f"{example}/{Path(example).name}" for example in EXAMPLES))


@nox.session
def docs(session: nox.Session) -> None:
    """Links, commands and code in the documents are checked by tests of their own."""
    install_all(session)
    session.run("pytest", "tests/docs", *session.posargs, env=COMPILED)


@nox.session
def bench(session: nox.Session) -> None:
    """Speed: ns a packet by stage, whole processes, memory, match backends and their rivals. Figures, no verdict."""
    install_all(session)
    for rival in ("ahocorasick-rs", "hyperscan", "pyahocorasick"):  # not everywhere to be had; the table says who is missing
        session.install(*CONSTRAINTS, rival, success_codes=(0, 1))
    session.run("python", "benchmarks/report.py", *session.posargs, env=COMPILED)
    session.run("python", "benchmarks/matching.py", env=COMPILED)
