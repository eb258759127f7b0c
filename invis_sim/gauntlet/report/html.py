"""The report as one HTML file that needs nothing else: a matrix, and details behind each cell."""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from html import escape

from invis_sim.gauntlet.report.words import EXPECTATIONS, headline, outcome_counts
from invis_sim.gauntlet.result import CaseResult, Coverage, Report
from invis_sim.gauntlet.verdict import VERDICTS
from invis_sim.protocol.package_files import PackageFile, package_folder
from invis_sim.protocol.printable import printable_lines

__all__ = ["html_report"]

OUTCOMES = {"bad": "not as expected", "known": "known failures", "good": "as expected"}
"""Classes of cases, which have a colour each; those that were skipped have none."""


def html_report(report: Report) -> str:
    """Return the report as HTML."""
    style, script = _resource("page.css"), _resource("page.js")
    # What clients have printed is on this page: nothing but our own script and style may run.
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">',
            '<meta name="generator" content="invis-sim gauntlet">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(headline(report))}</title>",
            f"<style>{style}</style>",
            *_head(report),
            *_filters(report),
            '<div class="columns">',
            *_matrix(report.cases),
            *_cases(report.cases),
            "</div>",
            *(() if report.coverage is None else _coverage(report.coverage)),
            f"<script>{script}</script>",
            "</html>",
            "",
        ]
    )


def _resource(name: str) -> str:
    return PackageFile(package_folder("gauntlet", "report", name)).read_text()


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _head(report: Report) -> Iterator[str]:
    mark = "good" if report.as_expected else "bad"
    yield f'<h1>invis-sim gauntlet <span class="badge {mark}">{escape(report.status)}</span></h1>'
    yield f"<p>{escape(headline(report))}</p>"
    yield f'<p class="quiet wrap"><code>{escape(" ".join(report.command))}</code></p>'
    for run in report.baseline.runs:
        if not run.succeeded:
            where = f"undisturbed over {run.transport}, {run.when}"
            yield f"<p>{escape(where)}: {escape(run.why)}</p>{_pre(run.stderr)}"
    if report.expectations:
        yield "<h2>The list of known failures</h2><ul>"
        for problem in report.expectations:
            yield f"<li><code>{escape(problem.id)}</code> {escape(problem.problem)}</li>"
        yield "</ul>"
    yield "<ul>"
    for verdict, count, unexpected in outcome_counts(report):
        more = f", {unexpected} not as expected" if unexpected else ""
        yield f"<li>{count} {verdict}{more}: {escape(VERDICTS[verdict])}</li>"
    yield "</ul>"


def _filters(report: Report) -> Iterator[str]:
    yield '<div class="filters" role="search">'
    yield '<input id="search" type="search" placeholder="Search in all cases" aria-label="Search">'
    yield '<select id="outcome" aria-label="Outcome"><option value="">every outcome</option>'
    for name, title in OUTCOMES.items():
        yield f'<option value="{name}">{title}</option>'
    for verdict, _, _ in outcome_counts(report):
        yield f'<option value="{verdict}">{verdict}</option>'
    yield '</select><select id="transport" aria-label="Transport">'
    yield '<option value="">every transport</option>'
    for transport in _transports(report.cases):
        yield f'<option value="{transport}">{transport}</option>'
    yield '</select><span id="count" class="quiet" aria-live="polite"></span></div>'


def _matrix(cases: tuple[CaseResult, ...]) -> Iterator[str]:
    transports = _transports(cases)
    rows: dict[str, dict[str, dict[str, CaseResult]]] = {}
    for case in cases:
        label = case.id.removeprefix(f"{case.fault}/").removesuffix(f"/{case.transport}")
        rows.setdefault(case.fault, {}).setdefault(label, {})[case.transport] = case
    yield '<section><h2>Matrix</h2><table><thead><tr><th scope="col">case</th>'
    yield "".join(f'<th scope="col">{transport}</th>' for transport in transports)
    yield "</tr></thead>"
    for fault, labels in rows.items():
        span = 1 + len(transports)
        yield f'<tbody><tr><th scope="rowgroup" colspan="{span}">{escape(fault)}</th></tr>'
        for label, cells in labels.items():
            yield f'<tr data-row><th scope="row">{escape(label)}</th>'
            yield "".join(_cell(cells.get(transport)) for transport in transports)
            yield "</tr>"
        yield "</tbody>"
    yield "</table></section>"


