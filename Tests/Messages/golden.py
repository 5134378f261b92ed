"""messages.txt: for each command what it says on stderr and its exit code, sorted by command."""

HEAD = """\
# What the programs say to users who err: each command, its exit code, and what stands on stderr. Written by scripts/test-messages
# --update and compared by scripts/test-messages. @names are addresses of the surroundings (Tests/Messages/surroundings.py), <…> stands
# for what differs from run to run, and of a log only warnings and errors are here. `^C` is a process that went on and was ended.
"""


def block(case, result):
    end = f"exit {result.code}" if result.code is not None else "^C"
    return "\n".join([f"$ {case.command}", end, *(f"  {line}" for line in result.text.splitlines())]) + "\n"


class Golden:
    def __init__(self, path):
        self.path = path
        self.blocks = {}
        if path.exists():
            for text in ("\n" + path.read_text()).split("\n$ ")[1:]:
                command = text.split("\n", 1)[0]
                self.blocks[command] = f"$ {text.strip()}\n"

    def update(self, said, stale):
        blocks = {command: text for command, text in {**self.blocks, **said}.items() if command not in stale}
        self.path.write_text(HEAD + "".join("\n" + blocks[command] for command in sorted(blocks, key=order)))


def order(command):
    """By program and subcommand, and then as written."""
    words = [word for word in command.split() if "=" not in word or word.startswith("-")]
    return words[:2] if words[0] == "amp4ec" else words[:1], command
