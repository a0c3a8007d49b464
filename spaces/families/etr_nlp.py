"""ETR-NLP: the shared part of a layer is fixed by construction, and no task can distort the primitives below it.

Ding, Lu, Wang, Cheng and Boddeti, "Mitigating Task Interference in Multi-Task Learning via Explicit Task Routing with
Non-Learnable Primitives" (arXiv 2308.02066).
"""

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.errors import SpaceError
from gatefront.spaces.families.defaults import GAMMA
from gatefront.spaces.families.network import FamilyNetwork, build_parts
from gatefront.spaces.families.routing import route_encoder


class EtrNlpNetwork(FamilyNetwork):
    """Network whose layers have one shared branch, of ``gamma`` of the channels, and one branch per task.

    A task's loss never reaches another task's branches, because the shared branches do not read them.
    """


def build_etr_nlp(architecture: Architecture, *, gamma: float = GAMMA) -> EtrNlpNetwork:
    """Build an ETR-NLP network on the architecture's backbone.

    ``gamma`` is the shared fraction of every layer's channels.

    Raises:
        SpaceError: ``gamma`` is not between 0 and 1, the backbone cannot be divided by channels, or it has
            pretrained weights, which fit no divided layer.
    """
    if not 0 < gamma < 1:
        raise SpaceError(
            f"gamma must be above 0 and below 1, found {gamma}.",
            hint="Sharing nothing is the family single-task, sharing everything is hard-sharing.",
        )
    if architecture.pretrained or architecture.weights is not None:
        raise SpaceError(
            "etr-nlp has layers that pretrained weights do not fit.",
            hint="Set pretrained = false and give no weights, for all families alike if you compare them.",
        )
    encoder, heads = build_parts(architecture)
    name = f"backbone {architecture.backbone!r}"
    routed = route_encoder(encoder, architecture.task_names, gamma, name=name)
    return EtrNlpNetwork(architecture, routed, heads, {"gamma": gamma})
