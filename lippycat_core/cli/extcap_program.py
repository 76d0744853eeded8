"""`lippycat-extcap`: what Wireshark starts to list our captures, to ask what can be set, and to capture (extcap(4)).

Sentences of that protocol are printed here, and a capture is `lc sniff voip` in this process; where Wireshark looks for the
program is `extcap_folder`'s business. Nothing is printed during a capture: Wireshark does not read it.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points, version
from typing import NamedTuple

from lippycat_core.cli.arguments import TRUE
from lippycat_core.errors import LippycatError

COMMAND = "sniff.voip"
ABOUT = "Wireshark starts this program; `lc extcap install` puts it where it looks for it"
HELP = "https://www.wireshark.org/docs/man-pages/extcap.html"
VOIP, USER = "lippycat-voip", "lippycat-user"
INTERFACES = {VOIP: "lippycat: VoIP only", USER: "lippycat: one SIP user"}

SNAPLEN = 262144

WRONG_USAGE, NO_INTERFACE, NO_FIFO = 2, 3, 4
"""Exit codes, beside those of `lc`."""

FILTER = "--extcap-capture-filter"
ASKING = ("--extcap-interfaces", "--extcap-version", "--extcap-dlts", "--extcap-config", "--capture", "--extcap-cleanup-postkill")
FLAGS = (*ASKING, "--promisc", "--help", "--version")
WHO = ("--sip-user", "--phone-number")
DEVICE = "--device"
OPTIONS = ("--extcap-interface", "--extcap-reload-option", FILTER, "--fifo", DEVICE, *WHO, "--snaplen")


class Argument(NamedTuple):
    """One field of Wireshark's dialog; `interfaces` are those that have it."""

    call: str
    display: str
    tooltip: str
    kind: str
    more: str = ""
    interfaces: Sequence[str] = (VOIP, USER)

    def sentence(self, number: int) -> str:
        """As Wireshark reads it."""
        return (
            f"arg {{number={number}}}{{call={self.call}}}{{display={self.display}}}{{tooltip={self.tooltip}}}"
            f"{{type={self.kind}}}{self.more}"
        )


ARGUMENTS = (
    Argument(
        DEVICE, "Device", "The network interface to capture from", "selector", "{required=true}{reload=true}{placeholder=Look}"
    ),
    Argument(
        "--sip-user", "SIP user", "As in alice, or +4930*; commas separate", "string", "{placeholder=alice}", interfaces=(USER,)
    ),
    Argument(
        "--phone-number", "Phone number", "In any form, as in +49301234567", "string", "{placeholder=+49}", interfaces=(USER,)
    ),
    Argument("--promisc", "Promiscuous mode", "Packets for others too", "boolflag", "{default=false}"),
    Argument("--snaplen", "Snap length", "Most bytes of a packet", "unsigned", f"{{range=64,{SNAPLEN}}}{{default={SNAPLEN}}}"),
)


