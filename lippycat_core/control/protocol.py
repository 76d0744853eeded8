"""The words of the control socket: one JSON line asks, one JSON line answers (docs/control.md)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

VERSION = 1
TOPICS = ("health", "summary", "metrics", "streams", "buffers", "alerts", "config", "stacks", "heap")


def request(topic: str) -> bytes:
    """The line that asks for a topic."""
    return json.dumps({"lippycat": VERSION, "ask": topic}).encode() + b"\n"


def reply(line: bytes, pid: int, topics: Mapping[str, Callable[[], object]]) -> bytes:
    """The answer to a request line, without its line end; an error, in one sentence, where it is no good request."""
    try:
        asked = json.loads(line)
    except (ValueError, RecursionError):
        return _refusal(pid, "not a request: one line of JSON is one")
    if not isinstance(asked, dict) or asked.get("lippycat") != VERSION:
        return _refusal(pid, f'not a request of version {VERSION}: {{"lippycat": {VERSION}, "ask": TOPIC}} is one')
    topic = asked.get("ask")
    if not isinstance(topic, str) or topic not in topics:
        return _refusal(pid, f"no such topic; there are {', '.join(topics)}")
    try:
        answer = topics[topic]()
    except Exception as error:  # a plugin's part, say: who asks must hear of it, and the run goes on
        return _refusal(pid, f"{topic} cannot be told: {type(error).__name__}: {' '.join(str(error).split())}")
    return _line({"lippycat": VERSION, "pid": pid, "answer": answer})


def _refusal(pid: int, error: str) -> bytes:
    return _line({"lippycat": VERSION, "pid": pid, "error": error})


def _line(said: Mapping[str, object]) -> bytes:
    return json.dumps(said, separators=(",", ":"), default=str).encode()
