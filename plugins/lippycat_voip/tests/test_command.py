from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from calls_on_the_wire import Wire

from lippycat_core.testing.packets import write_pcap

LC = Path(sys.executable).with_name("lc")
pytestmark = pytest.mark.skipif(not LC.exists(), reason="no lc beside the interpreter: install lippycat-core")

CALLS = "NormB-sipnab__sip-rtp-g711.pcap"


def lc(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(LC), "sniff", "voip", *map(str, args)], capture_output=True, text=True, check=False, timeout=60)


def records(done: subprocess.CompletedProcess[str], name: str) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    return [record for line in done.stdout.splitlines() if (record := json.loads(line))["record"] == name]


@pytest.fixture
def calls(captures: Path) -> Path:
    return captures / CALLS


def test_files_are_arguments_or_options(calls: Path) -> None:
    by_argument, by_option = lc(calls), lc("-r", calls)
    assert by_argument.stderr == ""
    assert records(by_argument, "call") == records(by_option, "call")
    assert len(records(by_argument, "call")) == 2


def test_a_capture_on_standard_input_is_not_read_unasked(calls: Path) -> None:
    command = [sys.executable, "-m", "lippycat_core", "sniff", "voip"]
    with calls.open("rb") as capture:
        done = subprocess.run(command, stdin=capture, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "lc: nothing to read: standard input is read with `lc sniff voip -r -`, interfaces with `lc sniff voip -i NAME`\n"
    )


def test_without_an_input_all_interfaces_are_captured() -> None:
    command = [sys.executable, "-m", "lippycat_core", "sniff", "voip", "--duration", "300ms"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)
    first, _, rest = done.stderr.partition("\n")
    assert first == (
        "lc: capturing from all interfaces (-i any) until Ctrl-C; a capture file is read with `lc sniff voip -r FILE`"
    )
    if done.returncode == 3:
        assert "permission" in rest.lower() or "CAP_NET_RAW" in rest
        pytest.skip("capturing is not allowed here")
    assert done.returncode == 0, done.stderr
    assert records(done, "summary")


def test_messages_are_asked_for(calls: Path) -> None:
    assert records(lc(calls), "message") == []
    messages = records(lc(calls, "--messages"), "message")
    assert len(messages) == 10
    assert [message["ns"] for message in messages] == sorted(message["ns"] for message in messages)


def test_one_call_is_kept(calls: Path) -> None:
    kept = lc(calls, "--call", "1-1968@10.0.2.20")
    assert [call["call_id"] for call in records(kept, "call")] == ["1-1968@10.0.2.20"]
    assert {stream["call_id"] for stream in records(kept, "stream")} == {"1-1968@10.0.2.20"}


@pytest.mark.parametrize(("spelling", "found"), [("sipp", 2), ("nobody", 0), ("s*p", 2), ("nobody,test", 2)])
def test_users_choose_calls(calls: Path, spelling: str, found: int) -> None:
    assert len(records(lc(calls, "--sip-user", spelling), "call")) == found
    assert len(records(lc(calls, "--sipuser=" + spelling), "call")) == found


