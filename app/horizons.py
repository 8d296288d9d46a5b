"""Models that share a path, by the horizon that each of them answers for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.columns import invalid
from app.errors import ProblemError
from models.tasks.registry import route_of, task_of


@dataclass(frozen=True, slots=True)
class Horizons:
    """The models of one path.

    Attributes
    ----------
    usual : str
        Answers a request that names no horizon: that of the shortest.
    models : Mapping of int to str
        By horizon in sessions, the shortest first.

    """

    usual: str
    models: Mapping[int, str]

    def at(self, horizon: int | None) -> str:
        """Return the model that answers; raises ``ProblemError`` where there is none of that horizon."""
        if horizon is None:
            return self.usual
        if horizon not in self.models:
            raise unknown_horizon("/horizon", self.models, horizon)
        return self.models[horizon]


def horizon_of(model: str) -> int:
    """Return the sessions ahead that a model answers for; of a price path, those of its first step."""
    return task_of(model).identity.horizon


def by_path(models: Iterable[str]) -> dict[str, Horizons]:
    """Return the models of each path, in the order in which the paths come."""
    found: dict[str, dict[int, str]] = {}
    for model in models:
        found.setdefault(route_of(model), {})[horizon_of(model)] = model
    ordered = {path: dict(sorted(sharing.items())) for path, sharing in found.items()}
    return {path: Horizons(next(iter(sharing.values())), sharing) for path, sharing in ordered.items()}


def unknown_horizon(place: str, known: Iterable[int], found: int) -> ProblemError:
    """Return the problem of a horizon that no model answers for."""
    able = " or ".join(str(each) for each in sorted({*known}))
    detail = f"expected a horizon that a model is there for ({able}), found {found}"
    return invalid(place, f"{detail}; ask for one of these, or train a model of that horizon")
