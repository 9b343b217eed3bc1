"""Find the merged cells of an OpenDocument sheet, of which its reader says nothing."""

import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_CELLS = (f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell")


def merged_in_ods(path: Path, sheet: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """List the merged ranges of a sheet: the first and last cell of each, counted from 0."""
    found: list[tuple[tuple[int, int], tuple[int, int]]] = []
    with zipfile.ZipFile(path) as archive, archive.open("content.xml") as stream:
        row, inside = 0, False
        for event, node in ET.iterparse(stream, events=("start", "end")):
            if node.tag == f"{_TABLE}table" and event == "start":
                inside, row = node.get(f"{_TABLE}name") == sheet, 0
            elif node.tag == f"{_TABLE}table-row" and event == "end":
                if inside:
                    found += _merged_in_row(node, row)
                    row += int(node.get(f"{_TABLE}number-rows-repeated", 1))
                node.clear()
    return found


def _merged_in_row(node: ET.Element, row: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    found, column = [], 0
    for cell in node:
        if cell.tag not in _CELLS:
            continue
        down = int(cell.get(f"{_TABLE}number-rows-spanned", 1))
        across = int(cell.get(f"{_TABLE}number-columns-spanned", 1))
        if down > 1 or across > 1:
            found.append(((row, column), (row + down - 1, column + across - 1)))
        column += int(cell.get(f"{_TABLE}number-columns-repeated", 1))
    return found
