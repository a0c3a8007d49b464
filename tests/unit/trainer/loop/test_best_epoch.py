"""BestEpoch: the best weights come back, also from a checkpoint."""

import torch
from torch import nn

from gatefront.trainer.loop.best_epoch import TOLERANCE, BestEpoch
from gatefront.trainer.loop.evaluation import Evaluation


def network_of(value: float) -> nn.Linear:
    network = nn.Linear(2, 1)
    nn.init.constant_(network.weight, value)
    return network


def evaluation_of(accuracy: float) -> Evaluation:
    return Evaluation(metrics={"left": accuracy}, losses={"left": 1.0})


def offered(*scores: float, always: bool = False) -> BestEpoch:
    """Offer a network in each epoch, whose weights are the epoch's number."""
    best = BestEpoch()
    for epoch, score in enumerate(scores, 1):
        best.offer(network_of(epoch), epoch, score, evaluation_of(score), always=always)
    return best


def weight_of(best: BestEpoch) -> float:
    network = network_of(-1.0)
    best.restore_into(network)
    return float(network.weight[0, 0])


def test_highest_score_wins_and_of_close_ones_the_last() -> None:
    best = offered(1.0, 3.0, 2.0)
    assert (best.epoch, best.score, best.evaluation.metrics, weight_of(best)) == (2, 3.0, {"left": 3.0}, 2.0)
    close, far = 3.0 - 0.9 * TOLERANCE, 3.0 - 1.1 * TOLERANCE
    assert offered(3.0, close, far).epoch == 2
    # Close to the one before is not enough: steps down would add up.
    assert offered(3.0, close, close - 0.9 * TOLERANCE).epoch == 2
    assert offered(3.0, close, 3.0 + TOLERANCE, 3.0 + 0.5 * TOLERANCE, close).epoch == 4


def test_last_epoch_is_kept_if_asked() -> None:
    best = offered(1.0, 3.0, 2.0, always=True)
    assert (best.epoch, weight_of(best)) == (3, 3.0)


def test_kept_weights_do_not_change_with_the_network() -> None:
    network, best = network_of(1.0), BestEpoch()
    best.offer(network, 1, 1.0, evaluation_of(1.0))
    nn.init.constant_(network.weight, 9.0)
    assert weight_of(best) == 1.0


def test_state_holds_the_weights_only_once() -> None:
    best = offered(1.0, 3.0, 2.0)
    assert best.state(last_epoch=2)["network"] == {}  # the checkpoint of epoch 2 has them
    restored = BestEpoch()
    restored.restore(best.state(last_epoch=2), network_of(2.0))
    assert (restored.epoch, restored.score, weight_of(restored)) == (2, 3.0, 2.0)


def test_state_brings_back_an_earlier_epoch() -> None:
    restored = BestEpoch()
    restored.restore(offered(1.0, 3.0, 2.0).state(last_epoch=3), network_of(3.0))
    assert (restored.epoch, restored.evaluation, weight_of(restored)) == (2, evaluation_of(3.0), 2.0)
    restored.offer(network_of(4.0), 4, 2.0, evaluation_of(2.0))
    assert restored.epoch == 2


def test_state_remembers_the_highest_score_beside_the_kept_one() -> None:
    close = 3.0 - 0.9 * TOLERANCE
    restored = BestEpoch()
    restored.restore(offered(3.0, close).state(last_epoch=2), network_of(2.0))
    restored.offer(network_of(3.0), 3, close - 0.9 * TOLERANCE, evaluation_of(2.0))
    assert restored.epoch == 2


def test_state_of_an_earlier_release_has_no_best() -> None:
    restored = BestEpoch()
    restored.restore({}, network_of(3.0))
    assert (restored.epoch, weight_of(restored)) == (0, -1.0)
    assert torch.tensor(restored.score).isneginf()
