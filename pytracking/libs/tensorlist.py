"""A list of tensors that computes element by element."""

from __future__ import annotations

import builtins
import functools
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch


def _elementwise(operation: Callable[..., Any]) -> Any:
    def method(self: TensorList, other: Any) -> TensorList:
        return TensorList(operation(mine, yours) for mine, yours in self._pairs(other))

    return method


def _reflected(operation: Callable[..., Any]) -> Any:
    def method(self: TensorList, other: Any) -> TensorList:
        return TensorList(operation(yours, mine) for mine, yours in self._pairs(other))

    return method


def _in_place(operation: Callable[..., Any]) -> Any:
    def method(self: TensorList, other: Any) -> TensorList:
        for index, (mine, yours) in enumerate(builtins.list(self._pairs(other))):
            self[index] = operation(mine, yours)
        return self

    return method


class TensorList(list[Any]):
    """List of tensors, or of numbers, to which arithmetic and the methods of a tensor apply one by one.

    The other operand of `+ - * / @ % <= >=` is a list of equal length, whose elements are paired with those of this one
    (ValueError for another length), or anything else, which is paired with each. So `+` does not join lists; `concat`
    does. `lists.sum()` is the list of `tensor.sum()`, likewise every method of `torch.Tensor`.
    """

    def __init__(self, list_of_tensors: Iterable[Any] | None = None) -> None:
        super().__init__([] if list_of_tensors is None else list_of_tensors)

    __add__ = _elementwise(operator.add)
    __radd__ = _reflected(operator.add)
    __iadd__ = _in_place(operator.iadd)
    __sub__ = _elementwise(operator.sub)
    __rsub__ = _reflected(operator.sub)
    __isub__ = _in_place(operator.isub)
    __mul__ = _elementwise(operator.mul)
    __rmul__ = _reflected(operator.mul)
    __imul__ = _in_place(operator.imul)
    __truediv__ = _elementwise(operator.truediv)
    __rtruediv__ = _reflected(operator.truediv)
    __itruediv__ = _in_place(operator.itruediv)
    __matmul__ = _elementwise(operator.matmul)
    __rmatmul__ = _reflected(operator.matmul)
    __imatmul__ = _in_place(operator.imatmul)
    __mod__ = _elementwise(operator.mod)
    __rmod__ = _reflected(operator.mod)
    __le__ = _elementwise(operator.le)
    __ge__ = _elementwise(operator.ge)

    def __pos__(self) -> TensorList:
        return self.apply(operator.pos)

    def __neg__(self) -> TensorList:
        return self.apply(operator.neg)

    def __getitem__(self, item: Any) -> Any:
        """An element, or the list of those of a slice or of several numbers."""
        if isinstance(item, slice):
            return TensorList(super().__getitem__(item))
        if isinstance(item, (tuple, list)):
            return TensorList(super(TensorList, self).__getitem__(number) for number in item)
        return super().__getitem__(item)

    def __getattr__(self, name: str) -> Callable[..., TensorList]:
        if name.startswith("__") or not hasattr(torch.Tensor, name):
            raise AttributeError(f"neither TensorList nor torch.Tensor has an attribute '{name}'")

        def apply_method(*args: Any, **kwargs: Any) -> TensorList:
            return TensorList(getattr(element, name)(*args, **kwargs) for element in self)

        return apply_method

    def concat(self, other: Iterable[Any]) -> TensorList:
        """This list with the elements of another behind its own."""
        return TensorList([*self, *other])

    def copy(self) -> TensorList:
        """New list of the same elements."""
        return TensorList(self)

    def unroll(self) -> TensorList:
        """The elements of lists within lists, in order."""
        flat = TensorList()
        for element in self:
            flat.extend(element.unroll() if isinstance(element, TensorList) else [element])
        return flat

    def list(self) -> builtins.list[Any]:
        """An ordinary list of the elements."""
        return [*self]

    def attribute(self, attr: str, *args: Any) -> TensorList:
        """The attribute of each element; one more argument stands in where it is absent."""
        return TensorList(getattr(element, attr, *args) for element in self)

    def apply(self, fn: Callable[[Any], Any]) -> TensorList:
        """A function of each element."""
        return TensorList(fn(element) for element in self)

    def _pairs(self, other: Any) -> Iterator[tuple[Any, Any]]:
        if isinstance(other, list):
            return zip(self, other, strict=True)
        return ((element, other) for element in self)


def tensor_operation(op: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function of one or two tensors take TensorLists in their place: decorator.

    A list as the first or the second argument gives the list of results; two lists, of equal length, are paired.
    """

    @functools.wraps(op)
    def on_lists(*args: Any, **kwargs: Any) -> Any:
        if not args:
            raise ValueError(f"expected an operand of {op.__name__} without keyword, found none")
        first, *rest = args
        if rest and isinstance(rest[0], TensorList):
            second, *rest = rest
            pairs = second._pairs(first)
            return TensorList(op(mine, yours, *rest, **kwargs) for yours, mine in pairs)
        if isinstance(first, TensorList):
            return TensorList(op(element, *rest, **kwargs) for element in first)
        return op(*args, **kwargs)

    return on_lists
