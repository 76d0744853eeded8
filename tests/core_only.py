"""Run by `nox -s core_only` where only the core wheel is installed: no pytest, no plugin, nothing but what users get.

python core_only.py CAPTURE
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys


def lc(*arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, "-m", "lippycat_core", *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == expect, (arguments, done.returncode, done.stderr)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def main(capture: str) -> None:
    for absent in ("lippycat_simd", "lippycat_tls", "lippycat_voip", "numba", "pytest"):
        assert importlib.util.find_spec(absent) is None, f"{absent} is installed: this is not the core alone"
    records = [json.loads(line) for line in lc("sniff", "-r", capture, "--format", "json").stdout.splitlines()]
    assert records[-1]["record"] == "summary"
    assert records[-1]["packets"] == len(records) - 1 == 1515, len(records)
    assert records[-1]["backend"] == "pure"
    assert len(lc("sniff", "-r", capture, "--format", "text", "-c", "3").stdout.splitlines()) == 3
    kinds = {(row["kind"], row["name"]): row["state"] for row in json.loads(lc("plugins", "--json").stdout)}
    assert kinds["compiler", "simd"] == "absent"
    assert kinds["match", "pure"] == "chosen"
    backends = {row["name"]: row for row in json.loads(lc("backends", "--json").stdout)}
    assert backends["pure"]["state"] == "chosen"
    assert "pip install lippycat-cuda" in backends["cuda"]["reason"]
    said = lc("sniff", "voip", "-r", capture, expect=2).stderr
    assert "lippycat-voip" in said, said
    assert len(said.splitlines()) == 1, said
    print("the core alone works")


if __name__ == "__main__":
    main(sys.argv[1])
