"""Colors and line styles of trackers, the same in every plot, on the page and in videos."""

# Contrast with white is at least 3.3, and colors stay apart (CIEDE2000 > 10) for every kind of color blindness.
PALETTE = ("#0077BB", "#D55E00", "#0B9A6D", "#3A1FC0", "#7A1748", "#8C8C99", "#1B1B1B")
DASHES: tuple[tuple[float, ...], ...] = ((), (6, 2.5), (1.5, 1.8), (7, 2, 1.5, 2))  # lengths in line widths


def color(index: int) -> str:
    """Color of the tracker of this rank, as #RRGGBB."""
    return PALETTE[index % len(PALETTE)]


def dashes(index: int) -> tuple[float, ...]:
    """Dash pattern of the tracker of this rank: solid until the colors repeat."""
    return DASHES[index // len(PALETTE) % len(DASHES)]


def rgb(index: int) -> tuple[int, int, int]:
    """Color of the tracker of this rank, as numbers of 0..255."""
    red, green, blue = bytes.fromhex(color(index)[1:])
    return red, green, blue