def _cell(case: CaseResult | None) -> str:
    if case is None:
        return "<td></td>"
    link = f'<a class="badge {_outcome(case)}" href="#{escape(case.id)}">{case.verdict}</a>'
    return f"<td>{link}</td>"


def _outcome(case: CaseResult) -> str:
    if case.verdict == "skipped":
        return "skipped"
    if case.known is not None:
        return "known"
    return "good" if case.as_expected else "bad"


def _transports(cases: Iterable[CaseResult]) -> list[str]:
    return list(dict.fromkeys(case.transport for case in cases))


def _cases(cases: tuple[CaseResult, ...]) -> Iterator[str]:
    yield "<section><h2>Cases</h2>"
    # What needs work first.
    order = [*OUTCOMES, "skipped"]
    for case in sorted(cases, key=lambda case: order.index(_outcome(case))):
        outcome = _outcome(case)
        yield (
            f'<details id="{escape(case.id)}" data-outcome="{outcome}" '
            f'data-verdict="{case.verdict}" data-transport="{case.transport}">'
            f'<summary>{escape(case.id)} <span class="badge {outcome}">{case.verdict}</span>'
            f"</summary>"
        )
        yield f'<div class="body">{"".join(_body(case))}</div></details>'
    yield "</section>"


def _body(case: CaseResult) -> Iterator[str]:
    ended = f"{case.seconds:.2f} s"
    if case.exit is not None:
        ended = f"status {case.exit} after {ended}"
    elif case.signal is not None:
        ended = f"signal {case.signal} after {ended}"
    traffic = (
        f"{case.requests} requests, {case.answered} answered, on {case.connections} connections"
    )
    facts = {
        "why": case.why,
        "expected": f"{EXPECTATIONS[case.expectation]}: {case.reason}",
        "known": case.known or "",
        "the outlet": "; ".join(case.did),
        "the client": f"{ended}; {traffic}",
        "repeat it": case.repeat,
        "at the desk": case.at_the_desk,
    }
    yield "<dl>"
    for name, text in facts.items():
        if text:
            shown = (
                f"<code>{escape(text)}</code>" if text.startswith("invis-sim ") else escape(text)
            )
            yield f"<dt>{name}</dt><dd>{shown}</dd>"
    yield "</dl>"
    for title, text in (
        ("stderr", case.stderr),
        ("stdout", case.stdout),
        ("bytes", "\n".join(_arrow(one.sent_by) + one.text for one in case.packets)),
        ("journal of the outlet", "\n".join(case.journal)),
    ):
        if text.strip():
            yield f'<div class="quiet">{title}</div>{_pre(text)}'


def _arrow(sent_by: str) -> str:
    return "→ " if sent_by == "client" else "← "


def _pre(text: str) -> str:
    # A newline right behind the tag would be dropped.
    return f"<pre>\n{escape(printable_lines(text))}</pre>" if text else ""


def _coverage(coverage: Coverage) -> Iterator[str]:
    yield "<h2>What of the protocol the client met</h2><dl>"
    for title, covered in (
        ("callbacks", coverage.callbacks),
        ("pushes", coverage.pushes),
        ("products", coverage.products),
        ("stages of updates", coverage.update_stages),
    ):
        met = ", ".join(covered.met) or "none"
        total = len(covered.met) + len(covered.missing)
        yield f"<dt>{title}</dt><dd>{len(covered.met)} of {total}: {escape(met)}</dd>"
    yield "</dl>"
