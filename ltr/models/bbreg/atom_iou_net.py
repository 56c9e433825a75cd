"""IoU-Net with target modulation (ATOM, Danelljan et al., CVPR 2019): predicts the overlap of boxes with the target."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ltr.models.layers.blocks import LinearBlock, conv_block
from ltr.models.layers.prroi_pool import PrRoIPool2D, boxes_to_rois

IoUGradient = Callable[[Tensor], tuple[Tensor, Tensor]]  # boxes (B, n, 4) -> IoU (B, n), its gradient (B, n, 4)


class AtomIoUNet(nn.Module):
    """Overlap predictor on two backbone layers, of stride 8 (named 3) and 16 (named 4).

    The reference branch (r) turns features of the target into one modulation vector per layer; the test branch (t)
    pools the features of each proposal, multiplies them by the vectors and regresses the IoU.
    """

    def __init__(
        self,
        input_dim: tuple[int, int] = (128, 256),  # channels of the two backbone layers
        pred_input_dim: tuple[int, int] = (256, 256),
        pred_inter_dim: tuple[int, int] = (256, 256),
        hidden_dim: int = 256,  # channels of the layers before those; half of them for the reference of stride 8
    ) -> None:
        super().__init__()
        dim3, dim4 = input_dim
        self.conv3_1r = conv_block(dim3, hidden_dim // 2)
        self.conv3_1t = conv_block(dim3, hidden_dim)
        self.conv3_2t = conv_block(hidden_dim, pred_input_dim[0])
        self.prroi_pool3r = PrRoIPool2D(3, 3, 1 / 8)
        self.prroi_pool3t = PrRoIPool2D(5, 5, 1 / 8)
        self.fc3_1r = conv_block(hidden_dim // 2, hidden_dim, padding=0)  # 3x3 -> 1x1

        self.conv4_1r = conv_block(dim4, hidden_dim)
        self.conv4_1t = conv_block(dim4, hidden_dim)
        self.conv4_2t = conv_block(hidden_dim, pred_input_dim[1])
        self.prroi_pool4r = PrRoIPool2D(1, 1, 1 / 16)
        self.prroi_pool4t = PrRoIPool2D(3, 3, 1 / 16)

        self.fc34_3r = conv_block(2 * hidden_dim, pred_input_dim[0], kernel_size=1, padding=0)
        self.fc34_4r = conv_block(2 * hidden_dim, pred_input_dim[1], kernel_size=1, padding=0)
        self.fc3_rt = LinearBlock(pred_input_dim[0], pred_inter_dim[0], 5)
        self.fc4_rt = LinearBlock(pred_input_dim[1], pred_inter_dim[1], 3)
        self.iou_predictor = nn.Linear(sum(pred_inter_dim), 1)
        self.predictor: Callable[[Sequence[Tensor], Sequence[Tensor]], IoUGradient] | None = None  # see `iou_in`
        self.apply(_initialize)

    def get_modulation(
        self,
        feat: Sequence[Tensor],  # (N, D3, H, W), (N, D4, H/2, W/2)
        bb: Tensor,  # (N, 4) target boxes xywh in crop pixels
    ) -> tuple[Tensor, Tensor]:
        """Modulation vectors of the two layers, (N, pred_input_dim[i])."""
        rois = boxes_to_rois(bb)
        of3 = self.fc3_1r(self.prroi_pool3r(self.conv3_1r(feat[0]), rois))
        of4 = self.prroi_pool4r(self.conv4_1r(feat[1]), rois)
        of34 = torch.cat((of3, of4), dim=1)  # (N, 2 * hidden_dim, 1, 1)
        return self.fc34_3r(of34).flatten(1), self.fc34_4r(of34).flatten(1)

    def get_iou_feat(self, feat: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Test-branch features of the two layers, computed once per image."""
        return self.conv3_2t(self.conv3_1t(feat[0])), self.conv4_2t(self.conv4_1t(feat[1]))

    def predict_iou(
        self,
        modulation: Sequence[Tensor],  # two of (N, C) or (N, C, 1, 1); N is 1 or the number of images
        feat: Sequence[Tensor],  # from get_iou_feat, of B images
        proposals: Tensor,  # (B, n, 4) boxes xywh in crop pixels; (n, 4) for one image
    ) -> Tensor:
        """Predicted IoU of every proposal, (B, n) or (n,), as trained on the scale -1...1; differentiable in the boxes.

        SuperDiMP's and PrDiMP's are trained to give an unnormalized log-density of the box instead.
        A third tensor in `modulation`, (N, F + 1), takes the place of the last layer's weights and bias: see `adapt`.

        Raises:
            ValueError: the proposals do not match the number of images.
        """
        boxes = _per_image(proposals, len(feat[0]))
        hidden = self._hidden(modulation, feat, boxes)
        if len(modulation) > 2:
            weights = modulation[2][:, None].expand(len(boxes), boxes.shape[1], -1).flatten(0, 1)
            iou = (hidden * weights[:, :-1]).sum(dim=1) + weights[:, -1]
        else:
            iou = self.iou_predictor(hidden)
        return iou.view(proposals.shape[:-1])

    def adapt(
        self,
        modulation: Sequence[Tensor],  # two of (1, C)
        feat: Sequence[Tensor],  # from get_iou_feat, of B images of the target
        proposals: Tensor,  # (B, n, 4)
        iou: Tensor,  # (B, n) their true IoU on the scale -1...1
        stiffness: float,
    ) -> Tensor:  # (1, F + 1)
        """Weights and bias of the last layer for one target, for a third place in `modulation`.

        Ridge regression of the true IoU on what the last layer sees, towards the weights learnt offline; `stiffness`
        counts in mean squares of the regressors.
        """
        hidden = self._hidden(modulation, feat, proposals)
        learnt = torch.cat((self.iou_predictor.weight[0], self.iou_predictor.bias))
        return ridge_towards(learnt, hidden, iou.flatten(), stiffness)[None]

    def _hidden(self, modulation: Sequence[Tensor], feat: Sequence[Tensor], boxes: Tensor) -> Tensor:  # (B * n, F)
        rois = boxes_to_rois(boxes)
        # A factor per channel commutes with the pooling, which leaves far fewer elements to multiply.
        of3 = self.fc3_rt(_modulate(self.prroi_pool3t(feat[0], rois), modulation[0], boxes))
        of4 = self.fc4_rt(_modulate(self.prroi_pool4t(feat[1], rois), modulation[1], boxes))
        return torch.cat((of3, of4), dim=1)

    def iou_in(
        self,
        modulation: Sequence[Tensor],
        layers: Sequence[Tensor],  # two of (B, D, H, W), of the backbone
    ) -> IoUGradient:
        """Predicted IoU of boxes in given images, and the gradient of each IoU with respect to its box.

        By autograd, or by the `predictor` of a network that was prepared for inference.
        """
        if self.predictor is not None:
            return self.predictor(modulation, layers)
        features = self.get_iou_feat(layers)

        def predict(boxes: Tensor) -> tuple[Tensor, Tensor]:
            with torch.enable_grad():
                variable = boxes.detach().requires_grad_(True)
                iou = self.predict_iou(modulation, features, variable)
                (gradient,) = torch.autograd.grad(iou.sum(), variable)
            return iou.detach(), gradient

        return predict

    def forward(
        self,
        train_feat: Sequence[Tensor],  # two of (S, D, H, W): one reference image of each of S sequences
        test_feat: Sequence[Tensor],  # two of (J, S, D, H, W)
        train_bb: Tensor,  # (S, 4)
        proposals: Tensor,  # (J, S, n, 4)
    ) -> Tensor:  # (J, S, n)
        """Training pass: predicted IoU of the proposals in J test images of each sequence."""
        images = len(proposals)
        modulation = [vector.repeat(images, 1) for vector in self.get_modulation(train_feat, train_bb)]
        iou_feat = self.get_iou_feat([feat.flatten(0, 1) for feat in test_feat])
        return self.predict_iou(modulation, iou_feat, proposals.flatten(0, 1)).view(proposals.shape[:-1])


