"""Penalties, a file each, and the operations that solvers ask of them.

The public names of every file of this folder are exported from here, so adding one
touches nothing else.
"""

from sparsestat.utils._exports import export_modules

__all__ = export_modules(__name__, globals())
