"""Figures in few digits."""

from __future__ import annotations


def number(value: float) -> str:
    """Three digits: 87.5k, 1.21M, 0.043."""
    for limit, divisor, suffix in ((1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= limit * 0.9995:
            return digits(value / divisor) + suffix
    return digits(value)


def digits(value: float) -> str:
    if abs(value) >= 99.95:
        return f"{value:.0f}"
    if abs(value) >= 9.995:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 or not value else f"{value:.3f}"
