"""Networks built from files by the name of their architecture."""

import os
import time
from pathlib import Path

import pytest
import torch

from ltr.admin.checkpoint import PUBLISHED_NETWORKS, CheckpointError, file_sha256, save_checkpoint
from ltr.admin.convert_checkpoint import convert_checkpoint
from ltr.admin.loading import ARCHITECTURES, build_network, find_checkpoint, load_network, mismatch_report
from ltr.models.tracking.settings import PYTRACKING_DEFAULTS
from tests.ltr.admin.training_files import OLD_NAMES, Tiny, write_training_file

TINY_MODULE = "tests.ltr.admin.training_files"


@pytest.fixture(autouse=True)
def _tiny_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ARCHITECTURES, "tiny", f"{TINY_MODULE}:tiny")


def trained(width: int = 4) -> Tiny:
    net = Tiny(width, 1.0, None, 1.0)
    with torch.no_grad():
        for buffer in net.state_dict().values():
            buffer.copy_(torch.rand(buffer.shape) * 9)
    return net


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_training_file_to_network(tmp_path: Path, zipped: bool) -> None:
    weights = trained(5).state_dict()
    kwds = {"width": 5, "scale": 2.0, "layers": ["a"], "backbone_pretrained": True}
    path = write_training_file(tmp_path / "dimp50.pth", weights, kwds=kwds, zipped=zipped)
    net, content = load_network(path)
    assert isinstance(net, Tiny)
    assert net.arguments == (5, 2.0, ["a"], float("inf"))
    assert all(torch.equal(value, weights[key]) for key, value in net.state_dict().items())
    assert content["constructor"]["kwds"] == kwds
    assert content["epoch"] == 50


def test_keyword_arguments_override_the_file(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "x.safetensors", trained(), "tiny", {"scale": 2.0, "backbone_pretrained": True})
    assert load_network(path, scale=3.0)[0].arguments[1] == 3.0
    with pytest.raises(OSError, match="no network access"):
        load_network(path, backbone_pretrained=True)
    with pytest.raises(CheckpointError, match=r"x\.safetensors: tiny cannot be built .*depth=3\).*argument 'depth'"):
        load_network(path, depth=3)
    unknown = save_checkpoint(tmp_path / "y.safetensors", trained(), "tiny", {"init_filter_norm": True})
    with pytest.raises(CheckpointError, match=r"y\.safetensors.*init_filter_norm=True"):
        load_network(unknown)


def test_positional_arguments_in_the_file(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "x.safetensors", trained(5), "tiny", {"layers": ["b"]}, args=(5, 2.0))
    assert load_network(path)[0].arguments[:3] == (5, 2.0, ["b"])
    with pytest.raises(CheckpointError, match="multiple values for argument 'scale'"):
        load_network(path, scale=4.0)


def test_networks_by_name() -> None:
    assert build_network("tiny", 3, scale=2.0).arguments[:2] == (3, 2.0)
    with pytest.raises(CheckpointError, match="'dimpnet51' is unknown; known: dimpnet18, dimpnet50"):
        build_network("dimpnet51")
    with pytest.raises(CheckpointError, match=r"tiny cannot be built with the arguments \(3, depth=1\)"):
        build_network("tiny", 3, depth=1)


def test_unknown_architectures_are_not_imported(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "x.safetensors", trained(), "os.system")
    with pytest.raises(
        CheckpointError, match=r"x\.safetensors: the architecture 'os\.system' is unknown; known: dimpnet18"
    ):
        load_network(path)


def test_weights_alone_need_a_constructor(tmp_path: Path) -> None:
    torch.save(trained().state_dict(), tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="weights without an architecture; give constructor_fun_name="):
        load_network(tmp_path / "x.pth")
    assert load_network(tmp_path / "x.pth", constructor_fun_name="tiny")[0].arguments[0] == 4
    del ARCHITECTURES["tiny"]
    net, _ = load_network(tmp_path / "x.pth", constructor_fun_name="tiny", constructor_module=TINY_MODULE)
    assert net.arguments[0] == 4
    with pytest.raises(CheckpointError, match="give constructor_fun_name="):
        load_network(tmp_path / "x.pth", constructor_module=TINY_MODULE)


