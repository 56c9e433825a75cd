"""Lists and dictionaries of tensors, and operations on them, under the names of pytracking.

For trackers and scripts that were written for pytracking; nothing else in this project uses them.
"""

from pytracking.libs.tensordict import TensorDict
from pytracking.libs.tensorlist import TensorList

__all__ = ["TensorDict", "TensorList"]
