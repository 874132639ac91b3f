"""An executed notebook as one HTML file that needs nothing from the network."""

from __future__ import annotations

import os
from pathlib import Path

# Widgets need a kernel: a report shows the HTML that stands beside each of them instead.
_SHOWN = [
    "text/html",
    "image/svg+xml",
    "image/png",
    "image/jpeg",
    "text/markdown",
    "text/latex",
    "text/plain",
]


def write_report(notebook: Path, report: Path) -> None:
    """Render ``notebook`` to ``report``, which appears whole or not at all."""
    import nbformat
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    config = Config()
    config.NbConvertBase.display_data_priority = _SHOWN
    exporter = HTMLExporter(
        config=config,
        template_name="lab",
        embed_images=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        require_js_url="",
        jquery_url="",
        mathjax_url="",
        mermaid_js_url="",
        widget_renderer_url="",
    )
    document = nbformat.reads(notebook.read_text(encoding="utf-8"), as_version=4)  # type: ignore[no-untyped-call]
    document.metadata.pop("widgets", None)  # its state would make the page load a widget manager from a CDN
    html, _ = exporter.from_notebook_node(document, {"metadata": {"name": notebook.stem}})
    partial = report.with_name(f".{report.name}.{os.getpid()}.partial")
    partial.write_text(html, encoding="utf-8")
    partial.replace(report)