def test_mismatch_names_file_architecture_and_keys(tmp_path: Path) -> None:
    weights = trained(5).state_dict()
    del weights["feature_extractor.0.bias"]
    weights |= {f"bb_regressor.conv{i}.0.weight": torch.ones(1) for i in range(12)}
    path = write_training_file(tmp_path / "dimp50.pth", weights)
    with pytest.raises(CheckpointError) as caught:
        load_network(path)
    message = str(caught.value)
    assert "dimp50.pth does not fit the network tiny" in message
    assert "1 missing in the file:\n    feature_extractor.0.bias" in message
    assert "12 unknown to the network:" in message
    assert "and 4 more modules" in message
    assert "5 of another shape:\n" in message
    assert "feature_extractor.0.weight (file (5, 3), network (4, 3))" in message
    assert "... (4 in feature_extractor.1)" in message


def test_mismatch_report_of_equal_keys_is_empty() -> None:
    assert mismatch_report(trained().state_dict(), trained().state_dict()) == ""


def epochs(folder: Path, *names: str) -> None:
    for age, name in enumerate(names):
        path = folder / name
        path.write_bytes(b"x")
        os.utime(path, (time.time() - age, time.time() - age))


def test_folders_give_the_highest_epoch(tmp_path: Path) -> None:
    epochs(tmp_path, "DiMPnet_ep0009.pth.tar", "DiMPnet_ep0010.pth.tar", "DiMPnet_ep0002.pth.tar", "notes_ep.txt")
    assert find_checkpoint(tmp_path).name == "DiMPnet_ep0010.pth.tar"
    assert find_checkpoint(str(tmp_path), 2).name == "DiMPnet_ep0002.pth.tar"
    epochs(tmp_path, "DiMPnet_ep0010.safetensors")
    assert find_checkpoint(tmp_path).name == "DiMPnet_ep0010.safetensors"
    epochs(tmp_path, "Other_ep0010.pth.tar", "DiMPnet_ep0011.pth.tar")
    assert find_checkpoint(tmp_path).name == "DiMPnet_ep0011.pth.tar"
    with pytest.raises(CheckpointError, match=r"several networks of epoch 10.*DiMPnet_ep0009\.pth\.tar"):
        find_checkpoint(tmp_path, 10)
    with pytest.raises(CheckpointError, match=r"no network of epoch 12 \(like DiMPnet_ep0050\.pth\.tar"):
        find_checkpoint(tmp_path, 12)


def test_folders_without_epochs(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no network with an epoch in its name.*It holds: no network files"):
        find_checkpoint(tmp_path)
    epochs(tmp_path, "dimp50.pth")
    with pytest.raises(CheckpointError, match=r"name one network file. It holds: dimp50\.pth"):
        find_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="give network_dir="):
        find_checkpoint()


