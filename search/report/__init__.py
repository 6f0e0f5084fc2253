"""The report of a sweep: its results as one self-contained HTML page, and its plots as files."""

from search.report.contents import Contents, read_contents
from search.report.page import draw_plots, render_page
from search.report.plot_files import write_figures

__all__ = ["Contents", "draw_plots", "read_contents", "render_page", "write_figures"]
