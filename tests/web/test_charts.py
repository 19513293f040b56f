"""Plots of small numbers."""

from __future__ import annotations

import re
from datetime import date

import pytest

from rollcall.web.charts import line_chart


@pytest.mark.parametrize("values", [(0, 0), (0, 1), (1, 1), (3, 4), (2.2, 2.4), (0, 5), (3580, 3625)])
def test_no_label_of_an_axis_is_there_twice(values):
    plot = line_chart("Rejected records", [(date(2026, 11, day), value) for day, value in enumerate(values, 1)])
    labels = re.findall(r"<text[^>]*>([\d,]+)</text>", plot)
    assert len(labels) >= 2
    assert len(labels) == len(set(labels))
