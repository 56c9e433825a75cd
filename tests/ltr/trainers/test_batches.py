import random
from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import Dataset

from ltr.common.errors import InputError
from ltr.trainers.averages import Averages, summarize
from ltr.trainers.batches import BatchLoader, BatchSampler, to_device
from ltr.trainers.processes import Processes
from ltr.trainers.randomness import SeededDataset, Stream

CPU = torch.device("cpu")


def batches(num_samples, batch_size, rank=0, count=1, epoch=1, first=0, training=True, seed=3):
    sampler = BatchSampler(num_samples, batch_size, Processes(CPU, rank, count), seed, training)
    sampler.start(epoch, first)
    assert len(sampler) == sampler.num_batches - first
    return list(sampler)


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 30), st.booleans())
def test_processes_share_the_batches_of_one(batch_size, count, extra, training):
    num_samples = batch_size * count + extra
    parts = [batches(num_samples, batch_size, rank, count, training=training) for rank in range(count)]
    whole = batches(num_samples, batch_size * count, training=training)
    joined = [[index for part in parts for index in chain(*part[number : number + 1])] for number in range(len(whole))]
    assert joined == whole


def test_orders():
    assert batches(7, 3, training=False) == [[0, 1, 2], [3, 4, 5], [6]]
    epochs = [batches(7, 3, epoch=epoch) for epoch in (1, 2)]
    assert all(len(set(chain(*epoch))) == 6 for epoch in epochs)
    assert epochs[0] != epochs[1]
    assert epochs[0] == batches(7, 3, epoch=1)
    assert epochs[0] != batches(7, 3, epoch=1, seed=4)
    assert epochs[0][1:] == batches(7, 3, epoch=1, first=1)


def test_too_few_samples():
    with pytest.raises(InputError, match="5 samples do not fill one batch of 6"):
        batches(5, 3, count=2)


class Noise(Dataset):
    """Samples from the three global generators."""

    def __len__(self):
        return 6

    def __getitem__(self, index):
        return torch.tensor([index, torch.rand(()), np.random.rand(), random.random()])  # noqa: NPY002


def noise(num_workers, epoch=1, first=0, seed=0):
    dataset = SeededDataset(Noise(), seed, Stream.SAMPLE)
    loader = BatchLoader(dataset, torch.stack, 2, Processes(CPU), training=True, num_workers=num_workers)
    return torch.cat([batch for _, batch in loader.epoch(epoch, first)])


def test_samples_do_not_depend_on_workers_or_on_the_past():
    alone = noise(0)
    torch.rand(3)
    assert torch.equal(alone, noise(2))
    assert torch.equal(alone[2:], noise(0, first=1))
    assert not torch.equal(alone[:, 1:], noise(0, epoch=2)[:, 1:])
    assert not torch.equal(alone[:, 1:], noise(0, seed=1)[:, 1:])
    assert len(alone[:, 1:].unique()) == 18


def test_batch_on_a_device():
    batch = {"a": torch.zeros(1), "b": {"c": [torch.ones(1), "name"]}, "n": 3}
    moved = to_device(batch, torch.device("meta"))
    assert moved["a"].is_meta
    assert moved["b"]["c"][0].is_meta
    assert (moved["b"]["c"][1], moved["n"]) == ("name", 3)


def test_averages_weigh_samples():
    averages = Averages()
    for samples, value, bad in ((4, 1.0, 0), (2, 4.0, 2)):
        summary = summarize(torch.tensor(1.0), {"loss": torch.tensor(value)}, samples, bad, False, Processes(CPU))
        assert (summary.not_finite, summary.stop) == (False, False)
        averages.add(summary.stats, summary.samples, summary.bad)
    averages.add({"other": 5.0}, 1, 0)
    assert averages.means() == {"loss": 2.0, "other": 5.0}
    assert averages.bad_share == 2 / 9
    assert averages.merged(Processes(CPU)) is averages


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_summary_of_a_loss_that_is_not_finite(loss):
    assert summarize(torch.tensor(loss), {}, 1, 0, True, Processes(CPU)).not_finite
    assert summarize(torch.tensor(loss), {}, 1, 0, True, Processes(CPU)).stop
