"""Values, units and texts of quantities, by the vectors that the page for browsers passes, too."""

from __future__ import annotations

from typing import Any

import pytest

from tests.views.vectors import row_of, vectors
from zinfo.views.formatting import exact_text, short_text
from zinfo.views.quantities import UnknownQuantityError, quantity, value_of

EXPRESSIONS = vectors("expressions")


@pytest.mark.parametrize("case", EXPRESSIONS["cases"], ids=lambda case: case["row"]["id"])
def test_quantities_have_the_values_of_the_vectors(case: dict[str, Any]) -> None:
    row = row_of(case["row"])
    assert {name: value_of(quantity(name))(row) for name in case["values"]} == case["values"]


def test_quantities_have_the_units_of_the_vectors() -> None:
    units = EXPRESSIONS["units"]
    assert {name: quantity(name).unit for name in units} == units


@pytest.mark.parametrize("text", EXPRESSIONS["errors"])
def test_a_text_that_names_no_quantity_is_an_error(text: str) -> None:
    with pytest.raises(UnknownQuantityError):
        quantity(text)


@pytest.mark.parametrize("case", vectors("formats")["cases"], ids=str)
def test_values_have_the_texts_of_the_vectors(case: list[Any]) -> None:
    value, unit, short, exact = case
    assert (short_text(value, unit), exact_text(value, unit)) == (short, exact)
