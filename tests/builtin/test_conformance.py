"""The pure backend against the conformance kit, whose reference it is: its tables and its automaton against its plain loop."""

from __future__ import annotations

from lippycat_core.builtin.match import PureProvider
from lippycat_core.interfaces.match import MatchBackend
from lippycat_core.testing.matcher import HeaderSuite, MatcherSuite


class TestPure(MatcherSuite):
    def backend(self) -> MatchBackend:
        return PureProvider().open()


class TestPureHeaders(HeaderSuite):
    def backend(self) -> MatchBackend:
        return PureProvider().open()
