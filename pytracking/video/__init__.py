"""Tracking in one's own videos: files, folders of images, cameras and streams."""
