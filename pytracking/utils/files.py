"""Writing files so that a reader sees the old content or the new one, never a part; reading records."""

from ltr.admin.files import create_atomic, read_record, temporary_beside, write_atomic

__all__ = ["create_atomic", "read_record", "temporary_beside", "write_atomic"]
