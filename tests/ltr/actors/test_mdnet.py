import torch
import torch.nn.functional as F
from torch import Tensor

from ltr.actors.mdnet import MDNetActor
from ltr.models.tracking.mdnet import mdnet, mdnet_lite0

LITE = {"backbone_pretrained": False, "hidden_dim": 16, "layers": ("layer2",)}


def batch_of(size: int, box: int) -> dict[str, Tensor]:
    """Three images of two domains, each with a target in one corner and background in the others."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(256, (3, 3, size, size), dtype=torch.uint8, generator=generator)
    far = size - box
    corners = torch.tensor([[0.0, 0], [far, 0], [0, far], [far, far]]).repeat(3, 1)
    index = torch.arange(3.0).repeat_interleave(4)[:, None]
    return {
        "images": images,
        "domain": torch.tensor([1, 1, 0]),
        "rois": torch.cat((index, corners, corners + box), dim=1),
        "labels": torch.tensor([1, 0, 0, 0]).repeat(3),
    }


def test_loss_is_that_of_each_domains_own_branch() -> None:
    torch.manual_seed(0)
    network, batch = mdnet_lite0(**LITE, num_branches=3).eval(), batch_of(64, 24)
    total, stats = MDNetActor(network, embedding_weight=0.1)(batch)
    images = (batch["images"] / 255 - 127 / 255) * 255 / 128
    features = network.extract_roi_features(images, batch["rois"])
    logits = torch.stack([network(features, branch) for branch in range(3)], dim=1)
    own = torch.cat((logits[:8, 1], logits[8:, 0]))
    bce = F.cross_entropy(own, batch["labels"])
    embedding = F.cross_entropy(logits[[0, 4, 8], :, 1], torch.tensor([1, 1, 0]))  # positives, across the domains
    torch.testing.assert_close(stats["loss/bce"], bce.detach())
    torch.testing.assert_close(stats["loss/embedding"], 0.1 * embedding.detach())
    torch.testing.assert_close(total, bce + 0.1 * embedding)
    right = own.argmax(dim=1) == batch["labels"]
    assert stats["accuracy/positive"] == right[[0, 4, 8]].float().mean()


def test_embedding_begins_later() -> None:
    actor, batch = MDNetActor(mdnet_lite0(**LITE, num_branches=3), embedding_from=2), batch_of(64, 24)
    embeds = [bool(actor(batch)[1]["loss/embedding"] > 0) for _ in range(3)]
    assert embeds == [False, False, True]
    resumed = MDNetActor(mdnet_lite0(**LITE, num_branches=3), embedding_from=2)
    resumed.load_state_dict(actor.state_dict())
    assert resumed.iteration == 3
    assert resumed.eval()(batch)[1]["loss/embedding"] > 0
    assert resumed.iteration == 3


def test_targets_are_told_from_some_domains_only() -> None:
    actor = MDNetActor(mdnet_lite0(**LITE, num_branches=20), embedding_domains=5)
    domains, column = actor._domains(torch.tensor([7, 3, 7]), with_others=True)
    assert domains[column].tolist() == [7, 3, 7]
    assert len(domains) == len(set(domains.tolist())) == 5


def test_every_branch_has_a_gradient() -> None:
    actor = MDNetActor(mdnet_lite0(**LITE, num_branches=4), embedding_weight=0)
    actor(batch_of(64, 24))[0].backward()
    assert all(p.grad is not None for p in actor.net.branches.parameters())


def test_the_whole_network_learns() -> None:
    torch.manual_seed(0)
    actor = MDNetActor(mdnet(num_branches=2))
    actor(batch_of(112, 40))[0].backward()
    for name, parameter in actor.net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_one_batch_is_learnt_by_heart() -> None:
    torch.manual_seed(0)
    actor, batch = MDNetActor(mdnet_lite0(**LITE, num_branches=2)).train(), batch_of(64, 24)
    optimizer = torch.optim.SGD(actor.parameters(), lr=0.02, momentum=0.9)
    for _ in range(60):
        total, stats = actor(batch)
        optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(actor.parameters(), 10)
        optimizer.step()
    assert stats["loss/total"] < 0.05
    assert stats["accuracy/positive"] == stats["accuracy/negative"] == 1
