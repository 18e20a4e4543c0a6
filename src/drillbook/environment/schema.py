"""The JSON Schema of an environment file, so that an editor completes it (JSON Schema 2020-12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import kinds, platforms
from .settings import EnvironmentFile

if TYPE_CHECKING:
    from pydantic import BaseModel

    from ..model import Json

Schema = dict[str, Any]
_SYSTEM = "SystemSettings"


def schema() -> dict[str, Json]:
    """Return the schema: the file's own keys, each platform's table, and each component's by its kind."""
    whole = EnvironmentFile.model_json_schema()
    definitions: Schema = whole["$defs"]
    names = platforms.known()
    whole["properties"]["platform"] = {"enum": list(names)}
    for name in names:
        table = _put(platforms.border_of(name).table, definitions, f"On {name}", optional=True)
        whole["properties"][name] = table
        definitions[_SYSTEM]["properties"][name] = table
    definitions[_SYSTEM]["properties"]["components"]["additionalProperties"] = {
        "oneOf": [_component(kind, definitions) for kind in kinds.known().values()]
    }
    whole["allOf"] = [_alone(name, [other for other in names if other != name]) for name in names]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Drillbook environment", **whole}


def _component(kind: kinds.Kind, definitions: Schema) -> Schema:
    """Return a component's table, with the kind that it must name; what names none is asked over HTTP."""
    name = f"Component {kind.name}"
    found = _put(kind.table, definitions, name)
    definitions[name]["properties"]["kind"] = {"const": kind.name}
    if kind.table.model_fields["kind"].default != kind.name:
        definitions[name]["required"] = [*definitions[name].get("required", ()), "kind"]
    return found


def _put(model: type[BaseModel], definitions: Schema, name: str, *, optional: bool = False) -> Schema:
    """Put a model among the definitions under a name of its own; return the reference to it."""
    found = model.model_json_schema(ref_template="#/$defs/{model}")
    definitions.update(found.pop("$defs", {}))
    if optional:  # what one table leaves out, the other may say
        found.pop("required", None)
    definitions[name] = found
    return {"$ref": f"#/$defs/{name.replace(' ', '%20')}"}


def _alone(name: str, others: list[str]) -> Schema:
    """Say that a file on one platform has no table of another."""
    none = dict.fromkeys(others, False)
    return {
        "if": {"properties": {"platform": {"const": name}}},
        "then": {"properties": {**none, "systems": {"additionalProperties": {"properties": none}}}},
    }
