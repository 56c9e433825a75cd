"""Networks by the names of their files, as pytracking's trackers load them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ltr.admin.network_files import find_network

if TYPE_CHECKING:
    from torch import nn


def load_network(net_path: str, **kwargs: Any) -> nn.Module:
    """Network of a file, on the CPU, in training mode; `kwargs` are those of `ltr.admin.loading.load_network`.

    A relative path is looked for in the folders of the setting `network_path`, then among the packaged networks.
    Raises CheckpointError where there is no such file, or it cannot be used.
    """
    from ltr.admin import loading

    return loading.load_network(find_network(net_path), **kwargs)[0]