def test_users_come_from_a_file(calls: Path, tmp_path: Path) -> None:
    users = tmp_path / "users.txt"
    users.write_text("# who we look for\nnobody\n\nsipp\n")
    assert len(records(lc(calls, "--sip-user-file", users), "call")) == 2
    missing = lc(calls, "--sip-user-file", tmp_path / "gone.txt")
    assert missing.returncode == 2
    assert "gone.txt" in missing.stderr
    assert missing.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--phone-number", "1"], 0),
        (["--uri", "SIP:sipp@10.0.2.20:5060"], 2),
        (["--uri", "*@10.0.2.15:*", "--uri", "tel:+49*"], 2),
        (["--call-id", "1-1966@*"], 1),
        (["--call-id", "1-1966@10.0.2.20", "--call-id", "1-1968@10.0.2.20"], 2),
        (["--ip", "10.0.2.20"], 2),
        (["--ip", "192.0.2.0/24,2001:db8::/32"], 0),
        (["--codec", "pcmu"], 1),
        (["--codec", "pcmu,PCMA"], 2),
        (["--codec", "opus"], 0),
        (["--sip-user", "sipp", "--codec", "PCMU", "--ip", "10.0.2.0/24", "--call-id", "1-1966*"], 1),
        (["--sip-user", "sipp", "--pattern-algorithm", "aho-corasick"], 2),
    ],
)
def test_filters_choose_calls(calls: Path, options: list[str], found: int) -> None:
    done = lc(calls, *options)
    assert len(records(done, "call")) == found
    (summary,) = records(done, "summary")
    accounting = summary["accounting"]
    assert accounting["captured"] == accounting["delivered"] + accounting["filtered"] + sum(accounting["undecodable"].values())
    assert (accounting["delivered"] > 0) == (found > 0)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--ip", "10.0.0.0/99"], "--ip: '10.0.0.0/99' is no IP address or network: write 192.0.2.1"),
        (["--ip", ""], "--ip: an empty address"),
        (["--codec", "PCMU,,opus"], "--codec: an empty name"),
        (["--codec", "PCMU/8000"], "--codec: 'PCMU/8000' is no encoding name"),
        (["--codec", "PCM*"], "--codec: 'PCM*' is no encoding name"),
        (["--phone-number", "alice"], "--phone-number: 'alice' is no telephone number: write digits"),
        (["--phone-number-file", "no/such/file"], "cannot read the list of telephone numbers no/such/file: No such file"),
        (["--phone-number-file", ""], "--phone-number-file: an empty value"),
        (["--uri", "alice@example.org"], "--uri: 'alice@example.org' is no URI: begin with a scheme"),
        (["--uri", "sip:a@b;lr"], "--uri: 'sip:a@b;lr' has parameters"),
        (["--call-id", " "], "--call-id: an empty Call-ID"),
        (
            ["--sip-user", "a", "--pattern-algorithm", "best"],
            "--pattern-algorithm (voip.pattern_algorithm): no algorithm 'best'",
        ),
    ],
)
def test_a_bad_filter_is_one_line(calls: Path, options: list[str], error: str) -> None:
    done = lc(calls, *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("lc: " + error)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("setting", "value", "why"),
    [
        ("IP", "nonsense", "'nonsense' is no IP address or network"),
        ("PHONE_NUMBER", "alice", "'alice' is no telephone number"),
        ("URI", "alice", "'alice' is no URI"),
        ("CODEC", "a b", "'a b' is no encoding name"),
    ],
)
def test_a_bad_filter_of_the_environment_says_where_it_is(
    calls: Path, monkeypatch: pytest.MonkeyPatch, setting: str, value: str, why: str
) -> None:
    monkeypatch.setenv(f"LIPPYCAT_VOIP__{setting}", value)
    done = lc(calls)
    assert done.returncode == 2
    assert done.stderr.startswith(f"lc: voip.{setting.lower()} (environment LIPPYCAT_VOIP__{setting}): {why}")


