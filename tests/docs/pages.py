"""Blocks of a page that are made, between markers that Markdown does not show."""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from tests.docs.shown import KEPT

_BLOCK: Final = re.compile(r"(?P<head><!-- made: (?P<name>[\w ]+) -->\n).*?(?P<tail><!-- end -->)", re.DOTALL)
_OUTPUT: Final = re.compile(
    r"(?P<head>```sh\n(?P<command>[^`]+)```\n\n<!-- output(?: (?P<kept>\d))? -->\n)"
    r"(?P<output>.*?)(?P<tail><!-- end -->)",
    re.DOTALL,
)
_COMMANDS: Final = re.compile(r"```sh\n([^`]+)```")
_FENCE: Final = re.compile(r"```\w*\n(.*?)\n?```", re.DOTALL)


def blocks(page: str) -> dict[str, str]:
    """Return the named blocks of a page, by name."""
    return {
        found["name"]: found[0].removeprefix(found["head"]).removesuffix(found["tail"])
        for found in _BLOCK.finditer(page)
    }


def with_blocks(page: str, made: Mapping[str, str]) -> str:
    """Return the page with its named blocks replaced; raises ``KeyError`` for a block that nobody makes."""
    return _BLOCK.sub(lambda found: f"{found['head']}{made[found['name']].strip()}\n\n{found['tail']}", page)


@dataclass(frozen=True, slots=True)
class Output:
    """What a page shows of a command's output; ``kept`` is how many entries of lists it wants to see."""

    command: str
    kept: int
    text: str


def outputs(page: str) -> list[Output]:
    """Return what stands in the fence behind each command that shows its output."""
    return [_output(found) for found in _OUTPUT.finditer(page)]


def with_outputs(page: str, make: Callable[[Output], str]) -> str:
    """Return the page with each output replaced by ``make(output)``."""
    return _OUTPUT.sub(lambda found: f"{found['head']}{make(_output(found))}\n{found['tail']}", page)


def _output(found: re.Match[str]) -> Output:
    fence = _FENCE.search(found["output"])
    return Output(_joined(found["command"]), int(found["kept"] or KEPT), "" if fence is None else fence[1])


def commands(page: str) -> Iterator[str]:
    """Yield every shell command of a page, comments left out; an open quote goes on in the next line."""
    for block in _COMMANDS.findall(page):
        begun: list[str] = []
        for line in _joined(block).splitlines():
            begun.append(line)
            with suppress(ValueError):  # no closing quotation yet
                if shlex.split("\n".join(begun), comments=True):
                    yield "\n".join(begun)
                begun = []


def _joined(block: str) -> str:
    """Join continued lines."""
    return re.sub(r"\s*\\\n\s*", " ", block).strip()
