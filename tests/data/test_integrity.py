"""Digests of trees, seals of small files, faults in words."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.integrity import Fault, opened, sealed, tree_digest


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A small record."""

    name: str
    numbers: dict[str, float | None]
    seal: str = ""


records = st.builds(
    Record,
    name=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    numbers=st.dictionaries(st.sampled_from("abc"), st.none() | st.floats(allow_nan=False, allow_infinity=False)),
)


@given(records)
def test_a_sealed_record_comes_back(record: Record) -> None:
    """With a seal, whatever seal it had before; sealing it again changes nothing."""
    data = sealed(record)

    back = opened(data, Record)

    assert msgspec.structs.replace(back, seal="") == record
    assert sealed(back) == data


@given(records, st.data())
def test_any_other_byte_is_noticed(record: Record, chance: st.DataObject) -> None:
    """A changed bit, a missing or an added byte, wherever it is."""
    data = sealed(record)
    at, bit = chance.draw(st.integers(0, len(data) - 1)), chance.draw(st.integers(0, 7))
    changed = data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :]

    for wrong in (changed, data[:at] + data[at + 1 :], data[:at] + b" " + data[at:], data + b"\n"):
        with pytest.raises(ValueError, match=r"what is no record|its seal denies"):
            opened(wrong, Record)


def test_the_digest_of_a_tree_sees_every_change_but_no_lock(tmp_path: Path) -> None:
    """A byte, a name, a file more, an empty folder; not the order of creation, nor what is hidden."""

    def tree(**files: str) -> str:
        root = tmp_path / str(len(list(tmp_path.iterdir())))
        for name, text in files.items():
            path = root / name.replace("_", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tree_digest(root)

    one = tree(a_x="1", a_y="2", b="3")
    assert one == tree(b="3", a_y="2", a_x="1")
    others = [tree(a_x="1", a_y="2"), tree(a_x="1", a_y="2", b="4"), tree(a_x="2", a_y="1", b="3")]
    others += [tree(a_x="1", a_z="2", b="3"), tree(a_x="1", b_y="2", c="3"), tree()]
    assert len({one, *others}) == 1 + len(others)
    root = tmp_path / "0"
    (root / ".lock").touch()
    (root / ".hidden").mkdir()
    (root / ".hidden" / "x").touch()
    assert tree_digest(root) == one
    (root / "empty").mkdir()
    assert tree_digest(root) != one
    assert tree_digest(tmp_path / "nowhere") == tree()


def test_a_fault_is_one_line() -> None:
    """File, what was expected, what was found, what to do."""
    assert str(Fault(Path("a/b"), "5 bytes", "4", "restore it")) == "a/b: expected 5 bytes, found 4; restore it"
