"""`manifest.json`: strict both ways."""

import copy
import datetime as dt
import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import ManifestInvalid
from models.manifest import NO_LINEAGE, PROTOCOL, Draft, Manifest, Score, TierManifest, decode, encode
from models.store.reading import file_entry
from tests.models.store.toys import draft, files

MANIFEST = draft().published("v000012", tuple(file_entry(name, data) for name, data in files("1").items()))

FINITE = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | FINITE | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def with_tier(**changes: object) -> Draft:
    """Return the toy draft with changed fields of its tier."""
    (tier,) = draft().tiers
    return msgspec.structs.replace(draft(), tiers=(msgspec.structs.replace(tier, **changes),))


@given(head=st.dictionaries(st.text(), JSON, max_size=4), value=FINITE, seed=st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_manifest_survives_its_bytes(head: dict[str, Any], value: float, seed: int) -> None:
    """``decode(encode(m)) == m``, bit for bit in its numbers, and equal manifests have equal bytes."""
    score = Score(metric="m", value=value, ci95=None, n=1, baseline="b", verdict="v")
    changed = msgspec.structs.replace(with_tier(head=head, scores=(score,)), seed=seed)
    manifest = changed.published("v000001", MANIFEST.files)
    data = encode(manifest)
    assert decode(data) == manifest
    assert encode(decode(data)) == data
    assert math.copysign(1, decode(data).tiers[0].scores[0].value) == math.copysign(1, value)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", ["head", "parameters", "score"])
def test_numbers_that_json_lacks_are_refused(number: float, place: str) -> None:
    """NaN and infinity are named by their place; none becomes null."""
    if place == "score":
        score = Score(metric="m", value=0.0, ci95=(0.0, number), n=1, baseline="b", verdict="v")
        bad, where = with_tier(scores=(score,)), r"\$\.tiers\[0\]\.scores\[0\]\.ci95\[1\]"
    else:
        bad, where = with_tier(**{place: {"a": [{"b": number}]}}), rf"\$\.tiers\[0\]\.{place}\.a\[0\]\.b"
    with pytest.raises(ManifestInvalid, match=f"{number} at {where}"):
        encode(bad)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", "../x"),
        ("model", "Upper"),
        ("model", "x\n"),
        ("data_fingerprint", "ab"),
        ("created", dt.datetime(2024, 1, 1)),  # noqa: DTZ001  the mistake under test
        ("tiers", ()),
        ("rows", -1),
        ("rows", 1.5),
        ("protocol", PROTOCOL + 1),
        ("libraries", {"numpy": None}),
    ],
)
def test_draft_that_breaks_a_rule_is_refused_when_it_is_written(field: str, value: object) -> None:
    """What `decode` would refuse is never published; the message names the field."""
    with pytest.raises(ManifestInvalid, match=field):
        encode(msgspec.structs.replace(draft(), **{field: value}))


def mutated(path: str, value: object) -> bytes:
    """Return the toy manifest with one value replaced; a value of ``...`` removes it."""
    plain = copy.deepcopy(json.loads(encode(MANIFEST)))
    *way, last = path.split("/")
    part = plain
    for step in way:
        part = part[int(step) if isinstance(part, list) else step]
    if value is ...:
        del part[last]
    else:
        part[last] = value
    return json.dumps(plain).encode()


@pytest.mark.parametrize("field", [*Manifest.__struct_fields__])
def test_every_field_is_required(field: str) -> None:
    """A manifest without one of its fields is refused by that field's name."""
    with pytest.raises(ManifestInvalid, match=field):
        decode(mutated(field, ...))


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("surprise", 1, "surprise"),
        ("tiers/0/surprise", 1, "surprise"),
        ("files/0/surprise", 1, "surprise"),
        ("version", "12", "version"),
        ("version", "v000012\n", "version"),
        ("files/0/path", "../../etc/passwd", "path"),
        ("files/0/path", ".hidden", "path"),
        ("files/0/size", -1, "size"),
        ("files/0/sha256", "AB" * 32, "sha256"),
        ("tiers/0/weights", "/x", "weights"),
        ("tiers/0/tier", 0, "tier"),
        ("tiers/0/coverage", ..., "coverage"),
        ("tiers/0/ranges", ..., "ranges"),
        ("tiers/0/ranges", {"lower": [], "upper": [], "most": 0, "false_alarms": 1.5}, "false_alarms"),
        ("tiers/0/scores/0/value", None, "value"),
        ("tiers/0/scores/0/value", "0.1", "value"),
        ("created", "2024-01-01T00:00:00", "created"),
        ("protocol", PROTOCOL + 1, f"expected protocol {PROTOCOL}, found {PROTOCOL + 1}"),
    ],
)
def test_manifest_that_breaks_a_rule_is_refused(path: str, value: object, named: str) -> None:
    """Unknown fields, wrong types, paths that leave the folder, other protocols: all named."""
    with pytest.raises(ManifestInvalid, match=named):
        decode(mutated(path, value))


@pytest.mark.parametrize(
    "data", [b"", b"null", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, encode(MANIFEST).replace(b"0.01", b"NaN")]
)
def test_bytes_that_are_no_manifest_are_refused(data: bytes) -> None:
    """Whatever the bytes are, the error is ours."""
    with pytest.raises(ManifestInvalid):
        decode(data)


def test_draft_becomes_a_manifest_by_version_and_files_alone() -> None:
    """Nothing else changes at publish."""
    for field in Draft.__struct_fields__:
        assert getattr(MANIFEST, field) == getattr(draft(), field)
    assert {*Manifest.__struct_fields__} - {*Draft.__struct_fields__} == {"version", "files"}
    assert isinstance(MANIFEST.tiers[0], TierManifest)


@pytest.mark.parametrize("protocol", range(1, PROTOCOL))
def test_manifests_of_earlier_protocols_are_read(protocol: int) -> None:
    """As today's, with nothing recorded where nothing was; written again, they are of today's protocol."""
    data = (Path(__file__).parent / "protocols" / f"manifest_{protocol}.json").read_bytes()
    manifest = decode(data)
    assert json.loads(data)["protocol"] == protocol
    assert manifest.protocol == PROTOCOL
    for tier in manifest.tiers:
        assert (tier.coverage, tier.calibration, tier.ranges) == (None, None, None)
    assert decode(encode(manifest)) == manifest
    with pytest.raises(ManifestInvalid, match="rowz"):
        decode(data.replace(b'"rows"', b'"rowz"'))
    with pytest.raises(ManifestInvalid, match="ranges"):  # a field of today is none of theirs
        decode(data.replace(b'"scores"', b'"ranges":null,"scores"'))


def test_manifest_of_the_first_protocol_knew_no_figures_of_the_gate() -> None:
    """Nor where a configuration came from."""
    manifest = decode((Path(__file__).parent / "protocols" / "manifest_1.json").read_bytes())
    assert (manifest.model, manifest.version, manifest.seed) == ("hmm_regime", "v000001", 20130301)
    assert manifest.gate.promoted
    assert (manifest.gate.label, manifest.gate.comparisons) == ("not recorded", ())
    assert (manifest.config, manifest.lineage) == ({}, NO_LINEAGE)
