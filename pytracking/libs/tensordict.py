"""A dictionary of tensors that computes value by value."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import torch


class TensorDict(OrderedDict[str, Any]):
    """Ordered dictionary of tensors, to whose values the methods of a tensor apply one by one.

    `values.sum()` is the dictionary of `tensor.sum()`; values without such a method stay.
    """

    def __getattr__(self, name: str) -> Callable[..., TensorDict]:
        if name.startswith("__") or not hasattr(torch.Tensor, name):
            raise AttributeError(f"neither TensorDict nor torch.Tensor has an attribute '{name}'")

        def apply_method(*args: Any, **kwargs: Any) -> TensorDict:
            return self.apply(lambda e: getattr(e, name)(*args, **kwargs) if hasattr(e, name) else e)

        return apply_method

    def concat(self, other: Mapping[str, Any]) -> TensorDict:
        """Both dictionaries in one; where a key is in both, the other's value counts."""
        return TensorDict({**self, **other})

    def copy(self) -> TensorDict:
        """New dictionary of the same values."""
        return TensorDict(self)

    def attribute(self, attr: str, *args: Any) -> TensorDict:
        """The attribute of each value; one more argument stands in where it is absent."""
        return self.apply(getattr, attr, *args)

    def apply(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> TensorDict:
        """A function of each value and of the arguments."""
        return TensorDict({key: fn(value, *args, **kwargs) for key, value in self.items()})
