"""Stream layers as plugins: found, checked, listed, and left out where they are none."""

from __future__ import annotations

from collections.abc import Callable

from lippycat_core.host.discovery import Host

Install = Callable[..., None]
MakeHost = Callable[..., Host]

LAYER = """
class Good:
    name, over, messages = {name!r}, {{"tcp": "boxed"}}, False
    def claim_stream(self, head): return False
    def open(self): return self
"""


def test_layers_come_by_distribution_and_what_is_none_is_named(install: Install, host: MakeHost) -> None:
    install("acme-boxes", {"lippycat.layers": {"boxes": "acme_boxes:Good"}}, acme_boxes=LAYER.format(name="boxes"))
    install("acme-other", {"lippycat.layers": {"other": "acme_other:Good"}}, acme_other=LAYER.format(name="another"))
    install("acme-wrong", {"lippycat.layers": {"wrong": "acme_wrong:Wrong"}}, acme_wrong="class Wrong:\n    name = 'wrong'\n")
    made = host()
    names = [layer.name for layer in made.layers()]
    assert "boxes" in names
    assert "websocket" in names
    assert not {"another", "other", "wrong"} & set(names)
    told = "\n".join(made.problems)
    assert "layer other of acme-other is left out: its entry point is called 'other'" in told
    assert "layer wrong of acme-wrong is left out: it is no layer" in told


def test_layers_are_listed(install: Install, host: MakeHost) -> None:
    install("acme-boxes", {"lippycat.layers": {"boxes": "acme_boxes:Good"}}, acme_boxes=LAYER.format(name="boxes"))
    states = {info.name: info.state for info in host().catalogue(["layers"])}
    assert states["boxes"] == states["websocket"] == "chosen"
    assert "tls" in states
