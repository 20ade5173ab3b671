# SPDX-License-Identifier: MIT
"""The plots and the page of benchmarks/losses.py: SVG and HTML written by hand, nothing loaded from anywhere."""
import html
import math

# What each series looks like: ours in blues, the lower the rung the paler; PyTorch in warm colours, dashed.
LOOK = {
    "naive": ("#9aa9bf", "", "all logits in memory"),
    "blocked": ("#5f87b8", "", "panels of rows"),
    "store": ("#1660a8", "", "fused, kept"),
    "recompute": ("#0b3d78", "", "fused, recomputed"),
    "bf16": ("#0a8f6c", "", "fused, bf16"),
    "PyTorch: open_clip": ("#d1495b", "6 4", "PyTorch, open_clip"),
    "PyTorch: lightly": ("#d1495b", "6 4", "PyTorch, lightly"),
    "PyTorch: compiled": ("#e08e2b", "6 4", "torch.compile"),
}
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 600, 390, 62, 158, 52, 48
STYLE = ("text{font:12px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#44505f}"
         ".title{font-weight:650;font-size:15px;fill:#1b2430}.unit{font-size:12px;fill:#6b7787}"
         ".grid{stroke:#e4e8ee;stroke-width:1}.fine{stroke:#f1f3f6;stroke-width:1}.axis{stroke:#aab4c0}"
         ".slope{stroke:#c3cad4;stroke-dasharray:2 4}.faint{fill:#9aa5b3;font-size:11px}.name{font-weight:550}")


def number(value):
    """A tick's label: 0.01, 10, 1 000."""
    return f"{value:,.0f}".replace(",", "\u2009") if value >= 1 else f"{value:g}"


def spread(ends, gap, lowest, highest):
    """Moves labels (a list of [y, ...], sorted) apart to `gap`, inside [lowest, highest]."""
    for above, below in zip(ends, ends[1:]):
        below[0] = max(below[0], above[0] + gap)
    over = ends[-1][0] - highest if ends else 0
    if over > 0:
        ends[-1][0] -= over
        for below, above in zip(reversed(ends), list(reversed(ends))[1:]):
            above[0] = min(above[0], below[0] - gap)
    return ends


def chart(title, unit, series, at_x, at_y):
    """One log-log chart as a group at (at_x, at_y); series: name -> [(N, value)]."""
    points = [p for data in series.values() for p in data]
    x0, x1 = (f(math.log2(p[0]) for p in points) for f in (min, max))
    y0 = math.floor(min(math.log10(p[1]) for p in points))
    y1 = math.ceil(max(math.log10(p[1]) for p in points))
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    x = lambda n: LEFT + (math.log2(n) - x0) / (x1 - x0) * (right - LEFT)
    y = lambda v: bottom - (math.log10(v) - y0) / (y1 - y0) * (bottom - TOP)
    parts = [f'<g transform="translate({at_x} {at_y})"><rect x="4" y="4" width="{WIDTH - 8}" height="{HEIGHT - 8}" '
             f'rx="10" fill="#fff" stroke="#e4e8ee"/><text x="{LEFT - 40}" y="28" class="title">{html.escape(title)}</text>'
             f'<text x="{LEFT - 40}" y="44" class="unit">{html.escape(unit)}</text>']
    for e in range(y0, y1 + 1):
        for m in range(2, 10) if e < y1 else ():
            parts.append(f'<path d="M{LEFT} {y(m * 10**e):.1f}H{right}" class="fine"/>')
        parts.append(f'<path d="M{LEFT} {y(10**e):.1f}H{right}" class="grid"/>'
                     f'<text x="{LEFT - 8}" y="{y(10**e) + 4:.1f}" text-anchor="end">{number(10.0**e)}</text>')
    for n in sorted({p[0] for p in points}):
        label = f"{n // 1024}k" if n >= 1024 else str(n)
        parts.append(f'<path d="M{x(n):.1f} {TOP}V{bottom}" class="grid"/>'
                     f'<text x="{x(n):.1f}" y="{bottom + 17}" text-anchor="middle">{label}</text>')
    parts.append(f'<path d="M{LEFT} {bottom}H{right}" class="axis"/>'
                 f'<text x="{(LEFT + right) / 2}" y="{bottom + 36}" text-anchor="middle">N, pairs in a batch</text>')
    ends = []
    for name, data in series.items():
        colour, dash, label = LOOK[name]
        line = " ".join(f"{x(n):.1f},{y(v):.1f}" for n, v in data)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2.2" '
                     f'stroke-linejoin="round"{f""" stroke-dasharray="{dash}" """ if dash else ""}/>')
        parts += [f'<circle cx="{x(n):.1f}" cy="{y(v):.1f}" r="3.2" fill="{colour}" stroke="#fff" stroke-width="1">'
                  f"<title>{html.escape(label)}, N = {n}: {v:.4g} {html.escape(unit)}</title></circle>" for n, v in data]
        n, v = data[-1]
        ends.append([y(v), x(n), y(v), colour, label])
    for at, end_x, end_y, colour, label in spread(sorted(ends), 15, TOP, bottom):
        parts.append(f'<path d="M{end_x + 5:.1f} {end_y:.1f}L{right + 8} {at:.1f}" stroke="{colour}" opacity=".35" '
                     f'fill="none"/><text x="{right + 12}" y="{at + 4:.1f}" class="name" style="fill:{colour}">'
                     f"{html.escape(label)}</text>")
    return "".join(parts) + "</g>"


