"""Writing files so that a reader sees the old content or the new one, never a part; reading records."""

from ltr.admin.files import (
    check_output,
    create_atomic,
    free_path,
    new_token,
    read_record,
    temporary_beside,
    write_atomic,
)

__all__ = [
    "check_output",
    "create_atomic",
    "free_path",
    "new_token",
    "read_record",
    "temporary_beside",
    "write_atomic",
]
