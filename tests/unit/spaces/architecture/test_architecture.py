"""An architecture as a document: files and cache keys of earlier releases hold it."""

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.architecture.tasks import Task
from gatefront.spaces.json_codec import from_json, to_json

ARCHITECTURE = Architecture(
    backbone="resnet20",
    tasks=(
        Task(name="digit", kind="classification", num_outputs=10),
        Task(name="parts", kind="segmentation", num_outputs=7, weight=0.5, metric="pixel_accuracy"),
    ),
    in_channels=3,
    input_size=(32, 48),
    width=0.5,
)
DOCUMENT = {
    "backbone": "resnet20",
    "tasks": [
        {"name": "digit", "kind": "classification", "num_outputs": 10, "weight": 1.0, "metric": None},
        {"name": "parts", "kind": "segmentation", "num_outputs": 7, "weight": 0.5, "metric": "pixel_accuracy"},
    ],
    "in_channels": 3,
    "input_size": [32, 48],
    "stem": "default",
    "output_stride": None,
    "resolution": 1.0,
    "width": 0.5,
    "decoder": "light",
    "decoder_width": 32,
    "share_decoder": False,
    "pretrained": False,
    "weights": None,
}


def test_document_has_every_field() -> None:
    assert to_json(ARCHITECTURE) == DOCUMENT
    assert from_json(Architecture, DOCUMENT) == ARCHITECTURE


def test_document_without_newer_keys_gets_their_defaults() -> None:
    newer = ("resolution", "share_decoder", "weights")
    assert from_json(Architecture, {key: DOCUMENT[key] for key in DOCUMENT if key not in newer}) == ARCHITECTURE
