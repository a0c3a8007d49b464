"""Names of the files in a bundle's folder."""

from gatefront.spaces.errors import GatefrontError

TORCH_MODEL = "model.pt2"
ONNX_MODEL = "model.onnx"
WEIGHTS = "weights.safetensors"
ARCHITECTURE = "architecture.json"
SAMPLE_INPUTS = "sample_inputs.safetensors"
SAMPLE_OUTPUTS = "sample_outputs.safetensors"
STUDY_FILE = "study.toml"
FRONT_PICTURE = "front.png"
GATE_MAP_PICTURE = "gate_map.png"
CARD = "README.md"
MANIFEST = "manifest.json"

INPUT_NAME = "images"


class OutputFolderError(GatefrontError, ValueError):
    """Error for an output folder that is not empty or cannot be written."""
