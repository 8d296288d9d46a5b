"""Certificates for artifacts that tests make up or change: as an audit would have written them, had it found this."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import msgspec

from data.disk import Disk
from models import certificate
from models.certificate import CERTIFICATE_NAME, REQUIRED, Certificate, Check, subject
from models.manifest import Draft, Manifest
from models.store import writing
from models.store.reading import Limits, digest
from models.store.shelf import shelf

WHEN = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)


def certificate_of(draft: Draft, files: Mapping[str, bytes], failed: tuple[str, ...] = ()) -> Certificate:
    """Return the certificate of a draft and its files; ``failed`` are checks that found a fault."""
    names = dict.fromkeys((*REQUIRED, *failed))
    return Certificate(
        model=draft.model,
        form="quick",
        when=WHEN,
        code="c0" * 32,
        data=draft.data_fingerprint,
        subject=subject(draft, {name: digest(data) for name, data in files.items()}),
        checks=tuple(Check(name=name, passed=name not in failed, detail="a test") for name in names),
    )


def certified(draft: Draft, files: Mapping[str, bytes], failed: tuple[str, ...] = ()) -> dict[str, bytes]:
    """Return the files with a certificate of exactly these in the place of any other."""
    return {**files, CERTIFICATE_NAME: certificate.encode(certificate_of(draft, files, failed))}


def published_before(root: Path, draft: Draft, files: Mapping[str, bytes]) -> Manifest:
    """Publish as releases did that knew no certificates: by the same writer, without the store's look at them."""
    writer = writing.Writer(Disk(), lambda: WHEN, "an earlier release", 10.0)
    with writing.transaction(shelf(root, draft.model), writer) as t:
        return writing.publish(t, draft, files, "trained", Limits())


def plain_draft(manifest: Manifest) -> Draft:
    """Return what a manifest was before it was published."""
    return Draft(**{name: getattr(manifest, name) for name in Draft.__struct_fields__})


def timeless(files: Mapping[str, bytes], *left_out: str) -> dict[str, object]:
    """Return files without those that are ``left_out``, and the certificate without the time of its audit.

    What the certificate is of, it says by a hash over all of the others, over those that are left out too. So that is
    left out as well.
    """
    vouched = certificate.decode(files[CERTIFICATE_NAME], "a test")
    kept = {name: data for name, data in files.items() if name not in left_out}
    return {**kept, CERTIFICATE_NAME: msgspec.structs.replace(vouched, when=WHEN, subject="")}
