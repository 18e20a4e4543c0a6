"""``drillbook faults``: what harm can be done, where, and what takes it back. Contacts nothing."""

from __future__ import annotations

import inspect
import json
import sys
from difflib import get_close_matches
from typing import TYPE_CHECKING

from ..faults.families import FAMILIES, Family
from ..platforms import Lists, known, offered_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ..faults.families import Parameter, Way
    from ..model import Json

_WRONG = 4


def show(names: list[str], *, as_json: bool) -> int:
    """Print the families of these names, all for none; return the exit status."""
    known = {family.name: family for family in FAMILIES}
    unknown = [name for name in names if name not in known]
    if unknown:
        near = get_close_matches(unknown[0], known, n=1)
        meant = f", did you mean {near[0]}?" if near else ""
        print(f"drillbook faults: unknown family {unknown[0]}{meant}; known: {', '.join(known)}", file=sys.stderr)
        return _WRONG
    wanted = [known[name] for name in names] or list(FAMILIES)
    if as_json:
        print(json.dumps({"families": [_as_json(family) for family in wanted]}, indent=2))
    else:
        print("\n\n".join("\n".join(_lines(family)) for family in wanted))
        print("\n" + "\n".join(_words(wanted)))
    return 0


def _lines(family: Family) -> Iterable[str]:
    """Yield a family as a person reads it."""
    yield f"{family.name}   {family.does}"
    yield f"  call        {_call(family)}"
    for parameter in family.parameters:
        yield f"  {parameter.name:<11} {parameter.meaning}{_default(family, parameter, ' (default: {})')}"
    for way in family.ways:
        places = _platforms(way)
        yield f"  on          {', '.join(places) or 'no platform yet'}"
        yield f"    needs     {', '.join(_names(_needs(way)))}"
        yield f"    undo      {way.undo.kind}: {way.undo.does}"


def _words(families: Iterable[Family]) -> Iterable[str]:
    """Yield what each need means, by its own first sentence."""
    yield "needs:"
    needs = {need.__name__: need for family in families for way in family.ways for need in _needs(way)}
    for name in sorted(needs):
        yield f"  {name:<11} {(inspect.getdoc(needs[name]) or '').partition(chr(10))[0]}"


def _as_json(family: Family) -> Json:
    return {
        "name": family.name,
        "does": family.does,
        "call": _call(family),
        "parameters": [
            {
                "name": one.name,
                "meaning": one.meaning,
                "type": _type(family, one),
                "required": _value(family, one) is None,
                "default": _value(family, one),
            }
            for one in family.parameters
        ],
        "ways": [
            {
                "platforms": list(_platforms(way)),
                "needs": list(_names(_needs(way))),
                "undo": {"kind": way.undo.kind, "does": way.undo.does},
            }
            for way in family.ways
        ],
    }


def _needs(way: Way) -> tuple[Callable[..., Any], ...]:
    return tuple(dict.fromkeys((Lists, *way.needs, *way.undo.needs)))


def _names(needs: Iterable[Callable[..., Any]]) -> Iterable[str]:
    return (need.__name__ for need in needs)


def _platforms(way: Way) -> tuple[str, ...]:
    """Return the platforms that go this way, some perhaps for some of their instances alone."""
    return tuple(name for name in known() if way.fits(offered_by(name)))


def _call(family: Family) -> str:
    given = (f"{one.name}{_default(family, one, '={}')}" for one in family.parameters)
    owner = getattr(family.call, "__self__", None)  # a class, where the call is its ``of``
    name = f"{owner.__name__}.{family.call.__name__}" if isinstance(owner, type) else family.call.__name__
    return f"{name}({', '.join(('system', *given))})"


def _default(family: Family, parameter: Parameter, form: str) -> str:
    value = _value(family, parameter)
    return "" if value is None else form.format(value)


def _value(family: Family, parameter: Parameter) -> Json:
    """Return the default of a parameter, None for one that must be given."""
    found = inspect.signature(family.call).parameters[parameter.name].default
    return None if found is inspect.Parameter.empty else found


def _type(family: Family, parameter: Parameter) -> str:
    return str(inspect.signature(family.call).parameters[parameter.name].annotation)
