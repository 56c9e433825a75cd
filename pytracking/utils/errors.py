"""Errors that a user can mend; ltr, which reads files too, defines them."""

from ltr.admin.errors import InputError, exit_status, nearest, unknown_name

__all__ = ["InputError", "exit_status", "nearest", "unknown_name"]
