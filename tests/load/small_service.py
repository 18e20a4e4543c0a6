"""A configs API in memory, to be frozen, throttled and asked what it saw: ``python -P small_service.py PORT``."""

from __future__ import annotations

import os
import sys
import time

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

entries: dict[str, str] = {}
seen: dict[str, set[str]] = {"authorization": set(), "asked": set()}
arrived: dict[int, int] = {}
"""How many requests came in each second."""
THROTTLES = os.environ.get("THROTTLES") == "1"
BREAKS = os.environ.get("BREAKS") == "1"


async def config(request: Request) -> Response:
    key = request.path_params["key"]
    arrived[int(time.monotonic())] = arrived.get(int(time.monotonic()), 0) + 1
    seen["asked"].add(f"{request.method} {key}")
    seen["authorization"].add(request.headers.get("authorization", ""))
    if request.method == "POST":
        entries[key] = (await request.json())["value"]
        return JSONResponse({"value": entries[key]}, 201)
    if request.method == "DELETE":
        return Response(status_code=204 if entries.pop(key, None) else 404)
    if THROTTLES or BREAKS:
        return Response(status_code=429 if THROTTLES else 503)
    return JSONResponse({"value": entries[key]}) if key in entries else JSONResponse({}, 404)


async def facts(_request: Request) -> Response:
    found = {"keys": sorted(entries), "arrived": [*arrived.values()]}
    return JSONResponse(found | {name: sorted(words) for name, words in seen.items()})


app = Starlette(
    routes=[
        Route("/facts", facts),
        Route("/api/v1/configs/{namespace}/{key}", config, methods=["GET", "POST", "DELETE"]),
    ]
)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="critical")
