"""Every problem that the service answers with, as data: RFC 9457 types, their statuses, titles and advice.

``CATALOGUE`` feeds the pages at ``/problems/<slug>``, the OpenAPI document and the answers themselves.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind of problem.

    ``slug`` names its page; ``advice`` is the page's paragraph: what it means and what to do.
    """

    slug: str
    status: int
    title: str
    advice: str

    @property
    def uri(self) -> str:
        """Return the ``type`` of the answer, a page that this service serves."""
        return f"/problems/{self.slug}"


MALFORMED_JSON: Final = ProblemType(
    "malformed-json",
    400,
    "The body is not JSON",
    "The body must be one JSON object in UTF-8, without a byte order mark. JSON knows no comments, no trailing commas "
    "and no lone surrogates. Check the body with `python -m json.tool`.",
)
DUPLICATE_KEY: Final = ProblemType(
    "duplicate-key",
    400,
    "A key appears twice",
    "One object of the body holds the same key twice, and no one can know which was meant. Send each key once.",
)
BAD_REQUEST: Final = ProblemType(
    "bad-request",
    400,
    "The request can't be read",
    "The request line, a header or a parameter is not well-formed. The detail says which.",
)
UNAUTHORIZED: Final = ProblemType(
    "unauthorized",
    401,
    "A valid API key is required",
    "This service was started with BARCAST_API_KEY. Send that key as header `X-API-Key: <key>` or "
    "`Authorization: Bearer <key>`. Keys in the URL are not read, as URLs end up in logs.",
)
FORBIDDEN_EXPOSURE: Final = ProblemType(
    "forbidden-exposure",
    403,
    "Without an API key only this machine is answered",
    "The request came in by a network address, or names a foreign host, while no API key is set. Whoever runs the "
    "service can set BARCAST_API_KEY and start it again; until then call it at http://127.0.0.1.",
)
ADMIN_ONLY: Final = ProblemType(
    "admin-only",
    403,
    "Only the admin key may do this",
    "Promotions, rollbacks and reloads change what the service answers. They need the key that the service was started "
    "with as BARCAST_ADMIN_KEY, sent as header `X-API-Key: <key>` or `Authorization: Bearer <key>`. The key of "
    "predictions is not enough. A service without an admin key has these routes off.",
)
NOT_FOUND: Final = ProblemType(
    "not-found",
    404,
    "Nothing is served at this path",
    "Check the path: it is case-sensitive and has no slash at its end. `/docs` lists every path, `/openapi.json` too.",
)
UNKNOWN_SYMBOL: Final = ProblemType(
    "unknown-symbol",
    404,
    "No history is stored for this symbol",
    "`GET /symbols` lists the stored symbols. To ask about another one, send its bars in the request.",
)
UNKNOWN_MODEL: Final = ProblemType(
    "unknown-model", 404, "No model has this name", "`GET /models` lists the models and their versions."
)
UNKNOWN_VERSION: Final = ProblemType(
    "unknown-version",
    404,
    "No version of the model has this name",
    "`GET /models/{model}/versions` lists the published versions. One that was removed is in the ledger only.",
)
NO_VERSION_THEN: Final = ProblemType(
    "no-version-then",
    404,
    "Nothing served on that day",
    'With `"version": "at-as-of"` a question is answered by the version that served at the end of the day of as-of '
    "(UTC). Before the first promotion there was none. Leave `version` out to ask what serves now.",
)
METHOD_NOT_ALLOWED: Final = ProblemType(
    "method-not-allowed",
    405,
    "The path does not take this method",
    "The header `Allow` of the answer lists the methods that the path takes. Predictions are asked for with POST.",
)
REQUEST_TIMEOUT: Final = ProblemType(
    "request-timeout",
    408,
    "The body did not arrive in time",
    "The client took longer to send its body than BARCAST_BODY_TIMEOUT_SECONDS. Send it again, at once and whole.",
)
HISTORY_CONFLICT: Final = ProblemType(
    "history-conflict",
    409,
    "The bars sent do not continue the stored history",
    "With `symbol` and `bars` together, the bars are appended to the stored history: their first date must come after "
    "the last stored one, at prices that can follow it. `GET /symbols` shows where each history ends. Leave `symbol` "
    "out to have the bars judged by themselves.",
)
GATE_SAID_NO: Final = ProblemType(
    "gate-said-no",
    409,
    "The promotion gate kept this version as a candidate",
    "The verdict, with its figures, is in the manifest and the card of the version (`GET /models/{model}/versions`). "
    'A person who knows better promotes it with `"anyway": true`; the ledger then says so.',
)
PROMOTION_CONFLICT: Final = ProblemType(
    "promotion-conflict",
    409,
    "What serves is not what the request meant to replace",
    "Another version was promoted in between, there is no earlier version to go back to, or the version is "
    "uncertified or quarantined. `GET /models/{model}/versions` shows the state of each; look again, then decide.",
)
BODY_TOO_LARGE: Final = ProblemType(
    "body-too-large",
    413,
    "The body is too large",
    "Send fewer bars (models look at no more than 253), send them as columns, or split the batch. Whoever runs the "
    "service can raise BARCAST_MAX_BODY_BYTES.",
)
UNSUPPORTED_MEDIA_TYPE: Final = ProblemType(
    "unsupported-media-type",
    415,
    "The body is of a type that this path does not read",
    "Bodies are JSON: send the header `Content-Type: application/json` (curl sends another by itself), in UTF-8 and "
    "without Content-Encoding. Batches may be CSV: `text/csv` or a multipart file.",
)
INVALID_INPUT: Final = ProblemType(
    "invalid-input",
    422,
    "The input breaks a rule",
    "The body is JSON, and a value in it is not what the route needs. `errors` points at each place (JSON Pointer) and "
    "says what was expected and what was found. Prices are finite and above 0, high and low enclose open and close, "
    "dates are `YYYY-MM-DD` and ascend, volumes are 0 or more, or null where unknown.",
)
UNKNOWN_FIELD: Final = ProblemType(
    "unknown-field",
    422,
    "A field is not known here",
    "A mistyped field must not be ignored in silence. `errors` names the field; `/docs` shows those that are.",
)
NO_SUCH_DATE: Final = ProblemType(
    "no-such-date",
    422,
    "The stored history has no bar on or before this date",
    "`as_of` must lie within the stored history of the symbol; `GET /symbols` shows its first and last dates.",
)
HORIZON_TOO_FAR: Final = ProblemType(
    "horizon-too-far",
    422,
    "The forecast horizon is out of bounds",
    "`periods` counts exchange sessions ahead, from 1 to the bound that the detail names. Whoever runs the service can "
    "lower the bound with BARCAST_MAX_PERIODS.",
)
CSV_UNREADABLE: Final = ProblemType(
    "csv-unreadable",
    422,
    "The CSV can't be read without guessing",
    "The detail names line and cause. A plain layout always works: a header `date,open,high,low,close,volume`, commas "
    "between fields, points in decimals, one session a line.",
)
INTERNAL_ERROR: Final = ProblemType(
    "internal-error",
    500,
    "The service failed",
    "This is a fault of the service, not of the request. Whoever runs it finds the cause in the log under the "
    "`request_id` of the answer.",
)
MODEL_UNAVAILABLE: Final = ProblemType(
    "model-unavailable",
    503,
    "The model can't answer",
    "The model is missing, corrupt, incompatible, uncertified, quarantined or failed, and no rule of thumb may answer: "
    "the service is strict, or the question is about the model itself. `GET /health` says what is wrong with which "
    "model; training publishes a new version.",
)
STORE_UNAVAILABLE: Final = ProblemType(
    "store-unavailable",
    503,
    "The store of models can't be read or written now",
    "Another process holds the model's lock, or the disk refused. Nothing has changed. Whoever runs the service finds "
    "the cause in the log under the `request_id`.",
)
NOT_READY: Final = ProblemType(
    "not-ready",
    503,
    "The service is not ready",
    "The models are still loading, or none can be served, or the service is shutting down. `GET /health` tells which.",
)
DATA_UNAVAILABLE: Final = ProblemType(
    "data-unavailable",
    503,
    "Stored market data can't be read",
    "A stored series is absent or damaged. Whoever runs the service finds the cause in the log under the `request_id`. "
    "Requests that bring their own bars are not affected.",
)

CATALOGUE: Final = (
    MALFORMED_JSON,
    DUPLICATE_KEY,
    BAD_REQUEST,
    UNAUTHORIZED,
    FORBIDDEN_EXPOSURE,
    ADMIN_ONLY,
    NOT_FOUND,
    UNKNOWN_SYMBOL,
    UNKNOWN_MODEL,
    UNKNOWN_VERSION,
    NO_VERSION_THEN,
    METHOD_NOT_ALLOWED,
    REQUEST_TIMEOUT,
    HISTORY_CONFLICT,
    GATE_SAID_NO,
    PROMOTION_CONFLICT,
    BODY_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    INVALID_INPUT,
    UNKNOWN_FIELD,
    NO_SUCH_DATE,
    HORIZON_TOO_FAR,
    CSV_UNREADABLE,
    INTERNAL_ERROR,
    MODEL_UNAVAILABLE,
    STORE_UNAVAILABLE,
    NOT_READY,
    DATA_UNAVAILABLE,
)
"""All of them, by status."""


def problem_type(slug: str) -> ProblemType | None:
    """Return the type of that slug, or None."""
    return next((kind for kind in CATALOGUE if kind.slug == slug), None)
