# SPDX-License-Identifier: MIT
"""Tables and plots of a race, from what race.py wrote into race.json."""

import math
import os
import statistics
import textwrap

from race_table import FAMILIES


def number(value):
    """Three digits that count."""
    if value is None:
        return ""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(digits, 3)}f}"


class Results:
    """Medians over the rounds: over the undisturbed ones, if there are any."""

    def __init__(self, document):
        self.values = {}   # (workload, participant) -> {round: value}
        self.keys = {}     # (workload, participant) -> [keys]
        self.states = {}   # (workload, participant) -> "failed" or "skipped"
        self.raw = {int(key): value for key, value in document["raw_switch_ns"].items()}
        self.kinds = {p["name"]: p["kind"] for p in document["participants"]}
        self.rounds = document["rounds"]
        quiet = {(n["workload"], n["participant"]) for n in document["measurements"]
                 if "value" in n and not n.get("disturbed")}
        for note in document["measurements"]:
            key = note["workload"], note["participant"]
            if "value" in note and note.get("disturbed") and key in quiet:
                continue
            if "value" in note:
                self.values.setdefault(key, {})[note["round"]] = note["value"]
                self.keys.setdefault(key, []).append(note["keys"])
            else:
                self.states[key] = "failed" if "failed" in note else "skipped"

    def of_kind(self, kind):
        return [name for name, its in self.kinds.items() if its == kind]

    def median(self, workload, participant):
        values = self.values.get((workload, participant))
        return statistics.median(values.values()) if values else None

    def key(self, workload, participant, key):
        values = [float(keys[key]) for keys in self.keys.get((workload, participant), []) if key in keys]
        return statistics.median(values) if values else None

    def the(self, kind):
        """The one participant of that kind; None if it does not take part, and so has no figures."""
        return next(iter(self.of_kind(kind)), None)

    def of(self, kind, workload):
        return self.median(workload, self.the(kind))

    def raw_switches(self, workload):
        """coir's figure in raw switches: the median of each round's ratio."""
        values = self.values.get((workload, self.the("coir")), {})
        ratios = [value / self.raw[r] for r, value in values.items() if r in self.raw]
        return statistics.median(ratios) if ratios else None

    def best_peer(self, workload):
        figures = [(self.median(workload, name), name) for name in self.of_kind("peer")]
        return min((figure for figure in figures if figure[0] is not None), default=(None, None))

    def cell(self, workload, participant):
        values = self.values.get((workload, participant))
        state = self.states.get((workload, participant))
        if state == "failed" or not values:
            return state or "-"
        few = f" ({len(values)})" if len(values) < self.rounds else ""
        return number(self.median(workload, participant)) + few

    def verdict(self, workload, target):
        """(met or None, the ratio to what was allowed's base)."""
        if target.kind == "r":
            figure = self.raw_switches(workload)
        elif target.key:
            figure = self.key(workload, self.the("coir"), target.key)
        else:
            figure = self.of("coir", workload)
        base = {"r": lambda: 1, "value": lambda: 1, "floor": lambda: self.of("floor", workload),
                "ring": lambda: self.of("ring", workload), "best": lambda: self.best_peer(workload)[0],
                "self": lambda: self.of("coir", target.other)}[target.kind]()
        if figure is None or not base:
            return None, None
        return figure / base <= target.factor, figure / base


