"""What no message may have in it, whatever it says."""

import re
import subprocess

#: No error needs more.
MAXIMUM_CHARACTERS = 1200
EXIT_CODES = (1, 64, 65, 69)

FORBIDDEN = [
    (r"Traceback", "a traceback"),
    (r"\b(error: ){2,}|error: Error:", "a double prefix"),
    (r"\bOptional\(|\bnil\b|Swift\.|\b[A-Z][A-Za-z]+Error\(|\b[a-z]+Error\b(?!:)", "a name of the source's"),
    (r"\.swift\b|\bFatal error\b|\bat::|c10::|torch::jit", "a name of the source's"),
    (r"\d+\.\.<\d+", "a range as the source writes it"),
    (r"\.{4,}|;;|; ;|: :|, ,|\s[;,]", "punctuation that is left over"),
]

PROGRAMS = r"scripts/export-model|amp4ec-coordinator|amp4ec-worker|amp4ec-check|amp4ec [a-z]+"


def known_options(pool, runner, root, programs):
    """For each command the options that its help shows."""
    commands = [[name] for name in programs if name not in ("amp4ec", "scripts/export-model")]
    if "amp4ec" in programs:
        commands += [["amp4ec", name] for name in ("infer", "bench", "status", "drain", "plan", "reference", "baseline", "simulate", "secret")]
        commands += [[name] for name in ("amp4ec-worker", "amp4ec-coordinator") if name not in programs]

    def read(words):
        text = subprocess.run([runner.programs / words[0], *words[1:], "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout
        return " ".join(words), options_in(text)

    known = dict(pool.map(read, commands))
    known["scripts/export-model"] = options_in((root / "scripts/export-model").read_text())
    return known


def options_in(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))


def problems(case, result, known):
    if result.code is not None and result.code not in EXIT_CODES:
        yield f"exit code {result.code} is none of {EXIT_CODES}"
    if result.code is None and case.until is None:
        yield "it does not end"
    if not result.text.strip():
        yield "it says nothing"
    if len(result.text) > MAXIMUM_CHARACTERS:
        yield f"{len(result.text)} characters"
    for pattern, what in FORBIDDEN:
        if found := re.search(pattern, result.text):
            yield f"{what}: {found[0]!r}"
    # An option is this command's, or one of a program that the message names, or what the user wrote.
    own = re.match(PROGRAMS, " ".join(case.arguments))
    allowed = options_in(case.command) | {"--help", "--version"} | known.get(own[0] if own else "", set())
    # A compose file's own command may be quoted.
    quoted = ["amp4ec-worker"] if "--topology" in case.command else []
    for program in re.findall(PROGRAMS, result.text) + quoted:
        allowed |= known.get(program, set())
    for option in sorted(options_in(result.text) - allowed):
        yield f"{option} is no option of this command"
