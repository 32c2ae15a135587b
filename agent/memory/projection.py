"""Where memories lie beside each other on a flat map: the two directions in which their vectors differ most (PCA, plain numpy).

Promise: the same vectors in the same order give the same places, down to the side on which a cluster lies. A direction has no sign of
its own, so each is turned until its largest component is positive. Two numbers keep only part of what separates texts; ``explained``
says how much, and whoever shows the map says it too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

AXES = 2


@dataclass(frozen=True)
class Projection:
    """``centre``: the mean vector. ``axes``: two orthogonal unit rows (zero where there is no further difference). ``explained``: the
    share of the variance along each, 0..1."""

    centre: np.ndarray
    axes: np.ndarray
    explained: tuple[float, float]

    def place(self, vectors: np.ndarray) -> np.ndarray:
        """One row (x, y) per vector, in float64."""
        return (np.asarray(vectors, np.float64) - self.centre) @ self.axes.T


def fit(vectors: np.ndarray) -> Projection:
    """The two main directions of the rows of ``vectors`` (n, dimension). Pearson (1901), as PCA is commonly computed; no row is weighted."""
    rows = np.asarray(vectors, np.float64)
    count, dimension = rows.shape
    centre = rows.mean(axis=0) if count else np.zeros(dimension)
    off = rows - centre
    values, directions = _main(off) if count > 1 else (np.zeros(0), np.zeros((0, dimension)))
    total = float((off * off).sum())
    axes, shares = np.zeros((AXES, dimension)), [0.0] * AXES
    for at in range(min(AXES, len(values))):
        if total > 0 and values[at] > 1e-12 * total:  # else a direction of rounding errors, another one on every machine
            axes[at], shares[at] = _turned(directions[at]), float(values[at] / total)
    return Projection(centre, axes, (shares[0], shares[1]))


def _main(off: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squared lengths along the main directions and the directions as rows, largest first; by whichever matrix is the smaller."""
    if len(off) <= off.shape[1]:
        _, lengths, rows = np.linalg.svd(off, full_matrices=False)
        return lengths**2, rows
    values, columns = np.linalg.eigh(off.T @ off)
    return np.maximum(values[::-1], 0.0), columns[:, ::-1].T


def _turned(direction: np.ndarray) -> np.ndarray:
    """With its largest component positive; of components of the same size (to a billionth) the first decides."""
    size = np.abs(direction)
    first = int(np.argmax(size >= size.max() * (1 - 1e-9)))
    return direction if direction[first] > 0 else -direction
