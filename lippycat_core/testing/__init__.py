"""The kit for plugin authors: packets and captures made by hand, runs whose records can be looked at, and conformance suites.

Only the suites import pytest; nothing of lippycat imports this package.
"""
