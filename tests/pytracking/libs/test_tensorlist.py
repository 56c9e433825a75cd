import copy
import operator
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch

import pytracking
from pytracking.libs import TensorDict, TensorList
from pytracking.libs.tensorlist import tensor_operation

OPERATORS = ["add", "sub", "mul", "truediv", "mod", "le", "ge"]


def lists() -> tuple[TensorList, TensorList]:
    return TensorList([torch.tensor([1.0, 16.0]), torch.tensor(2.0)]), TensorList(
        [torch.tensor(4.0), torch.tensor(8.0)]
    )


def numbers(values: Any) -> Any:
    assert type(values) is TensorList
    return [value.tolist() for value in values]


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_pair_the_elements_of_lists(name: str) -> None:
    apply: Callable[..., Any] = getattr(operator, name)
    a, b = lists()
    expected = [[apply(1.0, 4.0), apply(16.0, 4.0)], apply(2.0, 8.0)]
    assert numbers(apply(a, b)) == expected
    assert numbers(apply(a, list(b))) == expected
    assert numbers(apply(a, 4.0)) == [[apply(1.0, 4.0), apply(16.0, 4.0)], apply(2.0, 4.0)]
    if name not in ("le", "ge"):
        assert numbers(apply(4.0, a)) == [[apply(4.0, 1.0), apply(4.0, 16.0)], apply(4.0, 2.0)]
        assert numbers(apply(list(b), a)) == [[apply(4.0, 1.0), apply(4.0, 16.0)], apply(8.0, 2.0)]


@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv"])
def test_operators_in_place_change_the_tensors(name: str) -> None:
    for other in (lists()[1], 4.0):
        a, _ = lists()
        first = a[0]
        expected = numbers(getattr(operator, name)(a, other))
        same = getattr(operator, f"i{name}")(a, other)
        assert same is a
        assert a[0] is first
        assert numbers(a) == expected


def test_matrix_products() -> None:
    a, b = TensorList([torch.eye(2) * 2]), torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert numbers(a @ b) == numbers(b @ a) == numbers(a @ [b]) == [[[2.0, 4.0], [6.0, 8.0]]]
    a @= [b]
    assert numbers(a) == [[[2.0, 4.0], [6.0, 8.0]]]


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        lists()[0] + [1.0]


def test_methods_of_tensors_apply_to_all() -> None:
    a, _ = lists()
    assert numbers(a.sum()) == [17.0, 2.0]
    assert numbers(a.clamp(max=2.0)) == [[1.0, 2.0], 2.0]
    assert numbers(-a) == [[-1.0, -16.0], -2.0]
    assert numbers(+a) == numbers(a)
    assert a.attribute("shape") == [torch.Size([2]), torch.Size([])]
    assert a.attribute("unknown", 7).list() == [7, 7]
    assert numbers(a.apply(torch.square)) == [[1.0, 256.0], 4.0]
    with pytest.raises(AttributeError, match="no_method"):
        a.no_method()


def test_lists_are_indexed_joined_and_flattened() -> None:
    a = TensorList([0, 1, 2, 3])
    assert a[1] == 1
    assert type(a[1:3]) is type(a[[0, 3]]) is TensorList
    assert a[1:3].list() == [1, 2]
    assert a[[3, 0]].list() == [3, 0]
    assert a.concat([4]).list() == [0, 1, 2, 3, 4]
    assert a.copy() is not a
    assert TensorList([TensorList([1, TensorList([2])]), 3]).unroll().list() == [1, 2, 3]
    assert type(a.list()) is list
    assert TensorList().list() == []


def test_copies_are_of_all_tensors() -> None:
    a, _ = lists()
    for other in (copy.deepcopy(a), pickle.loads(pickle.dumps(a))):
        assert numbers(other) == numbers(a)
        assert other[0] is not a[0]
    values = TensorDict(x=torch.tensor([1.0, 2.0]))
    for same in (copy.deepcopy(values), pickle.loads(pickle.dumps(values))):
        assert type(same) is TensorDict
        assert same["x"].tolist() == [1.0, 2.0]
        assert same["x"] is not values["x"]


def test_functions_of_tensors_take_lists() -> None:
    @tensor_operation
    def weighted(a: float, b: float = 1.0, c: float = 0.0, *, factor: float = 1.0) -> float:
        return factor * (a - b) + c

    a, b = TensorList([5.0, 7.0]), TensorList([1.0, 2.0])
    assert weighted(5.0, 1.0) == 4.0
    assert weighted(a, b, 10.0).list() == [14.0, 15.0]
    assert weighted(a, 1.0, factor=2.0).list() == [8.0, 12.0]
    assert weighted(5.0, b).list() == [4.0, 3.0]
    assert weighted(a).list() == [4.0, 6.0]
    with pytest.raises(ValueError, match="weighted"):
        weighted()


def test_dictionaries_of_tensors() -> None:
    values = TensorDict(x=torch.tensor([1.0, 2.0]), name="a")
    assert type(values.sum()) is TensorDict
    assert {**values.sum()} == {"x": 3.0, "name": "a"}  # a text has no sum
    assert {**values.attribute("shape", None)} == {"x": (2,), "name": None}
    assert {**values.apply(lambda value, n: n * len(value), 3)} == {"x": 6, "name": 3}
    assert list(values.concat({"name": "b", "y": 0})) == ["x", "name", "y"]
    assert values.concat({"name": "b"})["name"] == "b"
    assert values.copy() is not values
    with pytest.raises(AttributeError, match="no_method"):
        values.no_method()


def test_the_package_has_the_names_of_pytracking() -> None:
    from pytracking import complex, dcf, fourier, operation

    assert pytracking.TensorList is TensorList
    assert pytracking.TensorDict is TensorDict
    names = [module.__name__ for module in (complex, dcf, fourier, operation)]
    assert names == [f"pytracking.libs.{name}" for name in ("complex", "dcf", "fourier", "operation")]
    with pytest.raises(AttributeError, match="optimization"):
        pytracking.optimization  # noqa: B018
