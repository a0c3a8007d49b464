"""CelebA's 40 attributes, their names as tasks, and eight groups of them."""

from collections.abc import Mapping

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data.dataset import DataError
from gatefront.trainer.data.options import nearest_known

ATTRIBUTES = (
    "5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald", "Bangs", "Big_Lips", "Big_Nose",
    "Black_Hair", "Blond_Hair", "Blurry", "Brown_Hair", "Bushy_Eyebrows", "Chubby", "Double_Chin", "Eyeglasses",
    "Goatee", "Gray_Hair", "Heavy_Makeup", "High_Cheekbones", "Male", "Mouth_Slightly_Open", "Mustache",
    "Narrow_Eyes", "No_Beard", "Oval_Face", "Pale_Skin", "Pointy_Nose", "Receding_Hairline", "Rosy_Cheeks",
    "Sideburns", "Smiling", "Straight_Hair", "Wavy_Hair", "Wearing_Earrings", "Wearing_Hat", "Wearing_Lipstick",
    "Wearing_Necklace", "Wearing_Necktie", "Young",
)  # fmt: skip
"""Attributes in the order of the annotation file."""

GROUPS: Mapping[str, tuple[str, ...]] = {
    "hair": (
        "Bald", "Bangs", "Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair", "Receding_Hairline",
        "Straight_Hair", "Wavy_Hair",
    ),
    "eyes": ("Arched_Eyebrows", "Bags_Under_Eyes", "Bushy_Eyebrows", "Eyeglasses", "Narrow_Eyes"),
    "nose": ("Big_Nose", "Pointy_Nose"),
    "mouth": ("Big_Lips", "Mouth_Slightly_Open", "Smiling", "Wearing_Lipstick"),
    "beard": ("5_o_Clock_Shadow", "Goatee", "Mustache", "No_Beard", "Sideburns"),
    "face": ("Chubby", "Double_Chin", "High_Cheekbones", "Oval_Face", "Pale_Skin", "Rosy_Cheeks"),
    "wear": ("Wearing_Earrings", "Wearing_Hat", "Wearing_Necklace", "Wearing_Necktie"),
    "whole": ("Attractive", "Blurry", "Heavy_Makeup", "Male", "Young"),
}  # fmt: skip
"""Groups by place in the picture. Published work with groups uses other lists, so its figures do not compare."""


def task_name(attribute: str) -> str:
    """Return the task's name of an attribute: ``5_o_Clock_Shadow`` is ``five_o_clock_shadow``."""
    return attribute.lower().replace("5_", "five_")


def select_tasks(choice: str) -> dict[str, tuple[str, ...]]:
    """Return the attributes by task of a choice: ``"attributes"`` (40 tasks), ``"groups"`` (8), or names, by commas.

    Raises:
        DataError: if the list is empty, repeats a name or has an unknown one.
    """
    known: dict[str, tuple[str, ...]] = {task_name(attribute): (attribute,) for attribute in ATTRIBUTES}
    if choice == "attributes":
        return known
    if choice == "groups":
        return dict(GROUPS)
    known |= GROUPS
    names = [name.strip().lower().replace("5_", "five_") for name in choice.split(",")]
    for name in names:
        if name not in known:
            raise DataError(
                f"data.options.tasks: CelebA has no attribute or group {name!r}.",
                hint=nearest_known("attribute", name, known),
            )
    if len(set(names)) != len(names):
        raise DataError(f"data.options.tasks names an attribute twice, found {choice!r}.")
    return {name: known[name] for name in names}


def as_task(name: str, attributes: tuple[str, ...]) -> Task:
    """Return a task of two classes for one attribute, or a multilabel task for several."""
    if len(attributes) == 1:
        return Task(name=name, kind="classification", num_outputs=2)
    return Task(name=name, kind="multilabel", num_outputs=len(attributes))