def ridge_towards(
    start: Tensor,  # (F + 1,) weights and bias
    inputs: Tensor,  # (M, F)
    wanted: Tensor,  # (M,)
    stiffness: float,
) -> Tensor:  # (F + 1,)
    """Minimizer w of mean (w . (x, 1) - y)^2 + stiffness * m |w - start|^2, with m the mean square of an input."""
    x = torch.cat((inputs, torch.ones_like(inputs[:, :1])), dim=1).double()
    moments = x.mT @ x / len(x)
    moments.diagonal().add_(stiffness * moments.diagonal().mean())
    residual = wanted.double() - x @ start.double()
    return (start.double() + torch.linalg.solve(moments, x.mT @ residual / len(x))).to(start.dtype)


def _per_image(proposals: Tensor, images: int) -> Tensor:  # (B, n, 4) or (n, 4) -> (B, n, 4)
    boxes = proposals if proposals.ndim == 3 else proposals[None]
    if boxes.ndim != 3 or len(boxes) != images or boxes.shape[2] != 4:
        raise ValueError(
            f"Shape mismatch: expected proposals ({images}, n, 4), or (n, 4) for one image, "
            f"got {tuple(proposals.shape)}."
        )
    return boxes


def _modulate(pooled: Tensor, vector: Tensor, boxes: Tensor) -> Tensor:
    """Pooled features (B*n, C, k, k) of the boxes (B, n, 4), times the vector (B or 1, C) of their image."""
    per_box = vector.flatten(1)[:, None].expand(len(boxes), boxes.shape[1], -1).flatten(0, 1)
    return pooled * per_box[:, :, None, None]


def _initialize(module: nn.Module) -> None:
    """Initialization that the published networks were trained from, with batch-norm weights uniform on [0, 1)."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
        nn.init.uniform_(module.weight)
