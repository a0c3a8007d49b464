"""Families: other ways to share between tasks, on the same backbones and decoders and with the same FLOP counter."""

from typing import TYPE_CHECKING

from gatefront.spaces.lazy_names import lazy_names

if TYPE_CHECKING:
    from gatefront.spaces.families.cross_stitch import CrossStitchNetwork, build_cross_stitch
    from gatefront.spaces.families.etr_nlp import EtrNlpNetwork, build_etr_nlp
    from gatefront.spaces.families.hard_sharing import HardSharingNetwork, build_hard_sharing
    from gatefront.spaces.families.lomt import LomtNetwork, build_lomt
    from gatefront.spaces.families.mtan import MtanNetwork, build_mtan
    from gatefront.spaces.families.network import FamilyNetwork
    from gatefront.spaces.families.plain import plain_network
    from gatefront.spaces.families.registry import FAMILIES, Family, build_family
    from gatefront.spaces.families.single_task import SingleTaskNetworks, build_single_task
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "CrossStitchNetwork": "cross_stitch",
            "EtrNlpNetwork": "etr_nlp",
            "FAMILIES": "registry",
            "Family": "registry",
            "FamilyNetwork": "network",
            "HardSharingNetwork": "hard_sharing",
            "LomtNetwork": "lomt",
            "MtanNetwork": "mtan",
            "SingleTaskNetworks": "single_task",
            "build_cross_stitch": "cross_stitch",
            "build_etr_nlp": "etr_nlp",
            "build_family": "registry",
            "build_hard_sharing": "hard_sharing",
            "build_lomt": "lomt",
            "build_mtan": "mtan",
            "build_single_task": "single_task",
            "plain_network": "plain",
        },
    )

__all__ = [
    "FAMILIES",
    "CrossStitchNetwork",
    "EtrNlpNetwork",
    "Family",
    "FamilyNetwork",
    "HardSharingNetwork",
    "LomtNetwork",
    "MtanNetwork",
    "SingleTaskNetworks",
    "build_cross_stitch",
    "build_etr_nlp",
    "build_family",
    "build_hard_sharing",
    "build_lomt",
    "build_mtan",
    "build_single_task",
    "plain_network",
]
