import pytest
import torch
from torch import Tensor

from ltr.actors.dimp import DiMPActor, chosen_overlap, peak_distance
from ltr.models.loss.target_classification import lb_hinge
from ltr.models.tracking.dimpnet import DiMPnet, dimpnet_lite0

Batch = dict[str, Tensor | dict[str, Tensor]]


def small_network(**settings: object) -> DiMPnet:
    return dimpnet_lite0(
        **{
            "backbone_pretrained": False, "filter_init": "linear", "final_conv": True, "out_feature_dim": 16,
            "bb_regressor": True, "iou_input_dim": (16, 16), "iou_inter_dim": (16, 16),
            "iou_hidden_dim": 16, **settings,
        }
    )  # fmt: skip


def batch_of(images: bool = False, sequences: int = 2) -> Batch:
    """Two training and two test crops of 128 pixels, with features of 8 x 8 cells, of each sequence."""
    generator = torch.Generator().manual_seed(3)
    rows = torch.arange(9.0)
    center = 3 + 2 * torch.rand(2, sequences, 2, generator=generator)  # cells
    dy, dx = rows[:, None] - center[..., 0, None, None], rows - center[..., 1, None, None]
    size = 30 + 20 * torch.rand(2, sequences, 2, generator=generator)
    batch: Batch = {
        "train_boxes": torch.cat((64 - size / 2, size), dim=2),
        "test_boxes": torch.cat((16 * center.flip(2) - size / 2, size), dim=2),
        "test_labels": torch.exp(-0.5 * (dx.square() + dy.square())),
    }
    noise = torch.rand(2, sequences, 4, 4, generator=generator)
    batch["proposals"] = batch["test_boxes"][:, :, None] + 10 * noise
    batch["proposal_iou"] = 1 - noise.mean(dim=3)
    for kind in ("train", "test"):
        if images:
            shape = (2, sequences, 3, 128, 128)
            batch[f"{kind}_images"] = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
        else:
            batch[f"{kind}_features"] = {
                "layer2": torch.randn(2, sequences, 40, 16, 16, generator=generator),
                "layer3": torch.randn(2, sequences, 112, 8, 8, generator=generator),
            }
    return batch


def test_loss_is_the_weighted_sum_of_its_terms() -> None:
    torch.manual_seed(0)
    network, batch = small_network().eval(), batch_of()
    total, stats = DiMPActor(network)(batch)
    scores, iou = network.forward_features(
        batch["train_features"], batch["test_features"], batch["train_boxes"], batch["proposals"]
    )
    hinge = [lb_hinge(s, batch["test_labels"], 0.05) for s in scores]
    assert iou is not None
    expected = {
        "loss/iou": (iou - batch["proposal_iou"]).square().mean(),
        "loss/clf_final": 100 * hinge[5],
        "loss/clf_initial": 100 * hinge[0],
        "loss/clf_intermediate": 400 * sum(hinge[1:5]) / 4,
    }
    for name, value in expected.items():
        torch.testing.assert_close(stats[name], value.detach())
    torch.testing.assert_close(total, sum(expected.values()))
    torch.testing.assert_close(stats["loss/total"], total.detach())
    assert not any(value.requires_grad for value in stats.values())


def test_images_and_their_features_are_the_same_to_it() -> None:
    torch.manual_seed(0)
    network, batch = small_network().eval(), batch_of(images=True)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (network.image_mean, network.image_std))
    cached = {key: value for key, value in batch.items() if not key.endswith("images")}
    with torch.no_grad():
        for kind in ("train", "test"):
            images = (batch[f"{kind}_images"].flatten(0, 1) / 255 - mean) / std
            features = network.extract_backbone_features(images)
            cached[f"{kind}_features"] = {name: feat.unflatten(0, (2, 2)) for name, feat in features.items()}
        actor = DiMPActor(network)
        torch.testing.assert_close(actor(cached)[1], actor(batch)[1])


def test_network_without_box_regressor_has_no_such_term() -> None:
    batch = batch_of()
    network = small_network(bb_regressor=False)
    _, stats = DiMPActor(network)(batch)
    assert "loss/iou" not in stats
    assert stats["loss/total"].isfinite()


def test_statistics() -> None:
    labels, scores = torch.zeros(2, 1, 5, 5), torch.zeros(2, 1, 5, 5)
    labels[:, 0, 2, 2] = 1
    scores[0, 0, 2, 2] = scores[1, 0, 5 - 1, 1] = 1  # two rows down, one column to the left: sqrt(5)
    assert peak_distance(scores, labels).item() == pytest.approx(5**0.5 / 2)
    truth = torch.tensor([[0.0, 1.0, -1.0], [0.5, 0.0, 1.0]])
    predicted = torch.tensor([[0.0, 0.3, 0.2], [0.3, 0.2, 0.1]])
    assert chosen_overlap(predicted, truth).item() == pytest.approx((1 + 0.75) / 2)  # of 1 and 0.5 on -1...1


def test_mixed_precision_is_near() -> None:
    torch.manual_seed(0)
    actor, batch = DiMPActor(small_network().eval()), batch_of()
    exact, _ = actor(batch)
    with torch.autocast("cpu", torch.bfloat16):
        mixed, _ = actor(batch)
    mixed.backward()
    # The features pass some layers whose numbers carry 8 bits; the filter is learnt with 24.
    torch.testing.assert_close(mixed, exact, rtol=0.05, atol=0)
    assert all(p.grad.isfinite().all() for p in actor.net.classifier.parameters())


def test_one_batch_is_learnt_by_heart() -> None:
    torch.manual_seed(0)
    actor, batch = DiMPActor(small_network(optim_iter=3)).train(), batch_of()
    optimizer = torch.optim.Adam(actor.parameters(), lr=1e-2)
    first = None
    for _ in range(80):
        total, stats = actor(batch)
        first = first or stats
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    assert stats["loss/total"] < 0.02 * first["loss/total"]
    assert stats["loss/iou"] < 0.02 * first["loss/iou"]
    assert stats["clf/peak_distance"] == 0
