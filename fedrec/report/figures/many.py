"""Thousands of clients in one panel: sorted values thinned, points gathered in bins.

Each point of a figure takes 100 bytes of a page that is to stay under a megabyte.
"""

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

Floats = npt.NDArray[np.float64]

MOST = 300  # points of one panel
_BINS = 10


def thinned(values: Floats) -> tuple[Floats, Floats]:
    """Places and values of (N,) sorted values, at most ``MOST`` of them, both ends included."""
    places = np.arange(len(values), dtype=np.float64)
    if len(values) > MOST:
        places = np.unique(np.linspace(0, len(values) - 1, MOST).round())
    return places, values[places.astype(np.int64)]


def against_size(axes: Axes, sizes: Floats, values: Floats, colour: str) -> str:
    """Draw (N,) values against sizes: a dot each, or of many the middle 80 % of each bin.

    Returns:
        What a mark is, for the caption.
    """
    if len(values) <= MOST:
        axes.plot(sizes, values, "o", color=colour, markersize=5, alpha=0.8)
        return "a dot is a client"
    edges = np.unique(np.quantile(sizes, np.linspace(0, 1, _BINS + 1), method="lower"))
    bins = np.searchsorted(edges[1:-1], sizes, side="right")
    groups = [bins == number for number in np.unique(bins)]
    spread = np.array([np.percentile(values[group], [10, 50, 90]) for group in groups])
    low, middle, high = spread.T
    axes.errorbar(
        [float(np.median(sizes[group])) for group in groups],
        middle,
        yerr=np.stack([middle - low, high - middle]),
        fmt="o",
        color=colour,
        capsize=3,
        linewidth=1.3,
    )
    return "a dot is the median of clients of about one size, its whisker the middle 80 %"
