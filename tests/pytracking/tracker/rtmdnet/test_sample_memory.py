import torch

from pytracking.tracker.rtmdnet.sample_memory import FrameMemory


def samples(number: int, count: int) -> torch.Tensor:
    return torch.full((count, 3), float(number))


def filled(positive_frames: int, negative_frames: int, frames: int) -> FrameMemory:
    memory = FrameMemory(positive_frames, negative_frames)
    for number in range(frames):
        memory.append(samples(number, 2), samples(number, 5))
    return memory


def test_short_memory_holds_the_last_frames_only() -> None:
    memory = filled(20, 20, 57)
    assert len(memory) == 20
    assert memory.positives().unique().tolist() == list(range(37, 57))
    assert memory.negatives().unique().tolist() == list(range(37, 57))
    assert memory.positives().shape == (40, 3)
    assert memory.negatives().shape == (100, 3)


def test_long_memory_holds_more_positives_than_negatives() -> None:
    memory = filled(100, 20, 130)
    assert memory.positives().unique().tolist() == list(range(30, 130))
    assert memory.positives(20).unique().tolist() == list(range(110, 130))
    assert memory.negatives().unique().tolist() == list(range(110, 130))


def test_memory_stays_flat() -> None:
    sizes = {filled(20, 20, frames).num_bytes for frames in (20, 21, 500)}
    assert sizes == {20 * 7 * 3 * 4}


def test_slices_do_not_keep_their_whole_alive() -> None:
    memory, frame = FrameMemory(2, 2), torch.zeros(10_000, 3)
    memory.append(frame[:2], frame[2:4])
    assert memory.positives().untyped_storage().nbytes() == 2 * 3 * 4
    assert all(kept.untyped_storage().nbytes() == 2 * 3 * 4 for kept in memory._positives)


def test_frames_without_samples_count() -> None:
    memory = FrameMemory(2, 2)
    for number in range(3):
        memory.append(samples(number, 0 if number else 4), samples(number, 1))
    assert memory.positives().shape == (0, 3)
    assert memory.negatives().unique().tolist() == [1, 2]
