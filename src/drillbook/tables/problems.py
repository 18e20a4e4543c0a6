"""Errors in an environment file: all at once, each with key, expectation, finding and nearest name."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pydantic import BaseModel, ValidationError


_FEW_WORDS = frozenset({"literal_error", "enum", "bool_parsing", "float_parsing", "int_parsing"})
_REFERENCE = 'expected a text, or where to find it: { env = "NAME" } or { file = "path" }'


class BadEnvironment(Exception):
    """An environment that cannot be used; the text is complete and ready to be shown."""

    def __init__(self, path: Path | str, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"{path}:\n{lines}")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean "x"?)`` for a close known name, else the empty string."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f' (did you mean "{close[0]}"?)' if close else ""


def from_validation(error: ValidationError, root: type[BaseModel]) -> list[str]:
    """Turn pydantic's errors into one line each: ``key: expected ..., found ...``."""
    lines: list[str] = []
    for item in error.errors(include_url=False):
        where = ".".join(str(part) for part in item["loc"] if not _is_union_arm(part))
        if item["type"] == "extra_forbidden":
            names = _fields_at(root, item["loc"][:-1])
            lines.append(f"{where}: unknown key{nearest(str(item['loc'][-1]), names)}; known here: {', '.join(names)}")
        elif item["type"] in {"dataclass_type", "model_type"} and "Reference" in item["msg"]:
            lines.append(f"{where}: {_REFERENCE}, found {_shown(item['input'], item['type'])}")
        elif item["type"] == "missing":
            lines.append(f"{where}: missing; every environment needs it")
        else:
            lines.append(f"{where}: {_lower(item['msg'])}, found {_shown(item['input'], item['type'])}")
    return list(dict.fromkeys(lines))


def _is_union_arm(part: int | str) -> bool:
    return isinstance(part, str) and (part in {"str", "Reference", "date"} or "[" in part)


def _lower(message: str) -> str:
    message = message.removeprefix("Value error, ").replace("Input should be", "expected")
    return message[0].lower() + message[1:]


def _shown(value: Any, problem: str) -> str:
    """Show what was found; a text may be a secret, and is shown only where one of a few words was expected."""
    if isinstance(value, str):
        return f'"{value}"' if problem in _FEW_WORDS else f"a text of {len(value)} characters"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return f"a table with {', '.join(map(str, value)) or 'nothing in it'}"
    return repr(value)


def _fields_at(root: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """Walk the models along an error's location and return the field names that are known there."""
    model: Any = root
    for part in loc:
        if isinstance(part, int) or not hasattr(model, "model_fields"):
            continue
        field = model.model_fields.get(part) or next(
            (found for found in model.model_fields.values() if found.alias == part), None
        )
        if field is not None:
            model = _model_in(field.annotation) or model
    return sorted(found.alias or name for name, found in model.model_fields.items())


def _model_in(annotation: Any) -> Any:
    if hasattr(annotation, "model_fields"):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
