"""The sensitivity of a gate against what opening it really does to the loss."""

import pytest
import torch

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.gating.gate_layout import GateLayout
from gatefront.spaces.networks.interrogate import InterroGateNetwork, build_gated_network
from gatefront.trainer.config import TrainConfig
from gatefront.trainer.data import MultiTaskData
from gatefront.trainer.data.loader import epoch_batches
from gatefront.trainer.loop.runtime import resolve_runtime
from gatefront.trainer.losses import task_loss
from gatefront.trainer.trial.gated.gate_sensitivity import gate_sensitivity


@pytest.mark.parametrize("group", [1, 4])
def test_predicts_what_opening_a_gate_does_to_the_loss(digits: MultiTaskData, group: int) -> None:
    torch.manual_seed(0)
    tasks = digits.description.tasks
    architecture = Architecture(backbone="smallconv", tasks=tasks, in_channels=1, input_size=(12, 14), stem="small")
    network = build_gated_network(architecture, GateLayout(channel_group=group)).double().eval()
    _bring_close(network)
    (batch,) = list(epoch_batches(digits.train, tasks, batch_size=64, seed=0, epoch=0))[:1]
    batch = type(batch)(batch.images.double(), batch.labels)
    runtime = resolve_runtime(TrainConfig(epochs=1, batch_size=64, device="cpu"))
    # The same batch eight times is that batch's own mean.
    found = gate_sensitivity(network, [batch] * 8, tasks, runtime=runtime)

    def loss() -> float:
        predictions = network(batch.images)
        return float(sum(task_loss(task, predictions[task.name], batch.labels[task.name]) for task in tasks).detach())

    gained, predicted = [], []
    with torch.no_grad():
        for site in (0, len(found) // 2, len(found) - 1):
            alpha = network.channel_gates()[site].alpha
            for t, g in ((t, g) for t in range(len(tasks)) for g in range(min(4, alpha.shape[1]))):
                shut = loss()
                alpha[t, g] = 1.0
                gained.append(shut - loss())
                alpha[t, g] = -1.0
                predicted.append(float(found[site][t, g]))
    # Losses are float32 and layers bend: a first order need not be exact gate by gate.
    both = torch.tensor([gained, predicted], dtype=torch.float64)
    assert float(torch.corrcoef(both)[0, 1]) > 0.97
    assert float(both[0] @ both[1] / (both[1] @ both[1])) == pytest.approx(1, abs=0.1)


def _bring_close(network: InterroGateNetwork) -> None:
    """All gates shut, and own features so near the shared ones that a first order says it all."""
    with torch.no_grad():
        for gate in network.channel_gates():
            gate.alpha.fill_(-1.0)
        for encoder in network.task_encoders.values():
            for parameter in encoder.parameters():
                parameter.add_(1e-2 * torch.randn_like(parameter))
