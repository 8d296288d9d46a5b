"""Names for JSON values, as they stand in manifests, heads and golden examples."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]
    """Any JSON value. Numbers are finite: JSON has no NaN."""

    JsonObject = Mapping[str, Json]
    """A JSON object."""
else:
    # msgspec resolves annotations at run time and knows no recursive alias.
    Json = object
    JsonObject = dict[str, object]
