"""The edge of a stage: our words pass, other libraries' words do not."""

from __future__ import annotations

import errno
import pickle
import re

import msgspec
import pandas as pd
import pytest

from rollcall.errors import ActionRequired, GenerationMoved, InternalError, RollcallError, redact_errors

NAME = "Planted-Okonkwo"


@pytest.mark.parametrize(
    "raising",
    [
        lambda: int(NAME),
        lambda: {}[NAME],
        lambda: msgspec.json.decode(f'"{NAME}"', type=int),
        lambda: pd.to_datetime([NAME]),
        lambda: pd.Series([1.0]).astype("datetime64[ns]").loc[NAME],
    ],
)
def test_a_foreign_exception_loses_its_text_and_keeps_its_place(raising):
    with pytest.raises(InternalError) as caught, redact_errors("map_roster", district="elm"):
        raising()
    error = caught.value
    assert error.code == "map_roster_failed"
    assert error.district == "elm"
    assert error.__cause__ is None
    assert error.__suppress_context__
    assert NAME not in str(error)
    assert re.search(r"failed: \w+ at \S+:\d+\.", str(error))


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        (errno.ENOSPC, RollcallError, "disk_full"),
        (errno.EDQUOT, RollcallError, "disk_full"),
        (errno.EROFS, ActionRequired, "disk_not_writable"),
        (errno.EACCES, ActionRequired, "disk_not_writable"),
        (errno.EIO, InternalError, "extract_failed"),
    ],
)
def test_a_disk_that_refuses_is_said_in_words_without_the_files_name(number, kind, code):
    """Found by the soak: a full disk was an error to report."""
    with pytest.raises(RollcallError) as caught, redact_errors("extract"):
        raise OSError(number, NAME, NAME)
    assert (type(caught.value), caught.value.code) == (kind, code)
    assert NAME not in str(caught.value)


def test_our_own_pass_as_they_are():
    with pytest.raises(ActionRequired, match=r"^No. Fix it\.$"), redact_errors("publish"):
        raise ActionRequired("no", "No.", remedy="Fix it.")


@pytest.mark.parametrize("kind", [RollcallError, ActionRequired, GenerationMoved])
def test_errors_survive_pickling(kind):
    """A task's exception may cross a process."""
    back = pickle.loads(pickle.dumps(kind("code", "Message.", remedy="Remedy.", district="elm")))  # noqa: S301
    assert (type(back), back.code, back.message, back.remedy, back.district) == (
        kind,
        "code",
        "Message.",
        "Remedy.",
        "elm",
    )
