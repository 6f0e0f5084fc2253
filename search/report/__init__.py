"""A sweep's answer as one self-contained HTML page, and its plots as files."""

from search.report.contents import Contents, read_contents
from search.report.figures import write_figures
from search.report.page import draw_plots, render_page

__all__ = ["Contents", "draw_plots", "read_contents", "render_page", "write_figures"]
