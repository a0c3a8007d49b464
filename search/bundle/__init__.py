"""The bundle: one trial's pruned network as a folder that a person deploys without gatefront."""

from typing import TYPE_CHECKING

from gatefront.spaces.lazy_names import lazy_names

if TYPE_CHECKING:
    from gatefront.search.bundle.pull import pull_bundle
    from gatefront.search.bundle.verify import Check, VerifyReport, verify_bundle
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "Check": "verify",
            "VerifyReport": "verify",
            "pull_bundle": "pull",
            "verify_bundle": "verify",
        },
    )

__all__ = ["Check", "VerifyReport", "pull_bundle", "verify_bundle"]
