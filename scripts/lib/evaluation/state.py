"""The file that a run continues from: a line with the settings, then one for each cell that was measured."""

import json


class OtherSettings(Exception):
    """The file is of a run with other settings; the message says which."""


class State:
    """JSON lines in `path`. A line that was cut off by a power failure is as good as not written."""

    def __init__(self, path, settings, fresh):
        self.path, self.settings = path, settings
        self.machine = {}
        self.lines = []
        if fresh and path.exists():
            path.unlink()
        if path.exists():
            self._read()
        if not path.exists():
            self._append({"settings": settings})

    def _read(self):
        known = b""
        for line in self.path.read_bytes().splitlines(keepends=True):
            try:
                entry = json.loads(line)
            except ValueError:
                break
            if not line.endswith(b"\n"):
                break
            known += line
            if "settings" in entry:
                self._check(entry["settings"])
            elif "machine" in entry:
                self.machine = entry["machine"]
            else:
                self.lines.append(entry)
        if not known:
            self.path.unlink()
        elif known != self.path.read_bytes():
            self.path.write_bytes(known)

    def _check(self, found):
        for name in sorted(set(found) | set(self.settings)):
            if found.get(name) != self.settings.get(name):
                raise OtherSettings(f"{self.path} was begun with {name} {found.get(name)}, and this run has {self.settings.get(name)}")

    def _append(self, entry):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry, separators=(",", ":")) + "\n")
            file.flush()

    def note_machine(self, machine):
        """What the report says of the machine; the last one counts."""
        self.machine = machine
        self._append({"machine": machine})

    def add(self, cell, repeat, result=None, problem=None, impossible=False, took_s=0.0):
        """- impossible: the image cannot do it, which is no failure."""
        entry = {"cell": cell, "repeat": repeat, "took_s": round(took_s, 1)}
        entry.update({"problem": problem, "impossible": impossible} if problem else {"result": result})
        self.lines.append(entry)
        self._append(entry)

    def is_done(self, cell, repeat):
        return any(line["cell"] == cell and line["repeat"] == repeat and "result" in line for line in self.lines)

    def todo(self, cells, repeats):
        """(repeat, cell) that are not measured yet, all cells of a repeat before the next repeat."""
        return [(repeat, cell) for repeat in range(1, repeats + 1) for cell in cells if not self.is_done(cell.name, repeat)]

    def results(self, cell):
        """Of each repeat, in order."""
        return [result for _, result in sorted(self.by_repeat(cell).items())]

    def by_repeat(self, cell):
        """Results by the number of their repeat; what was measured twice counts once."""
        return {line["repeat"]: line["result"] for line in self.lines if line["cell"] == cell and "result" in line}

    def repeats(self):
        """The repeats of which anything was measured."""
        return sorted({line["repeat"] for line in self.lines if "result" in line})

    def is_impossible(self, cell):
        """The last word on the cell is that this image cannot run it."""
        last = next((line for line in reversed(self.lines) if line["cell"] == cell), None)
        return last is not None and last.get("impossible", False)

    def problem(self, cell):
        """Why the cell was not measured, if it never was."""
        if self.results(cell):
            return None
        return next((line["problem"] for line in reversed(self.lines) if line["cell"] == cell and "problem" in line), None)
