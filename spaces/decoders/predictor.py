"""Predictor: a dense task's last layer, the part of a decoder that no other task could use."""

from torch import Tensor, nn

from gatefront.spaces.decoders.layers import resize


class Predictor(nn.Module):
    """Upsampled 1x1 convolution on the last feature: ``[batch, outputs, height, width]`` of the input's size."""

    def __init__(self, in_channels: int, num_outputs: int, input_size: tuple[int, int]) -> None:
        super().__init__()
        self.input_size = input_size
        self.predict = nn.Conv2d(in_channels, num_outputs, 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        return resize(self.predict(features[-1]), self.input_size)
