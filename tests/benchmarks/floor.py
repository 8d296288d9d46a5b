"""The floor: a FastAPI route that reads the body and returns a constant, which is what a request costs without work."""

from typing import Any

from fastapi import FastAPI, Request

ANSWER = {"direction": "up", "probability_up": 0.5}

app = FastAPI()


@app.post("/constant")
async def constant(request: Request) -> dict[str, Any]:
    """Read and answer."""
    await request.body()
    return ANSWER
