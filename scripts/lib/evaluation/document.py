"""A report as blocks, and the same blocks as Markdown and as one page of HTML with the plots inside."""

from html import escape

STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#111;background:#fff}
table{border-collapse:collapse;margin:1em 0;font-size:13px}td,th{border:1px solid #ccc;padding:3px 8px;text-align:right}
td:first-child,th:first-child{text-align:left}th{background:#f3f3f3}svg{max-width:100%;height:auto}.left td{text-align:left}"""


class Document:
    def __init__(self, title):
        self.title = title
        self._blocks = []
        #: SVG texts by file name.
        self.plots = {}

    def head(self, text):
        self._blocks.append(("head", text))

    def text(self, text):
        self._blocks.append(("text", text))

    def points(self, items):
        self._blocks.append(("points", list(items)))

    def table(self, head, rows, is_prose=False):
        """- is_prose: cells of words, not of numbers."""
        for row in rows:
            assert len(row) == len(head), f"a row of {len(row)} cells under {len(head)} heads: {row}"
        if rows:
            self._blocks.append(("table", (head, rows, is_prose)))

    def plot(self, name, svg, caption):
        """One that has nothing to show is left out."""
        if svg is not None:
            self.plots[name] = svg
            self._blocks.append(("plot", (name, caption)))

    def markdown(self):
        parts = [f"# {self.title}"]
        for kind, value in self._blocks:
            if kind == "head":
                parts.append(f"## {value}")
            elif kind == "text":
                parts.append(value)
            elif kind == "points":
                parts.append("\n".join(f"- {item}" for item in value))
            elif kind == "table":
                parts.append(markdown_table(*value))
            else:
                parts.append(f"![{value[1]}]({value[0]})")
        return "\n\n".join(parts) + "\n"

    def html(self):
        parts = [f"<h1>{_inline(self.title)}</h1>"]
        for kind, value in self._blocks:
            if kind == "head":
                parts.append(f"<h2>{_inline(value)}</h2>")
            elif kind == "text":
                parts.append(f"<p>{_inline(value)}</p>")
            elif kind == "points":
                parts.append("<ul>" + "".join(f"<li>{_inline(item)}</li>" for item in value) + "</ul>")
            elif kind == "table":
                parts.append(_html_table(*value))
            else:
                parts.append(f"<figure>{self.plots[value[0]]}<figcaption>{_inline(value[1])}</figcaption></figure>")
        return (f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
                f"<title>{escape(self.title)}</title><style>{STYLE}</style></head><body>\n" + "\n".join(parts) + "\n</body></html>\n")


def markdown_table(head, rows, is_prose=False):
    def line(cells):
        return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join([line(head), line("---" if is_prose or not index else "---:" for index in range(len(head))), *map(line, rows)])


def _html_table(head, rows, is_prose=False):
    top = "".join(f"<th>{_inline(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{_inline(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<table{" class=left" if is_prose else ""}><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'


def _inline(text):
    """The little Markdown that the report's sentences use: `code` and **strong**."""
    parts = escape(text).split("`")
    coded = "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))
    strong = coded.split("**")
    return "".join(f"<strong>{part}</strong>" if index % 2 else part for index, part in enumerate(strong))


def show(value, digits=1, unit=""):
    """A number for a table, or a dash where it was not measured."""
    if value is None:
        return "–"
    return f"{value:,.{digits}f}{unit}"


def times(value, digits=2):
    return "–" if value is None else f"{value:,.{4 if 0 < value < 0.1 else digits}f}×"


def percent(value, digits=1, sign=False):
    return "–" if value is None else f"{value * 100:{'+' if sign else ''},.{digits}f} %"
