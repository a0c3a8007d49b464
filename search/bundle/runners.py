"""Forward passes of a bundle or a network that can be timed, in ONNX Runtime and in torch."""

from collections.abc import Callable, Iterable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import onnxruntime
import torch
from torch import Tensor, nn

from gatefront.search.bundle.bench_settings import BenchSettings
from gatefront.search.bundle.file_names import INPUT_NAME, ONNX_MODEL
from gatefront.search.bundle.manifest import Manifest
from gatefront.search.bundle.verify import rebuild_network
from gatefront.search.config.latency import missing_compiler
from gatefront.search.errors import BenchError

Action = Callable[[], object]

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class NotMeasurableError(BenchError):
    """Error for a runtime that cannot run the bundle here. Other runtimes may run it."""


def build_runner(runtime: str, folder: Path, manifest: Manifest, settings: BenchSettings, images: Tensor) -> Action:
    """Return an action that makes one forward pass over ``images``.

    The images are copied to the device beforehand. The action returns when the outputs are computed.

    Args:
        images: ``[batch, channels, height, width]``, float32, on the CPU.

    Raises:
        NotMeasurableError: ``runtime`` cannot run this bundle in this setting.
    """
    if runtime == "onnx":
        return onnx_runner(folder / ONNX_MODEL, manifest.output_names, settings, images)
    if manifest.no_plan_because is not None:
        raise NotMeasurableError(
            f"the bundle has no architecture.json to rebuild the network: {manifest.no_plan_because}"
        )
    return torch_runner(runtime, rebuild_network(folder), settings, images)


def torch_runner(runtime: str, network: nn.Module, settings: BenchSettings, images: Tensor) -> Action:
    """Return an action that makes one forward pass of ``network``.

    The network is moved to the device. With the runtime ``"compiled"`` it is compiled first.

    Raises:
        NotMeasurableError: the network cannot be compiled here.
    """
    dtype = torch.bfloat16 if settings.precision == "bf16" else torch.float32
    placed = images.to(settings.device, dtype)
    network = network.to(settings.device, dtype)
    if runtime == "eager":
        return partial(_predict, network, placed)
    return _compiled_runner(network, placed)


def runtime_version(runtime: str) -> str:
    """Return the version of the package that runs ``runtime``."""
    return version("onnxruntime" if runtime == "onnx" else "torch")


def onnx_runner(model: Path, outputs: Iterable[str], settings: BenchSettings, images: Tensor) -> Action:
    """Return an action that makes one forward pass of the file ``model``, whose outputs have the names ``outputs``.

    Raises:
        NotMeasurableError: ONNX Runtime cannot run it in this setting.
    """
    if settings.precision != "fp32":
        raise NotMeasurableError(f"{ONNX_MODEL} holds fp32 weights, and {settings.precision} was asked for")
    provider = _PROVIDERS[settings.device]
    if provider not in onnxruntime.get_available_providers():
        raise NotMeasurableError(f"the installed onnxruntime has no {provider}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = settings.threads, 1
    # Otherwise its threads spin between passes, and take the cores from the runtime measured next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = onnxruntime.InferenceSession(model, options, providers=[provider])
    if session.get_providers()[0] != provider:
        raise NotMeasurableError(f"onnxruntime could not start its {provider}")
    # Bound, so that images and outputs stay on the device, as those of torch do.
    binding = session.io_binding()
    binding.bind_ortvalue_input(
        INPUT_NAME, onnxruntime.OrtValue.ortvalue_from_numpy(images.numpy(), settings.device, 0)
    )
    for output in outputs:
        binding.bind_output(output, settings.device)

    def run() -> None:
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    return run


def _compiled_runner(network: nn.Module, images: Tensor) -> Action:
    reason = missing_compiler()
    if reason is not None:
        raise NotMeasurableError(reason)
    # Discards the code of earlier batch sizes. After a few kinds of input torch would silently run uncompiled.
    torch.compiler.reset()
    run = partial(_predict, torch.compile(network, dynamic=False), images)
    try:
        run()
    except torch._dynamo.exc.TorchDynamoException as error:
        reason = str(error).strip().partition("\n")[0]
        raise NotMeasurableError(f"torch.compile failed: {reason}") from error
    return run


@torch.no_grad()
def _predict(network: Callable[[Tensor], object], images: Tensor) -> None:
    network(images)
    if images.is_cuda:
        torch.cuda.synchronize(images.device)
