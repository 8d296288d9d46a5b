"""The request that is being answered, for logs. Threads that answer for a request inherit it."""

from contextvars import ContextVar
from typing import Final

REQUEST_ID: Final[ContextVar[str]] = ContextVar("request_id", default="-")
"""As in the header X-Request-ID; set by the boundary."""
