"""Network files: reading them without running what they name, building networks from them, writing them."""
