"""schemathesis reads the OpenAPI document and tries what it promises, and what it forbids."""

from typing import Any

import schemathesis
from hypothesis import settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.app.support import make_app

SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", make_app())


@SCHEMA.include(
    path_regex="^/(probe/(predict|regime|forecast|batch)|livez|problems|docs|metrics|openapi)"
).parametrize()
@settings(max_examples=25, deadline=None)
def test_answers_are_as_documented(case: schemathesis.Case[Any]) -> None:
    """No 5xx, no status, header or shape that the document does not name; bodies that it forbids are refused."""
    # JSON Schema can't say that columns are of one length or that a high is not below its low.
    case.call_and_validate(excluded_checks=[positive_data_acceptance])
