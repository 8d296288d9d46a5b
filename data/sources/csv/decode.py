"""First step: bytes to lines of text, or the reason why these bytes are no table."""

import io
import re
import zipfile
from dataclasses import dataclass
from typing import Final

from data.errors import UnreadableFile
from data.sources.csv.options import MAX_BYTES, MAX_LINE, MAX_ROWS

_UTF8_BOM: Final = b"\xef\xbb\xbf"
_FOREIGN: Final = (
    (b"\xff\xfe", "UTF-16 text; save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text; save it as UTF-8"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"BZh", "a bzip2 archive; unpack it first"),
    (b"\xfd7zXZ", "an xz archive; unpack it first"),
    (b"PAR1", "a Parquet file; export it as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook; export the sheet as CSV"),
    (b"%PDF", "a PDF document; export the table as CSV"),
)
_ZIP: Final = b"PK\x03\x04"
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_HTML: Final = re.compile(r"<(?:!doctype|html|head|body|script|\?xml|!--|div|title|h1)\b|<!--|<\?xml", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Text:
    """Lines of a file without their ends, and what was done to get them. Line n of the file is ``lines[n - 1]``."""

    lines: list[str]
    notes: tuple[str, ...]


def decode(data: bytes, *, archives: bool) -> Text:
    """Return the lines of a UTF-8 table; a zip archive of one file is opened if ``archives`` says so.

    Raises
    ------
    UnreadableFile
        Empty, too large, another encoding, an archive of several files, binary, an HTML page, a JSON body.

    """
    notes: list[str] = []
    if data.startswith(_ZIP) and not archives:
        raise UnreadableFile("expected UTF-8 text, found a zip archive or a workbook; send the CSV itself")
    if data.startswith(_ZIP):
        data, member = _unzip(data)
        notes.append(f"read {member!r} out of the zip archive")
    _bounded(len(data))
    for magic, what in _FOREIGN:
        if data.startswith(magic):
            raise UnreadableFile(f"expected UTF-8 text, found {what}")
    if data.startswith(_UTF8_BOM):
        data = data[len(_UTF8_BOM) :]
        notes.append("skipped a UTF-8 byte-order mark")
    if (nul := data.find(b"\0")) >= 0:
        message = "expected text, found a NUL byte; the file is binary or UTF-16: save it as UTF-8"
        raise UnreadableFile(message, line=data.count(b"\n", 0, nul) + 1)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"expected UTF-8 text, found the byte 0x{data[error.start]:02x}; save the file as UTF-8"
        raise UnreadableFile(message, line=data.count(b"\n", 0, error.start) + 1) from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    _table(text)
    lines = text.rstrip("\n").split("\n")
    if len(lines) > MAX_ROWS:
        raise UnreadableFile(f"expected at most {MAX_ROWS} lines, found {len(lines)}; split the file")
    for number, line in enumerate(lines, start=1):
        if len(line) > MAX_LINE:
            message = (
                f"expected lines of at most {MAX_LINE} characters, found {len(line)}; this is no table of daily bars"
            )
            raise UnreadableFile(message, line=number)
    return Text(lines, tuple(notes))


def _bounded(size: int) -> None:
    if size > MAX_BYTES:
        raise UnreadableFile(f"expected at most {MAX_BYTES} bytes, found {size}; split the file")


def _table(text: str) -> None:
    """Refuse what is text but no table."""
    start = text.lstrip()
    if not start:
        raise UnreadableFile("expected a table of daily bars, found an empty file; download it again")
    line = text.count("\n", 0, len(text) - len(start)) + 1
    if _HTML.match(start):
        message = (
            "expected a table, found an HTML or XML page: the data service probably answered with a login, limit or "
            "error page; open the file in a browser to read it, then download again"
        )
        raise UnreadableFile(message, line=line)
    if start[0] in "{[":
        message = "expected a table, found JSON: probably an error answer of the data service; ask it for CSV"
        raise UnreadableFile(message, line=line)
    if control := _CONTROL.search(text):
        message = f"expected text, found the control character 0x{ord(control[0]):02x}; the file is binary or damaged"
        raise UnreadableFile(message, line=text.count("\n", 0, control.start()) + 1)


def _unzip(data: bytes) -> tuple[bytes, str]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            if len(members) != 1:
                message = f"expected an archive of one CSV file, found {len(members)} files; unpack it and pick one"
                raise UnreadableFile(message)
            _bounded(members[0].file_size)
            with archive.open(members[0]) as file:
                # The size in the directory can lie; a byte more than allowed is enough to know.
                content = file.read(MAX_BYTES + 1)
            _bounded(len(content))
            return content, members[0].filename
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise UnreadableFile(f"expected a sound zip archive, found: {error}; download it again") from error
