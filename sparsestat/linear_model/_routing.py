"""Where the metadata of cross-validated estimators go."""

import inspect
from typing import ClassVar

from sklearn import get_config
from sklearn.base import is_classifier
from sklearn.metrics import get_scorer
from sklearn.model_selection import check_cv
from sklearn.utils.metadata_routing import (
    UNUSED,
    MetadataRouter,
    MethodMapping,
    process_routing,
)

__all__ = ["CrossValidated"]


class CrossValidated:
    """Routes sample weights and groups; `cv` and `scoring` are its parameters."""

    # Groups are for the splitter, which asks for them itself.
    __metadata_request__fit: ClassVar[dict] = {"groups": UNUSED}

    def get_metadata_routing(self):
        """Tell scikit-learn where sample weights and groups go.

        Returns
        -------
        routing : MetadataRouter
            To the splitter and the scorer.
        """
        router = MetadataRouter(owner=self)
        router.add_self_request(self)
        router.add(
            splitter=check_cv(self.cv, classifier=is_classifier(self)),
            method_mapping=MethodMapping().add(caller="fit", callee="split"),
        )
        if self.scoring is not None:
            router.add(
                scorer=get_scorer(self.scoring),
                method_mapping=MethodMapping().add(caller="fit", callee="score"),
            )
        return router

    def _route(self, sample_weight, groups) -> tuple[dict, dict]:
        """Keywords of the splitter and of the scorer."""
        given = {"sample_weight": sample_weight, "groups": groups}
        given = {key: value for key, value in given.items() if value is not None}
        if get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", **given)
            scorer = {} if self.scoring is None else routed.scorer.score
            return dict(routed.splitter.split), dict(scorer)
        scorer = {}
        if sample_weight is not None and self.scoring is not None:
            known = inspect.signature(get_scorer(self.scoring)).parameters
            if "sample_weight" in known:
                scorer["sample_weight"] = sample_weight
        return {"groups": groups}, scorer
