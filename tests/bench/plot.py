"""The plot of docs/limits.md, from the figures that `SCALE_FIGURES=FILE tests/bench/run scale` writes.

    tests/.tools/bench/bin/python tests/bench/plot.py tests/bench/scale.json docs/scale.svg

Each panel is what an operator would ask of the size of a tenant. Both axes are logarithmic, so what grows with
the tenant is a line that rises, and what does not grow is level.
"""

import json
import sys

import matplotlib

matplotlib.use("svg")
# The same figures give the same file.
matplotlib.rcParams["svg.hashsalt"] = "fulcrum"
matplotlib.rcParams["svg.fonttype"] = "none"
matplotlib.rcParams["font.size"] = 8
from matplotlib import pyplot  # noqa: E402 (the backend is chosen before)

PANELS = {
    "Disk, MB": ["the file", "the backup's file"],
    "Memory, MB": ["resident, idle", "resident at most, under that load"],
    "Work on all of it, s": [
        "written anew, which compacts it",
        "a backup, read back",
        "from the start to ready",
    ],
    "Processor for one, us": ["a webhook with what follows it, processor", "a text received and shown, processor"],
    "Waited for, 99 in 100, ms": [
        "a webhook acknowledged, 1,000/s, p99",
        "a text acknowledged, p99",
        "the same, seen through the API, p99",
    ],
    "Pages, 99 in 100, ms": ["page: a conversation, p99", "page: the inbox, p99", "page: the inbox with a conversation open, p99"],
}


def main(source, target):
    with open(source, encoding="utf-8") as file:
        figures = {figure["what"]: figure["values"] for figure in json.load(file)}
    drawing, axes = pyplot.subplots(2, 3, figsize=(11, 6.5), layout="constrained")
    for panel, (title, names) in zip(axes.flat, PANELS.items(), strict=True):
        for name in names:
            values = sorted((int(size), value) for size, value in figures[name].items())
            panel.plot(*zip(*values), marker="o", markersize=3, label=name)
        panel.set(title=title, xscale="log", yscale="log", xlabel="opportunities")
        low, high = panel.get_ylim()
        # A line that is level by all means of measuring should look so.
        panel.set_ylim(low / 3, high * 12)
        panel.legend(loc="upper left", fontsize=7, frameon=False)
        panel.grid(which="major", alpha=0.3)
    drawing.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    main(*sys.argv[1:])