def picture(charts):
    """All charts, two in a row, as one SVG."""
    rows = (len(charts) + 1) // 2
    inside = "".join(chart(*c, WIDTH * (i % 2), HEIGHT * (i // 2)) for i, c in enumerate(charts))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH} {HEIGHT * rows}" role="img" '
            f'aria-label="Time and memory of similarity losses against the batch"><style>{STYLE}</style>'
            f'<rect width="100%" height="100%" fill="#f7f9fb"/>{inside}</svg>\n')


def page(charts, head, rows, threads, machine):
    """The HTML page: plots, then the table."""
    def cell(text, tag="td"):
        text = html.escape(text)
        kind = ' class="yes"' if text == "yes" else ' class="no"' if text == "**no**" else ""
        return f"<{tag}{kind}>{text.replace('**', '')}</{tag}>"

    body = "".join("<tr>" + "".join(cell(c) for c in row) + "</tr>" for row in rows)
    style = ("body{font:15px/1.55 system-ui,-apple-system,'Segoe UI',sans-serif;max-width:1200px;margin:2.5em auto;"
             "padding:0 1.2em;color:#1b2430;background:#f7f9fb}h1{font-size:26px;margin:0 0 .2em}p{color:#44505f;"
             "max-width:75ch}svg{width:100%;height:auto;margin:.6em -4px}table{border-collapse:collapse;width:100%;"
             "background:#fff;border:1px solid #e4e8ee;border-radius:10px;font-variant-numeric:tabular-nums;"
             "font-size:13.5px}td,th{padding:.42em .7em;text-align:left;border-bottom:1px solid #eef1f5}"
             "th{color:#6b7787;font-weight:600}td:first-child{font-family:ui-monospace,monospace;font-size:12.5px}"
             ".yes{color:#0a8f6c;font-weight:650}.no{color:#c0392b;font-weight:650}")
    where = f" on {html.escape(machine)}" if machine else ""
    return (f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Similarity losses</title>'
            f'<meta name="viewport" content="width=device-width"><style>{style}</style>'
            f"<h1>Similarity losses against the size of the batch</h1>"
            f"<p>Value and gradients, {threads} threads{where}, temperature 0.1, float32 unless bf16 is said. Both axes are "
            f"logarithmic. Solid: this library, from every logit in memory to the fused kernel. Dashed: the same loss in "
            f"PyTorch. Memory is the peak beside the inputs; where a line ends, the next size does not fit or takes "
            f"minutes.</p>{picture(charts)}<h2>Beside the goals</h2>"
            f"<p>Medians of runs taken in turns. The limit is the time in which the machine's best product of 2048 cubed, "
            f"timed in the same run, would do the same multiply-adds.</p>"
            f"<table><tr>{''.join(cell(c, 'th') for c in head)}</tr>{body}</table></html>\n")
