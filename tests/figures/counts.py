"""Counts with exact intervals, the bounds that they have to keep, and the table that shows both."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

COVERAGE = 0.95


def say(line: str = "") -> None:
    """Tell the person who started the command."""
    print(line, flush=True)  # noqa: T201  a command line talks on stdout


@dataclass(frozen=True, slots=True)
class Bound:
    """What a rate has to keep: at most ``most``, at least ``least``."""

    most: float = 1.0
    least: float = 0.0

    def __str__(self) -> str:
        if self.most < 1:
            return f"at most {self.most:.0%}" if self.most else "none"
        return f"at least {self.least:.0%}" if self.least else ""


@dataclass(frozen=True, slots=True)
class Count:
    """How often something came true in ``n`` trials."""

    model: str
    what: str
    came: int
    n: int
    bound: Bound

    @property
    def rate(self) -> float:
        """Return the share."""
        return self.came / self.n

    @property
    def kept(self) -> bool:
        """Tell whether the share is within its bound."""
        return self.bound.least <= self.rate <= self.bound.most

    def interval(self) -> tuple[float, float]:
        """Return the exact interval of the rate at `COVERAGE` (Clopper & Pearson 1934)."""
        from scipy.stats import beta

        tail = (1 - COVERAGE) / 2
        low = float(beta.ppf(tail, self.came, self.n - self.came + 1)) if self.came else 0.0
        high = float(beta.ppf(1 - tail, self.came + 1, self.n - self.came)) if self.came < self.n else 1.0
        return low, high


def counted(model: str, found: Sequence[dict[str, bool]], bounds: dict[str, Bound]) -> list[Count]:
    """Count what came true in the trials of one model, in the order of the first."""
    names = list(found[0]) if found else []
    return [Count(model, name, sum(one[name] for one in found), len(found), bounds[name]) for name in names]


def table(counts: Iterable[Count]) -> str:
    """Return counts, rates, intervals and bounds as text."""
    lines = [f"{'model':<22}{'what':<48}{'count':>9}{'rate':>8}  {'95 % interval':<18}{'wanted':<14}"]
    for count in counts:
        low, high = count.interval()
        word = "" if not str(count.bound) else "kept" if count.kept else "BROKEN"
        lines.append(
            f"{count.model:<22}{count.what:<48}{f'{count.came} of {count.n}':>9}{count.rate:>8.1%}  "
            f"{f'{low:.1%} to {high:.1%}':<18}{count.bound!s:<14}{word}".rstrip()
        )
    return "\n".join(lines)


def rows(counts: Iterable[Count]) -> list[dict[str, object]]:
    """Return counts as JSON has them."""
    return [{**asdict(count), "rate": count.rate, "interval": count.interval(), "kept": count.kept} for count in counts]
