"""Paths of this machine; the settings are read in ltr, whose training data are among them."""

from ltr.common.environment import CONFIG_VARIABLE, EXAMPLE_FILE, PROJECT, Settings, config_file, env_settings

__all__ = ["CONFIG_VARIABLE", "EXAMPLE_FILE", "PROJECT", "Settings", "config_file", "env_settings"]
