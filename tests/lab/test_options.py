"""What a lab may be asked for."""

from __future__ import annotations

import pytest

from lab.errors import LabError
from lab.options import DEFECTS, Options


def test_a_defect_that_the_service_does_not_have_is_refused_with_those_it_has() -> None:
    with pytest.raises(LabError, match=r"--defect frozen-uptme: .* did you mean frozen-uptime") as refused:
        Options(defects=("frozen-uptme",))
    assert all(name in str(refused.value) for name in DEFECTS)


def test_what_is_done_from_outside_is_no_defect_to_start_with() -> None:
    with pytest.raises(LabError, match="done from outside"):
        Options(defects=("cache-down",))


def test_another_service_has_defects_of_its_own() -> None:
    assert Options(defects=("dies=api-2",), service="stub").defects_of("api-2") == ("dies",)
