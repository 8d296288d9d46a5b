"""`certificate.json`: what an audit looked at before an artifact was published, what it found, and of which artifact.

Training writes one into every artifact, and the manifest lists it with its digest like any other file. An artifact is
certified if its certificate speaks of it (`subject`), holds every check of `REQUIRED`, and none failed. One that is not
is refused and not quarantined: its bytes are what was published, and nothing about it is damaged.
"""

import hashlib
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from models import strict_json
from models.errors import ArtifactUncertified
from models.manifest import Draft, LeakCheck, ModelName, Sha256, UtcTime

CERTIFICATE_NAME: Final = "certificate.json"
"""File name of the certificate inside an artifact."""

PROTOCOL: Final = 1
"""Number of the file's form. To change it, follow `models.manifest.PROTOCOL`."""

REQUIRED: Final = (
    "truncation_invariance",
    "lookback_true",
    "shuffled_target",
    "planted_leaks",
    "serving_parity",
)
"""Checks without which nothing is certified; a certificate may hold more."""

Form = Literal["quick", "full"]
"""``quick``: what every training runs; what is dear is looked at on few folds. ``full``: on all of them."""


class Check(LeakCheck, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Result of one check: besides name, verdict and words, what was looked at and what was measured.

    Attributes
    ----------
    counts : dict of str to int
        How many of what were looked at.
    figures : dict of str to float
        What was measured, with the bound that it was held to.
    seed : int or None
        Of the draws; None where nothing was drawn.

    """

    counts: dict[str, int] = msgspec.field(default_factory=dict)
    figures: dict[str, float] = msgspec.field(default_factory=dict)
    seed: int | None = None

    def brief(self) -> LeakCheck:
        """Return it as the manifest holds it."""
        return LeakCheck(name=self.name, passed=self.passed, detail=self.detail)


class Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an audit says of one artifact.

    Attributes
    ----------
    form : {"quick", "full"}
        How much was looked at.
    when : datetime
        UTC.
    code, data : str
        SHA-256 of the source that trained and audited, and of the bars.
    subject : str
        SHA-256 of the artifact that it speaks of, see `subject`.
    checks : tuple of Check
        Results, those of the training's own leak checks first.

    """

    protocol: int = PROTOCOL
    model: ModelName
    form: Form
    when: UtcTime
    code: Sha256
    data: Sha256
    subject: Sha256
    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checks that failed."""
        return tuple(check.name for check in self.checks if not check.passed)


def subject(draft: Draft, digests: Mapping[str, str]) -> str:
    """Return the SHA-256 of what decides an artifact's answers and what is said of them.

    That is the model's name, task, family, target, seed, data, tiers (features, heads, scores) and checks, and the
    digest of every file but the certificate. The version is not part of it, as it is not known before publishing.

    Parameters
    ----------
    draft : Draft
        The manifest, published or not.
    digests : Mapping of str to str
        SHA-256 of the files by name; that of the certificate is passed over.

    """
    files = sorted((name, digest) for name, digest in digests.items() if name != CERTIFICATE_NAME)
    told = (
        draft.model,
        draft.task,
        draft.family,
        draft.target,
        draft.seed,
        draft.data_fingerprint,
        draft.tiers,
        draft.checks,
        files,
    )
    return hashlib.sha256(msgspec.json.encode(told, order="sorted")).hexdigest()


def encode(certificate: Certificate) -> bytes:
    """Return the certificate as JSON, indented; raises ``strict_json.NotJson`` for numbers that are none."""
    return msgspec.json.format(strict_json.encode(certificate), indent=1) + b"\n"


def decode(data: bytes | None, name: str) -> Certificate:
    """Read the certificate of the artifact called ``name``; None: it has none.

    Raises
    ------
    ArtifactUncertified
        There is none, or it can't be read.

    """
    if data is None:
        raise ArtifactUncertified(f"expected a certificate in {name}, found none: an earlier release published it")
    try:
        certificate = msgspec.json.decode(data, type=Certificate)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        message = f"expected a certificate of protocol {PROTOCOL} in {name}, found one that can't be read"
        raise ArtifactUncertified(message) from error
    if certificate.protocol != PROTOCOL:
        message = f"expected a certificate of protocol {PROTOCOL} in {name}, found protocol {certificate.protocol}"
        raise ArtifactUncertified(message)
    return certificate


def bound(draft: Draft, digests: Mapping[str, str], data: bytes | None) -> Certificate:
    """Return the certificate of an artifact, whatever it found, once it is clear that it is of this very artifact.

    Raises
    ------
    ArtifactUncertified
        There is none, it can't be read, it lacks a check of `REQUIRED`, or it is another artifact's.

    """
    certificate = decode(data, draft.model)
    told = certificate.model, certificate.data, certificate.subject
    if told != (draft.model, draft.data_fingerprint, subject(draft, digests)):
        found = f"one of another artifact ({certificate.model} {certificate.subject[:12]})"
        raise ArtifactUncertified(f"expected the certificate of this {draft.model}, found {found}")
    if absent := [name for name in REQUIRED if name not in {check.name for check in certificate.checks}]:
        message = f"expected a certificate of {draft.model} with {', '.join(REQUIRED)}, found none of"
        raise ArtifactUncertified(f"{message} {', '.join(absent)}")
    return certificate


def passed(draft: Draft, digests: Mapping[str, str], data: bytes | None) -> Certificate:
    """Return the certificate of an artifact that may serve.

    Raises
    ------
    ArtifactUncertified
        As `bound`, or a check failed.

    """
    certificate = bound(draft, digests, data)
    if certificate.failed:
        found = f"{', '.join(certificate.failed)} failed"
        raise ArtifactUncertified(f"expected every check of {draft.model} to have passed, found that {found}")
    return certificate
