"""Certificates: whose they are, what they must hold, and that nothing is published without one."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import certificate
from models.certificate import CERTIFICATE_NAME, REQUIRED, Certificate, bound, decode, encode, passed, subject
from models.errors import ArtifactUncertified
from models.manifest import Draft, LeakCheck, Target
from models.manifest import decode as read_manifest
from models.store import ArtifactStore
from models.store.reading import digest
from tests.models.store.toys import WEIGHTS, draft, files
from tests.support.certificates import certificate_of, certified

Change = Callable[[Draft], Draft]
PLAIN = {name: data for name, data in files("1").items() if name != CERTIFICATE_NAME}


def digests(of: dict[str, bytes]) -> dict[str, str]:
    """Return the digests of files."""
    return {name: digest(data) for name, data in of.items()}


def replaced(**fields: Any) -> Change:
    """Return a change of the draft's fields."""
    return lambda one: msgspec.structs.replace(one, **fields)


def head(one: Draft) -> Draft:
    """Change a calibration, which lies in the manifest and in no file."""
    return msgspec.structs.replace(one, tiers=(msgspec.structs.replace(one.tiers[0], head={"slope": 0.5}),))


CHANGES: dict[str, Change] = {
    "model": replaced(model="other_direction"),
    "data": replaced(data_fingerprint="cd" * 32),
    "seed": replaced(seed=8),
    "target": replaced(target=Target(name="up", definition="close[t+2] > close[t]", horizon=2)),
    "checks": replaced(checks=(LeakCheck(name="shuffled_target", passed=False, detail=""),)),
    "head": head,
}


@pytest.mark.parametrize("changed", CHANGES)
def test_it_is_of_one_manifest(changed: str) -> None:
    """Whatever decides the answers, or is said of them, is another artifact's once it changes."""
    vouched = encode(certificate_of(draft(), PLAIN))
    assert bound(draft(), digests(PLAIN), vouched).failed == ()
    with pytest.raises(ArtifactUncertified, match="found one of another artifact"):
        bound(CHANGES[changed](draft()), digests(PLAIN), vouched)


@given(name=st.sampled_from(sorted(PLAIN)), data=st.binary(max_size=20))
def test_it_is_of_these_files(name: str, data: bytes) -> None:
    """Every byte of every other file; a file more or less too."""
    vouched = encode(certificate_of(draft(), PLAIN))
    others = [{**PLAIN, name: PLAIN[name] + b"x" + data}, {**PLAIN, "more.txt": data}]
    others.append({key: value for key, value in PLAIN.items() if key != name})
    for other in others:
        with pytest.raises(ArtifactUncertified, match="found one of another artifact"):
            bound(draft(), digests(other), vouched)


def test_version_and_date_are_not_part_of_it() -> None:
    """Neither is known when the audit is made."""
    later = msgspec.structs.replace(draft(), created=dt.datetime(2030, 1, 1, tzinfo=dt.UTC))
    assert subject(later.published("v000007", ()), digests(PLAIN)) == subject(draft(), digests(PLAIN))


def test_what_is_written_is_read() -> None:
    """Bit for bit, twice."""
    whole = certificate_of(draft(), PLAIN)
    assert decode(encode(whole), "toy") == whole
    assert encode(decode(encode(whole), "toy")) == encode(whole)


@pytest.mark.parametrize("data", [None, b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"protocol":1}'])
def test_what_is_none_is_refused(data: bytes | None) -> None:
    """No file, no JSON, another form."""
    with pytest.raises(ArtifactUncertified, match="expected a certificate"):
        bound(draft(), digests(PLAIN), data)


def changed(**fields: Any) -> bytes:
    """Return a certificate with other fields."""
    return encode(msgspec.structs.replace(certificate_of(draft(), PLAIN), **fields))


def test_other_protocols_are_refused() -> None:
    """By their number."""
    with pytest.raises(ArtifactUncertified, match="found protocol 2"):
        bound(draft(), digests(PLAIN), changed(protocol=2))


@pytest.mark.parametrize("name", REQUIRED)
def test_each_required_check_must_be_there(name: str) -> None:
    """An audit that leaves one out vouches for nothing."""
    some = tuple(check for check in certificate_of(draft(), PLAIN).checks if check.name != name)
    with pytest.raises(ArtifactUncertified, match=f"found none of {name}"):
        bound(draft(), digests(PLAIN), changed(checks=some))


@pytest.mark.parametrize("name", [*REQUIRED, "walk_isolation"])
def test_each_failed_check_is_refused_by_name(name: str) -> None:
    """It is the artifact's own certificate, and may be published as a record; it may not serve."""
    vouched = encode(certificate_of(draft(), PLAIN, failed=(name,)))
    assert bound(draft(), digests(PLAIN), vouched).failed == (name,)
    with pytest.raises(ArtifactUncertified, match=f"found that {name} failed"):
        passed(draft(), digests(PLAIN), vouched)


def test_a_manifest_of_the_first_protocol_has_none() -> None:
    """It is read as ever, and refused: nobody looked."""
    manifest = read_manifest((Path(__file__).parent / "protocols" / "manifest_1.json").read_bytes())
    told = {entry.path: entry.sha256 for entry in manifest.files}
    with pytest.raises(ArtifactUncertified, match="found none: an earlier release published it"):
        passed(manifest, told, None)


@pytest.mark.parametrize(
    "wrong",
    [
        PLAIN,
        {**files("1"), WEIGHTS: b"other weights"},
        {**PLAIN, CERTIFICATE_NAME: b"{}"},
        {**PLAIN, CERTIFICATE_NAME: changed(model="other_direction")},
    ],
)
def test_nothing_is_published_without_its_certificate(wrong: dict[str, bytes], tmp_path: Path) -> None:
    """None, another's, an unreadable one: the store is not even made."""
    store = ArtifactStore(tmp_path / "store")
    with pytest.raises(ArtifactUncertified):
        store.publish(draft(), wrong, why="test")
    assert not (tmp_path / "store").exists()


def test_a_record_of_a_fault_is_published(tmp_path: Path) -> None:
    """As a candidate that never serves: what failed is worth keeping."""
    found = store_with(tmp_path, failed=("planted_leaks",)).read("toy_direction", "v000001")
    told = msgspec.json.decode(found.files[CERTIFICATE_NAME], type=Certificate)
    assert told.failed == ("planted_leaks",)


def store_with(root: Path, failed: tuple[str, ...]) -> ArtifactStore:
    """Return a store with one version whose audit found these faults."""
    store = ArtifactStore(root)
    store.publish(draft(), certified(draft(), PLAIN, failed), why="test")
    return store


def test_every_struct_is_documented() -> None:
    """The struct is what the file is."""
    assert certificate.Certificate.__doc__
    assert certificate.Check.__doc__