def print_table(rows):
    """Markdown, padded. Numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for index, row in enumerate(rows):
        cells = [cell.ljust(width) if column == 0 else cell.rjust(width)
                 for column, (cell, width) in enumerate(zip(row, widths))]
        print("| " + " | ".join(cells) + " |")
        if index == 0:
            print("|" + "|".join("-" * (width + 2) if column == 0 else "-" * (width + 1) + ":"
                                 for column, width in enumerate(widths)) + "|")


def verdict_words(results, workload, target):
    met, ratio = results.verdict(workload.name, target)
    if met is None:
        return "?"
    return "met" if met else f"missed ({number(ratio) if target.kind == 'value' else format(ratio, '.2f')})"


def main_table(results, workloads):
    rows = [["workload", "coir", "in r", "floor", "best peer", "/ best", "target <=", "met?"]]
    for workload in workloads:
        best, name = results.best_peer(workload.name)
        ours = results.of("coir", workload.name)
        targets = list(workload.targets) or [None]
        if targets[0] and targets[0].kind == "ring" and results.of("ring", workload.name):
            floor_cell = f"ring {number(results.of('ring', workload.name))}"
        else:
            floor_cell = results.cell(workload.name, results.the("floor"))
        row = [f"{workload.name} {workload.unit}", results.cell(workload.name, results.the("coir")),
               number(results.raw_switches(workload.name)) if workload.unit == "ns" else "", floor_cell,
               f"{name} {number(best)}" if name else "-", f"{ours / best:.2f}" if best and ours is not None else ""]
        for target in targets:
            rows.append(row + ([str(target), verdict_words(results, workload, target)] if target else ["", ""]))
            row = [""] * len(row)  # a further target has a line of its own
    print_table(rows)


def print_tables(document, workloads):
    results = Results(document)
    machine = document["machine"]
    print(f"{document['date']}, commit {document['commit']}, {document['command']}: {document['seconds']:.0f} s, "
          f"seed {document['seed']}")
    print(f"{machine['cpu']} x {machine['cpus']}, {machine['memory_GiB']} GiB, Linux {machine['kernel']}, "
          f"governor {machine['governor']}; a new page takes {machine['new_page_us']:.2g} us")
    print(f"Medians of {document['rounds']} rounds; (n): of n only")
    if results.raw:
        print(f"r = the raw switch of the same round, {min(results.raw.values()):.2f} to "
              f"{max(results.raw.values()):.2f} ns; ring = a bare ring of jumps over as many stacks")
    print()
    main_table(results, workloads)
    for family in FAMILIES:
        of_family = [w for w in workloads if w.family == family]
        if of_family and results.of_kind("peer"):
            print(f"\n{family}: all participants\n")
            rows = [["", *(f"{w.name} {w.unit}" for w in of_family)]]
            for name in results.kinds:
                cells = [results.cell(w.name, name) for w in of_family]
                if any(cell != "-" for cell in cells):
                    rows.append([name, *cells])
            print_table(rows)

    print()
    disturbed = sum(1 for note in document["measurements"] if note.get("disturbed"))
    if disturbed:
        print(f"not quiet: {disturbed} of {len(document['measurements'])} runs had to share their CPU; they count only "
              "where no other is left")
    spread = []
    for workload in workloads:
        values = results.values.get((workload.name, results.the("coir")), {}).values()
        if len(values) > 2 and max(values) > 1.3 * min(values):
            spread.append(f"{workload.name} {number(min(values))} to {number(max(values))}")
    if spread:
        print(textwrap.fill(f"not quiet: coir's rounds differ by more than 1.3 x: {', '.join(spread)}", 118))
    for name, version in document["versions"].items():
        if results.kinds[name] in ("peer", "coir"):
            print(f"{name}: {version}")
    if document["slow_pages"] and (without := [w.name for w in workloads if w.million and w.peers]):
        print(f"not run by peers, as a new page takes so long here: {', '.join(without)}")
    for name, why in document["left_out"].items():
        print(f"left out: {name}: {why}")
    skipped = {(n["participant"], n["workload"], n["skipped"]) for n in document["measurements"] if "skipped" in n}
    for participant, workload, why in sorted(skipped):
        print(f"skipped: {participant} {workload}: {why}")
    for what in document["failures"]:
        print(f"FAILED: {what}")


def plot(document, workloads, folder):
    """One SVG for each family: a bar for each participant, on a log scale, with raw switches above."""
    try:
        import matplotlib
        matplotlib.use("svg")
        from matplotlib import pyplot
    except ImportError:
        print("\nNo plots: python3-matplotlib is not installed.")
        return
    matplotlib.rcParams["svg.hashsalt"] = "coir"
    results = Results(document)
    colours = {"coir": "#c0392b", "floor": "#aaaaaa", "ring": "#cccccc", "peer": "#4a6fa5"}
    raw = min(results.raw.values()) if results.raw else None
    drawn = []
    for family in FAMILIES:
        of_family = [w for w in workloads
                     if w.family == family and any((results.median(w.name, name) or 0) > 0 for name in results.kinds)]
        if not of_family:
            continue
        bars = [[(results.median(w.name, name), name) for name in results.kinds
                 if (results.median(w.name, name) or 0) > 0] for w in of_family]
        heights = [len(each) for each in bars]
        figure, axes = pyplot.subplots(len(of_family), 1, squeeze=False, constrained_layout=True,
                                       gridspec_kw={"height_ratios": [height + 1.5 for height in heights]},
                                       figsize=(8, 0.8 + sum(0.22 * height + 0.75 for height in heights)))
        for axis, workload, each in zip(axes[:, 0], of_family, bars):
            each.sort(reverse=True)
            values = [value for value, _ in each]
            axis.barh([name for _, name in each], values, color=[colours[results.kinds[name]] for _, name in each])
            axis.set_xscale("log")
            axis.set_xlim(min(values) / 2, max(values) * 4)
            axis.tick_params(labelsize=8)
            axis.set_title(f"{workload.name}, {workload.unit}", fontsize=9, loc="left")
            in_r = raw and workload.unit == "ns"
            for position, value in enumerate(values):
                label = f" {number(value)}" + (f" = {number(value / raw)} r" if in_r else "")
                axis.text(value, position, label, va="center", fontsize=7)
            if in_r:
                above = axis.secondary_xaxis("top", functions=(lambda x: x / raw, lambda x: x * raw))
                above.tick_params(labelsize=7)
                above.set_xlabel("r", fontsize=7, loc="right", labelpad=1)
        path = os.path.join(folder, family.replace(" ", "_") + ".svg")
        figure.savefig(path, metadata={"Date": None})
        pyplot.close(figure)
        drawn.append(os.path.basename(path))
    print(f"\nPlots in {folder}: {', '.join(drawn)}")
