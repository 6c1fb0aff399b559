"""A finished run: kept as JSON, shown as tables or a chart, and read back."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import rows
from harness import chart, floor, summary, table
from harness.sample import Sample
from harness.schedule import Measured

SCHEMA = 2


@dataclass
class Report:
    """Everything that is known about a run."""

    machine: dict[str, Any]
    options: dict[str, Any]
    loops: list[dict[str, Any]]  # name, spec, version, or reason of one that could not take part
    subject: str
    results: list[Measured]

    def names(self) -> list[str]:
        """The loops that took part."""
        return [loop["name"] for loop in self.loops if loop["version"] is not None]

    def lines(self) -> tuple[list[summary.Line], list[summary.Line]]:
        """``(throughput, processor time)``."""
        values = [line for measured in self.results for line in summary.throughput(measured, self.subject)]
        times = [summary.processor(measured, self.subject) for measured in self.results]
        cpu = [line for line in times if line]
        summary.decide(values)
        summary.decide(cpu)
        return values, cpu

    def columns(self) -> list[str]:
        """The loops, and the floor where it was measured."""
        known = any(floor.NAME in measured.samples for measured in self.results)
        return self.names() + [floor.NAME] * known

    def tables(self) -> list[tuple[str, list[list[str]], str]]:
        """Titles, cells, and what is said below."""
        values, cpu = self.lines()
        mark = f"× above 1: {self.subject} is better than the best other loop (median of the rounds' ratios)"
        rounds, seconds = self.options["rounds"], self.options["seconds"]
        how = f"medians of {rounds} rounds of {seconds} s, least and greatest in %"
        return [
            (
                f"Throughput: {how}. {mark}.",
                table.cells(values, self.columns(), self.subject),
                summary.verdict(values),
            ),
            (
                f"Processor time of all threads an operation: {how}. {mark}.",
                table.cells(cpu, self.columns(), self.subject),
                summary.verdict(cpu),
            ),
        ]

    def remarks(self) -> list[str]:
        """Failures, loops that are missing, rows with two modes, saturated load generators."""
        missing = [
            f"{loop['name']} took no part: {loop['reason']}" for loop in self.loops if loop["version"] is None
        ]
        failed = [text for measured in self.results for text in summary.failures(measured)]
        if rest := self.options.get("not_measured"):
            missing.append(f"interrupted: no figures for {', '.join(rest)}")
        told = [text for measured in self.results for text in summary.bimodal(measured)]
        told += [text for measured in self.results for text in summary.loads(measured)]
        told += [text for measured in self.results for text in summary.warnings(measured)]
        return missing + failed + told

    def failed(self) -> bool:
        """Whether a figure of the subject is not there: that the others fail at a row is their affair."""
        samples = [sample for measured in self.results for sample in measured.samples.get(self.subject, [])]
        return bool(self.options.get("not_measured")) or any(sample.error for sample in samples)

    def show(self, markdown: bool) -> None:
        """To standard output."""
        print(self.where())
        for title, cells, below in self.tables():
            if len(cells) == 1:
                continue
            if markdown:
                print(f"\n{title}\n\n{table.markdown(cells)}")
            else:
                table.show(title, cells)
            if below:
                print(f"\n{below}")
        bullet = "- " if markdown else "! "
        if remarks := self.remarks():
            print("\n" + "\n".join(bullet + remark for remark in remarks))

    def where(self) -> str:
        """Versions and machine, in one line."""
        versions = [f"{loop['name']} {loop['version']}" for loop in self.loops if loop["version"] is not None]
        if commit := self.machine["commit"]:
            versions.append(f"tree {commit}")
        versions += [f"{name} {version}" for name, version in self.machine["packages"].items() if version]
        python = self.machine["python"].split()[0]
        where = f"CPython {python}, {', '.join(versions)}; {self.machine['processor']}, {self.machine['cores']} cores"
        return f"{where}, Linux {self.machine['kernel']}"

    def draw(self, path: Path) -> None:
        """The chart: of each row the line that decides."""
        values, cpu = self.lines()
        ratioless = {line.group for line in values} - {line.group for line in values if line.decides}
        values = [line for line in values if line.decides or line.group in ratioless]
        note = f"{self.where()}; medians of {self.options['rounds']} rounds"
        chart.draw(path, self.subject, note, values, cpu)

    def save(self, path: Path) -> None:
        """Every sample, and the summary for readers that do not want to compute it."""
        values, cpu = self.lines()
        entries = []
        for measured in self.results:
            row = measured.row
            samples = {
                name: [asdict(sample) for sample in samples] for name, samples in measured.samples.items()
            }
            entry = {
                "name": row.name,
                "unit": row.unit,
                "what": row.what,
                "less_is_better": row.less_is_better,
            }
            lines = {figure.name for figure in row.figures}
            entry["samples"] = samples
            entry["throughput"] = [asdict(line) for line in values if line.name in lines]
            entry["processor"] = next((asdict(line) for line in cpu if line.name == row.name), None)
            entries.append(entry)
        document = {
            "schema": SCHEMA,
            "subject": self.subject,
            "machine": self.machine,
            "options": self.options,
        }
        document |= {"verdict": summary.verdict(values), "verdict_processor": summary.verdict(cpu)}
        document |= {"loops": self.loops, "rows": entries, "remarks": self.remarks()}
        path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def load(path: Path) -> Report:
    """A saved run; its rows must still exist."""
    document = json.loads(path.read_text())
    if document["schema"] != SCHEMA:
        raise ValueError(f"{path} has schema {document['schema']}, not {SCHEMA}")
    results = []
    for entry in document["rows"]:
        samples = {
            name: [Sample(**sample) for sample in samples] for name, samples in entry["samples"].items()
        }
        results.append(Measured(rows.named(entry["name"]), samples))
    return Report(document["machine"], document["options"], document["loops"], document["subject"], results)
