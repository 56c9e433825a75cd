from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from ltr.common.errors import InputError
from ltr.trainers.options import (
    TrainingOptions,
    all_options,
    describe_type,
    parse_overrides,
    parse_value,
    result_options,
)


@dataclass(kw_only=True)
class Options(TrainingOptions):
    num_workers: int | None = 3  # another default than the class it is derived from
    data: tuple[str, ...] = ("a", "b")
    pair: tuple[int, float] = (1, 2.0)
    folder: Path | None = None
    mode: Literal["fast", "exact"] = "fast"


def test_defaults():
    options = parse_overrides(Options, [])
    assert options == Options()
    assert options.num_workers == 3


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("epochs=7", "epochs", 7),
        ("clip_grad_norm=1e-1", "clip_grad_norm", 0.1),
        ("clip_grad_norm=None", "clip_grad_norm", None),
        ("tensorboard=off", "tensorboard", False),
        ("tensorboard=True", "tensorboard", True),
        ("data=x, y", "data", ("x", "y")),
        ("data=", "data", ()),
        ("data=folder_train:/a=b", "data", ("folder_train:/a=b",)),
        ("pair=3,4", "pair", (3, 4.0)),
        ("folder=/data", "folder", Path("/data")),
        ("folder=none", "folder", None),
        ("folder=relative", "folder", Path.cwd() / "relative"),
        ("mode=exact", "mode", "exact"),
        ("device=cpu", "device", "cpu"),
        ("name=second", "name", "second"),
    ],
)
def test_overrides(text, name, value):
    found = getattr(parse_overrides(Options, [text]), name)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch=7", "unknown option 'epoch'; did you mean 'epochs'?"),
        ("epochs", "expected name=value, found 'epochs'"),
        ("epochs=1.5", "option epochs: expected a whole number, found '1.5'"),
        ("tensorboard=maybe", "option tensorboard: expected true or false, found 'maybe'"),
        ("mode=slow", "option mode: expected fast or exact, found 'slow'"),
        ("num_workers=many", "option num_workers: expected a whole number or none, found 'many'"),
        ("pair=1", "option pair: expected values between commas"),
        ("epochs=0", "expected epochs >= 1, found 0"),
        ("num_workers=-1", "expected num_workers >= 0, found -1"),
        ("clip_grad_norm=0", "expected clip_grad_norm > 0 or none, found 0.0"),
        ("max_bad_share=2", "expected max_bad_share from 0 to 1, found 2.0"),
        ("name=../other", "expected a name that can be part of a folder's name"),
    ],
)
def test_wrong_overrides(text, message):
    with pytest.raises(InputError) as error:
        parse_overrides(Options, [text])
    assert message in str(error.value)


def test_given_twice():
    with pytest.raises(InputError, match="option epochs is given twice: 1 and '2'"):
        parse_overrides(Options, ["epochs=1", "epochs=2"])


def test_types_that_cannot_be_typed():
    with pytest.raises(ValueError, match="x"):
        parse_value(dict[str, int], "x")
    assert "cannot be set on the command line" in describe_type(dict)


def test_options_that_change_the_result():
    options = Options(workspace=Path("/w"), device="cpu", folder=Path("/f"))
    everything, counts = all_options(options), result_options(options)
    assert everything.keys() - counts.keys() == Options.without_effect
    assert (counts["data"], counts["folder"], everything["workspace"]) == (["a", "b"], "/f", "/w")
