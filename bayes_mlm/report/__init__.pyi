from . import console as console
from .images import drawing_pool as drawing_pool
from .live import (
    LiveModel as LiveModel,
    live_model as live_model,
    why_not_live as why_not_live,
    why_not_refitted as why_not_refitted,
)
from .outputs import (
    COMPARISON_FILES as COMPARISON_FILES,
    SENSITIVITY_FILES as SENSITIVITY_FILES,
    run_files as run_files,
    write_comparison as write_comparison,
    write_run as write_run,
    write_sensitivity as write_sensitivity,
)
from .page import Origin as Origin
from .pdf import find_chromium as find_chromium, print_pdf as print_pdf
from .publication import publication_table as publication_table
from .rendering import render_report as render_report
from .sections import SECTIONS as SECTIONS, choose_sections as choose_sections
