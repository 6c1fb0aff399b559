"""A finished run: kept as JSON, shown as tables or a chart, and read back."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import rows
from harness import chart, summary, table
from harness.sample import Sample
from harness.schedule import Measured

SCHEMA = 1


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
        values = [summary.throughput(measured, self.subject) for measured in self.results]
        cpu = [summary.processor(measured, self.subject) for measured in self.results]
        return values, [line for line in cpu if line]

    def tables(self) -> list[tuple[str, list[list[str]]]]:
        """Titles and cells."""
        values, cpu = self.lines()
        mark = f"× above 1: {self.subject} is better than the best other loop (median of the rounds' ratios)"
        rounds, seconds = self.options["rounds"], self.options["seconds"]
        how = f"medians of {rounds} rounds of {seconds} s, least and greatest in %"
        return [
            (f"Throughput: {how}. {mark}.", table.cells(values, self.names(), self.subject)),
            (
                f"Processor time of all threads an operation: {how}. {mark}.",
                table.cells(cpu, self.names(), self.subject),
            ),
        ]

    def remarks(self) -> list[str]:
        """Failures, loops that are missing, saturated load generators."""
        missing = [
            f"{loop['name']} took no part: {loop['reason']}" for loop in self.loops if loop["version"] is None
        ]
        failed = [text for measured in self.results for text in summary.failures(measured)]
        if rest := self.options.get("not_measured"):
            missing.append(f"interrupted: no figures for {', '.join(rest)}")
        return missing + failed + [text for measured in self.results for text in summary.warnings(measured)]

    def failed(self) -> bool:
        """Whether anything that was asked for is not there."""
        return bool(self.options.get("not_measured")) or any(
            summary.failures(measured) for measured in self.results
        )

    def show(self, markdown: bool) -> None:
        """To standard output."""
        for title, cells in self.tables():
            if len(cells) == 1:
                continue
            if markdown:
                print(f"\n{title}\n\n{table.markdown(cells)}")
            else:
                table.show(title, cells)
        bullet = "- " if markdown else "! "
        if remarks := self.remarks():
            print("\n" + "\n".join(bullet + remark for remark in remarks))

    def draw(self, path: Path) -> None:
        """The chart."""
        values, cpu = self.lines()
        versions = ", ".join(
            f"{loop['name']} {loop['version']}" for loop in self.loops if loop["version"] is not None
        )
        python = self.machine["python"].split()[0]
        note = f"CPython {python}, {versions}; {self.machine['processor']}, {self.machine['cores']} cores"
        note += f", Linux {self.machine['kernel']}; medians of {self.options['rounds']} rounds"
        chart.draw(path, self.subject, note, values, cpu)

    def save(self, path: Path) -> None:
        """Every sample, and the summary for readers that do not want to compute it."""
        values, cpu = self.lines()
        times = {line.name: asdict(line) for line in cpu}
        entries = []
        for measured, line in zip(self.results, values, strict=True):
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
            entries.append(
                entry | {"samples": samples, "throughput": asdict(line), "processor": times.get(row.name)}
            )
        document = {
            "schema": SCHEMA,
            "subject": self.subject,
            "machine": self.machine,
            "options": self.options,
        }
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