def main() -> None:
    """Do what Wireshark asks for and exit."""
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except LippycatError as error:
        code = _say(str(error), error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def run(args: Sequence[str]) -> int:
    """One request; its exit code."""
    asked = _read(args)
    if isinstance(asked, str):
        return _say(asked, WRONG_USAGE)
    if "--help" in asked:
        print(ABOUT)
        return 0
    name = asked.get("--extcap-interface")
    if "--extcap-interfaces" in asked:
        return _list_interfaces()
    if name is None:
        if "--extcap-version" in asked or "--version" in asked:
            print(f"extcap {{version={version('lippycat-core')}}}")
            return 0
        return _say(ABOUT, WRONG_USAGE)
    if name not in INTERFACES:
        return _say(f"no interface {name!r}: there are {', '.join(INTERFACES)}", NO_INTERFACE)
    if "--extcap-dlts" in asked:
        print("dlt {number=1}{name=EN10MB}{display=Ethernet}")
        return 0
    if "--extcap-config" in asked:
        return _configure(name, asked.get("--extcap-reload-option"))
    if "--capture" in asked:
        return _capture(name, asked)
    if FILTER in asked:
        return _check_filter(asked[FILTER])
    if "--extcap-cleanup-postkill" in asked:
        return 0  # nothing outlives the process
    return _say(f"{name}: nothing is asked for: --extcap-dlts, --extcap-config or --capture", WRONG_USAGE)


def _read(args: Sequence[str]) -> dict[str, str] | str:
    """What was asked for, by option; or what is wrong with it. A value may look like an option: users write it."""
    asked: dict[str, str] = {}
    left = list(args)
    while left:
        option, given, value = left.pop(0).partition("=")
        if option in FLAGS:
            asked[option] = value if given else "true"
        elif option not in OPTIONS:
            return f"no such option {option}"
        elif given:
            asked[option] = value
        elif left:
            asked[option] = left.pop(0)
        else:
            return f"{option}: its value is missing"
    return asked


def _list_interfaces() -> int:
    """What there is to capture: nothing where the plugin is missing that knows calls, which is told on standard error."""
    print(f"extcap {{version={version('lippycat-core')}}}{{help={HELP}}}{{display=lippycat}}")
    if not any(entry.name == COMMAND for entry in entry_points(group="lippycat.commands")):
        return _say("calls need lippycat-voip: pip install lippycat-voip", 0)
    for name, display in INTERFACES.items():
        print(f"interface {{value={name}}}{{display={display}}}")
    return 0


def _configure(name: str, reload: str | None) -> int:
    """The fields of the dialog, or the devices alone, looked up again."""
    here = [one for one in ARGUMENTS if name in one.interfaces]
    if reload is not None and reload.lstrip("-") != DEVICE.lstrip("-"):
        return _say(f"{reload}: has no values to look up", WRONG_USAGE)
    for number, one in enumerate(here):
        if reload is None:
            print(one.sentence(number))
    for value in _devices():
        print(f"value {{arg=0}}{value}")
    return 0


def _devices() -> list[str]:
    """Interfaces that can be captured, the first one with an address being what most want."""
    from lippycat_core.builtin.links import ANY, links

    found = links(addresses=True)
    wanted = next((link.name for link in found if link.state == "up" and link.addresses and link.name != "lo"), ANY)
    rows = [
        (link.name, " ".join([link.name, *([] if link.state == "up" else [f"({link.state})"]), *link.addresses]))
        for link in found
    ]
    rows.append((ANY, "any: all of them"))
    return [
        f"{{value={_plain(name)}}}{{display={_plain(display)}}}{{default={'true' if name == wanted else 'false'}}}"
        for name, display in rows
    ]


def _plain(text: str) -> str:
    """Without what ends a value."""
    return "".join(letter for letter in text if letter not in "{}" and letter.isprintable())


def _check_filter(expression: str) -> int:
    """Wireshark takes what is printed for the reason why a filter cannot be used."""
    from lippycat_core.builtin.links import ETHERNET

    if wrong := _wrong_filter(expression, ETHERNET):
        print(wrong)
    return 0


def _wrong_filter(expression: str, link_type: int) -> str:
    """Why a filter cannot be used; "" where it can."""
    from lippycat_core.filters import compile_live

    try:
        compile_live(expression, link_type, SNAPLEN, lambda only_on_an_interface: [])
    except LippycatError as error:
        return " ".join(str(error).split())
    return ""


def _wrong_device(devices: str, expression: str) -> tuple[str, int] | None:
    """What keeps these devices, commas between them, from being captured with that filter, and the exit code. Opening a pipe
    waits for its reader, so this is to be known before."""
    from lippycat_core.builtin.links import ANY, SLL2, links

    there = {**{link.name: link.link_type for link in links()}, ANY: SLL2}
    for device in map(str.strip, devices.split(",")):
        if device not in there:
            return f"no device {device!r}: there are {', '.join(there)}", NO_INTERFACE
        if expression and (wrong := _wrong_filter(expression, there[device])):
            return wrong, WRONG_USAGE
    return None


def _capture(name: str, asked: Mapping[str, str]) -> int:
    """Capture into Wireshark's pipe until it closes it, or ends us."""
    from lippycat_core.cli.main import run as run_lc

    fifo = asked.get("--fifo")
    if not fifo:
        return _say("--fifo: Wireshark names no pipe", NO_FIFO)
    if not os.path.exists(fifo):
        return _say(f"{fifo}: Wireshark's pipe is not there", NO_FIFO)
    if not asked.get(DEVICE):
        return _say("no device: choose one in the interface's options", NO_INTERFACE)
    who = [f"{option}={asked[option]}" for option in WHO if asked.get(option)]
    if name == USER and not who:
        return _say("no user and no number: name one in the interface's options", WRONG_USAGE)
    if wrong := _wrong_device(asked[DEVICE], asked.get(FILTER, "")):
        return _say(*wrong)
    with tempfile.TemporaryDirectory(prefix="lippycat-", ignore_cleanup_errors=True) as folder:
        named = os.path.join(folder, "capture.pcapng")  # a pipe's name says nothing of its format
        os.symlink(os.path.abspath(fifo), named)
        args = ["sniff", "voip", f"--interface={asked[DEVICE]}", f"--write-file={named}", "--format=json", "--quiet", *who]
        args += [f"--filter={asked[FILTER]}"] if asked.get(FILTER) else []
        args += [f"--snaplen={asked['--snaplen']}"] if asked.get("--snaplen") else []
        args += ["--promisc"] if asked.get("--promisc", "").lower() in TRUE else []
        sys.stdout.flush()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
        code = run_lc(args)
    return 0 if code in (130, 143) else code  # that is how captures end


def _say(message: str, code: int) -> int:
    print(f"lippycat-extcap: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
