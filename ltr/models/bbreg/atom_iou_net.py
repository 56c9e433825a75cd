"""IoU-Net with target modulation (ATOM, Danelljan et al., CVPR 2019): predicts the overlap of boxes with the target."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ltr.models.layers.blocks import LinearBlock, conv_block
from ltr.models.layers.prroi_pool import PrRoIPool2D, boxes_to_rois


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
    ) -> None:
        super().__init__()
        dim3, dim4 = input_dim
        self.conv3_1r = conv_block(dim3, 128)
        self.conv3_1t = conv_block(dim3, 256)
        self.conv3_2t = conv_block(256, pred_input_dim[0])
        self.prroi_pool3r = PrRoIPool2D(3, 3, 1 / 8)
        self.prroi_pool3t = PrRoIPool2D(5, 5, 1 / 8)
        self.fc3_1r = conv_block(128, 256, padding=0)  # 3x3 -> 1x1

        self.conv4_1r = conv_block(dim4, 256)
        self.conv4_1t = conv_block(dim4, 256)
        self.conv4_2t = conv_block(256, pred_input_dim[1])
        self.prroi_pool4r = PrRoIPool2D(1, 1, 1 / 16)
        self.prroi_pool4t = PrRoIPool2D(3, 3, 1 / 16)

        self.fc34_3r = conv_block(512, pred_input_dim[0], kernel_size=1, padding=0)
        self.fc34_4r = conv_block(512, pred_input_dim[1], kernel_size=1, padding=0)
        self.fc3_rt = LinearBlock(pred_input_dim[0], pred_inter_dim[0], 5)
        self.fc4_rt = LinearBlock(pred_input_dim[1], pred_inter_dim[1], 3)
        self.iou_predictor = nn.Linear(sum(pred_inter_dim), 1)
        self.apply(_initialize)

    def get_modulation(
        self,
        feat: Sequence[Tensor],  # (N, D3, H, W), (N, D4, H/2, W/2)
        bb: Tensor,  # (N, 4) target boxes xywh in crop pixels
    ) -> tuple[Tensor, Tensor]:
        """Modulation vectors of the two layers, each (N, 256)."""
        rois = boxes_to_rois(bb)
        of3 = self.fc3_1r(self.prroi_pool3r(self.conv3_1r(feat[0]), rois))
        of4 = self.prroi_pool4r(self.conv4_1r(feat[1]), rois)
        of34 = torch.cat((of3, of4), dim=1)  # (N, 512, 1, 1)
        return self.fc34_3r(of34).flatten(1), self.fc34_4r(of34).flatten(1)

    def get_iou_feat(self, feat: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Test-branch features of the two layers, computed once per image."""
        return self.conv3_2t(self.conv3_1t(feat[0])), self.conv4_2t(self.conv4_1t(feat[1]))

    def predict_iou(
        self,
        modulation: Sequence[Tensor],  # two of (N, 256) or (N, 256, 1, 1); N is 1 or the number of images
        feat: Sequence[Tensor],  # from get_iou_feat, of B images
        proposals: Tensor,  # (B, n, 4) boxes xywh in crop pixels; (n, 4) for one image
    ) -> Tensor:
        """Predicted IoU of every proposal, (B, n) or (n,), as trained on the scale -1...1; differentiable in the boxes.

        Raises:
            ValueError: the proposals do not match the number of images.
        """
        boxes = proposals if proposals.ndim == 3 else proposals[None]
        if boxes.ndim != 3 or len(boxes) != len(feat[0]) or boxes.shape[2] != 4:
            raise ValueError(
                f"Shape mismatch: expected proposals ({len(feat[0])}, n, 4), or (n, 4) for one image, "
                f"got {tuple(proposals.shape)}."
            )
        rois = boxes_to_rois(boxes)
        # A factor per channel commutes with the pooling, which leaves far fewer elements to multiply.
        of3 = self.fc3_rt(_modulate(self.prroi_pool3t(feat[0], rois), modulation[0], boxes))
        of4 = self.fc4_rt(_modulate(self.prroi_pool4t(feat[1], rois), modulation[1], boxes))
        iou = self.iou_predictor(torch.cat((of3, of4), dim=1))
        return iou.view(proposals.shape[:-1])

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
