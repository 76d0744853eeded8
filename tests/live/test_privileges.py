"""Root is given up once the capture is open, and who may not capture is told what to grant."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lippycat_core.cli.privileges import give_up_root
from lippycat_core.errors import UsageError

LC = Path(sys.executable).with_name("lc")
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give root up")


def in_a_child(act: Callable[[], dict[str, object]]) -> dict[str, object]:
    """What `act` says in a process of its own, for there is no way back."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = act()
        except BaseException as error:
            said = {"error": f"{type(error).__name__}: {error}"}
        os.write(writer, json.dumps(said).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        found: dict[str, object] = json.loads(pipe.read())
    os.waitpid(child, 0)
    return found


def become(user: str, environ: dict[str, str]) -> dict[str, object]:
    def act() -> dict[str, object]:
        give_up_root(user, environ, must_read=())
        status = Path("/proc/self/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        try:
            os.setuid(0)
            regained = os.getuid() == 0
        except PermissionError:
            regained = False
        ids = [os.getresuid(), os.getresgid()]
        return {"ids": ids, "caps": int(fields["CapPrm"], 16), "no_new_privs": fields["NoNewPrivs"], "regained": regained}

    return in_a_child(act)


@ROOT_ONLY
@pytest.mark.parametrize("named", ["nobody", ""])
def test_root_becomes_nobody_for_good(named: str) -> None:
    nobody = pwd.getpwnam("nobody")
    said = become(named, {})
    assert said["ids"] == [[nobody.pw_uid] * 3, [nobody.pw_gid] * 3]
    assert (said["caps"], said["no_new_privs"], said["regained"]) == (0, "1", False)


@ROOT_ONLY
def test_root_becomes_who_called_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    user = pwd.getpwnam("daemon")
    said = become("", {"SUDO_UID": str(user.pw_uid)})
    assert said["ids"] == [[user.pw_uid] * 3, [user.pw_gid] * 3]
    assert become("", {"SUDO_UID": "4294967"})["ids"] == become("nobody", {})["ids"]


@ROOT_ONLY
def test_root_stays_root_where_that_is_asked_for() -> None:
    said = become("root", {"SUDO_UID": "1"})
    assert said["ids"] == [[0, 0, 0], [0, 0, 0]]
    assert said["no_new_privs"] == "1"


@ROOT_ONLY
def test_an_installation_that_cannot_be_read_is_told_before_root_is_gone(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "module").touch()

    def act() -> dict[str, object]:
        try:
            give_up_root("nobody", {}, must_read=(str(tmp_path / "module"),))
        except UsageError as error:
            return {"said": str(error)}
        return {}

    assert str(in_a_child(act)["said"]).startswith(f"nobody cannot read {tmp_path}/module, and root is given up")


@ROOT_ONLY
def test_who_is_not_root_keeps_no_capability() -> None:
    def act() -> dict[str, object]:
        nobody = pwd.getpwnam("nobody").pw_uid
        os.setresuid(nobody, nobody, 0)  # permitted capabilities stay, as with those of a file
        give_up_root("", {})
        return {"caps": Path("/proc/self/status").read_text().split("CapPrm:\t")[1][:16]}

    assert in_a_child(act) == {"caps": "0" * 16}


def test_a_user_that_is_not_there_is_an_error() -> None:
    with pytest.raises(UsageError, match="--user nosuchuser: there is no such user"):
        give_up_root("nosuchuser")


def _without(*capabilities: str) -> list[str]:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("capabilities are taken away with setpriv (util-linux), by root")
    return ["setpriv", "--bounding-set", ",".join(capabilities), "--inh-caps", ",".join(capabilities)]


def test_without_permission_one_line_says_what_to_grant() -> None:
    done = subprocess.run(
        [*_without("-net_raw"), LC, "sniff", "-i", "lo"], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 3
    assert done.stdout == ""
    granted = f"`sudo setcap cap_net_raw+ep {os.path.realpath(sys.executable)}`"
    assert done.stderr == (
        "lc: no permission to capture packets (CAP_NET_RAW): run it with sudo, which gives root up at once, "
        f"or grant it with {granted}\n"
    )
    listed = subprocess.run([*_without("-net_raw"), LC, "interfaces", "--json"], check=True, capture_output=True, text=True)
    (lo,) = [one for one in json.loads(listed.stdout) if one["name"] == "lo"]
    assert (lo["capture"], granted in lo["reason"]) == (False, True)


def test_the_right_to_capture_is_all_it_needs() -> None:
    command = [*_without("-all", "+net_raw"), LC, "sniff", "-i", "lo", "--duration", "0.2", "--user", "root"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, json.loads(done.stdout)["record"]) == (0, "summary"), done.stderr
