"""Files of artifacts that are to be compared."""

import datetime as dt
from collections.abc import Mapping

import msgspec

from models.certificate import CERTIFICATE_NAME, decode, encode

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def timeless(files: Mapping[str, bytes], *left_out: str) -> dict[str, bytes]:
    """Return files without those that are ``left_out``, and the certificate as if it had been made long ago.

    What the certificate is of, it says by a hash over all of the others: of those that are left out, too. So it is
    taken out as well.
    """
    certificate = msgspec.structs.replace(decode(files[CERTIFICATE_NAME], "one"), when=EPOCH, subject="0" * 64)
    kept = {name: data for name, data in files.items() if name not in left_out}
    return {**kept, CERTIFICATE_NAME: encode(certificate)}
