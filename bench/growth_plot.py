"""Draws `docs/performance-growth.svg`. Runs in the environment that has matplotlib; reads the nights on stdin."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

from matplotlib import pyplot as plt

#: Colors in light mode, and the color of each in dark mode.
_DARK = {
    "#ffffff": "#0d1117",
    "#1f2328": "#e6edf3",
    "#d0d7de": "#30363d",
    "#59636e": "#9198a1",
    "#0969da": "#58a6ff",
    "#bc4c00": "#f0883e",
    "#1a7f37": "#3fb950",
    "#8250df": "#bc8cff",
}
_PAPER, _INK, _GRID, _QUIET, *_LINES = _DARK
_MARKERS = ("s", "^", "D", "v")

_STYLE = {
    "svg.fonttype": "none",  # text stays searchable and takes its color from the page
    "svg.hashsalt": "rollcall",  # same figures, same file
    "font.family": "sans-serif",
    "font.size": 10,
    "figure.facecolor": _PAPER,
    "axes.facecolor": _PAPER,
    "axes.edgecolor": _QUIET,
    "axes.labelcolor": _INK,
    "axes.titlecolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": _GRID,
    "grid.linewidth": 0.6,
    "text.color": _INK,
    "xtick.color": _QUIET,
    "ytick.color": _QUIET,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "legend.frameon": False,
}


def main() -> None:
    config = json.load(sys.stdin)
    nights, most_mb = config["nights"], config["most_mb"]
    sizes = [night["enrollments"] for night in nights]
    with plt.rc_context(_STYLE):
        figure, (time, memory) = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)
        seconds = [night["seconds"] for night in nights]
        time.plot(sizes, seconds, color=_INK, marker="o", linewidth=2, label="first night")
        for stage, color, marker in zip(nights[0]["parts"], _LINES, _MARKERS, strict=True):
            seconds_in_it = [night["parts"][stage] or None for night in nights]  # a logarithmic axis cannot show 0.0 s
            time.plot(sizes, seconds_in_it, color=color, marker=marker, markersize=5, label=stage)
        linear = [seconds[-1] * size / sizes[-1] for size in sizes]
        time.plot(sizes, linear, color=_QUIET, linestyle="--", linewidth=1, label="linear (slope 1)")
        deltas = [night["delta"] for night in nights]
        time.plot(sizes, [delta["seconds"] for delta in deltas], color=_QUIET, marker="P", label="delta")
        time.set(xscale="log", yscale="log", ylabel="seconds", title="Time")
        time.legend(fontsize=9)
        peaks = [night["peak_mb"] for night in nights]
        memory.plot(sizes, peaks, color=_INK, marker="o", linewidth=2, label="first night")
        memory.plot(sizes, [delta["peak_mb"] for delta in deltas], color=_QUIET, marker="P", label="delta")
        memory.axhline(most_mb, color=_QUIET, linestyle="--", linewidth=1)
        memory.annotate(
            f"target: {most_mb:.0f} MB", (sizes[0], most_mb), (0, 4), textcoords="offset points", color=_INK
        )
        memory.set(xscale="log", ylabel="megabytes", title="Peak resident memory of a process")
        memory.set_ylim(0, 1.15 * max(most_mb, *peaks))
        memory.legend(fontsize=9, loc="lower right")
        for axis in (time.xaxis, time.yaxis, memory.xaxis):
            axis.set_major_formatter("{x:,.10g}")
        for axes in (time, memory):
            axes.set_xlabel("enrollments")
        figure.suptitle("A full first night and a delta of 0.5%, by district size", color=_INK)
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    Path(sys.argv[1]).write_text(_for_both_modes(drawn.getvalue()), encoding="utf-8")


def _for_both_modes(svg: str) -> str:
    """Make every color a variable, so the picture follows the page's light or dark mode."""
    light, dark = "", ""
    for number, (color, in_dark) in enumerate(_DARK.items()):
        svg = svg.replace(color, f"var(--c{number})")
        light, dark = f"{light}--c{number}:{color};", f"{dark}--c{number}:{in_dark};"
    style = f"<style>:root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}</style>"
    opening = svg.index(">", svg.index("<svg")) + 1
    return f"{svg[:opening]}\n {style}{svg[opening:]}"


if __name__ == "__main__":
    main()
