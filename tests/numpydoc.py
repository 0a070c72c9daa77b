"""A small reader of numpydoc docstrings."""

import inspect
import re


def sections(documented):
    """Text by section title; what stands before the first title is under ``""``."""
    lines = (inspect.getdoc(documented) or "").splitlines()
    found, title = {"": []}, ""
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if line and re.fullmatch("-{3,}", below) and len(below) == len(line):
            title = line
            found[title] = []
        elif not re.fullmatch("-{3,}", line):
            found[title].append(line)
    return {title: "\n".join(text).strip() for title, text in found.items()}


def entries(text):
    """Name and the rest (type, then description) of each entry of a section.

    ``low, high : float`` makes two entries; the stars of ``**options`` are dropped.
    """
    found = {}
    for block in re.split(r"\n(?=\S)", text):
        head, _, description = block.partition("\n")
        names, _, kind = head.partition(" : ")
        for name in names.split(","):
            found[name.strip().lstrip("*")] = f"{kind}\n{description}"
    return found
