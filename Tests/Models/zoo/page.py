"""The table of docs/models.md, between its markers."""

import re

BEGIN, END = "<!-- zoo: begin -->", "<!-- zoo: end -->"
#: The longest words of a refusal in the table; the whole is in --json.
WORDS = 160


def number(value):
    return f"{value:,}" if isinstance(value, int) else "–"


def error(level):
    value = level["error"]
    return "0" if value == 0 else f"{value:.0e}".replace("e-0", "e-")


def batching(level):
    return f"micro-batches of {level['micro_batch']}" if level["batching"] == "splittable" else f"whole: {level['batching']}"


def shortened(words):
    # Folders of the machine that made the table say nothing elsewhere.
    words = re.sub(r"/[^\s:()]*/", "…/", " ".join(words.split())).replace("|", "\\|")
    return words if len(words) <= WORDS else f"{words[:WORDS].rsplit(' ', 1)[0]} …"


def cells(result):
    head = [result["name"], result["kind"], number(result.get("parameters")), number(result.get("legal_cuts"))]
    if result["verdict"] != "works":
        by = f" by the {result['by']}" if result["by"] else ""
        return head + ["–", "–", "–", f"**{result['verdict']}**{by}: {shortened(result['words'])}"]
    plain, optimized = result["O0"], result["O1"]
    workers = str(plain["workers"]) if plain["workers"] == optimized["workers"] else f"{plain['workers']}, at O1 {optimized['workers']}"
    bits = "" if plain["equal_to_reference"] else " (bits differ from `reference`)"
    return head + [workers, error(plain) + bits, error(optimized), batching(plain)]


def table(results):
    columns = ["network", "kind", "parameters", "legal cuts", "workers", "O0", "O1", "requests travel in, or why not"]
    rows = [columns, ["---"] * len(columns), *(cells(result) for result in results)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def summary(results, total):
    count = {verdict: sum(result["verdict"] == verdict for result in results) for verdict in ("works", "refused", "wrong", "failed")}
    cut = sum(result["verdict"] == "works" and result["O0"]["batching"] == "splittable" for result in results)
    equal = sum(result["verdict"] == "works" and result["O0"]["equal_to_reference"] for result in results)
    text = (f"{len(results)} networks: {count['works']} work, {count['refused']} are refused, {count['wrong']} answer wrongly, "
            f"{count['failed']} fail. Of those that work, {cut} are cut into micro-batches, and at O0 {equal} give bit for bit what "
            "`amp4ec reference` gives.")
    missing = total - len(results)
    return f"**This table is not whole**: {missing} of the zoo's {total} networks were not run with these programs.\n\n{text}" if missing else text


def section(results, total, versions):
    made_with = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"{summary(results, total)}\n\nMade with {made_with}.\n\n{table(results)}"


def put(path, text):
    """Replaces what stands between the markers."""
    page = path.read_text()
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no lines {BEGIN} and {END}")
    path.write_text(f"{head}{begin}\n\n{text}\n\n{end}{tail}")
