"""The commands. One file for each kind of mistake; each line is a command as a user types it, in a folder with the files of material.py.

`@name` is an address of surroundings.py. Variables may stand before the command. A command after which `… TEXT` stands goes on running: it is
waited for until TEXT is on its stderr, and then ended.
"""

import importlib
import pkgutil
import re
from dataclasses import dataclass

SEPARATOR = " … "


@dataclass(frozen=True)
class Case:
    """A command that goes wrong."""

    command: str
    #: What a program that goes on says once it has met the mistake.
    until: str | None = None

    @property
    def words(self):
        # Shell words would need quotes around much; a quoted text is one word here too.
        return [a or b for a, b in re.findall(r"'([^']*)'|(\S+)", self.command.replace("''", "'\0'"))]

    @property
    def variables(self):
        return dict(word.split("=", 1) for word in self.words if re.match(r"[A-Z][A-Z0-9_]*=", word))

    @property
    def arguments(self):
        return ["" if word == "\0" else word for word in self.words[len(self.variables):]]

    @property
    def program(self):
        return self.arguments[0]

    @property
    def peers(self):
        return re.findall(r"@([a-z]+)", self.command)


def all_cases():
    cases = {}
    for module in pkgutil.iter_modules(__path__):
        text = importlib.import_module(f"cases.{module.name}").COMMANDS
        for line in text.splitlines():
            if not line.strip() or line.startswith("#"):
                continue
            command, _, until = line.partition(SEPARATOR)
            case = Case(command.strip(), until.strip() or None)
            if case.command in cases:
                raise SystemExit(f"test-messages: error: {case.command} stands twice")
            cases[case.command] = case
    return list(cases.values())
