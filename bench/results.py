# SPDX-License-Identifier: Apache-2.0
"""What was measured, for people: medians with their quartiles, a table in Markdown and a plot in SVG, and the machine that it is true of."""
import json
import os
import statistics
from html import escape

from measure import CORACLE, TOP, run

FOLDER = f"{TOP}/bench/results"
WIDTH, LEFT, RIGHT, LINE = 860, 330, 90, 26
OURS, THEIRS = "#2b6cb0", "#a0aec0"


def median(values):
    return statistics.median(values)


def quartiles(values):
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def machine():
    """Where this ran, in a line."""
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), os.uname().machine)
    accelerator = json.loads(run(CORACLE, "system", "info", "--format", "json"))["accelerator"]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return (f"{os.cpu_count()} CPUs ({model}), {memory:.0f} GiB, Linux {os.uname().release}, "
            f"accelerator {accelerator['name']}: {accelerator['reason']}")


def bar(y, name, values, scale, unit, ours):
    low, high = quartiles(values)
    x, middle = LEFT + median(values) * scale, y + LINE * 0.4
    return (f'<text x="{LEFT - 8}" y="{y + LINE * 0.55:.0f}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{LEFT}" y="{y}" width="{median(values) * scale:.1f}" height="{LINE * 0.8:.0f}" fill="{OURS if ours else THEIRS}"/>'
            f'<path d="M{LEFT + low * scale:.1f} {middle:.1f}H{LEFT + high * scale:.1f}" stroke="#1a202c" stroke-width="2"/>'
            f'<text x="{max(x, LEFT + high * scale) + 6:.1f}" y="{y + LINE * 0.55:.0f}">{median(values):.0f} {unit}</text>')


def plot(title, bars, unit="ms"):
    """bars: (name, values, whether they are ours). The thin line goes from quartile to quartile."""
    scale = (WIDTH - LEFT - RIGHT) / max(max(median(v), quartiles(v)[1]) for _, v, _ in bars)
    height = 40 + LINE * len(bars)
    lines = [bar(36 + LINE * i, name, values, scale, unit, ours) for i, (name, values, ours) in enumerate(bars)]
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="12">'
            f'<rect width="100%" height="100%" fill="white"/><text x="10" y="20" font-size="14">{escape(title)}</text>'
            + "\n".join(lines) + "</svg>\n")


def write(name, text):
    os.makedirs(FOLDER, exist_ok=True)
    with open(f"{FOLDER}/{name}", "w") as file:
        file.write(text)