def test_a_bad_prefix_is_said_though_no_number_is_looked_for(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIPPYCAT_VOIP__COUNTRY_CODE", "DE")
    done = lc(calls)
    assert (done.returncode, done.stderr) == (2, "lc: voip.country_code: 'DE' is no prefix: write digits, 16 at most\n")


def test_filters_are_settings_too(calls: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("voip:\n  codec: [PCMU, pcma]\n  call_id: ['1-1966@*']\n  country_code: 49\n  pattern_algorithm: linear\n")
    assert [call["call_id"] for call in records(lc(calls, "--config", config), "call")] == ["1-1966@10.0.2.20"]
    assert len(records(lc(calls, "--config", config, "--call-id", "*"), "call")) == 2


def test_the_heuristic_can_be_hidden(captures: Path) -> None:
    lone = captures / "SIPp-sipp__dtmf_2833_pound.pcap"
    assert len(records(lc(lone), "stream")) == 1
    for off in ("--no-rtp-heuristic", "--rtp-heuristic=false"):
        assert records(lc(lone, off), "stream") == []


def test_text_reads_well_in_a_pipe(calls: Path) -> None:
    done = lc(calls, "--format", "text")
    assert done.stdout.startswith("STATE      CODE START")
    assert "\x1b" not in done.stdout
    assert "Calls       2, active: 1, ended: 1" in done.stdout


def test_a_ladder_is_drawn_of_one_call(calls: Path) -> None:
    done = lc(calls, "--format", "text", "--call", "1-1966@10.0.2.20")
    assert "── INVITE (SDP) ──" in done.stdout
    assert "══ PCMU 425 packets ══" in done.stdout


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_full_disk_is_one_line(calls: Path, form: str) -> None:
    with Path("/dev/full").open("w") as full:
        command = [str(LC), "sniff", "voip", str(calls), "--format", form]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "lc: cannot write the results: No space left on device; free some space or write elsewhere\n"


@pytest.mark.parametrize("options", [["--threads", "2"], ["--batch-packets", "1"], ["--batch-packets", "7"]])
def test_results_do_not_depend_on_how_they_were_made(calls: Path, options: list[str]) -> None:
    plain, other = lc(calls, "--messages"), lc(calls, "--messages", *options)
    for name in ("call", "stream", "message"):
        assert records(plain, name) == records(other, name)


@pytest.mark.parametrize("names", ["", ",", "alice,", " "])
def test_an_empty_user_name_is_an_error_and_not_everybody(calls: Path, names: str) -> None:
    done = lc(calls, "--sip-user", names)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("lc: --sip-user: an empty user name")


def test_a_filter_that_is_set_to_nothing_is_an_error_and_not_everybody(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config.yaml"
    for text in ("voip:\n  sip_user: []\n", "voip:\n  ip: ''\n"):
        config.write_text(text)
        done = lc(calls, "--config", config)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1
        assert "empty, which would mean everybody (file " in done.stderr
    monkeypatch.setenv("LIPPYCAT_VOIP__PHONE_NUMBER", " ")
    done = lc(calls)
    assert (done.returncode, done.stdout) == (2, "")
    assert "voip.phone_number: empty, which would mean everybody (environment LIPPYCAT_VOIP__PHONE_NUMBER)" in done.stderr
    monkeypatch.undo()
    assert lc(calls, "--call", "").stderr.startswith("lc: --call: an empty Call-ID")


def test_a_backend_or_algorithm_that_is_not_there_is_said_though_nothing_is_matched(
    calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no algorithm 'ac'" in lc(calls, "--pattern-algorithm", "ac").stderr
    monkeypatch.setenv("LIPPYCAT_MATCH", "nosuch")
    done = lc(calls)
    assert (done.returncode, done.stdout) == (2, "")
    assert "match nosuch (environment LIPPYCAT_MATCH): no such driver" in done.stderr


def test_a_number_that_yaml_read_as_another_is_an_error(calls: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("voip:\n  phone_number: [030]\n")
    assert "put each in quotes" in lc(calls, "--config", config).stderr


def test_a_call_that_is_not_there_is_said_to_be_missing(calls: Path) -> None:
    done = lc(calls, "--call", "no such call")
    assert records(done, "call") == []
    assert done.stderr.startswith("lc: no call or dialog 'no such call' is in the input")


def packets(path: Path) -> int:
    return int(records(lc("-r", path), "summary")[0]["packets"])


def test_packets_of_the_wanted_calls_go_to_a_file(calls: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pcapng"
    (call, *_) = records(lc(calls), "call")
    done = lc(calls, "--call", call["call_id"], "-w", out)
    assert [one["call_id"] for one in records(done, "call")] == [call["call_id"]]
    (summary,) = records(done, "summary")
    assert packets(out) == summary["accounting"]["delivered"]
    assert [one["call_id"] for one in records(lc(out), "call")] == [call["call_id"]]


def test_packets_on_standard_output_leave_it_to_them(calls: Path) -> None:
    command = [str(LC), "sniff", "voip", "-r", str(calls), "-w", "-"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout[:4]) == (0, bytes.fromhex("4d3cb2a1"))
    assert b"packets;" in done.stderr
    for option in ("--format=json", "--messages"):
        done = subprocess.run([*command, option], capture_output=True, check=False, timeout=60)
        assert (done.returncode, done.stdout) == (2, b"")
        assert b"both want standard output" in done.stderr


def test_packets_are_not_written_over_their_input(calls: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.pcap"
    copy.write_bytes(calls.read_bytes())
    done = lc(copy, "-w", copy)
    assert (done.returncode, copy.read_bytes()) == (2, calls.read_bytes())


def test_the_call_buffer_is_set_and_counted(tmp_path: Path) -> None:
    calls = write_pcap(tmp_path / "in.pcap", Wire().say("0 A>B INVITE cid=1\n1 A>B INVITE cid=2").records())
    config = tmp_path / "config.yaml"
    config.write_text("voip:\n  call_buffer_age: 1s\n  call_buffer_bytes: 64KiB\n  call_buffer_calls: 1\n")
    done = lc(calls, "--sip-user", "nobody-of-that-name", "-w", tmp_path / "o.pcap", "--config", config)
    (summary,) = records(done, "summary")
    assert summary["evicted"] == {"call_buffer": 1}
    assert packets(tmp_path / "o.pcap") == 0


def test_who_compares_users_is_said_and_changes_nothing(calls: Path) -> None:
    auto, plain = lc(calls, "--sip-user", "s*p"), lc(calls, "--sip-user", "s*p", "--gpu-backend", "disabled")
    assert re.fullmatch(r"lc: calls are matched by \w+ on .+\n", auto.stderr)
    assert plain.stderr == lc(calls, "--sip-user", "s*p", "-q").stderr == ""
    for name in ("call", "stream"):
        assert records(auto, name) == records(plain, name)


def test_a_backend_that_is_not_there_is_an_error_whether_users_are_compared_or_not(calls: Path) -> None:
    for options in ([], ["--sip-user", "s*p"]):
        done = lc(calls, *options, "--gpu-backend", "disable")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "lc: match disable (option --gpu-backend): no such driver; did you mean disabled?\n"
