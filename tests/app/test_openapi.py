"""The OpenAPI document, its assets and its page."""

import gzip
import hashlib
import json
import re
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from pydantic import SecretStr

from app.main import create_shell
from app.schemas import answers, forms, status, what_if
from app.ui import assets
from tests.app.support import OPERATIONS, call, make_app, make_settings, post

APP = make_app()
DOCUMENT: dict[str, Any] = call(APP, "GET", "/openapi.json").json()


def references(part: Any) -> set[str]:
    """Collect every reference of a document."""
    if isinstance(part, dict):
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*(references(value) for value in part.values()))
    return set().union(*(references(value) for value in part)) if isinstance(part, list) else set()


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    """List path, method and operation."""
    return [(path, method, found) for path, methods in DOCUMENT["paths"].items() for method, found in methods.items()]


def test_every_route_is_described() -> None:
    """What is served is in the document and the other way round."""
    assert {getattr(route, "path", None) for route in APP.routes} == {operation.path for operation in APP.operations}
    served = {(operation.path, operation.method.lower()) for operation in APP.operations}
    assert {(path, method) for path, method, _ in operations()} == served


def test_references_lead_somewhere() -> None:
    """Every schema that is named exists, and is a schema of JSON Schema 2020-12."""
    schemas = DOCUMENT["components"]["schemas"]
    assert (
        references(DOCUMENT)
        == {f"#/components/schemas/{name}" for name in references_names()}
        <= {f"#/components/schemas/{name}" for name in schemas}
    )
    for schema in schemas.values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


def references_names() -> set[str]:
    """Return the names of the referenced schemas."""
    return {reference.rpartition("/")[2] for reference in references(DOCUMENT)}


def test_operations_are_named_apart() -> None:
    """Generated clients need unique names."""
    names = [found["operationId"] for *_, found in operations()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"\w+", name) for name in names)


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if o.body], ids=lambda o: o.path)
def test_examples_fit_their_schema_and_are_answered(operation: Any) -> None:
    """An example is a body of the schema, and gives an answer of the schema."""
    described = DOCUMENT["paths"][operation.path]["post"]
    content = described["requestBody"]["content"]["application/json"]
    for example in content["examples"].values():
        validator(content["schema"]).validate(example["value"])
        answer = post(APP, operation.path, example["value"])
        assert answer.status_code == 200
        validator(described["responses"]["200"]["content"]["application/json"]["schema"]).validate(answer.json())


def validator(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    """Make a validator that finds the components."""
    return jsonschema_rs.Draft202012Validator({**schema, "components": DOCUMENT["components"]})


@pytest.mark.parametrize("form", forms.PREDICT_FORMS, ids=lambda form: form.name)
def test_the_schema_of_a_request_knows_its_forms(form: forms.Form) -> None:
    """It accepts the bodies of a form, and none that lacks a field of it or mixes two."""
    request = validator({"$ref": "#/components/schemas/PredictRequest"})
    for example in form.examples.values():
        assert request.is_valid(example)
        assert not request.is_valid({name: value for name, value in example.items() if name != form.needs[0]})
        assert not request.is_valid({**example, "close": 1, "bars": forms.ROWS})


def test_every_operation_names_its_problems() -> None:
    """By status, each as problem+json, with a link to the page."""
    for path, method, found in operations():
        refusals = {code: answer for code, answer in found["responses"].items() if code != "200"}
        assert "500" in refusals, path
        assert "403" in refusals
        assert method == "get" or {"400", "413", "415", "422"} <= refusals.keys()
        for answer in refusals.values():
            assert answer["content"].keys() == {"application/problem+json"}
            assert "/problems/" in answer["description"]


def test_a_locked_service_says_what_needs_the_key() -> None:
    """The document is that of this service: with a key, all but the open operations need it; without, none does."""
    assert "securitySchemes" not in DOCUMENT["components"]
    key = "correct-horse-battery-staple"
    app = make_app(make_settings(api_key=SecretStr(key)))
    locked = call(app, "GET", "/openapi.json").json()
    assert locked["security"] == [{"ApiKey": []}, {"Bearer": []}]
    for operation in app.operations:
        described = locked["paths"][operation.path][operation.method.lower()]
        assert ("401" in described["responses"]) is not operation.open
        assert (described.get("security") == []) is operation.open


@pytest.mark.parametrize(
    "struct",
    [
        value
        for module in (answers, status, what_if)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, msgspec.Struct) and value.__module__ == module.__name__
    ],
    ids=lambda struct: struct.__name__,
)
def test_answers_have_no_defaults(struct: type[msgspec.Struct]) -> None:
    """A client sees every field, every time."""
    assert all(field.required for field in msgspec.structs.fields(struct))


