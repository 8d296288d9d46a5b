"""From a folder's declaration, files and overrides to one configuration, with every mistake at its place.

Layers are laid over each other from the bottom up: ``spec.py``, the files that a file is based on, the file, the
overrides. Mappings merge; every other value replaces the one below. ``null`` takes an inherited entry of
``parameters``, ``options`` or ``tuning.space`` away. A layer that changes the family inherits none of these three, and
no ``alternatives``: they were another library's.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, NoReturn, get_args, get_origin, get_type_hints

import msgspec

from feature_mapper.catalogue import CATALOGUE
from models.families.base import FamilyError, tabular_family
from models.manifest import NO_LINEAGE, Lineage
from models.tasks.registry import task_of
from models.typing import Json, JsonObject
from training.kit.config import WHOLE, ConfigError, Configuration, Dimension, Experiment, plain
from training.kit.discover import spec_of
from training.kit.layers import (
    Layer,
    Place,
    dotted,
    fail,
    files_of,
    layer_of,
    nearest,
    nested,
    override,
    shown,
    unknown,
)
from training.kit.spec import ModelSpec, SpecError, Splits

COMMAND_LINE: Final = "command line"
"""What a lineage calls overrides."""

SEARCHED: Final = ("features", "keep")
"""What a search may change besides parameters and options."""

_FREE: Final = (("parameters",), ("options",), ("tuning", "space"))
"""Places whose entries a layer may take away, and which another family does not inherit."""


def resolve(model: str, path: Path | None = None, overrides: Sequence[str] = ()) -> Experiment:
    """Return the experiment of a model: its folder's declaration, with a file and ``key=value`` overrides on top.

    Raises
    ------
    SpecError
        There is no such model folder.
    ConfigError
        A file can't be read, is based on itself, or sets what can't be set; an override does.

    """
    layers = [*(() if path is None else files_of(path)), *map(override, overrides)]
    words = [*(() if path is None else [shown(path)]), *([COMMAND_LINE] if overrides else [])]
    lineage = msgspec.structs.replace(NO_LINEAGE, experiment=" + ".join(words) or None)
    return _experiment(model, Configuration.of(spec_of(model)), layers, lineage)


def restore(model: str, stored: JsonObject) -> Experiment:
    """Return the experiment whose configuration an artifact keeps; raises `ConfigError` if it is of no use any more."""
    origin = f"stored configuration of {model}"
    return _experiment(model, Configuration.of(spec_of(model)), [layer_of(stored, origin)], NO_LINEAGE)


def vary(experiment: Experiment, values: Mapping[str, Json], origin: str) -> Experiment:
    """Return an experiment with some values replaced, by their dotted places; ``origin`` is what messages say."""
    layers = [Layer(origin, nested(place, value)) for place, value in values.items()]
    return _experiment(experiment.model, experiment.config, layers, experiment.lineage)


def _experiment(model: str, below: Configuration, layers: Sequence[Layer], lineage: Lineage) -> Experiment:
    merging = _Merging(model, below)
    for layer in layers:
        merging.lay(layer)
    config = merging.converted()
    try:
        spec = config.spec()
    except SpecError as error:
        raise ConfigError(f"{merging.names()}: {error}") from error
    merging.check_features(spec)
    return Experiment(model, config, spec, lineage)


class _Merging:
    """A tree that layers are laid on, and where each value came from."""

    def __init__(self, model: str, below: Configuration) -> None:
        self._task = task_of(model).identity.name
        self._below = below
        self._default = f"training/{model}/spec.py"
        self._origins: dict[Place, str] = {}
        self._layers: list[str] = []
        self._options = _options_of(self._task)
        self._tree: JsonObject = {key: value for key, value in below.as_json().items() if key != WHOLE}

    def names(self) -> str:
        """Name every layer, for faults that no single value has."""
        return ", ".join(self._layers) or self._default

    def lay(self, layer: Layer) -> None:
        """Lay one layer on top."""
        self._layers.append(layer.origin)
        if layer.whole:
            self._tree, self._origins = {}, {}
        elif "family" in layer.tree and layer.tree["family"] != self._tree.get("family"):
            tuning = self._tree.get("tuning")
            searched = {**tuning, "space": {}} if isinstance(tuning, dict) else tuning
            self._tree = {**self._tree, "parameters": {}, "options": {}, "alternatives": [], "tuning": searched}
        self._tree = self._merged(self._tree, layer.tree, Configuration, (), layer.origin)

    def _merged(self, below: JsonObject, above: JsonObject, kind: object, place: Place, origin: str) -> JsonObject:
        fields = _fields(kind)
        result = dict(below)
        for key, value in above.items():
            where: Place = (*place, key)
            if fields is not None and key not in fields:
                unknown(origin, where, fields)
            if value is None and place in _FREE:
                if key not in result:
                    fail(origin, where, "an inherited entry to take away", "none of that name", nearest(key, result))
                del result[key]
                continue
            self._origins[where] = origin
            inside = self._options if where == ("options",) else self._inside(fields, kind, key)
            if isinstance(value, dict) and (_fields(inside) is not None or get_origin(inside) is dict):
                kept = result.get(key)
                start = kept if isinstance(kept, dict) and inside is not Dimension else {}
                result[key] = self._merged(start, value, inside, where, origin)
            else:
                result[key] = value
        return result

    def _inside(self, fields: Mapping[str, object] | None, kind: object, key: str) -> object:
        if fields is not None:
            return fields[key]
        return get_args(kind)[1] if get_origin(kind) is dict else object

    def converted(self) -> Configuration:
        """Return the tree as a configuration, every value of its type and of a use."""
        if "family" not in self._tree:
            fail(self.names(), ("family",), "a family", "none", "a file that begins with nothing has to name it")
        for free in _FREE:
            for key, value in self._entries(free):
                kind: object = int | float | str | bool
                if free == ("options",):
                    kind = (_fields(self._options) or {}).get(key, object)
                if free == ("tuning", "space"):
                    kind = Dimension
                self._typed(value, kind, (*free, key))
        config = self._typed(self._tree, Configuration, ())
        assert isinstance(config, Configuration)  # noqa: S101  tells mypy what msgspec was asked for
        self._useful(config)
        return config

    def _entries(self, place: Place) -> Iterable[tuple[str, Json]]:
        found: Json = self._tree
        for part in place:
            found = found.get(part, {}) if isinstance(found, dict) else {}
        return found.items() if isinstance(found, dict) else ()

    def _typed(self, value: Json, kind: object, place: Place) -> object:
        try:
            return msgspec.convert(value, kind)
        except SpecError as error:
            raise ConfigError(f"{self._origin(('splits',))}: {error}") from error
        except msgspec.ValidationError as error:
            cause, _, path = str(error).partition(" - at `$")
            where = (*place, *_steps(path.rstrip("`")))
            expected = f"{cause[0].lower()}{cause[1:]}".partition(", got")[0].replace("`", "")
            if cause.startswith("Invalid enum"):
                expected = f"expected {' or '.join(_choices(where))}"
            self._refuse(where, expected, self._at(where))

    def _refuse(self, where: Place, expected: str, found: Json) -> NoReturn:
        origin = self._origin(where)
        shown = str(msgspec.json.encode(found), "utf-8")[:60]
        raise ConfigError(f"{origin}: {dotted(where)}: {expected}, found {shown}; correct it")

    def _at(self, where: Place) -> Json:
        found: Json = self._tree
        for part in where:
            if isinstance(found, dict):
                found = found.get(part)
            elif isinstance(found, list) and part.isdigit():
                found = found[int(part)]
        return found

    def _origin(self, where: Place) -> str:
        """Name what set the value at a place: the layer that set it, or the nearest thing around it."""
        around = [where[:end] for end in range(len(where), 0, -1)]
        return next((self._origins[place] for place in around if place in self._origins), self._default)

    def _useful(self, config: Configuration) -> None:
        """Refuse names that no library, catalogue or trainer knows: most of them would be ignored in silence."""
        known = sorted({feature.family for feature in CATALOGUE})
        for number, name in enumerate(config.families or ()):
            if name not in known:
                expected = f"a family of features ({', '.join(known)})"
                self._deny(("families", str(number)), expected, name, nearest(name, known))
        folder = config.source.folder
        if folder is not None and not Path(folder).is_absolute():  # commands run in several places
            self._deny(("source", "folder"), "an absolute path", folder, "begin it with /")
        for name in config.tuning.space:
            if not name.startswith(("parameters.", "options.")) and name not in SEARCHED:
                hint = f"the loss has to stay comparable; search parameters.*, options.*, {', '.join(SEARCHED)}"
                self._deny(("tuning", "space", name), "a place that a search may change", name, hint)
        if self._options is None:
            self._tabular(config)
        elif config.family != self._below.family:
            expected = f"{self._below.family}, as the task has it"
            self._deny(("family",), expected, config.family, "leave it out")
        elif config.alternatives:
            self._deny(
                ("alternatives",), "none: the trainer fits once", plain(config)["alternatives"], "leave them out"
            )
        if self._task == "forecast" and config.splits != Splits():
            hint = "set options.step, options.teaching and options.least"
            self._deny(("splits",), "the default, as forecasts roll their origins", "others", hint)

    def check_features(self, spec: ModelSpec) -> None:
        """Refuse a tier that has nothing to learn from."""
        if self._options is None and (bare := [tier for tier in spec.tiers if not spec.features_of(tier)]):
            expected = f"features that {bare[0]} bars of history fill"
            self._deny(("families",), expected, list(spec.families or ()), "add a family, such as candle")

    def _tabular(self, config: Configuration) -> None:
        try:
            family = tabular_family(config.family)
        except FamilyError as error:
            raise ConfigError(f"{self._origin(('family',))}: family: {error}") from error
        for name in config.options:
            hint = "did you mean parameters?"
            self._deny(("options", name), "no options: the trainer has none", name, hint)
        known: frozenset[str] | None = getattr(family, "PARAMETERS", None)
        if known is None:
            return
        for name in config.parameters:
            if name not in known and name not in self._below.parameters:  # spec.py may know better
                place: Place = ("parameters", name)
                unknown(self._origin(place), place, known)
        for number, alternative in enumerate(config.alternatives):
            for name in alternative:
                if name not in known:
                    place = ("alternatives", str(number), name)
                    unknown(self._origin(place), place, known)
        for name in config.tuning.space:
            first, _, rest = name.partition(".")
            if first == "parameters" and rest not in known:
                place = ("tuning", "space", "parameters", rest)
                unknown(self._origin(("tuning", "space", name)), place, known)

    def _deny(self, place: Place, expected: str, found: Json, remedy: str) -> NoReturn:
        fail(self._origin(place), place, expected, found, remedy)


def _options_of(task: str) -> type | None:
    """Return the settings of the task's trainer; None: it has none."""
    match task:
        case "regime":
            from training.kit.regime import Options as RegimeOptions

            return RegimeOptions
        case "forecast":
            from training.kit.origins import Options as PathOptions

            return PathOptions
        case _:
            return None


def _fields(kind: object) -> dict[str, object] | None:
    """Return the fields of a struct or dataclass with their types; None if it is neither."""
    if isinstance(kind, type) and (issubclass(kind, msgspec.Struct) or dataclasses.is_dataclass(kind)):
        return get_type_hints(kind, include_extras=True)
    return None


def _choices(where: Place) -> list[str]:
    """Return the words that may stand at a place."""
    kind: object = Configuration
    for part in where:
        kind = (_fields(kind) or {}).get(part, object)
    return [str(word) for one in (kind, *get_args(kind)) if get_origin(one) is Literal for word in get_args(one)]


def _steps(path: str) -> Iterator[str]:
    """Yield the steps of msgspec's path, ``.splits.folds`` or ``.tiers[1]``."""
    for part in path.replace("[", ".").replace("]", "").split("."):
        if part and part != "...":
            yield part
