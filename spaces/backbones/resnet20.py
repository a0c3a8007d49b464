"""ResNet-20 as for CIFAR: a residual network for images of 32 to 64 px."""

from torch import Tensor, nn

from gatefront.spaces.architecture.architecture import Architecture

_BASE_CHANNELS = 16
_BLOCKS_PER_STAGE = 3


class ResNet20(nn.Module):
    """Residual network of a 3x3 stem and three stages of three basic blocks, for small images.

    The stages have 16, 32 and 64 channels at strides 1, 2 and 4. The network follows He et al. 2016, section 4.2, with
    1x1 convolutions as shortcuts where the size changes. Classification reads the last map. Dense tasks also read the
    map before it, at half the images' size. ``width`` scales all channels.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        base = max(1, round(_BASE_CHANNELS * architecture.width))
        self.conv1 = nn.Conv2d(architecture.in_channels, base, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(base)
        self.act1 = nn.ReLU()
        self.layer1 = _stage(base, base, stride=1)
        self.layer2 = _stage(base, 2 * base, stride=2)
        self.layer3 = _stage(2 * base, 4 * base, stride=2)
        self.returns_two_maps = any(task.is_dense for task in architecture.tasks)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> list[Tensor]:
        fine = self.layer2(self.layer1(self.act1(self.bn1(self.conv1(images)))))
        coarse = self.layer3(fine)
        return [fine, coarse] if self.returns_two_maps else [coarse]


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, and a shortcut that adds the input to their result."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.act1 = nn.ReLU()
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.act2 = nn.ReLU()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, feature: Tensor) -> Tensor:
        residual = self.bn2(self.conv2(self.act1(self.bn1(self.conv1(feature)))))
        result: Tensor = self.act2(residual + self.shortcut(feature))
        return result


def _stage(in_channels: int, out_channels: int, *, stride: int) -> nn.Sequential:
    blocks = [BasicBlock(in_channels, out_channels, stride=stride)]
    blocks += [BasicBlock(out_channels, out_channels, stride=1) for _ in range(_BLOCKS_PER_STAGE - 1)]
    return nn.Sequential(*blocks)
