"""Single-task family: a separate network for every task."""

from collections.abc import Mapping

from torch import Tensor

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.families.network import FamilyNetwork, build_parts
from gatefront.spaces.families.side_by_side import join_encoders, load_single_task


class SingleTaskNetworks(FamilyNetwork):
    """T networks that share nothing but the images.

    They are the reference of Δ_MTL, and their cost bounds the savings of sharing.
    """

    def load_references(
        self, single_task: Mapping[str, Mapping[str, Tensor]], hard_sharing: Mapping[str, Tensor] | None
    ) -> None:
        load_single_task(self, single_task)


def build_single_task(architecture: Architecture) -> SingleTaskNetworks:
    """Build one network per task. All copies of the encoder start from the same weights.

    Raises:
        SpaceError: the backbone cannot be built.
    """
    encoder, heads = build_parts(architecture)
    return SingleTaskNetworks(architecture, join_encoders(encoder, architecture.task_names), heads)
