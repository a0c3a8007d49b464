"""A sample of the sweep over timm: forty architectures of forty modules, without exports."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

SAMPLE = {
    # module of timm: architecture
    "byoanet": "lambda_resnet26t",
    "convit": "convit_tiny",
    "convnext": "test_convnext",
    "cpubone": "cpubone_nano",
    "cspnet": "cs3darknet_focus_s",
    "cspnext": "cspnext_tiny",
    "deit": "deit_tiny_patch16_224",
    "dla": "dla46_c",
    "dpn": "dpn48b",
    "edgenext": "edgenext_xx_small",
    "efficientformer_v2": "efficientformerv2_s0",
    "efficientnet": "test_efficientnet",
    "efficientvit_mit": "efficientvit_b0",
    "efficientvit_msra": "efficientvit_m0",
    "fasternet": "fasternet_t0",
    "fastvit": "fastvit_t8",
    "ghostnet": "ghostnet_050",
    "hardcorenas": "hardcorenas_b",
    "hgnet": "hgnetv2_b0",
    "iformer": "iformer_t",
    "inception_next": "inception_next_atto",
    "lcnetv2": "lcnetv2_small",
    "levit": "levit_128s",
    "lowformer": "lowformer_b0",
    "mambaout": "test_mambaout",
    "maxxvit": "test_coatnet",
    "metaformer": "poolformer_s12",
    "mlp_mixer": "resmlp_12_224",
    "mobilenetv3": "lcnet_035",
    "nest": "nest_tiny",
    "nfnet": "test_nfnet",
    "regnet": "regnetx_002",
    "repvit": "repvit_m1",
    "resnet": "test_resnet",
    "resnetv2": "resnetv2_18",
    "rexnet": "rexnet_100",
    "starnet": "starnet_s050",
    "vision_transformer": "test_vit",
    "vovnet": "ese_vovnet19b_slim_dw",
    "xception_aligned": "xception41",
}


@pytest.fixture(scope="module")
def journey(load_module: Callable[[str, Path], ModuleType]) -> ModuleType:
    return load_module("timm_journey", Path(__file__).parents[2] / "benchmarks" / "timm_journey.py")


def test_sample_is_of_forty_modules() -> None:
    assert len(SAMPLE) == 40


@pytest.mark.slow
@pytest.mark.parametrize("module", SAMPLE)
def test_architecture_of_timm_is_lifted_pruned_and_trained_exactly(module: str, journey: ModuleType) -> None:
    outcome = journey.examine(SAMPLE[module], module, export=False)
    assert (outcome.state, outcome.reason) == ("ok", "")
    assert outcome.num_sites > 0
    assert outcome.error < journey.TOLERANCE


@pytest.mark.slow
def test_architecture_whose_images_look_at_each_other_is_refused(journey: ModuleType) -> None:
    """Its attention multiplies the batch with itself."""
    outcome = journey.examine("csatv2", "csatv2", export=False)
    assert outcome.state == "refused"
    assert "grows faster than the batch" in outcome.reason
