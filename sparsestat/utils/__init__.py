"""What several families share: validation, discovery, dispatch, criteria.

Import from the modules themselves, for example ``from sparsestat.utils.discovery
import all_estimators``; this package re-exports nothing and loads nothing.
"""

__all__ = []
