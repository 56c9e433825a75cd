"""Scenes, the parts of an image that the network sees; training cuts them out with the same functions."""

from ltr.data.scene import LARGEST_SCENE, PADDING, Scene, crop, rois_in_scene, scene_around, scene_of

__all__ = ["LARGEST_SCENE", "PADDING", "Scene", "crop", "rois_in_scene", "scene_around", "scene_of"]
