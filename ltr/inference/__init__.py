"""Networks made ready to track: the one place where a network is made fast."""

from ltr.inference.precision import in_float32
from ltr.inference.prepare import FORMS, Form, prepare

__all__ = ["FORMS", "Form", "in_float32", "prepare"]
