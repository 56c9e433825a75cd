"""The RT-MDNet tracker: classify candidate boxes, learn regularly and on failure.

The numbers of steps are those of Algorithm 1 in the paper.
"""

from typing import Any

import torch
from torch import Tensor

from ltr.common.types import Image
from ltr.data.box_sampling import draw_boxes, sample_boxes
from ltr.inference import in_float32
from ltr.models.tracking.mdnet import MDNetHead
from pytracking.tracker.base import BaseTracker
from pytracking.tracker.base.box_regression import BoxRegressor
from pytracking.tracker.rtmdnet.features import RoIFeatures
from pytracking.tracker.rtmdnet.fine_tuning import OnlineClassifier, make_optimizer
from pytracking.tracker.rtmdnet.first_frame import FirstFrame, first_frame_samples
from pytracking.tracker.rtmdnet.panels import RTMDNetPanels
from pytracking.tracker.rtmdnet.params import RTMDNetParams, gaussian
from pytracking.tracker.rtmdnet.sample_memory import FrameMemory
from pytracking.visualization.panels import Panel


class RTMDNet(BaseTracker):
    """The whole family: the parameter file chooses network, memory, optimizer and backup."""

    params_class = RTMDNetParams
    params: RTMDNetParams

    def initialize_features(self) -> None:
        if self.params.net is None:
            raise ValueError("expected a network in the parameter 'net', found None")
        self.net: Any = self.params.net
        self.net.initialize(self.device, self.params.network_dtype, self.params.network_form)
        self.features = RoIFeatures(self.net, self.device)
        # The first optimizer of a process imports torch's compiler, which takes seconds that are not the first frame's.
        make_optimizer(MDNetHead(1, 1), self.params.init_learning_rate, self.params)

    @in_float32
    @torch.no_grad()
    def initialize(self, image: Image, info: dict[str, Any]) -> dict[str, Any]:
        self.initialize_features()
        params = self.params
        self.frame_num = 1
        self.found = True
        self.scores: Tensor | None = None  # (n,) of the last frame's candidates
        self.target = torch.tensor(info["init_bbox"], dtype=torch.float64)

        # 1: samples of the first frame.
        samples = first_frame_samples(image, self.target, self.features, params, self.generator)

        # 2: fine-tune fc4-6 on them; with RLS by Eq. 31 and 33, P of every layer from each mini-batch (Eq. 18, 19).
        self.classifier = OnlineClassifier(self.net.make_head(self.generator), params, self.generator)
        self.classifier.learn_first_frame(samples.positives, samples.negatives)
        self.regressor = self._fit_regressor(samples) if params.bbox_regression else None

        # 3: the frames that samples are kept of.
        self.memory = FrameMemory(
            params.long_term_frames if params.regular_memory == "long" else params.short_term_frames,
            params.short_term_frames,
        )
        self.memory.append(samples.positives[: params.update_positives], samples.negatives[: params.update_negatives])
        return self._output(self.target.tolist(), 1.0)

    @in_float32
    @torch.no_grad()
    def track(self, image: Image, info: dict[str, Any] | None = None) -> dict[str, Any]:
        self.frame_num += 1
        params = self.params

        # 4: find the target among candidates.
        candidates = self._draw_candidates(image)
        features = self.features.of_boxes(image, candidates, self.target)
        self.scores = scores = self.classifier.score(features)
        best = scores.topk(min(params.num_best, len(scores)))
        score, indices, motion = self._read_back(best.values, best.indices, features[best.indices])
        best_boxes = candidates[indices]
        self.target = best_boxes.mean(dim=0)
        self.found = score > params.success_threshold

        box = self.target
        if self.found:
            # 5, 6: draw samples, and forget those of the oldest frame.
            box = self._regressed(best_boxes, motion, image)
            self._remember(image)
            # 9 to 11: the regular update, of the weights from before occasional ones; with RLS as in step 2.
            if self.frame_num % params.update_interval == 0:
                self.classifier.update_regularly(self.memory)
        else:
            # 7, 8: the occasional update, of a copy.
            self.classifier.update_occasionally(self.memory)

        hidden = not self.found and params.output_not_found_box
        return self._output([-1.0] * 4 if hidden else box.tolist(), score)

    def _output(self, box: list[float], score: float) -> dict[str, Any]:
        return {
            "target_bbox": box,
            "object_presence_score": score,
            "flag": "normal" if self.found else "not_found",
            "rejected_updates": self.classifier.guard.num_rejected,
        }

    def panels(self) -> list[Panel]:
        return RTMDNetPanels(self.classifier, lambda: self.scores, self.params.num_best).panels()

    def _draw_candidates(self, image: Image) -> Tensor:  # (n, 4)
        """Boxes around the last one, farther away after a failure."""
        params = self.params
        translation = params.candidate_translation if self.found else params.candidate_translation_lost
        sampling = gaussian(translation, params.candidate_scale, inside=True)
        return draw_boxes(self.target, params.num_candidates, sampling, image.shape[:2], self.generator)

    def _read_back(self, scores: Tensor, indices: Tensor, features: Tensor) -> tuple[float, Tensor, Tensor]:
        """Mean score, index (n,) and motion (n, 4 or 0) of the best candidates: all that a frame is asked for."""
        columns = [scores.mean().double().expand(len(scores), 1), indices.double()[:, None]]
        if self.regressor is not None:
            columns.append(self.regressor.motion(features))
        rows = torch.cat(columns, dim=1).cpu()
        return float(rows[0, 0]), rows[:, 1].long(), rows[:, 2:]

    def _regressed(self, boxes: Tensor, motion: Tensor, image: Image) -> Tensor:  # (n, 4), (n, 4) -> (4,)
        """Mean of the best boxes after box regression. It is reported, the tracker goes on from the mean before it."""
        if self.regressor is None:
            return boxes.mean(dim=0)
        return torch.from_numpy(self.regressor.predict(motion.numpy(), boxes.numpy(), image.shape[:2])).mean(dim=0)

    def _remember(self, image: Image) -> None:
        """Store the samples of this frame; positives and negatives share a scene."""
        params = self.params
        positives, negatives = (
            sample_boxes(self.target, num, sampling, image.shape[:2], self.generator)
            for num, sampling in (
                (params.update_positives, params.update_positive_sampling),
                (params.update_negatives, params.update_negative_sampling),
            )
        )
        features = self.features.of_boxes(image, torch.cat((positives, negatives)), self.target)
        self.memory.append(features[: len(positives)], features[len(positives) :])

    def _fit_regressor(self, samples: FirstFrame) -> BoxRegressor | None:
        """Regressor trained on as many samples as one scene gives, drawn from those of all scenes and crops."""
        params = self.params
        chosen = torch.randperm(len(samples.regression), generator=self.generator)[: params.regression_samples]
        return BoxRegressor.fit(
            samples.regression[chosen.to(samples.regression.device)],
            samples.regression_boxes[chosen],
            self.target,
            params.regression_alpha,
            params.regression_overlap,
            params.regression_area,
        )
