"""The bundle: one trial's pruned network as a folder that a person deploys without gatefront."""

from gatefront.search.bundle.pull import pull_bundle
from gatefront.search.bundle.verify import Check, VerifyReport, verify_bundle

__all__ = ["Check", "VerifyReport", "pull_bundle", "verify_bundle"]
