"""Trained networks that come with the package: heads for backbones whose weights are packages of their own."""

from pathlib import Path

FOLDER = Path(__file__).parent
