"""Round every weight of the dense classifier to 8 bits, one scale per output, and write it."""

import argparse

import torch
from model import build_int8
from safetensors.torch import load_file, save_file
from train import HERE, accuracy


def main() -> None:
    """Quantise once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="int8.safetensors")
    given = parser.parse_args()
    dense = load_file(HERE / "dense.safetensors")
    state = {}
    for name, tensor in dense.items():
        if tensor.ndim < 2:
            state[name] = tensor
            continue
        scale = tensor.abs().amax(dim=1) / 127
        state[name] = (tensor / scale[:, None]).round().to(torch.int8)
        state[f"{name}_scale"] = scale
    model = build_int8()
    model.load_state_dict(state)
    save_file(state, HERE / given.out)
    print(f"{given.out}: accuracy {accuracy(model):.2%}")


if __name__ == "__main__":
    main()
