"""The VOT challenges: tracking under the VOT toolkit, its reset-based experiment without it, and their scores."""
