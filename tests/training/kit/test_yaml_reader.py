"""YAML as configurations need it: JSON's values by plain rules, and no surprise gets through."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.kit.yaml_reader import MAX_BYTES, MAX_DEPTH, YamlRefused, read_file, read_text

WORDS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x17F, exclude_categories=["Cc"]), max_size=12)
PLAIN = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    PLAIN | WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=12
)


@given(value=VALUES)
def test_json_reads_as_itself(value: object) -> None:
    """What an artifact stores as JSON is YAML of the same meaning, types included."""
    read = read_text(msgspec.json.encode(value).decode(), "stored")
    assert json.dumps(read) == json.dumps(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("-.5", -0.5),
        ("+7", 7),
        ("007", 7),
        ("no", "no"),
        ("on", "on"),
        ("'1'", "1"),
        ("2010-01-05", "2010-01-05"),
        ("1:30", "1:30"),
        ("0x10", "0x10"),
        (".inf", ".inf"),
        ("~", None),
        ("", None),
        ("[1, 22]", [1, 22]),
        ("{low: 3, log: true}", {"low": 3, "log": True}),
        ("a: |\n  two\n  lines\n", {"a": "two\nlines\n"}),
        ("<<: {a: 1}", {"<<": {"a": 1}}),
    ],
)
def test_plain_values_mean_what_they_look_like(text: str, value: object) -> None:
    """As YAML 1.2 has it: PyYAML by itself reads 1e-3 as a word, no as false and 1:30 as 90."""
    found = read_text(text, "file")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &x 1\nb: *x", "line 1: expected plain values, found an anchor or alias"),
        ("a: [&x [1], *x]", "an anchor or alias"),
        ("a: !!python/object/apply:os.system ['true']", "the tag tag:yaml.org,2002:python/object/apply:os.system"),
        ("a: !!str 1", "the tag"),
        ("a: !own 1", "the tag !own"),
        ("a: 1\nb: 2\na: 3", "line 3: expected each key once, found 'a' again"),
        ("a: {b: 1, 'b': 2}", "found 'b' again"),
        ("1: a", "expected a name as key, found 1"),
        ("? [1]\n: 2", "expected a name as key"),
        ("a: 1\n---\na: 2", "line 2: expected one document"),
        ("a: 1e999", "expected a number that a float holds"),
        ("a: " + "9" * 5000, "expected a number of at most 40 digits"),
        ("[1, 2", "line 1: expected YAML"),
        ("a:\tb: c", "expected YAML"),
        ("a: \x00", "expected YAML"),
        ("[" * 3000, f"expected at most {MAX_DEPTH} levels"),
        ("a: 1\n" * MAX_BYTES, "characters, found"),
    ],
)
def test_surprises_are_refused_by_name_and_line(text: str, said: str) -> None:
    """Tags, aliases, keys twice, documents, depth, size: nothing of it is read."""
    with pytest.raises(YamlRefused) as raised:
        read_text(text, "file.yaml")
    assert str(raised.value).startswith("file.yaml: ")
    assert said in str(raised.value)


def test_a_file_is_bounded_and_utf8(tmp_path: Path) -> None:
    """A missing one, a large one and one in another encoding are refused before they are parsed."""
    path = tmp_path / "x.yaml"
    with pytest.raises(YamlRefused, match=r"^x: expected a file, found: No such file"):
        read_file(path, "x")
    with pytest.raises(YamlRefused, match=r"^x: expected a file, found: Is a directory"):
        read_file(tmp_path, "x")
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(YamlRefused, match=r"^x: expected at most 65,536 bytes"):
        read_file(path, "x")
    path.write_bytes(b"a: caf\xe9")
    with pytest.raises(YamlRefused, match=r"^x: expected UTF-8"):
        read_file(path, "x")
    path.write_text("a: café", encoding="utf-8")
    assert read_file(path, "x") == {"a": "café"}
