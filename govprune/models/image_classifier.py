"""A Hugging Face folder that gives each image a class. Columns are pixels as the model takes them.

Their order is that of the array: channel by channel, in each from the top row to the bottom one,
in each row from left to right. What preprocessor_config.json asks for is done before, in the table.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import SubjectError
from ..subjects import Subject
from .hugging_face import Folder, Json, build, named_classes, read_tensors
from .torch_model import TorchModel

if TYPE_CHECKING:
    import torch

PIXELS = "columns are pixels as the model takes them, scaled and normalised"


@dataclass(frozen=True)
class ImageClassifier(TorchModel):
    """A torch module from rows of pixels to logits, which can be differentiated."""

    parts: tuple[Subject, ...] = ()
    """The folder, and every file in it."""

    @property
    def files(self) -> tuple[Subject, ...]:
        """Every subject that ships."""
        return self.parts


def load_image_classifier(folder: Folder, config: Json) -> ImageClassifier:
    """Build the module; raises SubjectError as `build` does, or where no image size is named."""
    tensors = read_tensors(folder)
    shape = image_shape(folder, config)
    return ImageClassifier(
        role=folder.role, module=_of_rows(build(folder, config, tensors), shape), tensors=tensors,
        weights=folder.subjects[0], code=None, kind="a Hugging Face image classifier",
        remarks=(f"{PIXELS}: {' x '.join(map(str, shape))}",), parts=folder.subjects,
        classes=named_classes(folder, config),
    )  # fmt: skip


def image_shape(folder: Folder, config: Json) -> tuple[int, int, int]:
    """Return channels, height and width of the images that a model takes.

    Raises:
        SubjectError: Neither config.json nor preprocessor_config.json says so.
    """
    said = folder.json("preprocessor_config.json")
    size = config.get("image_size") or said.get("crop_size") or said.get("size")
    if isinstance(size, dict):
        size = [size.get("height"), size.get("width")]
    sides = [size, size] if isinstance(size, int) else size
    channels = config.get("num_channels", 3)
    found = [channels, *(sides if isinstance(sides, list) else ())]
    if len(found) != 3 or not all(type(n) is int and 0 < n < 1 << 16 for n in found):
        raise SubjectError(f"{folder.path}/config.json: image_size names no height and width")
    return found[0], found[1], found[2]


def _of_rows(module: Any, shape: tuple[int, int, int]) -> "torch.nn.Module":
    """Return a module from rows, shape (rows, pixels), to logits, shape (rows, classes)."""
    import torch

    class OfRows(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = module

        def forward(self, rows: torch.Tensor) -> Any:
            pixels = shape[0] * shape[1] * shape[2]
            if rows.shape[1] != pixels:
                raise ValueError(f"it takes {shape[0]} x {shape[1]} x {shape[2]} = {pixels} pixels")
            images = rows.reshape(-1, *shape).to(self.model.dtype)
            return self.model(pixel_values=images).logits

    return OfRows().eval()
