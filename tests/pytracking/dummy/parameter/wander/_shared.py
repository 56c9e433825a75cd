"""No parameter file: its name starts with an underscore."""
