"""Results as a static site: Plotly figures and a table of every record, readable from disk without a server."""

from __future__ import annotations

from harness.report.page import Site, build_site

__all__ = ["Site", "build_site"]
