"""Names of pytracking that are not supported are refused by name, wherever a name is given."""

import pytest

from ltr.common import unsupported
from ltr.common.errors import InputError
from ltr.trainers.settings_files import find_settings, list_settings
from pytracking.evaluation.datasets import DATASETS, load_dataset
from pytracking.evaluation.registry import find_parameters, find_tracker, list_parameters, list_trackers

LOOKUPS = [
    *((find_tracker, (name,), method) for name, method in unsupported.TRACKERS.items()),
    *((find_parameters, ("dimp", name), method) for name, method in unsupported.PARAMETERS.items()),
    *((find_settings, (f"{name}.default",), method) for name, method in unsupported.TRAININGS.items()),
    *((find_settings, (f"dimp.{name}",), method) for name, method in unsupported.PARAMETERS.items()),
    *((load_dataset, (name,), title) for name, title in unsupported.DATASETS.items()),
    (load_dataset, ("AVisT:/data/avist",), "AVisT"),
]


@pytest.mark.parametrize(("look_up", "names", "method"), LOOKUPS)
def test_names_that_are_known_are_refused_without_a_guess(look_up, names, method):
    with pytest.raises(InputError) as error:
        look_up(*names)
    assert f" of {method}, which is not supported; supported are " in str(error.value)
    assert "did you mean" not in str(error.value)


def test_what_is_here_is_not_listed():
    assert not unsupported.TRACKERS.keys() & set(list_trackers())
    assert not unsupported.PARAMETERS.keys() & {
        name for tracker in list_trackers() for name in list_parameters(tracker)
    }
    assert not unsupported.DATASETS.keys() & DATASETS.keys()
    assert not unsupported.TRAININGS.keys() & {part for name in list_settings() for part in name.split(".")}


def test_other_names_are_guessed():
    with pytest.raises(InputError, match=r"unknown dimp parameter file 'super_dimpp'; did you mean 'super_dimp'\?"):
        find_parameters("dimp", "super_dimpp")