def test_the_page_can_be_left_out() -> None:
    """With the setting off, there is no interactive page, and the document stays."""
    app = create_shell(make_settings(docs=False))
    assert call(app, "GET", "/docs").status_code == 404
    assert call(app, "GET", "/openapi.json").status_code == 200
    assert call(app, "GET", "/docs/assets/page.css").status_code == 200


def test_vendored_files_are_the_published_ones() -> None:
    """Each has the size and SHA-256 of the lock, and its licence beside it."""
    lock = json.loads((assets.FOLDER / "swagger-ui.lock.json").read_text())
    for name, published in lock["files"].items():
        asset = assets.find(name)
        content = (assets.FOLDER / name).read_bytes() if asset is None else asset.content()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (published["bytes"], published["sha256"])
    assert "Apache License" in (assets.FOLDER / "swagger-ui.LICENSE").read_text()
    assert (assets.FOLDER / "swagger-ui.NOTICE").exists()


def test_every_file_of_the_folder_is_known() -> None:
    """Nothing lies there that is neither served nor explained."""
    found = {path.name for path in assets.FOLDER.iterdir()}
    served = {f"{asset.name}.gz" if asset.gzipped else asset.name for asset in assets.ASSETS}
    assert found - served == {
        "swagger-ui.LICENSE", "swagger-ui.NOTICE", "swagger-ui.lock.json", "swagger-ui-bundle.js.LICENSE.txt",
    }  # fmt: skip


@pytest.mark.parametrize("asset", assets.ASSETS, ids=lambda asset: asset.name)
def test_assets_are_served_in_both_encodings(asset: assets.Asset) -> None:
    """Compressed to who takes it, plain to who does not, and not at all to who has it."""
    path = f"/docs/assets/{asset.name}"
    plain = call(APP, "GET", path, headers={"Accept-Encoding": "identity"})
    packed = call(APP, "GET", path, headers={"Accept-Encoding": "gzip"})
    assert plain.content == packed.content == asset.content()
    assert plain.headers["content-type"].startswith(asset.media_type)
    assert (packed.headers.get("content-encoding") == "gzip") is asset.gzipped
    assert call(APP, "GET", path, headers={"If-None-Match": plain.headers["etag"]}).status_code == 304


@pytest.mark.parametrize(
    "name", ["swagger-ui.LICENSE", "..%2f..%2fmain.py", "%2e%2e", "page.css%00", "swagger-ui.css.gz"]
)
def test_other_files_are_not_served(name: str) -> None:
    """A name is looked up in a list and never becomes a path."""
    assert call(APP, "GET", f"/docs/assets/{name}").status_code == 404


@pytest.mark.parametrize("path", ["/docs", "/problems"])
def test_pages_load_nothing_from_elsewhere(path: str) -> None:
    """Every link of a page is a path of this service that is answered, and nothing is inline."""
    page = call(APP, "GET", path).text
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert links
    for link in links:
        assert link.startswith("/")
        assert call(APP, "GET", link).status_code == 200
    assert "<style" not in page
    assert not re.search(r"<script(?! src)|\son\w+=|style=", page)


def test_stored_assets_are_reproducible() -> None:
    """The compressed files carry no time stamp, so that packing them again changes nothing."""
    for asset in assets.ASSETS:
        if asset.gzipped:
            assert asset.stored()[4:8] == bytes(4)
            assert gzip.decompress(asset.stored())
