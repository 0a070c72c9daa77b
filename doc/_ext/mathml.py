"""Formulas as MathML, which browsers show by themselves: no script, no network.

A command that cannot be translated is reported with its page.
"""

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

# A bar that opens or closes a norm stands close to what is within.
_BAR = '<mo stretchy="false">&#x0007C;</mo>'
_TIGHT_BAR = '<mo stretchy="false" lspace="0.06em" rspace="0.06em">&#x0007C;</mo>'
_logger = logging.getLogger(__name__)


def translate(node: nodes.Element, as_block: bool) -> str:
    """MathML of a formula."""
    tex = node.astext().strip()
    if r"\\" in tex and r"\begin" not in tex:
        tex = rf"\begin{{aligned}}{tex}\end{{aligned}}"
    mathml = convert(tex, display="block" if as_block else "inline")
    if unknown := re.findall(r">(\\\w+)<", mathml):
        _logger.warning("no MathML for %s in %r", unknown, tex, location=node)
    return mathml.replace(_BAR, _TIGHT_BAR)


def visit_inline(self, node: nodes.Element) -> None:
    """Write a formula within a line."""
    self.body.append(self.starttag(node, "span", "", CLASS="math"))
    self.body.append(translate(node, as_block=False) + "</span>")
    raise nodes.SkipNode


def visit_block(self, node: nodes.Element) -> None:
    """Write a formula on a line of its own, with its number at the right."""
    self.body.append(self.starttag(node, "div", "", CLASS="math"))
    self.body.append(translate(node, as_block=True))
    if node["number"]:
        number = get_node_equation_number(self, node)
        self.body.append(f'<span class="eqno">({number})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True}
