"""Helpers for tests of networks."""

from torch import nn


def random_statistics(network: nn.Module) -> nn.Module:
    """The network in evaluation mode, with batch norms that do something."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            for tensor in (module.running_mean, module.bias.data):
                tensor.normal_()
            for tensor in (module.running_var, module.weight.data):
                tensor.uniform_(0.5, 1.5)
    return network.eval()