def test_files_by_either_argument(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    epochs(tmp_path, "dimp50.pth")
    assert find_checkpoint(tmp_path / "dimp50.pth") == tmp_path / "dimp50.pth"
    assert find_checkpoint(checkpoint=str(tmp_path / "dimp50.pth")) == tmp_path / "dimp50.pth"
    assert find_checkpoint(tmp_path, "dimp50.pth") == tmp_path / "dimp50.pth"
    monkeypatch.chdir(tmp_path)
    assert find_checkpoint(tmp_path / "elsewhere", "dimp50.pth") == Path("dimp50.pth")
    with pytest.raises(CheckpointError, match=r"dimp18\.pth does not exist. It is published at"):
        load_network(tmp_path / "dimp18.pth")


def test_conversions_stand_in_for_absent_originals(tmp_path: Path) -> None:
    source = write_training_file(tmp_path / "dimp50.pth.tar", trained().state_dict())
    convert_checkpoint(source)
    digest = file_sha256(source)
    source.unlink()
    assert file_sha256(source) == file_sha256(tmp_path / "dimp50.safetensors") != digest
    assert load_network(source)[1]["source_file"] == "dimp50.pth.tar"


def test_the_module_named_in_a_file_is_ignored(tmp_path: Path) -> None:
    path = write_training_file(tmp_path / "x.pth", trained().state_dict(), names=OLD_NAMES)
    net, content = load_network(path)
    assert isinstance(net, Tiny)
    assert "fun_module" not in content["constructor"]


def test_dimpnet18_round_trip(tmp_path: Path) -> None:
    kwds = {
        "filter_size": 4, "backbone_pretrained": True, "optim_iter": 5, "clf_feat_norm": True, "final_conv": True,
        "optim_init_step": 0.9, "optim_init_reg": 0.1, "init_gauss_sigma": 0.9, "num_dist_bins": 100,
        "bin_displacement": 0.1, "mask_init_factor": 3.0, "target_mask_act": "sigmoid", "score_act": "relu",
    }  # fmt: skip
    weights = build_network("dimpnet18", **(kwds | {"backbone_pretrained": False})).state_dict()
    path = write_training_file(tmp_path / "dimp18.pth", weights, "dimpnet18", kwds, zipped=False)
    convert_checkpoint(path)
    for source in (path, tmp_path / "dimp18.safetensors"):
        net, content = load_network(source)
        assert all(torch.equal(tensor, weights[key]) for key, tensor in net.state_dict().items())
        assert content["constructor"]["kwds"] == kwds
    with pytest.raises(
        CheckpointError, match=r"dimp18\.pth does not fit the network dimpnet18:\n  \d+ of another shape"
    ):
        load_network(path, out_feature_dim=128)


# What pytracking's constructors fill in.
GENERIC = {
    "filter_size": 1, "optim_iter": 5, "optim_init_step": 1.0, "optim_init_reg": 0.01, "init_gauss_sigma": 1.0,
    "num_dist_bins": 5, "bin_displacement": 1.0, "mask_init_factor": 4.0,
}  # fmt: skip


@pytest.mark.parametrize("name", ["dimpnet18", "dimpnet50"])
@pytest.mark.parametrize("left_out", [set(GENERIC), {"num_dist_bins", "bin_displacement"}, {"bin_displacement"}])
def test_arguments_left_out_are_pytrackings(tmp_path: Path, name: str, left_out: set[str]) -> None:
    """Also where no tensor has another shape, so that nothing but the scores would show it."""
    given = {"filter_size": 4, "optim_iter": 3, "optim_init_step": 0.9, "optim_init_reg": 0.1} | {
        "init_gauss_sigma": 0.9, "num_dist_bins": 100, "bin_displacement": 0.1, "mask_init_factor": 3.0
    }  # fmt: skip
    kwds = {key: value for key, value in given.items() if key not in left_out}
    expected = build_network(name, **(GENERIC | kwds))
    path = write_training_file(tmp_path / "x.pth.tar", expected.state_dict(), name, kwds)
    convert_checkpoint(path)
    for source in (path, tmp_path / "x.safetensors"):
        net, content = load_network(source)
        assert content["constructor"]["kwds"] == kwds
        assert net.classifier.filter_size == kwds.get("filter_size", 1)
        found, wanted = net.classifier.filter_optimizer, expected.classifier.filter_optimizer
        assert found.num_iter == kwds.get("optim_iter", 5)
        assert found.label_map_predictor.bin_displacement == kwds.get("bin_displacement", 1.0)
        feat, bb = torch.randn(1, 8, 6, 6), torch.tensor([[30.0, 36, 30, 20]])
        losses = [optimizer.loss(feat, bb, net.classifier.filter_size) for optimizer in (found, wanted)]
        assert torch.equal(losses[0].label, losses[1].label)
        assert torch.equal(losses[0].mask, losses[1].mask)
    assert load_network(path, optim_iter=9)[0].classifier.filter_optimizer.num_iter == 9


# What the published checkpoints of pytracking give their constructors.
_COMMON = {
    "filter_size": 4, "backbone_pretrained": True, "optim_iter": 5, "clf_feat_norm": True, "final_conv": True,
}  # fmt: skip
_HINGE = {
    "optim_init_step": 0.9, "optim_init_reg": 0.1, "num_dist_bins": 100, "bin_displacement": 0.1,
    "mask_init_factor": 3.0, "target_mask_act": "sigmoid", "score_act": "relu",
}  # fmt: skip
_KL = {
    "optim_init_step": 1.0, "optim_init_reg": 0.05, "optim_min_reg": 0.05, "gauss_sigma": 0.25 / 5 * 18,
    "alpha_eps": 0.05, "normalize_label": True, "init_initializer": "zero",
}  # fmt: skip
_FROZEN = ["conv1", "bn1", "layer1", "layer2"]
OFFICIAL = {
    "super_dimp.pth.tar": (
        "dimpnet50",
        _COMMON | _HINGE | {"clf_feat_blocks": 0, "out_feature_dim": 512, "init_gauss_sigma": 0.25 / 6 * 22}
        | {"frozen_backbone_layers": _FROZEN},
    ),
    "prdimp18.pth.tar": ("klcedimpnet18", _COMMON | _KL | {"clf_feat_blocks": 1, "out_feature_dim": 256}),
    "prdimp50.pth.tar": ("klcedimpnet50", _COMMON | _KL | {"clf_feat_blocks": 0, "out_feature_dim": 512}),
}  # fmt: skip


@pytest.mark.parametrize("file", OFFICIAL)
@pytest.mark.parametrize("how", ["as published", "defaults spelt out", "left out"])
def test_files_of_super_dimp_and_prdimp(tmp_path: Path, file: str, how: str) -> None:
    name, kwds = OFFICIAL[file]
    defaults = PYTRACKING_DEFAULTS[name]
    if how == "defaults spelt out":
        kwds = {**defaults, **kwds}
    elif how == "left out":  # what has the value of the default
        kwds = {key: value for key, value in kwds.items() if value != defaults[key]}
    assert PUBLISHED_NETWORKS[file].startswith("https://")
    expected = build_network(name, **{**defaults, **kwds, "backbone_pretrained": False})
    path = write_training_file(tmp_path / file, expected.state_dict(), name, kwds)
    net, content = load_network(path)
    assert content["constructor"]["kwds"] == kwds
    assert all(torch.equal(value, net.state_dict()[key]) for key, value in expected.state_dict().items())
    feat = torch.randn(2, 8, 6, 6)
    boxes = torch.tensor([[30.0, 36, 30, 20], [25, 30, 40, 40]])
    losses = [n.classifier.filter_optimizer.loss(feat, boxes, n.classifier.filter_size) for n in (net, expected)]
    filter = torch.randn(1, 8, 4, 4)
    assert torch.equal(*(loss.gradient(filter, loss.scores(filter)) for loss in losses))


# What a constructor of pytracking does with its argument left out: a value that a file may have, and another one.
KL_DEFAULTS = {
    "alpha_eps": ("alpha_eps", 0.05, 0.0),
    "gauss_sigma": ("gauss_sigma", 0.9, 1.0),
    "optim_min_reg": ("min_filter_reg", 0.05, 1e-3),
    "normalize_label": ("normalize_label", True, False),
    "init_uni_weight": ("uni_weight", 0.02, 0.0),
    "label_shrink": ("label_shrink", 0.05, 0.0),
    "softmax_reg": ("softmax_reg", -2.0, None),
    "label_threshold": ("label_threshold", 0.01, 0.0),
    "optim_iter": ("num_iter", 3, 5),
}


@pytest.mark.parametrize("name", ["klcedimpnet18", "klcedimpnet50"])
def test_arguments_of_prdimp_that_are_left_out(tmp_path: Path, name: str) -> None:
    given = {argument: value for argument, (_, value, _) in KL_DEFAULTS.items()} | {"filter_size": 4}
    weights = build_network(name, **given).state_dict()
    for kwds, place in ((given, 1), ({"filter_size": 4}, 2)):
        net, _ = load_network(write_training_file(tmp_path / "x.pth.tar", weights, name, kwds))
        for entry in KL_DEFAULTS.values():
            assert getattr(net.classifier.filter_optimizer, entry[0]) == entry[place], entry


@pytest.mark.parametrize(
    ("kwds", "message"),
    [
        ({"final_relu": True}, "Expected final_relu False .*got True"),
        ({"score_act": "relu"}, "unexpected keyword argument 'score_act'"),
        ({"init_gauss_sigma": 0.9}, "'init_gauss_sigma'; did you mean 'gauss_sigma'"),
        ({"softmax_reg": "no"}, "Expected softmax_reg to be a finite number, or None, got 'no'"),
    ],
)
def test_arguments_that_do_not_fit_prdimp_are_named(tmp_path: Path, kwds: dict, message: str) -> None:
    path = write_training_file(tmp_path / "x.pth", {"w": torch.ones(1)}, "klcedimpnet50", kwds)
    with pytest.raises(CheckpointError, match=rf"x\.pth: klcedimpnet50 cannot be built.*{message}"):
        load_network(path)


@pytest.mark.parametrize(
    ("name", "tracker"),
    [
        ("dimpnet50_simple", "SuperDiMPSimple"),
        ("atom_resnet18", "ATOM"),
        ("kysnet_res50", "KYS"),
        ("tompnet101", "ToMP"),
        ("target_candidate_matching_net_resnet50", "KeepTrack"),
    ],
)
def test_networks_of_other_trackers_are_refused_by_name(tmp_path: Path, name: str, tracker: str) -> None:
    path = write_training_file(tmp_path / "x.pth.tar", {"w": torch.ones(1)}, name, {"backbone_pretrained": True})
    with pytest.raises(
        CheckpointError,
        match=rf"x\.pth\.tar: {name} is the network of {tracker}, which is not supported; .* DiMP, SuperDiMP, PrDiMP",
    ):
        load_network(path)


def test_modules_that_keep_the_constructors_weights(tmp_path: Path) -> None:
    """The features of one network under the filter optimizer of another."""
    dimp = build_network("dimpnet_lite0", final_conv=True, out_feature_dim=8, backbone_pretrained=False)
    kwds = {"final_conv": True, "out_feature_dim": 8, "backbone_pretrained": False}
    path = save_checkpoint(tmp_path / "x.safetensors", dimp, "dimpnet_lite0", kwds)
    net, _ = load_network(
        path, constructor_fun_name="klcedimpnet_lite0", untrained=["classifier.filter_optimizer"], optim_init_reg=0.2
    )
    assert net.classifier.filter_optimizer.filter_reg.item() == pytest.approx(0.2)
    assert torch.equal(net.classifier.feature_extractor[0].weight, dimp.classifier.feature_extractor[0].weight)
    with pytest.raises(CheckpointError, match="does not fit the network klcedimpnet_lite0:\n  3 unknown"):
        load_network(path, constructor_fun_name="klcedimpnet_lite0")


def test_positional_arguments_of_pytracking(tmp_path: Path) -> None:
    expected = build_network("dimpnet18", **(GENERIC | {"filter_size": 4, "optim_iter": 2, "num_dist_bins": 7}))
    content = {"net": expected.state_dict(), "constructor": {"fun_name": "dimpnet18", "args": (4, 2), "kwds": {}}}
    content["constructor"]["kwds"]["num_dist_bins"] = 7
    torch.save(content, tmp_path / "x.pth")
    net, _ = load_network(tmp_path / "x.pth")
    assert (net.classifier.filter_size, net.classifier.filter_optimizer.num_iter) == (4, 2)


def test_files_of_this_project_keep_its_defaults(tmp_path: Path) -> None:
    net = build_network("dimpnet18")
    path = save_checkpoint(tmp_path / "x.safetensors", net, "dimpnet18")
    assert load_network(path)[0].classifier.filter_optimizer.label_map_predictor.bin_displacement == 0.1


@pytest.mark.parametrize(
    ("kwds", "message"),
    [
        ({"classification_layer": "layer4"}, "Expected classification_layer 'layer3' .*got 'layer4'"),
        ({"feat_stride": 8}, "Expected feat_stride 16 .*got 8"),
        ({"score_act": "bentpar", "act_param": 0.5}, "Expected score_act 'relu' .*got 'bentpar'"),
        ({"out_feature_dims": 512}, "'out_feature_dims'; did you mean 'out_feature_dim'"),
        ({"frozen_backbone_layers": ["layer9"]}, "got layer9"),
    ],
)
def test_arguments_that_do_not_fit_are_named(tmp_path: Path, kwds: dict, message: str) -> None:
    path = write_training_file(tmp_path / "x.pth", {"w": torch.ones(1)}, "dimpnet50", kwds)
    with pytest.raises(CheckpointError, match=rf"x\.pth: dimpnet50 cannot be built.*{message}"):
        load_network(path)


@pytest.mark.parametrize("entry", [None, "net"])
def test_weights_alone_with_a_default_constructor(tmp_path: Path, entry: str | None) -> None:
    weights = build_network("dimpnet18").state_dict()
    torch.save(weights if entry is None else {entry: weights}, tmp_path / "x.pth")
    net, _ = load_network(tmp_path / "x.pth", default_constructor="dimpnet18")
    assert net.classifier.filter_optimizer.label_map_predictor.bin_displacement == 0.1  # as published
    assert all(torch.equal(value, weights[key]) for key, value in net.state_dict().items())
    with pytest.raises(CheckpointError, match=r"x\.pth does not fit the network dimpnet50"):
        load_network(tmp_path / "x.pth", default_constructor="dimpnet50")
    with pytest.raises(CheckpointError, match=r"constructor='dimpnet50'\).*\n.*--architecture dimpnet50"):
        load_network(tmp_path / "x.pth")
    convert_checkpoint(tmp_path / "x.pth", architecture="dimpnet18")
    assert load_network(tmp_path / "x.safetensors")[1]["constructor"]["fun_name"] == "dimpnet18"
    path = write_training_file(tmp_path / "y.pth", trained().state_dict())
    assert isinstance(load_network(path, default_constructor="dimpnet18")[0], Tiny)  # the file's own name counts


@pytest.mark.parametrize(("branches", "connected"), [(0, True), (3, True), (1, True), (0, False)])
def test_weights_alone_of_mdnet(tmp_path: Path, branches: int, connected: bool) -> None:
    expected = build_network("mdnet", num_branches=branches, with_fully_connected=connected)
    torch.save(expected.state_dict(), tmp_path / "whole.pth")
    torch.save(expected.layers.state_dict(), tmp_path / "shared.pth")
    net, _ = load_network(tmp_path / "whole.pth")
    assert len(net.branches) == branches
    if connected:
        net, _ = load_network(tmp_path / "shared.pth")
        assert torch.equal(net.layers.fc4[0].weight, expected.layers.fc4[0].weight)
